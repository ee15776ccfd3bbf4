#include "station/measure/defects.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/vector.h"

/* Up to ALONE_MAX bad pixels their windows alone are looked at again; with more, all of it. */
enum { HALF = 8, PASSES_MAX = 4, ALONE_MAX = 300 };

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

/* ---- the first pass: no pixel is known yet, and nearly none is bad ----------------------------
 */

enum { WIDE = 2 * HALF + 1, PAD = 2 * WIDE };

/* Sums of WIDE neighbours each, by doubling: s[x] becomes c[x] + ... + c[x + 16]. */
VECTORIZED static void slide(const float *restrict c, float *restrict a, float *restrict s,
                             int count)
{
    for (int x = 0; x < count + 15; x++)
        a[x] = c[x] + c[x + 1];
    for (int x = 0; x < count + 13; x++)
        s[x] = a[x] + a[x + 2];
    for (int x = 0; x < count + 9; x++)
        a[x] = s[x] + s[x + 4];
    for (int x = 0; x < count; x++)
        s[x] = a[x] + a[x + 8] + c[x + 16];
}

/* How many columns or rows of a window about `at` lie in the picture. */
static int inside(int at, int size)
{
    const int low = at < HALF ? at : HALF, high = size - 1 - at < HALF ? size - 1 - at : HALF;
    return low + high + 1;
}

/* The sums of a window's columns move on a row. */
VECTORIZED static void columns_move(float *restrict column, const float *restrict come,
                                    const float *restrict go, int count)
{
    for (int x = 0; x < count; x++)
        column[x] += come[x] - go[x];
}

/* Whether any pixel of a row may be a defect. */
VECTORIZED static bool row_suspect(const float *restrict row, const float *restrict sum,
                                   const float *restrict others, float rows, float low, float high,
                                   int count)
{
    int suspects = 0;
    for (int x = 0; x < count; x++) {
        const float n = others[x] * rows - 1, v = row[x], rest = sum[x] - v, level = v * n;
        suspects |= (level < low * rest) | (level > high * rest);
    }
    return suspects != 0;
}

/* `work` holds HALF zeros, a row's sums of columns and enough zeros behind; the whole row is looked
 * at side by side first, and only what may be a defect is judged by itself. `zeros` is a row of
 * them; rows with a mark are noted in `marked`. */
static void first_pass(struct plane p, const struct defect_limits *l, float *work,
                       const float *zeros, uint8_t *mark, uint8_t *marked)
{
    const int w = p.width_px, h = p.height_px;
    float *column = work + HALF, *half = work + w + PAD, *sum = half + w + PAD,
          *others = sum + w + PAD;
    const float low = (float)l->dead_below, high = (float)fmin(l->bright_above, l->hot_above);
    for (int y = 0; y < HALF; y++)
        columns_move(column, p.data + (size_t)y * p.stride, zeros, w);
    for (int y = 0; y < h; y++) {
        const float *row = p.data + (size_t)y * p.stride;
        columns_move(column, y + HALF < h ? row + HALF * p.stride : zeros,
                     y > HALF ? row - (HALF + 1) * p.stride : zeros, w);
        slide(work, half, sum, w);
        const float rows = (float)inside(y, h);
        if (!row_suspect(row, sum, others, rows, low, high, w))
            continue;
        for (int x = 0; x < w; x++) {
            const float n = others[x] * rows - 1, v = row[x], rest = sum[x] - v;
            if (v * n < low * rest || v * n > high * rest) {
                const int kind = judge(v, fmax(0, rest / n), l);
                mark[(size_t)y * w + x] = (uint8_t)(kind + 1);
                marked[y] |= kind >= 0;
            }
        }
    }
}

/* ---- further passes, about what is bad alone --------------------------------------------------
 */

/* The window of one bad pixel again: every pixel of it against its own window without what is bad,
 * by sums of columns that move down with the rows. */
static bool window_again(struct plane p, const struct defect_limits *l, const uint8_t *bad, int x0,
                         int y0, uint8_t *next, uint8_t *marked)
{
    enum { ACROSS = 4 * HALF + 1 };
    double sum[ACROSS] = {0};
    int count[ACROSS] = {0};
    bool changed = false;
    const int w = p.width_px, h = p.height_px, left = x0 - 2 * HALF;
    for (int j = y0 - 2 * HALF; j <= y0 + 2 * HALF; j++) {
        const int go = j - WIDE, y = j - HALF;
        for (int i = 0; i < ACROSS; i++) {
            const int x = left + i;
            if (x < 0 || x >= w)
                continue;
            if (j >= 0 && j < h && !bad[(size_t)j * w + x]) {
                sum[i] += p.data[(size_t)j * p.stride + x];
                count[i]++;
            }
            if (go >= y0 - 2 * HALF && go >= 0 && go < h && !bad[(size_t)go * w + x]) {
                sum[i] -= p.data[(size_t)go * p.stride + x];
                count[i]--;
            }
        }
        if (y < y0 - HALF || y < 0 || y >= h)
            continue;
        for (int x = x0 - HALF; x <= x0 + HALF; x++) {
            if (x < 0 || x >= w)
                continue;
            const size_t to = (size_t)y * w + x;
            const float v = p.data[(size_t)y * p.stride + x];
            double rest = bad[to] ? 0 : -v;
            int n = bad[to] ? 0 : -1;
            for (int i = x - HALF - left; i <= x + HALF - left; i++) {
                rest += sum[i];
                n += count[i];
            }
            next[to] = (uint8_t)((n > 0 ? judge(v, fmax(0, rest / n), l) : -1) + 1);
            marked[y] |= next[to] != 0;
            changed |= next[to] != bad[to];
        }
    }
    return changed;
}

