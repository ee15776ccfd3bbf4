/* A slanted edge's line and the profile across it, found together: the first half of e-SFR
 * (sharpness.h). The line is fitted with a bend, pixels are gathered by their distance from it into
 * bins, and a cubic spline goes through those. */
#ifndef TAKT_STATION_MEASURE_EDGE_PROFILE_H
#define TAKT_STATION_MEASURE_EDGE_PROFILE_H

#include "station/measure/picture.h"
#include "station/measure/spline.h"

/* Knots a quarter of a pixel apart, from bins a quarter of that. */
enum { EDGE_REACH_MAX_PX = 160, EDGE_BINS_A_KNOT = 4 };
#define EDGE_KNOT_PX 0.25
#define EDGE_BIN_PX  (EDGE_KNOT_PX / EDGE_BINS_A_KNOT)

struct edge_profile {
    struct spline curve; /* level by the distance from the edge along its normal, in pixels */
    double reach_px;     /* it covers distances from -reach_px to +reach_px */
    double low, high;    /* levels of its left and its right side */
    double rise_px;      /* from 10 to 90 % of the way between them */
    double residual;     /* rms of the pixels about the profile, as the levels */
    /* Mean distance of the pixels beyond the profile from its ends, of high - low: near 0 when both
     * sides are plain, near 0.5 when there are more edges. */
    double stray;
    double columns_px; /* pixel columns that it crosses in its `rows`; turned when it is level */
    int rows;
    void *memory;
};

/* The plane as for sharpness_edge(). ERROR_INPUT when nothing like an edge is there. What comes out
 * is freed by edge_profile_free(). */
int edge_profile_fit(struct plane edge, struct edge_profile *out, struct error *err);
void edge_profile_free(struct edge_profile *profile);

#endif
