/* A person's reset: the board's button "reset", held for five seconds, restarts the unit. A button
 * that was down when camd started, because it is stuck or leans against something, must be let go
 * once before it counts: it would else restart the unit for ever. */
#ifndef TAKT_FIRMWARE_CAMD_RESET_WATCH_H
#define TAKT_FIRMWARE_CAMD_RESET_WATCH_H

#include "firmware/camd/log.h"
#include "firmware/factory/agent.h"

enum { RESET_HOLD_MS = 5000 };

struct reset_watch; /* a thread */

/* *out is NULL on a board without such a button. Board, agent and log must outlive the watch. */
int reset_watch_start(const struct board *board, struct agent *agent, struct log *log,
                      struct reset_watch **out, struct error *err);
void reset_watch_stop(struct reset_watch *w); /* NULL is fine */

/* Whether a button held like this restarts the unit, look by look. All zero is the begin. */
struct reset_hold {
    bool armed;         /* it was seen up */
    int64_t down_since; /* 0: it is up */
};
bool reset_hold_look(struct reset_hold *h, bool up, int64_t now_ms);

#endif
