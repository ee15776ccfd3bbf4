/* A smooth curve through scattered, noisy samples: a least-squares cubic B-spline on even knots. */
#ifndef TAKT_STATION_MEASURE_SPLINE_H
#define TAKT_STATION_MEASURE_SPLINE_H

#include <stddef.h>

struct spline {
    double start, step; /* of the knots */
    size_t intervals;
    double *coefficients; /* intervals + 3, owned by the caller */
};

/* Doubles of scratch that spline_fit() needs. */
size_t spline_scratch(size_t intervals);

/* Fits to n points (x, y) with weights; those outside the knots and those of no weight are left
 * out. A light penalty on the third difference (1/1000 of the mean weight a knot) carries the curve
 * across knots without points. `coefficients` and `scratch` are given by the caller. Returns 0, or
 * -1 when the points do not determine a curve. */
int spline_fit(struct spline *s, const double *x, const double *y, const double *weight, size_t n,
               double *scratch);

/* `parts` a knot: `out` has parts * intervals + 1 places, from the first knot to the last. */
struct spline_point {
    float value, slope;
};
void spline_table(const struct spline *s, size_t parts, struct spline_point *out);

/* Value and slope at x, which is held inside the knots. */
void spline_at(const struct spline *s, double x, double *value, double *slope);

#endif
