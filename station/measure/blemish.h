/* Blemishes: spots of a plain field that are too large and too faint to be defective pixels: dust
 * on the sensor's glass, a fingerprint, a drop on the lens.
 *
 * The field is averaged over blocks of 8 x 8 pixels (outliers held at a fifth off the block's mean,
 * so that a dead pixel is no spot), the lens's own shading is taken off as a fifth-order
 * polynomial, and what remains is held against its surroundings at five sizes: the mean of a square
 * against that of the ring about it, twice as wide. After the way of machine vision's blob tests;
 * no standard says how, so the uncertainty is what planted spots show (docs/measurements.md). */
#ifndef TAKT_STATION_MEASURE_BLEMISH_H
#define TAKT_STATION_MEASURE_BLEMISH_H

#include <stddef.h>

#include "station/measure/picture.h"

struct blemish {
    double x_px, y_px;
    double size_px;  /* side of the square that shows it best */
    double contrast; /* of that square against its ring, as a fraction: negative is darker */
};

enum { BLEMISHES_MAX = 32 };

struct blemishes {
    struct blemish spots[BLEMISHES_MAX]; /* the worst first; none overlaps a worse one */
    size_t count;
    double worst;       /* largest |contrast| anywhere, spot or not */
    double floor_sigma; /* of the contrast at the smallest size: noise and fixed pattern */
};

/* A field of at least 320 x 180 pixels; a spot is what stands out by `contrast_min` and by six
 * times the field's own scatter at that size. Memory: 2.5 bytes a pixel at most. */
int blemish_find(struct plane field, double contrast_min, struct blemishes *out, struct error *err);

#endif
