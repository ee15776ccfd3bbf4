#include "station/measure/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "station/measure/fourier.h"

enum { THD_LAST = 9, RUB_FIRST = 10, RUB_LAST = 40 };

/* ---- what sweep it is ----------------------------------------------------------------------- */

int sweep_recognise(const float *samples, size_t count, double rate_hz, struct signal_sweep *out,
                    struct error *err)
{
    double peak = 0;
    size_t first = count, last = 0;
    for (size_t i = 0; i < count; i++)
        peak = fmax(peak, fabs(samples[i]));
    for (size_t i = 0; i < count; i++) {
        if (fabs(samples[i]) > 1e-3 * peak) {
            first = first < i ? first : i;
            last = i;
        }
    }
    if (!(peak > 0) || last < first + 256)
        return error_set(err, ERROR_INPUT, "the reference is silent or too short for a sweep");

    /* Between two crossings of zero lies half a period; the logarithm of its frequency is a line in
     * time. Above an eighth of the rate single crossings are too coarse. */
    double n = 0, st = 0, stt = 0, sl = 0, stl = 0, sll = 0, before = -1;
    for (size_t i = first; i < last; i++) {
        double a = samples[i], b = samples[i + 1];
        if ((a < 0) == (b < 0))
            continue;
        double t = ((double)i + a / (a - b)) / rate_hz;
        double hz = before >= 0 ? 0.5 / (t - before) : 0, middle = (t + before) / 2;
        before = t;
        if (hz <= 0 || hz > rate_hz / 8)
            continue;
        double l = log(hz);
        n++;
        st += middle;
        stt += middle * middle;
        sl += l;
        stl += middle * l;
        sll += l * l;
    }
    double det = n * stt - st * st;
    if (n < 16 || !(det > 0))
        return error_set(err, ERROR_INPUT, "the reference is no sweep: %.0f half periods seen", n);
    double slope = (n * stl - st * sl) / det, start = (sl - slope * st) / n;
    double spread = n * sll - sl * sl, straight = slope * slope * det / spread;
    double begin = (double)first / rate_hz, end = (double)(last + 1) / rate_hz;
    *out = (struct signal_sweep){.start_hz = exp(start + slope * begin),
                                 .end_hz = exp(start + slope * end),
                                 .duration_s = end - begin,
                                 .amplitude = peak,
                                 .rate_hz = rate_hz};
    if (!(slope > 0) || !(straight > 0.98) || !(out->end_hz > 4 * out->start_hz))
        return error_set(err, ERROR_INPUT,
                         "the reference is no exponential sweep of two octaves upwards");
    if (out->end_hz > rate_hz / 2)
        out->end_hz = rate_hz / 2;
    return 0;
}

/* ---- impulse response ----------------------------------------------------------------------- */

/* Which part of the band is kept: all of it but a third of an octave at its lower and a tenth at
 * its upper end, over which it fades. A sharp edge would ring through all of the response, and
 * beyond the band there is only noise to divide. */
static double band_edge(double f, double low, double high)
{
    double in = fmin(log2(fmax(f, 1e-9) / low) * 3, log2(high / fmax(f, 1e-9)) * 10);
    return in <= 0 ? 0 : in < 1 ? 0.5 - 0.5 * cos(M_PI * in) : 1;
}

