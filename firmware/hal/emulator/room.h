/* The rooms: a plain wall in the dark, lit by the unit's own infrared LEDs, and a textured room
 * all around for pan and tilt. Everything in them is neutral: one reflectance for all colours and
 * for infrared. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_ROOM_H
#define TAKT_FIRMWARE_HAL_EMULATOR_ROOM_H

#include "firmware/hal/emulator/lens.h"
#include "firmware/hal/emulator/physics.h"

enum { ROOM_TILE = 1024 }; /* a power of two */

struct room {
    float tile[ROOM_TILE][ROOM_TILE]; /* smooth noise, mean 0, sigma 1, without seams */
};

/* The same room for every unit: it belongs to the fixture. */
void room_make(struct room *room);

/* Reflectance seen at picture row `y` (its middle) by a camera that points at pan_deg (to the
 * right) and tilt_deg (up), both from straight ahead, for pixels x0 .. x0 + count - 1. */
void room_row(const struct room *room, const struct lens *lens, double pan_deg, double tilt_deg,
              int x0, int count, int y, float *out);

static const float room_wall_reflectance = 0.60f;

/* Infrared on a wall 1 m away in the direction of ideal (x, y), in lux-worth to the sensor, with
 * the LEDs at `drive` 0..1. */
double room_infrared(const struct physics *physics, const struct lens *lens, double drive,
                     double ideal_x, double ideal_y);

#endif
