#include "station/measure/tone.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "station/measure/fourier.h"

enum { SAMPLES_MIN = 256, PERIODS_MIN = 5, HARMONICS_MAX = 1000 };

/* Cosine and sine by rotation, set right again every 256 samples so that rounding does not grow. */
struct rotor {
    double c, s, turn_c, turn_s, step;
    unsigned n;
};

static struct rotor rotor_at(double step)
{
    return (struct rotor){1, 0, cos(step), sin(step), step, 0};
}

static inline void rotor_next(struct rotor *r)
{
    r->n++;
    if (r->n % 256 == 0) {
        r->c = cos(r->n * r->step);
        r->s = sin(r->n * r->step);
        return;
    }
    double c = r->c * r->turn_c - r->s * r->turn_s;
    r->s = r->c * r->turn_s + r->s * r->turn_c;
    r->c = c;
}

enum { TERMS = 4 };

/* Least squares of x = a cos + b sin + c (+ d t (-a sin + b cos) when `terms` is 4). */
static bool fit(const double *x, size_t count, double step, const double around[2], int terms,
                double out[TERMS])
{
    double m[TERMS][TERMS + 1] = {{0}};
    struct rotor r = rotor_at(step);
    for (size_t i = 0; i < count; i++) {
        double t = (double)i / (double)count;
        double g[TERMS] = {r.c, r.s, 1, t * (-around[0] * r.s + around[1] * r.c)};
        for (int p = 0; p < terms; p++) {
            for (int q = p; q < terms; q++)
                m[p][q] += g[p] * g[q];
            m[p][TERMS] += g[p] * x[i];
        }
        rotor_next(&r);
    }
    for (int p = 0; p < terms; p++)
        for (int q = 0; q < p; q++)
            m[p][q] = m[q][p];
    for (int p = 0; p < terms; p++) {
        if (!(fabs(m[p][p]) > 1e-300))
            return false;
        for (int q = 0; q < terms; q++) {
            double f = m[q][p] / m[p][p];
            for (int k = p; q != p && k <= TERMS; k++)
                m[q][k] -= f * m[p][k];
        }
    }
    for (int p = 0; p < terms; p++)
        out[p] = m[p][TERMS] / m[p][p];
    return true;
}

static double power_of(const double *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += x[i] * x[i];
    return sum / (double)count;
}

static void take_off(double *x, size_t count, double step, double a, double b, double c)
{
    struct rotor r = rotor_at(step);
    for (size_t i = 0; i < count; i++) {
        x[i] -= a * r.c + b * r.s + c;
        rotor_next(&r);
    }
}

static double *to_double(const float *samples, size_t count)
{
    double *x = malloc(count * sizeof *x);
    for (size_t i = 0; x && i < count; i++)
        x[i] = samples[i];
    return x;
}

static void describe(struct tone *out, double step, double rate_hz, const double p[TERMS])
{
    out->frequency_hz = step * rate_hz / (2 * M_PI);
    out->amplitude = hypot(p[0], p[1]);
    out->phase_rad = atan2(-p[1], p[0]);
    out->offset = p[2];
    out->level_dbfs = out->amplitude > 0 ? 20 * log10(out->amplitude) : -INFINITY;
}

int tone_fit_at(const float *samples, size_t count, double rate_hz, double frequency_hz,
                struct tone *out, double *residual_rms, struct error *err)
{
    if (count < 8 || !(frequency_hz > 0) || !(frequency_hz < rate_hz / 2))
        return error_set(
            err, ERROR_INPUT,
            "a sine of %.1f Hz in %zu samples at %.0f Hz: 8 samples and less than half "
            "the rate expected",
            frequency_hz, count, rate_hz);
    double *x = to_double(samples, count), p[TERMS];
    if (!x)
        return error_set(err, ERROR_MEMORY, "no memory for %zu samples", count);
    const double step = 2 * M_PI * frequency_hz / rate_hz, none[2] = {0, 0};
    int rc = 0;
    *out = (struct tone){0};
    if (fit(x, count, step, none, 3, p)) {
        describe(out, step, rate_hz, p);
        take_off(x, count, step, p[0], p[1], p[2]);
        if (residual_rms)
            *residual_rms = sqrt(power_of(x, count));
    } else {
        rc = error_set(err, ERROR_INPUT, "%zu samples do not determine a sine of %.1f Hz", count,
                       frequency_hz);
    }
    free(x);
    return rc;
}

