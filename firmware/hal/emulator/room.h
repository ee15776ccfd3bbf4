/* The rooms: a plain wall in the dark, lit by the unit's own infrared LEDs, and a textured room
 * all around for pan and tilt. Everything in them is neutral: one reflectance for all colours and
 * for infrared. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_ROOM_H
#define TAKT_FIRMWARE_HAL_EMULATOR_ROOM_H

#include <stddef.h>

#include "firmware/hal/emulator/lens.h"
#include "firmware/hal/emulator/physics.h"

enum { ROOM_TILE = 1024 }; /* a power of two */

struct room {
    float tile[ROOM_TILE][ROOM_TILE]; /* smooth noise, mean 0, sigma 1, without seams */
};

/* The same room for every unit: it belongs to the fixture. */
void room_make(struct room *room);

/* A camera that points at pan_deg (to the right) and tilt_deg (up), both from straight ahead, and
 * the part of its picture that is wanted, px; it may reach beyond the sensor. */
struct room_view {
    double pan_deg, tilt_deg;
    int left, top, columns, rows;
};

/* Reflectance at the middle of each pixel of the view; a row's begins `stride` after the last's. */
void room_paint(const struct room *room, const struct lens *lens, const struct room_view *view,
                float *out, size_t stride);

static const float room_wall_reflectance = 0.60f;

/* Infrared on a wall 1 m away in the direction of ideal (x, y), in lux-worth to the sensor, with
 * the LEDs at `drive` 0..1. */
double room_infrared(const struct physics *physics, const struct lens *lens, double drive,
                     double ideal_x, double ideal_y);

#endif
