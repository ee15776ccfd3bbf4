#include "station/measure/defects.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { HALF = 8, PASSES_MAX = 4 };

const struct defect_limits defect_limits_usual = {0.05, 0.5, 1.5, 10, 0.02};

const char *defect_name(enum defect_kind kind)
{
    static const char *const names[] = {"dead", "bright", "hot"};
    return names[kind];
}

void defects_free(struct defects *d)
{
    free(d->points);
    *d = (struct defects){0};
}

/* Sums of a column of 17 rows, kept up to date as the rows go by: a bad pixel counts nothing. */
struct columns {
    double *sum;
    int *count;
};

static void columns_add(struct columns *c, struct plane p, const uint8_t *bad, int y, int sign)
{
    if (y < 0 || y >= p.height_px)
        return;
    const float *row = p.data + (size_t)y * p.stride;
    const uint8_t *skip = bad + (size_t)y * p.width_px;
    for (int x = 0; x < p.width_px; x++) { /* no branch: the compiler makes vectors of it */
        int one = skip[x] ? 0 : sign;
        c->sum[x] += one * (double)row[x];
        c->count[x] += one;
    }
}

static int judge(double v, double around, const struct defect_limits *l)
{
    if (around >= l->lit) {
        if (v < l->dead_below * around)
            return DEFECT_DEAD;
        if (v > l->bright_above * around)
            return DEFECT_BRIGHT;
    } else if (v > l->hot_above * around && v > around + l->hot_floor) {
        return DEFECT_HOT;
    }
    return -1;
}

/* One pass over the picture; marks in `next` with kind + 1. Returns whether anything changed. */
static bool pass_over(struct plane p, const struct defect_limits *l, struct columns *c,
                      const uint8_t *bad, uint8_t *next)
{
    const int w = p.width_px;
    bool changed = false;
    memset(c->sum, 0, (size_t)w * sizeof *c->sum);
    memset(c->count, 0, (size_t)w * sizeof *c->count);
    for (int y = 0; y < HALF; y++)
        columns_add(c, p, bad, y, 1);
    for (int y = 0; y < p.height_px; y++) {
        columns_add(c, p, bad, y + HALF, 1);
        columns_add(c, p, bad, y - HALF - 1, -1);
        const float *row = p.data + (size_t)y * p.stride;
        const uint8_t *skip = bad + (size_t)y * w;
        uint8_t *mark = next + (size_t)y * w;
        double sum = 0;
        int count = 0;
        for (int x = 0; x < HALF && x < w; x++) {
            sum += c->sum[x];
            count += c->count[x];
        }
        for (int x = 0; x < w; x++) {
            if (x + HALF < w) {
                sum += c->sum[x + HALF];
                count += c->count[x + HALF];
            }
            if (x - HALF - 1 >= 0) {
                sum -= c->sum[x - HALF - 1];
                count -= c->count[x - HALF - 1];
            }
            int others = skip[x] ? count : count - 1;
            double rest = skip[x] ? sum : sum - row[x];
            int kind = others > 0 ? judge(row[x], fmax(0, rest / others), l) : -1;
            mark[x] = (uint8_t)(kind + 1);
            changed |= mark[x] != skip[x];
        }
    }
    return changed;
}

static size_t group_size(uint8_t *mark, int w, int h, size_t start, size_t *stack)
{
    size_t top = 0, n = 0;
    stack[top++] = start;
    mark[start] = 0;
    while (top > 0) {
        size_t at = stack[--top];
        int x = (int)(at % (size_t)w), y = (int)(at / (size_t)w);
        n++;
        for (int dy = -1; dy <= 1; dy++) {
            for (int dx = -1; dx <= 1; dx++) {
                int i = x + dx, j = y + dy;
                if (i < 0 || j < 0 || i >= w || j >= h)
                    continue;
                size_t to = (size_t)j * (size_t)w + (size_t)i;
                if (mark[to]) {
                    mark[to] = 0;
                    stack[top++] = to;
                }
            }
        }
    }
    return n;
}

int defects_find(struct plane luma, const struct defect_limits *limits, struct defects *out,
                 struct error *err)
{
    const int w = luma.width_px, h = luma.height_px;
    const struct defect_limits *l = limits ? limits : &defect_limits_usual;
    if (w < 2 * HALF || h < 2 * HALF || w > PICTURE_SIDE_MAX || h > PICTURE_SIDE_MAX)
        return error_set(err, ERROR_INPUT, "defects in %dx%d pixels: %d to %d a side expected", w,
                         h, 2 * HALF, PICTURE_SIDE_MAX);

    const size_t pixels = (size_t)w * (size_t)h;
    uint8_t *bad = calloc(pixels, 1), *next = calloc(pixels, 1);
    size_t *stack = NULL;
    struct columns c = {malloc((size_t)w * sizeof *c.sum), malloc((size_t)w * sizeof *c.count)};
    int rc = 0;
    *out = (struct defects){0};
    if (!bad || !next || !c.sum || !c.count) {
        rc = error_set(err, ERROR_MEMORY, "no memory to look for defects in %dx%d pixels", w, h);
        goto out;
    }
    for (int pass = 0; pass < PASSES_MAX && pass_over(luma, l, &c, bad, next); pass++) {
        uint8_t *t = bad;
        bad = next;
        next = t;
    }
    for (size_t i = 0; i < pixels; i++)
        out->total += bad[i] != 0;
    out->points = malloc((out->total ? out->total : 1) * sizeof *out->points);
    stack = malloc((out->total ? out->total : 1) * sizeof *stack);
    if (!out->points || !stack) {
        rc = error_set(err, ERROR_MEMORY, "no memory for %zu defects", out->total);
        defects_free(out);
        goto out;
    }
    for (size_t i = 0; i < pixels; i++) {
        if (!bad[i])
            continue;
        enum defect_kind kind = (enum defect_kind)(bad[i] - 1);
        out->dead += kind == DEFECT_DEAD;
        out->bright += kind == DEFECT_BRIGHT;
        out->hot += kind == DEFECT_HOT;
        if (out->count < DEFECTS_MAX)
            out->points[out->count++] =
                (struct defect){(int)(i % (size_t)w), (int)(i / (size_t)w), kind};
    }
    for (size_t i = 0; i < pixels; i++) {
        if (!bad[i])
            continue;
        size_t n = group_size(bad, w, h, i, stack);
        out->clusters += n > 1;
        if (n > 1 && n > out->largest_px)
            out->largest_px = n;
    }
out:
    free(bad);
    free(next);
    free(stack);
    free(c.sum);
    free(c.count);
    return rc;
}
