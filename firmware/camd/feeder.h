/* The watchdog's feeder. The watchdog is fed by progress: camd's loop must have turned, and while
 * the camera streams a frame must have come, since it was last fed. So a stream that died while the
 * rest lives restarts the unit, and a feeder that does nothing but feed cannot hide it.
 *
 * Frames are owed from the first one on: a unit whose camera never came up goes on serving the
 * station that has to find that out. A stream that was switched off owes none. */
#ifndef TAKT_FIRMWARE_CAMD_FEEDER_H
#define TAKT_FIRMWARE_CAMD_FEEDER_H

#include <stdatomic.h>

#include "firmware/camd/log.h"
#include "firmware/hal/hal.h"
#include "firmware/media/pump.h"

struct feeder;

struct feeder_config {
    const struct hal *hal;
    struct pump *pump; /* may be NULL */
    int timeout_s;     /* >= 2 */
    struct log *log;
};

/* Starts the watchdog and its feeder; beside the caller, as the device may still have to come.
 * *out is NULL when there is no watchdog. */
int feeder_start(const struct feeder_config *config, struct feeder **out, struct error *err);
/* NULL is fine. disarm: the watchdog is switched off; else it bites unless the unit is down or
 * another feeder has come within its time. */
void feeder_stop(struct feeder *g, bool disarm);

/* camd's loop turned. NULL is fine. At least every FEEDER_BEAT_MS. */
enum { FEEDER_BEAT_MS = 500 };
void feeder_beat(struct feeder *g);

/* ---- pure ---------------------------------------------------------------------------------- */

/* What was seen of loop and stream. */
struct feeder_view {
    unsigned beats;
    struct camera_progress stream;
};

/* Did everything that owes progress make some between two views? */
bool feeder_progress(const struct feeder_view *before, const struct feeder_view *now);

#endif
