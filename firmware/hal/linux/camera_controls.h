/* Exposure and gain of a sensor through V4L2 controls, in milliseconds and multiples of the base
 * gain. Drivers differ in which controls they have, and in what units. */
#ifndef TAKT_FIRMWARE_HAL_LINUX_CAMERA_CONTROLS_H
#define TAKT_FIRMWARE_HAL_LINUX_CAMERA_CONTROLS_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct camera_control {
    uint32_t id; /* 0 = the driver has none */
    int64_t least, most;
    double unit; /* of the value: milliseconds, or gain */
};

struct camera_controls {
    int fd;
    uint32_t auto_exposure_id, auto_gain_id; /* 0 = none */
    struct camera_control exposure, gain;
    double frame_ms; /* the exposure of a driver that does not tell it */
};

/* width_px and frame_ms: the stream's, from which a sensor's line time follows. */
void camera_controls_find(int fd, uint32_t width_px, double frame_ms, struct camera_controls *out);

/* What is in force now. */
void camera_controls_read(const struct camera_controls *c, double *exposure_ms, double *gain);

int camera_controls_auto(const struct camera_controls *c, struct error *err);
/* A value that the driver cannot set, and that is not in force anyway, is ERROR_INPUT. */
int camera_controls_manual(const struct camera_controls *c, double exposure_ms, double gain,
                           struct error *err);

#endif
