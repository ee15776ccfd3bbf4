#include "station/measure/flicker.h"

#include <math.h>

void flicker_rows(struct plane p, double *rows)
{
    for (int y = 0; y < p.height_px; y++) {
        const float *row = p.data + (size_t)y * p.stride;
        double sum = 0;
        for (int x = 0; x < p.width_px; x++)
            sum += row[x];
        rows[y] = sum / p.width_px;
    }
}

int flicker_measure(const double *rows, size_t frames, int height, int width, double sigma,
                    struct flicker *out, struct error *err)
{
    double means[FLICKER_FRAMES_MAX], mean = 0, spread = 0, banding = 0;
    if (frames < 2 || frames > FLICKER_FRAMES_MAX || height < 16 || width < 1)
        return error_set(err, ERROR_INPUT,
                         "flicker of %zu frames of %d rows: 2 to %d of 16 or more expected", frames,
                         height, FLICKER_FRAMES_MAX);
    for (size_t k = 0; k < frames; k++) {
        means[k] = 0;
        for (int y = 0; y < height; y++)
            means[k] += rows[k * (size_t)height + (size_t)y] / height;
        mean += means[k] / (double)frames;
    }
    if (!(mean > 1e-6))
        return error_set(err, ERROR_INPUT, "flicker of a field that is black");
    for (size_t k = 0; k < frames; k++)
        spread += (means[k] - mean) * (means[k] - mean) / (double)(frames - 1);
    for (size_t k = 1; k < frames; k++) {
        const double *now = rows + k * (size_t)height, *last = now - height;
        const double moved = means[k] - means[k - 1];
        for (int y = 0; y < height; y++) {
            const double d = now[y] - last[y] - moved;
            banding += d * d / 2 / (double)height / (double)(frames - 1);
        }
    }
    out->flicker_percent = 100 * sqrt(spread) / mean;
    out->banding_percent = 100 * sqrt(fmax(0, banding - sigma * sigma / width)) / mean;
    return 0;
}
