/* How far a run has come through its plan: which steps are over, under way, may begin, are left
 * out. Pure: no I/O, no clock. The engine, its recovery and `takt plan simulate` all go through it.
 *
 *   waiting -> running -> over            an attempt that did not pass, with attempts left, goes
 *      |          \-> waiting             back to waiting; so does a whole group
 *      \-> skipped
 *
 * The plan's own steps come first; once none of them is left, or the run is ended early, and none
 * is under way, the teardown's follow in their order. */
#ifndef TAKT_STATION_ENGINE_PROGRESS_H
#define TAKT_STATION_ENGINE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "reports/store.h"
#include "station/plan/plan.h"

enum progress_state { STEP_WAITING, STEP_RUNNING, STEP_OVER, STEP_SKIPPED };

struct progress_step {
    enum progress_state state;
    enum verdict verdict, first; /* of the last attempt, of the first; NONE before */
    int attempt;                 /* the number of the last one in the record; 0 none */
    int tries;                   /* how many of them count against the plan's, in this round */
    bool again;                  /* over, but to be done once more before the run goes on */
    bool unsaid;      /* skipped, and not on record yet: whoever records it clears this */
    int64_t asked_ms; /* since when it could begin but for others (schedule.h); 0 not */
    char *why;        /* why it did not pass, or was skipped; owned, NULL none */
};

struct progress {
    const struct plan *plan;
    const char *mode;              /* of the run; NULL: nothing is left out for it */
    int64_t ordinal;               /* which unit of its order, from 1; 0: in every sample */
    struct progress_step *steps;   /* the teardown's follow */
    int count;                     /* of all */
    int open;                      /* all before this index are over or skipped */
    int running;                   /* how many are under way */
    int *turns, turn_count;        /* those whose turn has come; each is still progress_ready()'s */
    int rounds[PLAN_GROUPS_MAX];   /* of each group that are over */
    bool repeats[PLAN_GROUPS_MAX]; /* will begin its next round once none of it is under way */
    bool ending;                   /* no further step of the plan's own begins */
    bool broken;                   /* ended early: the rest was skipped */
    int agains;                    /* steps whose `again` is set */
    int unsaid;                    /* steps whose `unsaid` is set */
    char stopped[240];             /* what is said of steps that are not reached any more */
};

/* mode is kept as a pointer. */
int progress_init(struct progress *p, const struct plan *plan, const char *mode, int64_t ordinal,
                  struct error *err);
void progress_free(struct progress *p);

/* Whether a step may begin as far as this run is concerned: its turn, and no part of the unit is in
 * use by another. `parts` false asks for its turn alone. */
bool progress_ready(const struct progress *p, int step, bool parts);
/* It begins: a further attempt, whose number is returned. */
int progress_begin(struct progress *p, int step);
/* It is over. What follows from that is worked out: a further attempt, a group's next round, steps
 * that are skipped, the end of the plan's own steps. `why` may be NULL. */
void progress_end(struct progress *p, int step, enum verdict verdict, const char *why);
/* The attempt under way came to nothing and does not count against the plan's; it keeps its number
 * when it is on record. */
void progress_drop(struct progress *p, int step, bool recorded);
/* No further step of the plan's own: those not begun are skipped. */
void progress_stop(struct progress *p, const char *why);
/* A step that is over is to be done once more, before the run goes on. */
void progress_again(struct progress *p, int step);
/* After states were set from outside (recovery): works out what follows from them. */
void progress_settle(struct progress *p);

/* True once everything is over, teardown included. */
bool progress_over(const struct progress *p);
/* True once every step of the plan's own is over or skipped. */
bool progress_main_over(const struct progress *p);
/* The worst verdict so far of what is settled, and whose it is (may be NULL; -1 none). */
enum verdict progress_worst(const struct progress *p, int *step);
/* Every step of the plan's own that was done passed at its first attempt. */
bool progress_first_pass(const struct progress *p);
int progress_rank(enum verdict v); /* how bad it is for the run */

#endif
