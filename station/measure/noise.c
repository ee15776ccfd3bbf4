#include "station/measure/noise.h"

#include <math.h>
#include <stdlib.h>

enum { BLOCK = 32 };

/* Variance about the best plane of one block, and its degrees of freedom. */
static void block_variance(const float *v, int width, int x0, int y0, int w, int h, double *squares,
                           double *freedom)
{
    double n = (double)w * h, s = 0, sx = 0, sy = 0, q = 0;
    double mx = (w - 1) / 2.0, my = (h - 1) / 2.0, xx = 0, yy = 0;
    double origin = v[(size_t)y0 * width + x0];
    for (int y = 0; y < h; y++) {
        const float *row = v + (size_t)(y0 + y) * width + x0;
        for (int x = 0; x < w; x++) {
            double d = row[x] - origin;
            s += d;
            q += d * d;
            sx += d * (x - mx);
            sy += d * (y - my);
            xx += (x - mx) * (x - mx);
            yy += (y - my) * (y - my);
        }
    }
    *squares += fmax(0, q - s * s / n - sx * sx / xx - sy * sy / yy);
    *freedom += n - 3;
}

int noise_measure(const struct plane *frames, size_t count, struct noise *out, struct error *err)
{
    const int w = frames[0].width_px, h = frames[0].height_px;
    if (count < 2 || count > NOISE_FRAMES_MAX)
        return error_set(err, ERROR_INPUT, "noise from %zu frames: 2 to %d expected", count,
                         NOISE_FRAMES_MAX);
    if (w < 8 || h < 8)
        return error_set(err, ERROR_INPUT, "noise of %dx%d pixels: at least 8x8 expected", w, h);
    for (size_t k = 1; k < count; k++)
        if (frames[k].width_px != w || frames[k].height_px != h)
            return error_set(err, ERROR_INPUT, "frame %zu has %dx%d pixels, the first %dx%d", k + 1,
                             frames[k].width_px, frames[k].height_px, w, h);

    float *mean = calloc((size_t)w * (size_t)h, sizeof *mean);
    if (!mean)
        return error_set(err, ERROR_MEMORY, "no memory for the mean of %dx%d pixels", w, h);
    const double n = (double)w * h;
    double variance = 0;
    for (size_t k = 0; k < count; k++) {
        double sum = 0, squares = 0;
        for (int y = 0; y < h; y++) {
            const float *row = frames[k].data + (size_t)y * frames[k].stride;
            const float *last = k ? frames[k - 1].data + (size_t)y * frames[k - 1].stride : row;
            float *m = mean + (size_t)y * w;
            for (int x = 0; x < w; x++) {
                double d = (double)row[x] - last[x];
                sum += d;
                squares += d * d;
                m[x] += row[x] / (float)count;
            }
        }
        if (k) /* the mean difference is the light's drift, not the sensor's noise */
            variance += (squares - sum * sum / n) / (n - 1) / 2 / (double)(count - 1);
    }
    double squares = 0, freedom = 0;
    for (int y = 0; y + 8 <= h; y += BLOCK)
        for (int x = 0; x + 8 <= w; x += BLOCK)
            block_variance(mean, w, x, y, w - x < BLOCK ? w - x : BLOCK,
                           h - y < BLOCK ? h - y : BLOCK, &squares, &freedom);
    struct plane average = {mean, w, h, (size_t)w};
    out->mean = plane_mean(average, NULL);
    out->temporal_sigma = sqrt(fmax(0, variance));
    out->snr_db = out->temporal_sigma > 0 ? 20 * log10(out->mean / out->temporal_sigma) : INFINITY;
    out->fixed_pattern_sigma = sqrt(fmax(0, squares / freedom - variance / (double)count));
    free(mean);
    return 0;
}
