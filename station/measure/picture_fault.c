#include "station/measure/picture_fault.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { BLOCK = 16, EDGE_ROWS = 16, CLIP_LOW = 1, CLIP_HIGH = 254 };

static bool clips(uint8_t v)
{
    return v < CLIP_LOW || v > CLIP_HIGH;
}

/* Each row's mean distance between the frames, and how many samples are the same. */
static double compare_rows(const struct nv12 *a, const struct nv12 *b, double *rows)
{
    const size_t width = (size_t)a->width_px;
    size_t same = 0, counted = 0;
    for (size_t y = 0; y < (size_t)a->height_px; y++) {
        const uint8_t *p = a->data + y * width, *q = b->data + y * width;
        long sum = 0;
        for (size_t x = 0; x < width; x++) {
            sum += labs((long)p[x] - q[x]);
            if (clips(p[x]) && clips(q[x]))
                continue;
            counted++;
            same += p[x] == q[x];
        }
        rows[y] = (double)sum / (double)width;
    }
    return counted ? (double)same / (double)counted : 0;
}

/* The largest ratio of the means of what lies below and above a row. */
static double tear(const double *rows, int height)
{
    double above = 0, below = 0, worst = 1;
    for (int y = 0; y < height; y++)
        below += rows[y];
    for (int y = 0; y < height - EDGE_ROWS; y++) {
        above += rows[y];
        below -= rows[y];
        if (y + 1 < EDGE_ROWS)
            continue;
        /* A frame that equals the other up to rounding is frozen, not torn. */
        const double a = above / (y + 1) + 0.05, b = below / (height - y - 1) + 0.05;
        worst = fmax(worst, a > b ? a / b : b / a);
    }
    return worst;
}

static bool block_is_level(const struct nv12 *f, int x0, int y0)
{
    const uint8_t first = f->data[(size_t)y0 * (size_t)f->width_px + (size_t)x0];
    if (clips(first))
        return false;
    for (int y = y0; y < y0 + BLOCK; y++)
        for (int x = x0; x < x0 + BLOCK; x++)
            if (f->data[(size_t)y * (size_t)f->width_px + (size_t)x] != first)
                return false;
    return true;
}

static bool block_has_no_colour(const struct nv12 *f, int x0, int y0)
{
    const uint8_t *chroma = f->data + (size_t)f->width_px * (size_t)f->height_px;
    for (int y = y0 / 2; y < (y0 + BLOCK) / 2; y++)
        for (int x = x0; x < x0 + BLOCK; x++)
            if (chroma[(size_t)y * (size_t)f->width_px + (size_t)x])
                return false;
    return true;
}

static double corrupt(const struct nv12 *f)
{
    size_t blocks = 0, bad = 0;
    for (int y = 0; y + BLOCK <= f->height_px; y += BLOCK)
        for (int x = 0; x + BLOCK <= f->width_px; x += BLOCK, blocks++)
            bad += block_is_level(f, x, y) || block_has_no_colour(f, x, y);
    return (double)bad / (double)blocks;
}

static void levels(const struct nv12 *f, struct picture_fault *out)
{
    size_t counts[256] = {0};
    const size_t samples = (size_t)f->width_px * (size_t)f->height_px;
    double sum = 0;
    for (size_t i = 0; i < samples; i++)
        counts[f->data[i]]++;
    for (int v = 0; v < 256; v++)
        sum += (double)counts[v] * v;
    out->mean_luma = sum / (double)samples;
    size_t above = 0;
    int v = 255;
    for (; v > 0 && (above += counts[v]) <= samples / 100; v--)
        ;
    out->bright_luma = v;
}

int picture_fault_measure(const struct nv12 *before, const struct nv12 *after,
                          struct picture_fault *out, struct error *err)
{
    const size_t bytes = (size_t)before->width_px * (size_t)before->height_px * 3 / 2;
    if (before->width_px != after->width_px || before->height_px != after->height_px ||
        before->width_px < 2 * BLOCK || before->height_px < 2 * BLOCK || before->bytes < bytes ||
        after->bytes < bytes)
        return error_set(
            err, ERROR_INPUT,
            "frames of %d x %d and %d x %d, expected two of one size, 32 x 32 at least",
            before->width_px, before->height_px, after->width_px, after->height_px);
    double *rows = malloc((size_t)before->height_px * sizeof *rows);
    if (!rows)
        return error_set(err, ERROR_MEMORY, "comparing frames: out of memory");
    out->same_ratio = compare_rows(before, after, rows);
    out->tear_ratio = tear(rows, before->height_px);
    free(rows);
    out->corrupt_ratio = corrupt(after);
    levels(after, out);
    return 0;
}
