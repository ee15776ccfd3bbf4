/* Least-squares alignment of one picture with another under a map of three parameters. */
#ifndef TAKT_STATION_MEASURE_WARP_H
#define TAKT_STATION_MEASURE_WARP_H

#include "station/measure/picture.h"

struct warp;

/* Where a's point (x, y) from its centre lies in b, in full pixels from its centre; how that place
 * changes with the three steps (slope) and with x and y (spread). */
typedef void warp_map(const struct warp *w, double x, double y, double to[2], double slope[2][3],
                      double spread[2][2]);

struct warp {
    warp_map *map;
    void (*step)(struct warp *w, const double by[3]);
    double p[9];        /* rigid: dx, dy, turn; rotation: a 3 x 3 matrix, row by row */
    double focal_px;    /* rotation */
    double correlation; /* of the overlap, after warp_align() */
};

/* A shift after a clockwise turn about the centre. */
struct warp warp_rigid(double dx, double dy, double turn_rad);
/* The rotation of a camera of that focal length that takes a's centre to (dx, dy) in b. */
struct warp warp_rotation(double dx, double dy, double focal_px);

struct warp_frame {
    struct plane a, b;         /* reduced pictures */
    double scale;              /* full pixels for one of theirs */
    double center_x, center_y; /* of the full picture, in their pixels */
    int stride;                /* every how many pixels and rows are used */
};

/* Gauss-Newton from the warp as it is; keeps it when no step makes the correlation better. */
void warp_align(const struct warp_frame *f, struct warp *w);

/* b turned back by the angle about its centre, into out[width * height]; its mean where nothing
 * comes to lie. */
void warp_turn(struct plane b, double turn_rad, float *out);

#endif
