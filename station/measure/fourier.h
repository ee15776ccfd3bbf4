/* Fast Fourier transforms for whole buffers, on FFmpeg's av_tx.
 *
 * forward: X(k) = sum x(n) exp(-2 pi i k n / N); inverse: with +, divided by N. Sizes are powers of
 * two. Buffers for the transforms come from fourier_alloc(), which aligns them. */
#ifndef TAKT_STATION_MEASURE_FOURIER_H
#define TAKT_STATION_MEASURE_FOURIER_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/base/error.h"

enum { FOURIER_MAX = 1 << 24 };

struct fourier_bin {
    double re, im;
};
struct fourier_cell {
    float re, im;
};

void *fourier_alloc(size_t bytes); /* zeroed; NULL out of memory */
void fourier_free(void *buffer);

/* Least power of two that is not below n. */
size_t fourier_size(size_t n);

/* In place over `size` bins. */
int fourier_line(struct fourier_bin *data, size_t size, bool inverse, struct error *err);
/* In place over width x height cells, row by row; the inverse is not divided. */
int fourier_plane(struct fourier_cell *data, size_t width, size_t height, bool inverse,
                  struct error *err);

#endif
