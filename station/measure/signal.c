#include "station/measure/signal.h"

#include <math.h>
#include <stdint.h>

static double fade(size_t i, size_t count, double fade_samples)
{
    double edge = fmin((double)i, (double)(count - 1 - i));
    return edge < fade_samples ? 0.5 - 0.5 * cos(M_PI * edge / fade_samples) : 1;
}

void signal_sine(double frequency_hz, double amplitude, double rate_hz, double fade_s, float *out,
                 size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (float)(amplitude * fade(i, count, fade_s * rate_hz) *
                         sin(2 * M_PI * frequency_hz * (double)i / rate_hz));
}

void signal_talk(double amplitude, double rate_hz, float *out, size_t count)
{
    const double keep = exp(-2 * M_PI * 500 / rate_hz), highest = 0.9;
    uint64_t drawn = 0x9e3779b97f4a7c15; /* xorshift64 */
    double low = 0, power = 0;
    for (size_t i = 0; i < count; i++) {
        drawn ^= drawn << 13;
        drawn ^= drawn >> 7;
        drawn ^= drawn << 17;
        low = keep * low + (1 - keep) * ((double)(drawn >> 11) / 4503599627370496.0 - 1);
        const double syllable = 0.5 - 0.5 * cos(2 * M_PI * 4 * (double)i / rate_hz);
        out[i] = (float)(low * syllable);
        power += (double)out[i] * out[i];
    }
    const double scale = power > 0 ? amplitude * M_SQRT1_2 / sqrt(power / (double)count) : 0;
    for (size_t i = 0; i < count; i++)
        out[i] = (float)fmax(-highest, fmin(highest, scale * out[i]));
}

size_t signal_sweep_samples(const struct signal_sweep *s)
{
    if (!(s->start_hz > 0) || !(s->end_hz > s->start_hz) || !(s->rate_hz > 0) ||
        !(s->end_hz <= s->rate_hz / 2) || !(s->duration_s > 0) || s->duration_s > 60)
        return 0;
    return (size_t)(s->duration_s * s->rate_hz);
}

void signal_sweep(const struct signal_sweep *s, float *out)
{
    const size_t count = signal_sweep_samples(s);
    const double rate = log(s->end_hz / s->start_hz);
    const double turns = 2 * M_PI * s->start_hz * s->duration_s / rate;
    for (size_t i = 0; i < count; i++) {
        double t = (double)i / s->rate_hz;
        out[i] = (float)(s->amplitude * fade(i, count, s->fade_s * s->rate_hz) *
                         sin(turns * expm1(t * rate / s->duration_s)));
    }
}