int tone_level_at(const float *samples, size_t count, double rate_hz, double frequency_hz,
                  double *dbfs, struct error *err)
{
    struct tone t;
    int rc = tone_fit_at(samples, count, rate_hz, frequency_hz, &t, NULL, err);
    *dbfs = rc == 0 ? t.level_dbfs : -INFINITY;
    return rc;
}

/* The strongest line of the Hann-windowed spectrum, between bins by a parabola through the
 * logarithms: good to a few hundredths of a bin, which the iteration then betters. */
static int strongest_line(const double *x, size_t count, double *step, struct error *err)
{
    size_t used = count < FOURIER_MAX ? count : FOURIER_MAX, size = fourier_size(used);
    struct fourier_bin *s = fourier_alloc(size * sizeof *s);
    if (!s)
        return error_set(err, ERROR_MEMORY, "no memory for a spectrum of %zu", size);
    double mean = 0;
    for (size_t i = 0; i < used; i++)
        mean += x[i] / (double)used;
    for (size_t i = 0; i < used; i++)
        s[i].re = (x[i] - mean) * (0.5 - 0.5 * cos(2 * M_PI * ((double)i + 0.5) / (double)used));
    int rc = fourier_line(s, size, false, err);
    if (rc == 0) {
        size_t best = 0;
        double most = 0;
        for (size_t k = 1; k < size / 2; k++) {
            double power = s[k].re * s[k].re + s[k].im * s[k].im;
            if (power > most) {
                most = power;
                best = k;
            }
        }
        if (best == 0) {
            rc = error_set(err, ERROR_INPUT, "no tone: the samples are silent");
        } else {
            double l[3];
            for (int d = -1; d <= 1; d++) {
                struct fourier_bin b = s[best + (size_t)(d + 1) - 1];
                l[d + 1] = log(b.re * b.re + b.im * b.im + 1e-300);
            }
            double bend = l[0] - 2 * l[1] + l[2];
            double off = bend < 0 ? 0.5 * (l[0] - l[2]) / bend : 0;
            *step = 2 * M_PI * ((double)best + fmax(-0.5, fmin(0.5, off))) / (double)size;
        }
    }
    fourier_free(s);
    return rc;
}

/* Projects x on cosine and sine at `step` over whole periods and takes that off. */
static void project_off(double *x, size_t count, double step, double *a, double *b)
{
    struct rotor r = rotor_at(step);
    *a = *b = 0;
    for (size_t i = 0; i < count; i++) {
        *a += x[i] * r.c;
        *b += x[i] * r.s;
        rotor_next(&r);
    }
    *a *= 2 / (double)count;
    *b *= 2 / (double)count;
    take_off(x, count, step, *a, *b, 0);
}

/* Iterates the four-parameter fit from `step` on; false when it runs away. */
static bool fit_frequency(const double *x, size_t count, double *step, double p[TERMS])
{
    double around[2] = {0, 0};
    if (!fit(x, count, *step, around, 3, p))
        return false;
    for (int pass = 0; pass < 20; pass++) {
        around[0] = p[0];
        around[1] = p[1];
        if (!fit(x, count, *step, around, 4, p) || !(fabs(p[3]) < 2 * M_PI))
            return false;
        double change = p[3] / (double)count;
        *step += change;
        if (!(*step > 0) || !(*step < M_PI))
            return false;
        if (fabs(change) < 1e-13)
            break;
    }
    return true;
}

static size_t whole_periods(size_t count, double step)
{
    double period = 2 * M_PI / step;
    size_t whole = (size_t)(floor((double)count / period) * period + 0.5);
    return whole > count ? count : whole;
}

/* Harmonics that do not fit the record in whole periods pull the fitted frequency by up to 1e-4 of
 * itself (a square wave). So the strongest are taken off by the frequency so far, and it is fitted
 * again to what is left, until it stands. `y` is scratch. */
