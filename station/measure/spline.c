#include "station/measure/spline.h"

#include <math.h>
#include <string.h>

enum { BAND = 4 }; /* a cubic's coefficient meets itself and three neighbours */

static void basis(double t, double b[4])
{
    double u = 1 - t;
    b[0] = u * u * u / 6;
    b[1] = (3 * t * t * t - 6 * t * t + 4) / 6;
    b[2] = (3 * u * u * u - 6 * u * u + 4) / 6;
    b[3] = t * t * t / 6;
}

size_t spline_scratch(size_t intervals)
{
    return (intervals + 3) * BAND;
}

int spline_fit(struct spline *s, const double *x, const double *y, const double *weight, size_t n,
               double *scratch)
{
    const size_t count = s->intervals + 3;
    double *a = scratch; /* row i: entries (i, i) to (i, i + 3) of the symmetric matrix */
    double *c = s->coefficients;
    double total = 0;

    memset(a, 0, count * BAND * sizeof *a);
    memset(c, 0, count * sizeof *c);
    for (size_t k = 0; k < n; k++) {
        double place = (x[k] - s->start) / s->step, b[4];
        if (!(weight[k] > 0) || !(place >= 0) || place >= (double)s->intervals)
            continue;
        size_t i = (size_t)place;
        basis(place - (double)i, b);
        for (size_t p = 0; p < 4; p++) {
            for (size_t q = p; q < 4; q++)
                a[(i + p) * BAND + q - p] += weight[k] * b[p] * b[q];
            c[i + p] += weight[k] * b[p] * y[k];
        }
        total += weight[k];
    }
    if (!(total > 0))
        return -1;

    static const double third[4] = {-1, 3, -3, 1};
    const double penalty = 1e-3 * total / (double)s->intervals;
    for (size_t i = 0; i + 3 < count; i++)
        for (size_t p = 0; p < 4; p++)
            for (size_t q = p; q < 4; q++)
                a[(i + p) * BAND + q - p] += penalty * third[p] * third[q];

    /* Banded Cholesky in place: a = U'U. */
    for (size_t i = 0; i < count; i++) {
        for (size_t q = 0; q < BAND && i + q < count; q++) {
            double sum = a[i * BAND + q];
            for (size_t r = 1; r + q < BAND && r <= i; r++)
                sum -= a[(i - r) * BAND + r] * a[(i - r) * BAND + r + q];
            if (q == 0) {
                if (!(sum > 0))
                    return -1;
                a[i * BAND] = sqrt(sum);
            } else {
                a[i * BAND + q] = sum / a[i * BAND];
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t r = 1; r < BAND && r <= i; r++)
            c[i] -= a[(i - r) * BAND + r] * c[i - r];
        c[i] /= a[i * BAND];
    }
    for (size_t i = count; i-- > 0;) {
        for (size_t r = 1; r < BAND && i + r < count; r++)
            c[i] -= a[i * BAND + r] * c[i + r];
        c[i] /= a[i * BAND];
    }
    return 0;
}

static void slope_basis(double t, double b[4])
{
    const double u = 1 - t;
    b[0] = -u * u / 2;
    b[1] = (3 * t * t - 4 * t) / 2;
    b[2] = -(3 * u * u - 4 * u) / 2;
    b[3] = t * t / 2;
}

void spline_table(const struct spline *s, size_t parts, struct spline_point *out)
{
    for (size_t part = 0; part < parts; part++) {
        double v[4], d[4];
        basis((double)part / (double)parts, v);
        slope_basis((double)part / (double)parts, d);
        for (int p = 0; p < 4; p++)
            d[p] /= s->step;
        for (size_t i = 0; i < s->intervals; i++) {
            const double *c = s->coefficients + i;
            out[i * parts + part] = (struct spline_point){
                (float)(c[0] * v[0] + c[1] * v[1] + c[2] * v[2] + c[3] * v[3]),
                (float)(c[0] * d[0] + c[1] * d[1] + c[2] * d[2] + c[3] * d[3])};
        }
    }
    double value, slope;
    spline_at(s, s->start + s->step * (double)s->intervals, &value, &slope);
    out[s->intervals * parts] = (struct spline_point){(float)value, (float)slope};
}

void spline_at(const struct spline *s, double x, double *value, double *slope)
{
    double place = (x - s->start) / s->step;
    double last = (double)s->intervals;
    if (!(place > 0))
        place = 0;
    size_t i = place >= last ? s->intervals - 1 : (size_t)place;
    double t = place >= last ? 1 : place - (double)i;
    const double *c = s->coefficients + i;
    double b[4];

    if (value) {
        basis(t, b);
        *value = c[0] * b[0] + c[1] * b[1] + c[2] * b[2] + c[3] * b[3];
    }
    if (slope) {
        slope_basis(t, b);
        *slope = (c[0] * b[0] + c[1] * b[1] + c[2] * b[2] + c[3] * b[3]) / s->step;
    }
}
