/* The time mark: ten pairs of LEDs behind the chart's paper, where it is dark unless they shine
 * (docs/measurements.md has its layout). They count in Gray code, a count every step; of each pair
 * one LED is lit, the upper for a 1. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_MARK_H
#define TAKT_FIRMWARE_HAL_EMULATOR_MARK_H

#include "firmware/hal/emulator/lens.h"

enum { MARK_LEDS = 20 }; /* 2 k and 2 k + 1: upper and lower of the pair of bit k */

struct mark {
    double x[MARK_LEDS], y[MARK_LEDS]; /* middles, in picture coordinates */
    double radius_px, blur_px[MARK_LEDS];
    int top, bottom; /* rows that their light reaches, the last one not included */
};

void mark_make(struct mark *m, const struct lens *lens);

/* The part of so many seconds from begin_s on that an LED shines. */
double mark_lit(int led, double step_s, double begin_s, double seconds);

/* Their light on one row of the picture, over that of a spot's middle that is lit all the time:
 * discs, blurred by the lens and gathered by pixels. */
void mark_light_row(const struct mark *m, const float lit[MARK_LEDS], int y, int width, float *out);

#endif
