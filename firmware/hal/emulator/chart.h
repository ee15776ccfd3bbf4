/* The test chart "takt-1" as docs/measurements.md lays it out, as polygons on the picture. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_CHART_H
#define TAKT_FIRMWARE_HAL_EMULATOR_CHART_H

#include "firmware/hal/emulator/coverage.h"
#include "firmware/hal/emulator/lens.h"

enum { CHART_SHAPES = 5 + 2 * 4 + 24 + 10, CHART_POINTS_MAX = 256 };

struct chart_shape {
    float red, green, blue, infrared; /* reflectances */
    size_t count;
    struct point points[CHART_POINTS_MAX]; /* in picture coordinates, clockwise */
    double left, top, right, bottom;       /* around the points */
};

struct chart {
    float background;
    struct chart_shape shapes[CHART_SHAPES]; /* later ones lie on earlier ones */
};

/* The chart as this lens pictures it, aligned by the fixture: it hangs in a frame in front of the
 * lens barrel, so it moves with the head and fills the view wherever pan and tilt point. */
void chart_make(struct chart *chart, const struct lens *lens);

/* Where a point of it lands on the picture, and how long one of its units is there. */
void chart_place(const struct lens *lens, double u, double v, struct point *out);
double chart_unit_px(const struct lens *lens);

#endif
