/* The emulated camera: a HAL backend whose hardware is physics.
 *
 * Opened on a folder (camd --hal emulator --hal-options DIR) that holds
 *   world        the virtual bench's side: supply, light, scene, air, buttons (protocol/world.h)
 *   unit.json    what makes this unit differ from a nominal one (physics.h); may be missing
 *   flash.img    the flash, byte for byte; made erased when missing
 *   card.img     the TF card's chips, sparse; made when missing
 *   reset_cause  the reset controller's latch: gone after a power cut, so whoever takes the supply
 *                away removes it; else "reboot" or "watchdog" by how the firmware ended
 *
 * Opening takes the unit's boot time. ERROR_STATE while the supply is off. A restart ends the
 * process with status POWER_EXIT_RESTART, a brown-out with POWER_EXIT_BROWNOUT (power.h); the bench
 * then starts it again, as the reset circuit would.
 *
 * Here physical truth is made; nothing in it knows a test, a limit or the name of a defect. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_EMULATOR_H
#define TAKT_FIRMWARE_HAL_EMULATOR_EMULATOR_H

#include <stdint.h>

#include "firmware/hal/hal.h"

extern const struct hal_backend hal_emulator;

#endif
