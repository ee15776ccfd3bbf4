#include "station/measure/blemish.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/vector.h"

enum { BLOCK = 8, ORDER = 5, TERMS = (ORDER + 1) * (ORDER + 2) / 2, SIZES = 5 };
/* Half widths of the squares, in blocks: 8, 24, 56, 104 and 200 pixels across. */
static const int halves[SIZES] = {0, 1, 3, 6, 12};

struct blocks {
    int width, height;
    float *v;    /* mean of each block; later over the shading, minus 1 */
    double *sum; /* summed area, (width + 1) * (height + 1) */
};

/* Means over BLOCK values of sums over BLOCK rows. */
static void gather(const float *line, int blocks, float *out)
{
    for (int x = 0; x < blocks; x++) {
        const float *v = line + (size_t)x * BLOCK;
        float sum = 0;
        for (int i = 0; i < BLOCK; i++)
            sum += v[i];
        out[x] = sum / (BLOCK * BLOCK);
    }
}

/* Means with outliers held, so that a defective pixel is not a spot. Row by row, for the compiler's
 * vectors: `work` holds two rows of the picture. */
VECTORIZED static void reduce(struct plane p, struct blocks *b, float *work)
{
    const int used = b->width * BLOCK;
    float *sum = work, *middle = work + used;
    for (int y = 0; y < b->height; y++) {
        const float *first = p.data + (size_t)y * BLOCK * p.stride;
        float *out = b->v + (size_t)y * b->width;
        memcpy(sum, first, (size_t)used * sizeof *sum);
        for (int j = 1; j < BLOCK; j++) {
            const float *row = first + (size_t)j * p.stride;
            for (int x = 0; x < used; x++)
                sum[x] += row[x];
        }
        gather(sum, b->width, out);
        for (int x = 0; x < used; x++)
            middle[x] = out[x / BLOCK];
        memset(sum, 0, (size_t)used * sizeof *sum);
        for (int j = 0; j < BLOCK; j++) {
            const float *row = first + (size_t)j * p.stride;
            for (int x = 0; x < used; x++) {
                float v = row[x], m = middle[x];
                v = v < 0.8f * m ? m : v;
                sum[x] += v > 1.2f * m ? m : v;
            }
        }
        gather(sum, b->width, out);
    }
}

/* Term n of the polynomial is x^term_x[n] y^term_y[n]. */
static void terms(int term_x[TERMS], int term_y[TERMS])
{
    int n = 0;
    for (int i = 0; i <= ORDER; i++)
        for (int j = 0; i + j <= ORDER; j++, n++) {
            term_x[n] = i;
            term_y[n] = j;
        }
}

/* Where block `at` of `count` lies between -1 and 1. */
static double place_of(int at, int count)
{
    return 2.0 * at / count - 1;
}

/* Sums of the powers of every second block's place. */
static void power_sums(int count, double out[2 * ORDER + 1])
{
    memset(out, 0, (2 * ORDER + 1) * sizeof *out);
    for (int i = 0; i < count; i += 2) {
        double power = 1;
        for (int k = 0; k <= 2 * ORDER; k++, power *= place_of(i, count))
            out[k] += power;
    }
}

/* Gauss with pivots; false when the field is too small for so many terms. */
static bool solve(double m[TERMS][TERMS + 1])
{
    for (int c = 0; c < TERMS; c++) {
        int pivot = c;
        for (int r = c + 1; r < TERMS; r++)
            if (fabs(m[r][c]) > fabs(m[pivot][c]))
                pivot = r;
        if (!(fabs(m[pivot][c]) > 1e-12))
            return false;
        for (int k = 0; k <= TERMS; k++) {
            double t = m[c][k];
            m[c][k] = m[pivot][k];
            m[pivot][k] = t;
        }
        for (int r = 0; r < TERMS; r++) {
            double f = m[r][c] / m[c][c];
            for (int k = c; r != c && k <= TERMS; k++)
                m[r][k] -= f * m[c][k];
        }
    }
    return true;
}

/* A row's smooth part, by the polynomial in x that is left of it there. */
VECTORIZED static void flatten_row(float *v, const float *at, int count,
                                   const float in_x[ORDER + 1])
{
    for (int x = 0; x < count; x++) {
        float smooth = in_x[ORDER];
        for (int k = ORDER - 1; k >= 0; k--)
            smooth = smooth * at[x] + in_x[k];
        v[x] = smooth > 1e-6f ? v[x] / smooth - 1 : 0;
    }
}

/* Takes the smooth part off: every block becomes its fraction above or below it. Every second block
 * each way is enough to know it by. The blocks stand on a grid, so that all sums of products of
 * powers are products of sums. `at` has room for a row. */
