#include "station/measure/sharpness.h"

#include <math.h>

#include "protocol/base/vector.h"
#include "station/measure/edge_profile.h"

enum { SPREAD_MAX = 16 * EDGE_REACH_MAX_PX + 1 }; /* to either side, two for each knot */

/* Contrast at one frequency of the windowed derivative of the profile. */
struct spread {
    double *value; /* at start + k * step */
    size_t count;
    double start, step, total;
};

static double spread_contrast(const struct spread *s, double cpp)
{
    double re = 0, im = 0, c = 1, si = 0;
    const double turn_c = cos(2 * M_PI * cpp * s->step), turn_s = sin(2 * M_PI * cpp * s->step);
    for (size_t k = 0; k < s->count; k++) {
        re += s->value[k] * c;
        im += s->value[k] * si;
        double next = c * turn_c - si * turn_s;
        si = c * turn_s + si * turn_c;
        c = next;
    }
    /* A bin is a box of EDGE_BIN_PX: what it took away is given back. */
    double x = M_PI * cpp * EDGE_BIN_PX;
    double box = x > 0 ? sin(x) / x : 1;
    return sqrt(re * re + im * im) / fabs(s->total) / box;
}

/* Contrasts at count frequencies a hundredth apart from `first` on, side by side. */
VECTORIZED static void spread_contrasts(const struct spread *s, int first, int count, double *out)
{
    enum { LANES = 8 };
    for (int from = 0; from < count; from += LANES) {
        double re[LANES] = {0}, im[LANES] = {0}, c[LANES], si[LANES], turn_c[LANES], turn_s[LANES];
        for (int i = 0; i < LANES; i++) {
            const double angle = 2 * M_PI * (first + from + i) / 100.0 * s->step;
            c[i] = 1;
            si[i] = 0;
            turn_c[i] = cos(angle);
            turn_s[i] = sin(angle);
        }
        for (size_t k = 0; k < s->count; k++) {
            const double v = s->value[k];
            for (int i = 0; i < LANES; i++) {
                re[i] += v * c[i];
                im[i] += v * si[i];
                const double next = c[i] * turn_c[i] - si[i] * turn_s[i];
                si[i] = c[i] * turn_s[i] + si[i] * turn_c[i];
                c[i] = next;
            }
        }
        for (int i = 0; i < LANES && from + i < count; i++) {
            const double x = M_PI * (first + from + i) / 100.0 * EDGE_BIN_PX;
            out[from + i] =
                sqrt(re[i] * re[i] + im[i] * im[i]) / fabs(s->total) / (x > 0 ? sin(x) / x : 1);
        }
    }
}

/* Between two frequencies by the rule of false position, halved when an end stays: the curve is
 * smooth, and a few steps find half the contrast to a millionth of a cycle. */
static double half_contrast(const struct spread *s, double low, double at_low, double high,
                            double at_high)
{
    int side = 0;
    double a = at_low - 0.5, b = at_high - 0.5, f = low;
    for (int k = 0; k < 20 && high - low > 1e-7; k++) {
        const double before = f;
        f = (low * b - high * a) / (b - a);
        const double now = spread_contrast(s, f) - 0.5;
        if (fabs(now) < 1e-9 || fabs(f - before) < 1e-7)
            break;
        if (now > 0) {
            low = f;
            a = now;
            b = side == 1 ? b / 2 : b;
            side = 1;
        } else {
            high = f;
            b = now;
            a = side == -1 ? a / 2 : a;
            side = -1;
        }
    }
    return f;
}

static int contrast_curve(const struct edge_profile *p, struct sharpness *out, struct error *err)
{
    /* Flat over twice the rise to either side (all of a Gaussian to 5 sigma) and at least 2 px,
     * then a cosine shoulder half as long: wider would only let noise in. */
    double flat = fmax(2, 2 * p->rise_px), end = 1.5 * flat;
    if (end > p->reach_px - EDGE_KNOT_PX) {
        end = p->reach_px - EDGE_KNOT_PX;
        flat = end / 1.5;
    }
    double value[SPREAD_MAX];
    struct spread s = {.value = value, .start = -end, .step = EDGE_KNOT_PX / 2};
    s.count = (size_t)(2 * end / s.step) + 1;
    for (size_t k = 0; k < s.count; k++) {
        double d = s.start + (double)k * s.step, slope;
        spline_at(&p->curve, d, NULL, &slope);
        double shoulder = (fabs(d) - flat) / (end - flat);
        s.value[k] = slope * (shoulder <= 0 ? 1 : 0.5 + 0.5 * cos(M_PI * fmin(shoulder, 1)));
        s.total += s.value[k];
    }
    if (!(fabs(s.total) > 0))
        return error_set(err, ERROR_INPUT, "no edge in the region");

    spread_contrasts(&s, 0, SHARPNESS_POINTS, out->curve);
    out->mtf_nyquist4 = out->curve[25];

    /* Between the curve's own points, and as far beyond them as any lens goes. */
    const double fine = 0.01, highest = 1.5;
    double before = 1;
    for (int i = 1; i * fine <= highest; i++) {
        double f = i * fine, now = i < SHARPNESS_POINTS ? out->curve[i] : spread_contrast(&s, f);
        if (now < 0.5) {
            out->mtf50_cpp = half_contrast(&s, f - fine, before, f, now);
            return 0;
        }
        before = now;
    }
    return error_set(err, ERROR_INPUT,
                     "the contrast is still %.2f at %.1f cycles/px: no lens made this edge", before,
                     highest);
}

int sharpness_edge(struct plane edge, struct sharpness *out, struct error *err)
{
    struct edge_profile p;
    int rc = edge_profile_fit(edge, &p, err);
    if (rc < 0)
        return rc;
    const double step = fabs(p.high - p.low);
    out->angle_deg = atan(p.columns_px / p.rows) * 180 / M_PI;
    out->edge_contrast = step / fmax(fabs(p.high + p.low), 1e-12);
    out->noise_fraction = p.residual / step;
    if (!(out->noise_fraction < 0.25) || !(step > 1e-4))
        rc = error_set(err, ERROR_INPUT,
                       "no straight edge in the region: the pixels differ from one by %.0f %% of "
                       "its height, at most 25 %% expected",
                       100 * out->noise_fraction);
    else if (!(p.stray < 0.25))
        rc = error_set(err, ERROR_INPUT,
                       "more than one edge in the region: its sides stray by %.0f %% of the edge's "
                       "height, at most 25 %% expected",
                       100 * p.stray);
    else if (p.columns_px < 1)
        rc = error_set(err, ERROR_INPUT,
                       "the edge stands at %.2f degrees and crosses %.2f pixel columns in %d rows; "
                       "it must cross at least one",
                       out->angle_deg, p.columns_px, p.rows);
    else
        rc = contrast_curve(&p, out, err);
    edge_profile_free(&p);
    return rc;
}
