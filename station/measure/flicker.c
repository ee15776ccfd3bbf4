#include "station/measure/flicker.h"

#include <math.h>
#include <stdlib.h>

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

/* Legendre's polynomials over the rows' grid are near enough to orthogonal to take one off after
 * the other, twice. */
static double legendre(int order, double x)
{
    double before = 1, p = order ? x : 1;
    for (int n = 1; n < order; n++) {
        const double next = ((2 * n + 1) * x * p - n * before) / (n + 1);
        before = p;
        p = next;
    }
    return p;
}

/* Mean square of what the frames' mean does along the rows beyond a smooth curve. */
static double standing_square(const double *rows, size_t frames, int height, double *mean_row)
{
    enum { ORDER = 5 };
    double squares = 0;
    for (int y = 0; y < height; y++) {
        mean_row[y] = 0;
        for (size_t k = 0; k < frames; k++)
            mean_row[y] += rows[k * (size_t)height + (size_t)y] / (double)frames;
    }
    for (int pass = 0; pass < 2; pass++)
        for (int order = 0; order <= ORDER; order++) {
            double along = 0, norm = 0;
            for (int y = 0; y < height; y++) {
                const double p = legendre(order, (2.0 * y + 1) / height - 1);
                along += p * mean_row[y];
                norm += p * p;
            }
            for (int y = 0; y < height; y++)
                mean_row[y] -= along / norm * legendre(order, (2.0 * y + 1) / height - 1);
        }
    for (int y = 0; y < height; y++)
        squares += mean_row[y] * mean_row[y] / height;
    return squares;
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
    double *mean_row = malloc((size_t)height * sizeof *mean_row);
    if (!mean_row)
        return error_set(err, ERROR_MEMORY, "no memory for %d rows", height);
    const double standing = standing_square(rows, frames, height, mean_row);
    const double noise = sigma * sigma / width;
    free(mean_row);
    out->standing_percent = 100 * sqrt(fmax(0, standing - noise / (double)frames)) / mean;
    out->flicker_percent = 100 * sqrt(spread) / mean;
    out->banding_percent = 100 * sqrt(fmax(0, banding - noise)) / mean;
    return 0;
}
