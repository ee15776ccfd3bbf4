/* The map between two planes seen in perspective. */
#ifndef TAKT_STATION_MEASURE_HOMOGRAPHY_H
#define TAKT_STATION_MEASURE_HOMOGRAPHY_H

#include <stdbool.h>

#include "station/measure/picture.h"

/* h, row by row, takes (u, v, 1) to (x, y, 1) times a factor, through four pairs of points. False
 * when three of them stand in one line. */
bool homography_fit(const struct point from[4], const struct point to[4], double h[9]);
struct point homography_map(const double h[9], double u, double v);

#endif
