/* The supply current, made of its parts, and the reset circuit.
 *
 * Each part says what it draws behind the converters, in watts; a thread puts the sum on the
 * world's supply a hundred times a second and on every change. When the voltage at the unit falls
 * below brownout_volts the unit resets as hardware does: the process ends at once with status
 * POWER_EXIT_BROWNOUT, nothing flushed. Who runs the unit starts it again while the supply is on.
 */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_POWER_H
#define TAKT_FIRMWARE_HAL_EMULATOR_POWER_H

#include "firmware/hal/emulator/unit.h"
#include <stdbool.h>

#include "protocol/base/error.h"

enum { POWER_EXIT_RESTART = 74, POWER_EXIT_BROWNOUT = 75 };

enum power_part {
    POWER_SOC,
    POWER_SENSOR,
    POWER_RADIO,
    POWER_IR_LED,
    POWER_LED,
    POWER_PAN,
    POWER_TILT,
    POWER_SPEAKER,
    POWER_CARD,
    POWER_PARTS
};

/* ERROR_STATE when the supply is off or below the brown-out voltage. */
int power_open(struct unit *unit, struct power **out, struct error *err);
void power_close(struct power *p);

void power_draw(struct power *p, enum power_part part, double watts);
/* While asleep the unit draws sleep_w, whatever its parts were told. */
void power_asleep(struct power *p, bool asleep);
double power_temperature_c(struct power *p);

/* Amps into the connector for `watts` behind converters of `efficiency`, and `leak_amps` across it,
 * from `volts` behind `ohms`; the converters draw constant power, so a lower voltage draws more.
 * Negative when no current can carry that power: the voltage collapses. */
double power_amps(double watts, double efficiency, double leak_amps, double volts, double ohms);

#endif
