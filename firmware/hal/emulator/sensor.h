/* The image sensor and the plain ISP behind it: light to charge, charge to numbers, numbers to
 * NV12 (full-range BT.709, sRGB-coded).
 *
 * Every pixel holds red, green and blue photosites of the same place: a sensor without a mosaic,
 * so that no interpolation stands between lens and picture. Each photosite has its own shot noise,
 * read noise and fixed pattern, and a 10-bit converter. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_SENSOR_H
#define TAKT_FIRMWARE_HAL_EMULATOR_SENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "firmware/hal/emulator/physics.h"
#include "firmware/hal/emulator/picture.h"
#include "protocol/base/error.h"
#include "protocol/formats/board.h"

struct sensor;

struct sensor_defect {
    int x, y;
    enum { SENSOR_DEAD, SENSOR_HOT } kind;
};

int sensor_create(const struct board *board, const struct physics *physics, struct sensor **out,
                  struct error *err);
void sensor_free(struct sensor *s);
size_t sensor_bytes(const struct sensor *s);

/* Where this unit's defective pixels sit, top to bottom. */
const struct sensor_defect *sensor_defects(const struct sensor *s, size_t *count);

/* Exposes one frame. `sequence` seeds its noise: the same one again gives the same frame. */
void sensor_expose(struct sensor *s, const struct picture *light, double exposure_ms, double gain,
                   double temperature_c, uint32_t sequence, uint8_t *nv12);

/* The linear mean 0..1 that exposure control would meter at this exposure * gain (in ms). */
double sensor_meter(const struct sensor *s, const struct picture *light, double exposure_gain_ms);

#endif
