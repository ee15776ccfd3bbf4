/* Pictures as the measuring functions see them: one plane of linear light, floats, 1.0 = full
 * scale; and the way there from what a camera sends.
 *
 * A plane is a view and owns nothing. x runs right, y down, (0, 0) is the centre of the first
 * pixel. sRGB coding is IEC 61966-2-1; NV12 is full-range BT.709 (H.273 matrix 1). */
#ifndef TAKT_STATION_MEASURE_PICTURE_H
#define TAKT_STATION_MEASURE_PICTURE_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum { PICTURE_SIDE_MAX = 16384 }; /* a larger width or height is ERROR_INPUT */

struct plane {
    const float *data; /* row 0 first */
    int width_px, height_px;
    size_t stride; /* samples from one row to the next */
};

struct region {
    int x_px, y_px, width_px, height_px;
};

struct point {
    double x, y;
};

/* The part of a plane under a region. ERROR_INPUT when the region leaves it or is empty. */
int plane_crop(struct plane p, struct region r, struct plane *out, struct error *err);

/* Mean and standard deviation over all samples; sigma may be NULL. */
double plane_mean(struct plane p, double *sigma);

/* A camera's frame: luma plane of width * height bytes, then interleaved U, V at half size. */
struct nv12 {
    const uint8_t *data;
    size_t bytes; /* must be width * height * 3 / 2 */
    int width_px, height_px;
};

/* ERROR_INPUT for odd or oversized sides and for a size that does not fit them. */
int nv12_check(const struct nv12 *f, struct error *err);

/* Linear luma of a region into out[width * height], rows tight. Y' is decoded as if it were a
 * grey's value: exact for neutral content, which is all that is measured on luma. */
int nv12_luma(const struct nv12 *f, struct region r, float *out, struct error *err);

/* The whole frame's linear luma: allocated, to be freed by the caller. */
int nv12_plane(const struct nv12 *f, float **data, struct plane *out, struct error *err);

/* Mean linear R, G, B over a region. */
int nv12_mean_rgb(const struct nv12 *f, struct region r, double rgb[3], struct error *err);

/* IEC 61966-2-1, both ways, 0..1. */
double srgb_decode(double coded);
double srgb_encode(double linear);

#endif
