/* Pan and tilt steppers. Positions are microsteps counted from the homing sensor's edge as the
 * driver counted pulses: where the lens really looks is for a picture to tell. */
#ifndef TAKT_FIRMWARE_HAL_MOTOR_H
#define TAKT_FIRMWARE_HAL_MOTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct motor;

enum motor_axis { MOTOR_PAN, MOTOR_TILT, MOTOR_AXES };

struct motor_status {
    int32_t microsteps; /* commanded position */
    bool homed;
    bool moving;
    bool home_sensor; /* the optocoupler's level now */
};

struct motor_ops {
    /* Drives towards the home sensor, sets 0 at its edge. Blocks. ERROR_TIMEOUT when the edge
     * never came. */
    int (*home)(struct motor *m, enum motor_axis axis, struct error *err);
    /* Blocks until the pulses for the absolute position are out. `speed` in microsteps/s; 0 = the
     * board's usual one. ERROR_STATE before homing, ERROR_INPUT outside the board's range. */
    int (*move_to)(struct motor *m, enum motor_axis axis, int32_t microsteps, double speed,
                   struct error *err);
    int (*stop)(struct motor *m);
    int (*status)(struct motor *m, enum motor_axis axis, struct motor_status *out);
};

#endif
