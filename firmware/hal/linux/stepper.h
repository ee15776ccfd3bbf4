/* A four-phase stepper driven through its coils: which coils a position takes, and when each pulse
 * of a move is due. Pure. */
#ifndef TAKT_FIRMWARE_HAL_LINUX_STEPPER_H
#define TAKT_FIRMWARE_HAL_LINUX_STEPPER_H

#include <stdint.h>

/* Bit i = phase i has current. Coils are on or off, so the finest step is the half step (one phase,
 * then it and its neighbour, ...); positions are microsteps all the same, so that a board means the
 * same angles with any driver: `microstepping` of them are a full step. With 1 the steps are full
 * ones, two phases at a time. */
unsigned stepper_phases(int32_t microstep, int microstepping);

/* The next position at which phases change, from `microstep` in `direction` (+1, -1). */
int32_t stepper_next(int32_t microstep, int direction, int microstepping);

/* A move of `distance` microsteps: from the start speed the speed rises by the same rate until the
 * cruise speed or half way, and falls likewise, as a rotor that starts at once loses steps. */
struct stepper_ramp {
    double start, cruise; /* microsteps/s, 0 < start <= cruise */
    double acceleration;  /* microsteps/s^2, > 0 */
    int32_t distance;     /* > 0 */
};

/* Seconds from the move's start until `done` microsteps (0 to distance) are to be out. */
double stepper_due(const struct stepper_ramp *ramp, int32_t done);

#endif
