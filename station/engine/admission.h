/* Whether a unit may be put through a plan now: the plan's policy, held against the store. Every
 * refusal says what to do. */
#ifndef TAKT_STATION_ENGINE_ADMISSION_H
#define TAKT_STATION_ENGINE_ADMISSION_H

#include "station/engine/core.h"

/* What can be said before a unit is known: its order is of this product, the golden unit was run in
 * time and within its band. In mode production alone. ERROR_REFUSED. */
int admission_open(struct engine *e, const struct plan *plan, const char *order, const char *mode,
                   struct error *err);
/* What can be said once a unit's serial or chip is: not a golden unit but in mode golden, no other
 * product's, no other chip under its serial, passed where it has to come from, not too often here.
 * `again`: someone who may said that it is to be done once more. ERROR_REFUSED. */
int admission_unit(struct engine *e, const struct run *run, bool again, struct error *err);
/* Which unit of its order in production this run is, from 1; 0 in other modes, or when the store
 * cannot say. A run that is not in the store yet would be the next. */
int64_t admission_ordinal(struct engine *e, const struct run *run);
/* {"plan", "serials", "state": "ok" | "overdue" | "out_of_band" | "never", "last_ms", "due_ms",
 * "run"} for status, of a plan that has a golden unit; NULL for another. The caller's. */
cJSON *admission_golden(struct engine *e, const char *product, const char *plan,
                        const struct plan_policy *policy);

#endif
