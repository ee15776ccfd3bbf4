/* A line that does not exist yet: the engine's own schedule (progress.h, schedule.h) driven by the
 * steps' usual times instead of by workers. Pure. */
#ifndef TAKT_STATION_ENGINE_SIMULATE_H
#define TAKT_STATION_ENGINE_SIMULATE_H

#include <stddef.h>

#include "station/engine/schedule.h"

enum { SIMULATE_CLASSES_MAX = 32 };

struct simulate_instrument {
    const char *class_name;
    int count; /* how many units it serves at once, over the whole line */
};

struct simulate_line {
    const struct plan *plan;
    const double *usual_ms; /* by step, teardown included */
    int slots;              /* 1 to SCHEDULE_SLOTS_MAX */
    int lanes;              /* steps of one unit at once */
    int nests;              /* slots that share a fixture, for steps marked together; 1 for none */
    int64_t change_ms;      /* a unit out and the next one in */
    struct simulate_instrument instruments[SIMULATE_CLASSES_MAX]; /* every class the plan needs */
    size_t instrument_count;
};

struct simulate_bar { /* one step of one unit */
    int slot, unit, step;
    int64_t from_ms, to_ms;
};

struct simulate_result {
    double units_per_hour; /* once the line has filled */
    /* No order of steps gives more: the scarcest instrument never idle, or every slot never. */
    double bound_per_hour;
    const char *bottleneck;            /* its class, or "slots" */
    double busy[SIMULATE_CLASSES_MAX]; /* share of the time, by instrument */
    struct simulate_bar *bars;         /* of the first `units` of each slot, by time */
    size_t bar_count;
    int64_t end_ms; /* of the last bar */
};

/* `units`: how many units of each slot the bars show. ERROR_STATE when the line comes to a stand.
 */
int simulate(const struct simulate_line *line, int units, struct simulate_result *out,
             struct error *err);
void simulate_free(struct simulate_result *r);

#endif