static bool flatten(struct blocks *b, float *at)
{
    double m[TERMS][TERMS + 1], sums_x[2 * ORDER + 1], sums_y[2 * ORDER + 1];
    int term_x[TERMS], term_y[TERMS];
    terms(term_x, term_y);
    power_sums(b->width, sums_x);
    power_sums(b->height, sums_y);
    for (int r = 0; r < TERMS; r++) {
        for (int c = 0; c < TERMS; c++)
            m[r][c] = sums_x[term_x[r] + term_x[c]] * sums_y[term_y[r] + term_y[c]];
        m[r][TERMS] = 0;
    }
    for (int x = 0; x < b->width; x++)
        at[x] = (float)place_of(x, b->width);
    for (int y = 0; y < b->height; y += 2) {
        double row[ORDER + 1] = {0}, power[ORDER + 1] = {1};
        for (int x = 0; x < b->width; x += 2) {
            double v = b->v[(size_t)y * b->width + x];
            for (int k = 0; k <= ORDER; k++, v *= at[x])
                row[k] += v;
        }
        for (int k = 1; k <= ORDER; k++)
            power[k] = power[k - 1] * place_of(y, b->height);
        for (int r = 0; r < TERMS; r++)
            m[r][TERMS] += row[term_x[r]] * power[term_y[r]];
    }
    if (!solve(m))
        return false;
    for (int y = 0; y < b->height; y++) {
        float in_x[ORDER + 1] = {0};
        double power[ORDER + 1] = {1};
        for (int k = 1; k <= ORDER; k++)
            power[k] = power[k - 1] * place_of(y, b->height);
        for (int r = 0; r < TERMS; r++)
            in_x[term_x[r]] += (float)(m[r][TERMS] / m[r][r] * power[term_y[r]]);
        flatten_row(b->v + (size_t)y * b->width, at, b->width, in_x);
    }
    return true;
}

static void add_up(struct blocks *b)
{
    const size_t stride = (size_t)b->width + 1;
    memset(b->sum, 0, stride * sizeof *b->sum);
    for (int y = 0; y < b->height; y++) {
        double line = 0;
        double *below = b->sum + ((size_t)y + 1) * stride;
        below[0] = 0;
        for (int x = 0; x < b->width; x++) {
            line += b->v[(size_t)y * b->width + x];
            below[x + 1] = (below - stride)[x + 1] + line;
        }
    }
}

static double box(const struct blocks *b, int x, int y, int half, int *n)
{
    const int x0 = x - half < 0 ? 0 : x - half, y0 = y - half < 0 ? 0 : y - half;
    const int x1 = x + half + 1 > b->width ? b->width : x + half + 1;
    const int y1 = y + half + 1 > b->height ? b->height : y + half + 1;
    const size_t stride = (size_t)b->width + 1;
    *n = (x1 - x0) * (y1 - y0);
    return b->sum[(size_t)y1 * stride + x1] - b->sum[(size_t)y0 * stride + x1] -
           b->sum[(size_t)y1 * stride + x0] + b->sum[(size_t)y0 * stride + x0];
}

/* Square against ring; the ring begins a block outside the square. */
static double stands_out(const struct blocks *b, int x, int y, int half)
{
    int n, inner_n, outer_n;
    const double square = box(b, x, y, half, &n) / n;
    const double inner = box(b, x, y, half + 1, &inner_n);
    const double outer = box(b, x, y, 2 * half + 2, &outer_n);
    return square - (outer - inner) / (outer_n - inner_n);
}

static int worse_first(const void *a, const void *b)
{
    const double p = fabs(((const struct blemish *)a)->contrast);
    const double q = fabs(((const struct blemish *)b)->contrast);
    return (p < q) - (p > q);
}

/* As far as a spot's own ring reaches: what is seen there is its shadow. */
static bool overlap(const struct blemish *a, const struct blemish *b)
{
    const double near = (a->size_px + b->size_px) * 1.6;
    return fabs(a->x_px - b->x_px) <= near && fabs(a->y_px - b->y_px) <= near;
}

/* Keeps a spot where it is worse than what it overlaps. */
static void keep(struct blemishes *out, struct blemish spot)
{
    size_t least = 0;
    for (size_t i = 0; i < out->count; i++) {
        struct blemish *s = &out->spots[i];
        if (overlap(s, &spot)) {
            if (fabs(spot.contrast) > fabs(s->contrast))
                *s = spot;
            return;
        }
        if (fabs(s->contrast) < fabs(out->spots[least].contrast))
            least = i;
    }
    if (out->count < BLEMISHES_MAX)
        out->spots[out->count++] = spot;
    else if (fabs(out->spots[least].contrast) < fabs(spot.contrast))
        out->spots[least] = spot;
}

/* Spots grew and moved while they were gathered: those that now overlap a worse one go. */
static void sift(struct blemishes *out)
{
    size_t kept = 0;
    qsort(out->spots, out->count, sizeof *out->spots, worse_first);
    for (size_t i = 0; i < out->count; i++) {
        bool shadow = false;
        for (size_t k = 0; k < kept && !shadow; k++)
            shadow = overlap(&out->spots[k], &out->spots[i]);
        if (!shadow)
            out->spots[kept++] = out->spots[i];
    }
    out->count = kept;
}

/* The part of a row whose rings are whole, side by side: stands_out() of x from `from` up to `to`.
 */