/* Recording over sweep, regularised a little, within the sweep's band. The result is real: re. */
static int impulse_response(const struct signal_sweep *spec, const float *sweep, size_t sweep_count,
                            const float *recorded, size_t recorded_count, struct fourier_bin *h,
                            size_t size, struct error *err)
{
    struct fourier_bin *x = fourier_alloc(size * sizeof *x);
    if (!x)
        return error_set(err, ERROR_MEMORY, "no memory for a spectrum of %zu", size);
    for (size_t i = 0; i < sweep_count; i++)
        x[i].re = sweep[i];
    for (size_t i = 0; i < recorded_count; i++)
        h[i].re = recorded[i];
    int rc = fourier_line(x, size, false, err);
    if (rc == 0)
        rc = fourier_line(h, size, false, err);
    if (rc < 0)
        goto out;

    const double bin_hz = spec->rate_hz / (double)size;
    double least = 0;
    size_t n_least = 0;
    for (size_t k = 1; k < size / 2; k++) {
        double f = (double)k * bin_hz, p = x[k].re * x[k].re + x[k].im * x[k].im;
        if (f > 0.5 * spec->end_hz && f < 0.9 * spec->end_hz) { /* its power falls as 1 / f */
            least += p;
            n_least++;
        }
    }
    least /= (double)(n_least ? n_least : 1);
    for (size_t k = 0; k < size; k++) {
        double f = (double)(k <= size / 2 ? k : size - k) * bin_hz;
        double w = band_edge(f, spec->start_hz, spec->end_hz);
        double p = x[k].re * x[k].re + x[k].im * x[k].im + 1e-5 * least + 1e-300;
        struct fourier_bin y = h[k];
        h[k].re = w * (y.re * x[k].re + y.im * x[k].im) / p;
        h[k].im = w * (y.im * x[k].re - y.re * x[k].im) / p;
    }
    rc = fourier_line(h, size, true, err);
out:
    fourier_free(x);
    return rc;
}

static double at(const struct fourier_bin *h, size_t size, double place)
{
    double i = floor(place + 0.5);
    i -= floor(i / (double)size) * (double)size;
    return h[(size_t)i % size].re;
}

/* A piece of the response from `from` to `to`, samples, with soft ends, transformed. */
static int piece(const struct fourier_bin *h, size_t size, double from, double to,
                 struct fourier_bin *out, size_t out_size, double *energy, struct error *err)
{
    size_t count = (size_t)fmax(0, floor(to) - ceil(from) + 1);
    count = count > out_size ? out_size : count;
    memset(out, 0, out_size * sizeof *out);
    *energy = 0;
    double soft = fmax(1, 0.1 * (double)count);
    for (size_t i = 0; i < count; i++) {
        double edge = fmin((double)i + 0.5, (double)(count - i) - 0.5);
        double w = edge < soft ? 0.5 - 0.5 * cos(M_PI * edge / soft) : 1;
        out[i].re = w * at(h, size, ceil(from) + (double)i);
        *energy += out[i].re * out[i].re;
    }
    return fourier_line(out, out_size, false, err);
}

/* Mean power of a spectrum over a band of that many parts of an octave about f. */
static double band_power(const struct fourier_bin *s, size_t size, double rate_hz, double f,
                         double per_octave)
{
    double half = pow(2, 0.5 / per_octave), bin_hz = rate_hz / (double)size, sum = 0;
    size_t low = (size_t)(f / half / bin_hz + 0.5), high = (size_t)(f * half / bin_hz + 0.5);
    low = low < 1 ? 1 : low;
    high = high > size / 2 ? size / 2 : high;
    if (high < low)
        high = low;
    for (size_t k = low; k <= high; k++)
        sum += s[k].re * s[k].re + s[k].im * s[k].im;
    return sum / (double)(high - low + 1);
}

/* ---- all of it ------------------------------------------------------------------------------ */

struct cut {
    const struct fourier_bin *h;
    size_t size, part_size;
    struct fourier_bin *part; /* (THD_LAST + 1) spectra; [1] is the sound itself */
    double peak, lead;        /* place of the impulse; samples from it to e times the frequency */
};

static int cut_harmonics(struct cut *c, double rate_hz, double *linear_energy, struct error *err)
{
    /* The sound itself: from less than half the way to the second harmonic on, for up to 0.2 s. */
    double before = fmin(0.4 * c->lead * log(2), 0.1 * rate_hz);
    int rc = piece(c->h, c->size, c->peak - before, c->peak + 0.2 * rate_hz, c->part + c->part_size,
                   c->part_size, linear_energy, err);
    for (int n = 2; n <= THD_LAST && rc == 0; n++) {
        double place = c->peak - c->lead * log(n), room = c->lead * log(n / (n - 1.0));
        double next = c->lead * log((n + 1.0) / n), energy;
        rc = piece(c->h, c->size, place - fmin(before, 0.3 * next), place + 0.7 * room,
                   c->part + (size_t)n * c->part_size, c->part_size, &energy, err);
    }
    return rc;
}