/* Where the next mark is, from `at` on; `pixels` when there is none. Rows without any are skipped.
 */
static size_t next_bad(const uint8_t *bad, const uint8_t *marked, size_t at, size_t w,
                       size_t pixels)
{
    while (at < pixels) {
        const size_t row = at / w, end = (row + 1) * w;
        if (marked[row])
            for (; at < end; at++)
                if (bad[at])
                    return at;
        at = end;
    }
    return pixels;
}

/* A pass over the windows of what is bad: only there anything can have changed. `next` becomes a
 * copy of `bad` first. */
static bool pass_about(struct plane p, const struct defect_limits *l, const uint8_t *bad,
                       uint8_t *next, uint8_t *marked)
{
    const size_t w = (size_t)p.width_px, pixels = w * (size_t)p.height_px;
    bool changed = false;
    for (size_t y = 0; y < (size_t)p.height_px; y++)
        if (marked[y])
            memcpy(next + y * w, bad + y * w, w);
    for (size_t at = next_bad(bad, marked, 0, w, pixels); at < pixels;
         at = next_bad(bad, marked, at + 1, w, pixels))
        changed |= window_again(p, l, bad, (int)(at % w), (int)(at / w), next, marked);
    return changed;
}

static size_t count_bad(const uint8_t *bad, const uint8_t *marked, size_t w, size_t pixels)
{
    size_t n = 0;
    for (size_t at = next_bad(bad, marked, 0, w, pixels); at < pixels;
         at = next_bad(bad, marked, at + 1, w, pixels))
        n++;
    return n;
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
    float *work = calloc(5 * ((size_t)w + PAD), sizeof *work);
    uint8_t *marked = calloc((size_t)h, 1); /* rows that have or had a mark */
    int rc = 0;
    *out = (struct defects){0};
    if (!bad || !next || !c.sum || !c.count || !work || !marked) {
        rc = error_set(err, ERROR_MEMORY, "no memory to look for defects in %dx%d pixels", w, h);
        goto out;
    }
    for (int x = 0; x < w; x++)
        work[3 * ((size_t)w + PAD) + x] = (float)inside(x, w);
    first_pass(luma, l, work, work + 4 * ((size_t)w + PAD), bad, marked);
    out->total = count_bad(bad, marked, (size_t)w, pixels);
    for (int pass = 1; out->total && pass < PASSES_MAX; pass++) {
        const bool few = out->total < ALONE_MAX;
        if (!few)
            memset(marked, 1, (size_t)h);
        if (!(few ? pass_about(luma, l, bad, next, marked) : pass_over(luma, l, &c, bad, next)))
            break;
        uint8_t *t = bad;
        bad = next;
        next = t;
        out->total = count_bad(bad, marked, (size_t)w, pixels);
    }
    out->points = malloc((out->total ? out->total : 1) * sizeof *out->points);
    stack = malloc((out->total ? out->total : 1) * sizeof *stack);
    if (!out->points || !stack) {
        rc = error_set(err, ERROR_MEMORY, "no memory for %zu defects", out->total);
        defects_free(out);
        goto out;
    }
    for (size_t i = next_bad(bad, marked, 0, (size_t)w, pixels); i < pixels;
         i = next_bad(bad, marked, i + 1, (size_t)w, pixels)) {
        enum defect_kind kind = (enum defect_kind)(bad[i] - 1);
        out->dead += kind == DEFECT_DEAD;
        out->bright += kind == DEFECT_BRIGHT;
        out->hot += kind == DEFECT_HOT;
        if (out->count < DEFECTS_MAX)
            out->points[out->count++] =
                (struct defect){(int)(i % (size_t)w), (int)(i / (size_t)w), kind};
    }
    for (size_t i = next_bad(bad, marked, 0, (size_t)w, pixels); i < pixels;
         i = next_bad(bad, marked, i + 1, (size_t)w, pixels)) {
        size_t n = group_size(bad, w, h, i, stack);
        out->clusters += n > 1;
        if (n > 1 && n > out->largest_px)
            out->largest_px = n;
    }
out:
    free(bad);
    free(next);
    free(stack);
    free(marked);
    free(work);
    free(c.sum);
    free(c.count);
    return rc;
}
