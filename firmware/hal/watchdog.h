/* The watchdog: restarts the unit when it was not fed for a while.
 *
 * It must be fed by progress, never by a loop that does nothing (firmware/camd/feeder.h decides). */
#ifndef TAKT_FIRMWARE_HAL_WATCHDOG_H
#define TAKT_FIRMWARE_HAL_WATCHDOG_H

#include "protocol/base/error.h"

struct watchdog;

struct watchdog_ops {
    /* From now on the unit restarts when it is not fed for timeout_s. The part may grant another
     * time: it is in *granted_s. */
    int (*start)(struct watchdog *w, int timeout_s, int *granted_s, struct error *err);
    int (*feed)(struct watchdog *w, struct error *err);
    /* Switched off again, as far as the part can be: for an orderly end that is no restart. */
    int (*stop)(struct watchdog *w, struct error *err);
};

#endif
