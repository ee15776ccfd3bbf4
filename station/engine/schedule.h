/* Which step begins next, on which slot: pure, with the time passed in. The engine and `takt plan
 * simulate` both ask it, so what was drawn is what the line does.
 *
 * It aims at units an hour. Of all steps whose turn has come and whose instruments are free, the
 * one begins whose unit has the longest way still before it, by the steps' usual times: units that
 * have not come to the scarce instrument yet are brought to it before others are finished, so it is
 * kept busy. A step gets all its instruments at once or none, so no two slots ever hold what the
 * other waits for. Nobody waits for ever: who has been passed over for patience_ms is next, and
 * what it waits for is kept free for it.
 *
 * A step marked `together` begins when every unit of the same fixture under the same plan has come
 * to it or has left it behind: the room is darkened once, for all of them. While one of them is at
 * it, the others share its instruments, which count once. */
#ifndef TAKT_STATION_ENGINE_SCHEDULE_H
#define TAKT_STATION_ENGINE_SCHEDULE_H

#include "station/engine/progress.h"

enum { SCHEDULE_RESOURCES_MAX = 512, SCHEDULE_SLOTS_MAX = 64, SCHEDULE_LANES_MAX = 3 };

/* What a plan's steps need and how long they usually take; by step, teardown included. */
struct schedule_needs {
    int (*resources)[PLAN_NEEDS_MAX];
    int *resource_count;
    int64_t *tail_ms; /* the longest way from its beginning to the end of the plan */
};

struct schedule_slot {
    struct progress *progress;   /* NULL: no run */
    struct schedule_needs needs; /* of its plan on this slot; schedule_needs_init() */
    const char *plan_sha256;     /* units of one plan wait for each other */
    int fixture;                 /* slots with the same number share one; -1: on its own */
    int lanes;                   /* how many steps of one unit at once */
};

struct schedule { /* all zero with capacities and slots filled in is the start */
    int capacity[SCHEDULE_RESOURCES_MAX], used[SCHEDULE_RESOURCES_MAX];
    struct schedule_slot slots[SCHEDULE_SLOTS_MAX];
    int slot_count;
    int64_t patience_ms; /* 0: SCHEDULE_PATIENCE_MS */
};

enum { SCHEDULE_PATIENCE_MS = 60000 };

/* resource_of: which resource an instrument's class is on this slot, -1 for none. usual_ms: by
 * step. Freed by schedule_needs_free(). */
int schedule_needs_init(struct schedule_needs *n, const struct plan *plan, const double *usual_ms,
                        int (*resource_of)(const void *context, const char *class_name),
                        const void *context, struct error *err);
void schedule_needs_free(struct schedule_needs *n);

/* The next step to begin, its instruments taken and its progress begun; false: none may. */
bool schedule_next(struct schedule *s, int64_t now_ms, int *slot, int *step);
/* A step that was begun is over, or is given up: its instruments come free. To be called before
 * progress_end() or progress_drop(). */
void schedule_release(struct schedule *s, int slot, int step);
/* Why a slot's waiting steps do not begin, in words, for people; "" when none waits. */
void schedule_explain(const struct schedule *s, int slot, char *out, size_t size);

#endif