static void read_points(const struct cut *c, const struct signal_sweep *s, struct sweep *out)
{
    const double low = 1.27 * s->start_hz, high = 0.9 * s->end_hz;
    const struct fourier_bin *own = c->part + c->part_size;
    for (int k = -120; k <= 60 && out->responses < SWEEP_POINTS_MAX; k++) {
        double f = 1000 * pow(2, k / 12.0);
        if (f < low || f > high)
            continue;
        double p = band_power(own, c->part_size, s->rate_hz, f, 12);
        out->response[out->responses++] = (struct sweep_point){f, 10 * log10(p + 1e-300)};
        if (k % 2 || 2 * f > high)
            continue;
        double harmonics = 0;
        for (int n = 2; n <= THD_LAST && n * f <= high; n++)
            harmonics +=
                band_power(c->part + (size_t)n * c->part_size, c->part_size, s->rate_hz, n * f, 12);
        out->thd[out->thds++] = (struct sweep_point){f, 100 * sqrt(harmonics / (p + 1e-300))};
    }
}

int sweep_measure(const struct signal_sweep *spec, const float *sweep, size_t sweep_count,
                  const float *recorded, size_t recorded_count, struct sweep *out,
                  struct error *err)
{
    struct fourier_bin *h = NULL;
    struct cut c = {0};
    int rc = 0;

    *out = (struct sweep){0};
    if (signal_sweep_samples(spec) == 0 || sweep_count < 256 || sweep_count > SWEEP_SAMPLES_MAX ||
        recorded_count < sweep_count / 2 || recorded_count > SWEEP_SAMPLES_MAX)
        return error_set(err, ERROR_INPUT,
                         "a sweep of %zu samples in a recording of %zu: 256 to %d expected, and "
                         "the recording not shorter than half the sweep",
                         sweep_count, recorded_count, SWEEP_SAMPLES_MAX);
    c.size = fourier_size(sweep_count + recorded_count);
    c.part_size = fourier_size((size_t)(0.25 * spec->rate_hz));
    c.lead = spec->duration_s * spec->rate_hz / log(spec->end_hz / spec->start_hz);
    h = fourier_alloc(c.size * sizeof *h);
    c.part = fourier_alloc((THD_LAST + 1) * c.part_size * sizeof *c.part);
    c.h = h;
    if (!h || !c.part) {
        rc = error_set(err, ERROR_MEMORY, "no memory for a response of %zu", c.size);
        goto out;
    }
    rc = impulse_response(spec, sweep, sweep_count, recorded, recorded_count, h, c.size, err);
    if (rc < 0)
        goto out;

    size_t best = 0;
    double total = 0;
    for (size_t i = 0; i < c.size; i++) {
        total += h[i].re * h[i].re;
        if (fabs(h[i].re) > fabs(h[best].re))
            best = i;
    }
    double l = fabs(at(h, c.size, (double)best - 1)), m = fabs(h[best].re);
    double r = fabs(at(h, c.size, (double)best + 1)), bend = l - 2 * m + r;
    c.peak = (double)best + (bend < 0 ? 0.5 * (l - r) / bend : 0);
    if (best > c.size / 2)
        c.peak -= (double)c.size;
    out->delay_ms = 1000 * c.peak / spec->rate_hz;
    out->peak_to_rest_db = 20 * log10(m / sqrt(total / (double)c.size + 1e-300) + 1e-300);
    if (!(out->peak_to_rest_db > 20)) {
        rc = error_set(err, ERROR_INPUT,
                       "the sweep is not in the recording: its impulse stands %.1f dB above the "
                       "rest, at least 20 expected",
                       out->peak_to_rest_db);
        goto out;
    }

    double linear = 0, high = 0;
    rc = cut_harmonics(&c, spec->rate_hz, &linear, err);
    if (rc < 0)
        goto out;
    read_points(&c, spec, out);
    double highest = fmin(RUB_LAST, spec->end_hz / spec->start_hz);
    for (double i = ceil(c.peak - c.lead * log(highest));
         i <= c.peak - c.lead * log(RUB_FIRST - 0.5); i++)
        high += at(h, c.size, i) * at(h, c.size, i);
    out->rub_buzz_db = 10 * log10(high / (linear + 1e-300) + 1e-300);
out:
    fourier_free(h);
    fourier_free(c.part);
    return rc;
}
