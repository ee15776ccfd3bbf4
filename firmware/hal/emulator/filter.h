/* Analogue corners as filters at the air's rate: one section of up to second order each, by the
 * bilinear transform with the corner kept where it is. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_FILTER_H
#define TAKT_FIRMWARE_HAL_EMULATOR_FILTER_H

struct filter {
    double b0, b1, b2, a1, a2; /* y = b0 x + b1 x1 + b2 x2 - a1 y1 - a2 y2 */
    double s1, s2;             /* its memory, transposed form */
};

struct filter filter_high_pass(double corner_hz, double rate_hz); /* first order */
struct filter filter_low_pass(double corner_hz, double rate_hz);  /* first order */
struct filter filter_resonant_high_pass(double corner_hz, double q, double rate_hz);
struct filter filter_resonant_low_pass(double corner_hz, double q, double rate_hz);
double filter_gain(const struct filter *f, double hz, double rate_hz);

static inline double filter_step(struct filter *f, double x)
{
    double y = f->b0 * x + f->s1;
    f->s1 = f->b1 * x - f->a1 * y + f->s2;
    f->s2 = f->b2 * x - f->a2 * y;
    return y;
}

#endif
