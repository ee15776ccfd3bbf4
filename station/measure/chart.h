/* The test chart "takt-1" in a picture: found by its four fiducials, and where its parts lie.
 *
 * Chart coordinates (u, v) and parts are those of docs/measurements.md; a homography takes them to
 * pixels. Regions are upright rectangles well inside the part they stand for, so that a turn of the
 * chart by up to 10 degrees does not let a neighbour in. */
#ifndef TAKT_STATION_MEASURE_CHART_H
#define TAKT_STATION_MEASURE_CHART_H

#include "station/measure/picture.h"

enum {
    CHART_FIDUCIALS = 4, /* top left, top right, bottom left, bottom right */
    CHART_SQUARES = 5,   /* centre, top left, top right, bottom left, bottom right */
    CHART_EDGES = 4,     /* right, bottom, left, top edge of a square */
    CHART_PATCHES = 24,
    CHART_WEDGE = 10,
};

struct chart {
    double to_pixel[9]; /* row by row: (x, y, 1) ~ H (u, v, 1) */
    struct point fiducial[CHART_FIDUCIALS];
    struct point square[CHART_SQUARES]; /* centres, each found for itself: lenses distort */
    double unit_px;                     /* pixels for one unit of u, at the centre */
    double rotation_deg;                /* clockwise as seen */
};

extern const double chart_wedge_reflectance[CHART_WEDGE];

/* Finds the chart in linear luma. ERROR_MISSING when it is not there or badly placed (fewer than
 * four fiducials, turned by more than 10 degrees, keystoned, or its slanted squares not all in the
 * picture): the message says which. That is a matter of fixture or aim, not a measured value.
 * Blur up to a sigma of 0.1 units, shading to a tenth and noise of 20 dB are no hindrance. */
int chart_find(struct plane luma, struct chart *out, struct error *err);

struct point chart_pixel(const struct chart *c, double u, double v);

/* A square of `side` units about (u, v). ERROR_INPUT when it leaves the picture. */
int chart_region(const struct chart *c, struct plane p, double u, double v, double side,
                 struct region *out, struct error *err);
/* One edge of a slanted square, for sharpness_edge(). */
int chart_edge(const struct chart *c, struct plane p, int square, int edge, struct region *out,
               struct error *err);
int chart_patch(const struct chart *c, struct plane p, int patch, struct region *out,
                struct error *err);
int chart_wedge(const struct chart *c, struct plane p, int step, struct region *out,
                struct error *err);
/* The band of plain background between the patches and the bottom fiducials, for noise. */
int chart_band(const struct chart *c, struct plane p, struct region *out, struct error *err);
/* Plain background: top left, top right, bottom left, bottom right corner, centre above and below
 * the middle square; `place` 0 to 5. */
int chart_background(const struct chart *c, struct plane p, int place, struct region *out,
                     struct error *err);

#endif
