/* How much of each pixel a polygon covers: exact areas, so an edge falls between pixels where it
 * really is and not on one of a few sub-samples. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_COVERAGE_H
#define TAKT_FIRMWARE_HAL_EMULATOR_COVERAGE_H

#include <stddef.h>

struct point {
    double x, y;
};

/* Adds the coverage to `cells`: `rows` rows of `columns` + 2 floats, the first cell standing
 * for the unit square whose upper left corner is (left, top). Vertices run clockwise on the
 * picture (y down). The cells hold differences: the running sum along a row is the coverage 0..1
 * of each pixel. The polygon may leave the window on any side. */
void coverage_add(const struct point *polygon, size_t count, double left, double top, int columns,
                  int rows, float *cells);

#endif
