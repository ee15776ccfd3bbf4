/* What the parts of one emulated unit share. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_UNIT_H
#define TAKT_FIRMWARE_HAL_EMULATOR_UNIT_H

#include "firmware/hal/emulator/physics.h"
#include "protocol/formats/board.h"
#include "protocol/world.h"

struct power;
struct motor;

struct unit {
    struct board board;
    struct physics physics;
    char folder[256];
    char latch_path[320]; /* of the reset cause (emulator.h) */
    struct world *world;
    struct power *power;
    struct motor *motor; /* NULL on a board without pan and tilt */
    double born_s;       /* world's life_s when camd started */
};

#endif
