/* What a unit is like after the hours it has lived: pure, from its physics. A healthy unit's aging
 * figures are 0 and it stays as it was made. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_AGING_H
#define TAKT_FIRMWARE_HAL_EMULATOR_AGING_H

#include <stddef.h>
#include <stdint.h>

#include "firmware/hal/emulator/physics.h"

/* `hours` in all, but for the leak: since camd started. */
size_t aging_leak_bytes(const struct physics *p, double hours);
double aging_defocus_px(const struct physics *p,
                        double hours); /* in all, the lens's own included */
double aging_frame_rate_hz(const struct physics *p, double hours); /* at least 0.5 */
uint64_t aging_bad_blocks(const struct physics *p, double hours);

#endif
