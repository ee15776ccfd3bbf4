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

/* Fills p->steps[*].limits from files->limits. */
int limits_read(struct plan *p, const struct plan_vocabulary *words, struct error *err);

#endif
