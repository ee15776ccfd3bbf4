#include "firmware/hal/emulator/resample.h"

#include <math.h>
#include <stdlib.h>

/* Kernel values a sample, straight lines between them: 256 leave an error under -90 dB. */
enum { PHASES = 256, REACH = 32 };

struct resample {
    int reach;
    float kernel[]; /* reach * PHASES + 2, for distances from 0 on */
};

static double bessel_i0(double x)
{
    double term = 1, sum = 1;
    for (int k = 1; k < 60; k++) {
        term *= x / (2 * k) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

int resample_create(double in_hz, double out_hz, struct resample **out, struct error *err)
{
    double ratio = out_hz < in_hz ? in_hz / out_hz : 1;
    double cutoff = 0.455 / ratio; /* cycles an input sample; the window's skirt ends at 0.5 */
    const double beta = 8;
    int reach = (int)ceil(REACH * ratio);
    size_t count = (size_t)reach * PHASES + 2;
    struct resample *r = *out = malloc(sizeof *r + count * sizeof(float));
    if (!r)
        return error_set(err, ERROR_MEMORY, "no memory for a resampling kernel");
    r->reach = reach;
    for (size_t i = 0; i < count; i++) {
        double t = (double)i / PHASES, edge = t / reach;
        double sinc = i ? sin(2 * M_PI * cutoff * t) / (M_PI * t) : 2 * cutoff;
        double window = edge < 1 ? bessel_i0(beta * sqrt(1 - edge * edge)) / bessel_i0(beta) : 0;
        r->kernel[i] = (float)(sinc * window);
    }
    return 0;
}

void resample_free(struct resample *r)
{
    free(r);
}

int resample_reach(const struct resample *r)
{
    return r->reach;
}

double resample_at(const struct resample *r, const float *in, size_t count, double position)
{
    long first = (long)ceil(position) - r->reach, last = (long)floor(position) + r->reach;
    first = first < 0 ? 0 : first;
    last = last >= (long)count ? (long)count - 1 : last;
    double sum = 0;
    for (long i = first; i <= last; i++) {
        double t = fabs(position - (double)i) * PHASES;
        int at = (int)t;
        if (at >= r->reach * PHASES)
            continue;
        double f = t - at;
        sum += in[i] * (r->kernel[at] + f * (r->kernel[at + 1] - r->kernel[at]));
    }
    return sum;
}
