/* The hardware of a real board whose parts have mainline Linux drivers; section `linux` of the
 * board file says which devices they are (docs/firmware.md: what each part opens, what the kernel
 * must have). A part that the board does not name is not there (ops NULL).
 *
 * A named part's device is opened at its first use, not at start: modules load beside camd. For the
 * first LINUX_WAIT_MS after start such a use waits for a device that has not appeared; later, and
 * when the device never came, it is ERROR_MISSING, and the next use looks again. */
#ifndef TAKT_FIRMWARE_HAL_LINUX_LINUX_H
#define TAKT_FIRMWARE_HAL_LINUX_LINUX_H

#include "firmware/hal/hal.h"

enum { LINUX_WAIT_MS = 8000 };

extern const struct hal_backend hal_linux;

#endif