static bool frequency_without_harmonics(const double *x, double *y, size_t count, double *step,
                                        double p[TERMS])
{
    enum { ROUNDS = 12, STRONGEST = 20 };
    for (int round = 0; round < ROUNDS; round++) {
        size_t whole = whole_periods(count, *step);
        double before = *step, none[2] = {0, 0}, a, b;
        if (!fit(x, whole, *step, none, 3, p))
            return false;
        memcpy(y, x, whole * sizeof *y);
        take_off(y, whole, *step, p[0], p[1], p[2]);
        for (size_t k = 2; k <= STRONGEST && *step * (double)k < 0.999 * M_PI; k++)
            project_off(y, whole, *step * (double)k, &a, &b);
        take_off(y, whole, *step, -p[0], -p[1], -p[2]);
        if (!fit_frequency(y, whole, step, p))
            return false;
        if (fabs(*step - before) * (double)count < 1e-6)
            break;
    }
    return true;
}

/* Fits and takes off the harmonics one after the other, twice over: they are almost
 * orthogonal over whole periods, so what they take from each other in the first sweep is given back
 * in the second. Gives the sum of their powers. */
static int harmonics(double *x, size_t count, double step, struct tone *out, double *power,
                     struct error *err)
{
    size_t top = (size_t)(M_PI / step * 0.99999);
    top = top > HARMONICS_MAX ? HARMONICS_MAX : top;
    double *kept = calloc(2 * (top + 1), sizeof *kept);
    if (!kept)
        return error_set(err, ERROR_MEMORY, "no memory for %zu harmonics", top);
    for (int sweep = 0; sweep < 2; sweep++) {
        for (size_t k = 1; k <= top; k++) {
            double a, b;
            project_off(x, count, step * (double)k, &a, &b);
            kept[2 * k] += a;
            kept[2 * k + 1] += b;
        }
    }
    *power = 0;
    out->harmonic_percent[0] = 100;
    for (size_t k = 2; k <= top; k++) {
        double a = hypot(kept[2 * k], kept[2 * k + 1]);
        *power += a * a / 2;
        if (k <= TONE_HARMONICS)
            out->harmonic_percent[k - 1] = 100 * a / out->amplitude;
    }
    free(kept);
    return 0;
}

int tone_measure(const float *samples, size_t count, double rate_hz, struct tone *out,
                 struct error *err)
{
    double step = 0, p[TERMS] = {0}, none[2] = {0, 0}, rest = 0, power = 0;
    if (count < SAMPLES_MIN || count > FOURIER_MAX || !(rate_hz > 0))
        return error_set(err, ERROR_INPUT, "a tone in %zu samples: %d to %d expected", count,
                         SAMPLES_MIN, FOURIER_MAX);
    double *x = to_double(samples, count), *y = malloc(count * sizeof *y);
    int rc = 0;
    *out = (struct tone){0};
    if (!x || !y) {
        rc = error_set(err, ERROR_MEMORY, "no memory for %zu samples", count);
        goto out;
    }
    rc = strongest_line(x, count, &step, err);
    if (rc < 0)
        goto out;
    if (step * (double)count < 2 * M_PI * PERIODS_MIN) {
        rc = error_set(err, ERROR_INPUT,
                       "a tone of %.1f Hz makes fewer than %d periods in %zu samples",
                       step * rate_hz / (2 * M_PI), PERIODS_MIN, count);
        goto out;
    }
    if (!fit_frequency(x, count, &step, p) || !frequency_without_harmonics(x, y, count, &step, p))
        goto no_tone;

    size_t whole = whole_periods(count, step);
    if (!fit(x, whole, step, none, 3, p))
        goto no_tone;
    describe(out, step, rate_hz, p);
    take_off(x, whole, step, p[0], p[1], p[2]);
    rest = power_of(x, whole);
    double sine = out->amplitude * out->amplitude / 2;
    if (!(sine > rest))
        goto no_tone;
    rc = harmonics(x, whole, step, out, &power, err);
    if (rc < 0)
        goto out;
    double noise = power_of(x, whole);
    out->sinad_db = rest > 0 ? 10 * log10(sine / rest) : INFINITY;
    out->thdn_db = -out->sinad_db;
    out->snr_db = noise > 0 ? 10 * log10(sine / noise) : INFINITY;
    out->thd_percent = 100 * sqrt(power / sine);
    goto out;
no_tone:
    rc = error_set(err, ERROR_INPUT,
                   "no tone: the strongest line, at %.1f Hz, is not a sine above the rest",
                   step * rate_hz / (2 * M_PI));
out:
    free(x);
    free(y);
    return rc;
}