VECTORIZED static void row_stands_out(const struct blocks *b, int y, int half, int from, int to,
                                      float *restrict out)
{
    const size_t stride = (size_t)b->width + 1;
    const int reach[3] = {half, half + 1, 2 * half + 2};
    const double *above[3], *below[3];
    for (int k = 0; k < 3; k++) {
        above[k] = b->sum + (size_t)(y - reach[k]) * stride;
        below[k] = b->sum + (size_t)(y + reach[k] + 1) * stride;
    }
    const double side[3] = {2 * reach[0] + 1, 2 * reach[1] + 1, 2 * reach[2] + 1};
    const double square = 1 / (side[0] * side[0]);
    const double ring = 1 / (side[2] * side[2] - side[1] * side[1]);
    const int r0 = reach[0], r1 = reach[1], r2 = reach[2];
    for (int x = from; x < to; x++) {
        const double inside =
            below[0][x + r0 + 1] - above[0][x + r0 + 1] - below[0][x - r0] + above[0][x - r0];
        const double inner =
            below[1][x + r1 + 1] - above[1][x + r1 + 1] - below[1][x - r1] + above[1][x - r1];
        const double outer =
            below[2][x + r2 + 1] - above[2][x + r2 + 1] - below[2][x - r2] + above[2][x - r2];
        out[x] = (float)(inside * square - (outer - inner) * ring);
    }
}

/* All of a row: what lies nearer to the rim than the square is wide has too little of a ring. */
static void search_row(const struct blocks *b, int y, int half, float *out)
{
    const int reach = 2 * half + 2, last = b->width - half;
    const bool whole = y >= reach && y + reach < b->height && b->width > 2 * reach;
    const int from = whole ? reach : last, to = whole ? b->width - reach : last;
    for (int x = half; x < from; x++)
        out[x] = (float)stands_out(b, x, y, half);
    if (whole)
        row_stands_out(b, y, half, from, to, out);
    for (int x = to; x < last; x++)
        out[x] = (float)stands_out(b, x, y, half);
}

static void search(const struct blocks *b, int half, double contrast_min, float *row,
                   struct blemishes *out)
{
    enum { BINS = 2048 };
    static const float bin = 1e-4f; /* to a fifth, where a block's outliers are held anyway */
    unsigned histogram[BINS] = {0}, n = 0, below = 0;
    float worst = 0;
    for (int y = half; y < b->height - half; y++) {
        search_row(b, y, half, row);
        for (int x = half; x < b->width - half; x++) {
            const float c = fabsf(row[x]), place = c * (1 / bin);
            histogram[place < BINS ? (int)place : BINS - 1]++;
            n++;
            worst = c > worst ? c : worst;
        }
    }
    if (!n)
        return;
    /* By the median: what spots there are must not hide each other. */
    int middle = 0;
    for (; middle < BINS - 1 && below + histogram[middle] < n / 2; middle++)
        below += histogram[middle];
    const double sigma = 1.4826 * (middle + 0.5) * bin;
    if (half == halves[0])
        out->floor_sigma = sigma;
    out->worst = fmax(out->worst, worst);
    const double bar = fmax(contrast_min, 6 * sigma);
    if (worst < bar)
        return;
    for (int y = half; y < b->height - half; y++) {
        search_row(b, y, half, row);
        for (int x = half; x < b->width - half; x++)
            if (fabsf(row[x]) >= bar)
                keep(out, (struct blemish){(x + 0.5) * BLOCK - 0.5, (y + 0.5) * BLOCK - 0.5,
                                           (2 * half + 1) * BLOCK, row[x]});
    }
}

int blemish_find(struct plane field, double contrast_min, struct blemishes *out, struct error *err)
{
    const int w = field.width_px, h = field.height_px;
    if (w < 320 || h < 180 || w > PICTURE_SIDE_MAX || h > PICTURE_SIDE_MAX)
        return error_set(err, ERROR_INPUT, "a field of %dx%d: 320x180 to %d a side expected", w, h,
                         PICTURE_SIDE_MAX);
    *out = (struct blemishes){0};
    struct blocks b = {.width = w / BLOCK, .height = h / BLOCK};
    int rc = 0;
    b.v = malloc((size_t)b.width * (size_t)b.height * sizeof *b.v);
    b.sum = malloc(((size_t)b.width + 1) * ((size_t)b.height + 1) * sizeof *b.sum);
    float *work = malloc(2 * (size_t)b.width * BLOCK * sizeof *work);
    if (!b.v || !b.sum || !work) {
        rc = error_set(err, ERROR_MEMORY, "no memory to look for spots in %dx%d pixels", w, h);
        goto out;
    }
    reduce(field, &b, work);
    if (!flatten(&b, work)) {
        rc = error_set(err, ERROR_INPUT, "the field has no smooth part to hold spots against");
        goto out;
    }
    add_up(&b);
    for (int i = 0; i < SIZES; i++)
        search(&b, halves[i], contrast_min, work, out);
    sift(out);
out:
    free(work);
    free(b.v);
    free(b.sum);
    return rc;
}
