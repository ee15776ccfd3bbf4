/* Flicker and banding of a plain field over successive frames.
 *
 * Flicker is how much the frames' means differ: their standard deviation over the mean. Banding is
 * what the rows do beyond that and beyond the pixels' own noise: the standard deviation of the
 * rows' means in the difference of successive frames, over sqrt 2 and the mean, with the noise of a
 * row's mean taken off. Bands that stand still are those that do not go away between frames, as
 * light at the mains' pace makes them when the frames keep time with it: the standard deviation of
 * the rows' means over all frames about a polynomial of fifth order, which is shading, noise taken
 * off. */
#ifndef TAKT_STATION_MEASURE_FLICKER_H
#define TAKT_STATION_MEASURE_FLICKER_H

#include <stddef.h>

#include "station/measure/picture.h"

enum { FLICKER_FRAMES_MAX = 64 };

struct flicker {
    double flicker_percent, banding_percent, standing_percent;
};

/* `rows` holds the mean of each row, `height` a frame; `sigma` is a pixel's temporal noise and
 * `width` how many of them a row's mean is of. 2 to 64 frames of 16 rows or more. */
int flicker_measure(const double *rows, size_t frames, int height, int width, double sigma,
                    struct flicker *out, struct error *err);

/* The mean of each of a plane's rows into rows[height]. */
void flicker_rows(struct plane p, double *rows);

#endif
