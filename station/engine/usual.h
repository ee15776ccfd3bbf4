/* How long steps usually take: what the schedule goes by. */
#ifndef TAKT_STATION_ENGINE_USUAL_H
#define TAKT_STATION_ENGINE_USUAL_H

#include <sqlite3.h>

#include "station/plan/plan.h"

/* By step, teardown included, ms: the mean of the passing attempts in the last 50 passed runs of a
 * plan of that name for that product. A step that never passed is taken to need a quarter of its
 * deadline. known (may be NULL) is set where the store knew. db may be NULL: nothing is known. The
 * caller frees both. */
int usual_times(sqlite3 *db, const struct plan *plan, double **usual_ms, bool **known,
                struct error *err);

#endif
