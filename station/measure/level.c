#include "station/measure/level.h"

#include <math.h>

#include "station/measure/fourier.h"
#include "station/measure/weighting.h"

void samples_from_s16(const int16_t *in, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (float)in[i] * (1.0f / 32768);
}

void samples_to_s16(const float *in, size_t count, int16_t *out)
{
    for (size_t i = 0; i < count; i++) {
        float v = in[i] * 32768;
        out[i] = v >= 32767 ? 32767 : v <= -32768 ? -32768 : (int16_t)lrintf(v);
    }
}

static double mean_of(const float *samples, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += samples[i];
    return count ? sum / (double)count : 0;
}

/* A full-scale sine has power 1/2. */
static double power_to_dbfs(double power)
{
    return power > 0 ? 10 * log10(2 * power) : -INFINITY;
}

double level_dbfs(const float *samples, size_t count)
{
    double offset = mean_of(samples, count), power = 0;
    for (size_t i = 0; i < count; i++)
        power += (samples[i] - offset) * (samples[i] - offset);
    return count ? power_to_dbfs(power / (double)count) : -INFINITY;
}

double level_peak_dbfs(const float *samples, size_t count)
{
    double peak = 0;
    for (size_t i = 0; i < count; i++)
        peak = fmax(peak, fabs(samples[i]));
    return peak > 0 ? 20 * log10(peak) : -INFINITY;
}

int level_dba_fs(const float *samples, size_t count, double rate_hz, double *out, struct error *err)
{
    if (count < 2 || count > FOURIER_MAX / 2 || !(rate_hz > 0))
        return error_set(err, ERROR_INPUT, "a level of %zu samples at %.0f Hz: 2 to %d expected",
                         count, rate_hz, FOURIER_MAX / 2);
    size_t size = fourier_size(count);
    struct fourier_bin *x = fourier_alloc(size * sizeof *x);
    if (!x)
        return error_set(err, ERROR_MEMORY, "no memory for a spectrum of %zu", size);
    double offset = mean_of(samples, count);
    for (size_t i = 0; i < count; i++)
        x[i].re = samples[i] - offset;
    int rc = fourier_line(x, size, false, err);
    if (rc == 0) {
        double power = 0; /* Parseval; silence behind the samples adds nothing */
        for (size_t k = 1; k < size; k++) {
            double f = (double)(k <= size / 2 ? k : size - k) * rate_hz / (double)size;
            power += (x[k].re * x[k].re + x[k].im * x[k].im) * weighting_a_power(f);
        }
        *out = power_to_dbfs(power / (double)size / (double)count);
    }
    fourier_free(x);
    return rc;
}

size_t level_clipped(const float *samples, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += fabsf(samples[i]) >= 32767.0f / 32768;
    return n;
}

/* Where the window with the most power begins, or with sign -1 that with the least. */
static size_t extreme_window(const float *samples, size_t count, size_t window, double sign)
{
    double power = 0, most;
    size_t best = 0;
    if (window == 0 || window >= count)
        return 0;
    for (size_t i = 0; i < window; i++)
        power += (double)samples[i] * samples[i];
    most = power;
    for (size_t i = window; i < count; i++) {
        power +=
            (double)samples[i] * samples[i] - (double)samples[i - window] * samples[i - window];
        /* A steady sound is as loud everywhere but for rounding: the first of its places. */
        if (sign * power > sign * most + 1e-6 * fabs(most)) {
            most = power;
            best = i - window + 1;
        }
    }
    return best;
}

size_t level_loudest(const float *samples, size_t count, size_t window)
{
    return extreme_window(samples, count, window, 1);
}

size_t level_quietest(const float *samples, size_t count, size_t window)
{
    return extreme_window(samples, count, window, -1);
}
