/* The documents behind a loaded plan; inside station/plan only. */
#ifndef TAKT_STATION_PLAN_FILES_H
#define TAKT_STATION_PLAN_FILES_H

#include "protocol/base/json.h"
#include "station/plan/plan.h"

struct plan_files {
    struct json_document *product, *limits, *plan;
};

/* Names become file names, columns and scripts' arguments: one plain alphabet for all. */
bool plan_plain_name(const char *name);

/* Fills after, parts, group, when, skip and together of every step, and p->groups: needs all ids.
 * Refuses what could never come to its end. */
int graph_read(struct plan *p, struct error *err);

/* Fills p->policy, and modes and sample of every step. */
int policy_read(struct plan *p, const struct plan_vocabulary *words, struct error *err);
void policy_free(struct plan_policy *policy);
/* The limits of one step, as an object by measurement. */
int limits_read_step(const struct json_document *doc, const struct plan_step *step,
                     const struct plan_vocabulary *words, const cJSON *of, struct limit **out,
                     size_t *count, struct error *err);

/* Fills p->steps[*].limits from files->limits. */
int limits_read(struct plan *p, const struct plan_vocabulary *words, struct error *err);

#endif
