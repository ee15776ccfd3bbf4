#include "firmware/hal/emulator/filter.h"

#include <complex.h>
#include <math.h>

static double warp(double corner_hz, double rate_hz)
{
    double highest = 0.49 * rate_hz;
    return tan(M_PI * (corner_hz < highest ? corner_hz : highest) / rate_hz);
}

struct filter filter_high_pass(double corner_hz, double rate_hz)
{
    double k = warp(corner_hz, rate_hz), n = 1 / (1 + k);
    return (struct filter){.b0 = n, .b1 = -n, .a1 = (k - 1) * n};
}

struct filter filter_low_pass(double corner_hz, double rate_hz)
{
    double k = warp(corner_hz, rate_hz), n = 1 / (1 + k);
    return (struct filter){.b0 = k * n, .b1 = k * n, .a1 = (k - 1) * n};
}

struct filter filter_resonant_high_pass(double corner_hz, double q, double rate_hz)
{
    double k = warp(corner_hz, rate_hz), n = 1 / (1 + k / q + k * k);
    return (struct filter){
        .b0 = n, .b1 = -2 * n, .b2 = n, .a1 = 2 * (k * k - 1) * n, .a2 = (1 - k / q + k * k) * n};
}

struct filter filter_resonant_low_pass(double corner_hz, double q, double rate_hz)
{
    double k = warp(corner_hz, rate_hz), n = 1 / (1 + k / q + k * k), g = k * k * n;
    return (struct filter){
        .b0 = g, .b1 = 2 * g, .b2 = g, .a1 = 2 * (k * k - 1) * n, .a2 = (1 - k / q + k * k) * n};
}

double filter_gain(const struct filter *f, double hz, double rate_hz)
{
    double complex z = cexp(-2 * M_PI * I * hz / rate_hz);
    return cabs((f->b0 + f->b1 * z + f->b2 * z * z) / (1 + f->a1 * z + f->a2 * z * z));
}
