/* The documents behind a loaded plan; inside station/plan only. */
#ifndef TAKT_STATION_PLAN_FILES_H
#define TAKT_STATION_PLAN_FILES_H

#include "protocol/base/json.h"
#include "station/plan/plan.h"

struct plan_files {
    struct json_document *product, *limits, *plan;
};

/* Fills p->steps[*].limits from files->limits. */
int limits_read(struct plan *p, const struct plan_vocabulary *words, struct error *err);

#endif
