#include "station/measure/blemish.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

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
static void reduce(struct plane p, struct blocks *b, float *work)
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

static void powers(double x, double y, double out[TERMS])
{
    double px = 1;
    int n = 0;
    for (int i = 0; i <= ORDER; i++, px *= x) {
        double py = px;
        for (int j = 0; i + j <= ORDER; j++, py *= y)
            out[n++] = py;
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

/* Takes the smooth part off: every block becomes its fraction above or below it. Every second block
 * each way is enough to know it by. */
static bool flatten(struct blocks *b)
{
    double m[TERMS][TERMS + 1], t[TERMS];
    memset(m, 0, sizeof m);
    for (int y = 0; y < b->height; y += 2)
        for (int x = 0; x < b->width; x += 2) {
            powers(2.0 * x / b->width - 1, 2.0 * y / b->height - 1, t);
            double v = b->v[(size_t)y * b->width + x];
            for (int r = 0; r < TERMS; r++) {
                for (int c = r; c < TERMS; c++)
                    m[r][c] += t[r] * t[c];
                m[r][TERMS] += t[r] * v;
            }
        }
    for (int r = 0; r < TERMS; r++)
        for (int c = 0; c < r; c++)
            m[r][c] = m[c][r];
    if (!solve(m))
        return false;
    for (int y = 0; y < b->height; y++)
        for (int x = 0; x < b->width; x++) {
            double smooth = 0;
            powers(2.0 * x / b->width - 1, 2.0 * y / b->height - 1, t);
            for (int r = 0; r < TERMS; r++)
                smooth += m[r][TERMS] / m[r][r] * t[r];
            float *v = &b->v[(size_t)y * b->width + x];
            *v = smooth > 1e-6 ? (float)(*v / smooth - 1) : 0;
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

static void search(const struct blocks *b, int half, double contrast_min, struct blemishes *out)
{
    enum { BINS = 2048 };
    static const double bin = 1e-4; /* to a fifth, where a block's outliers are held anyway */
    unsigned histogram[BINS] = {0}, n = 0, below = 0;
    double worst = 0;
    /* What lies nearer to the rim than the square is wide has too little of a ring. */
    for (int y = half; y < b->height - half; y++)
        for (int x = half; x < b->width - half; x++) {
            const double c = stands_out(b, x, y, half);
            const double place = fabs(c) / bin;
            histogram[place < BINS ? (int)place : BINS - 1]++;
            n++;
            worst = fmax(worst, fabs(c));
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
    for (int y = half; y < b->height - half; y++)
        for (int x = half; x < b->width - half; x++) {
            const double c = stands_out(b, x, y, half);
            if (fabs(c) >= bar)
                keep(out, (struct blemish){(x + 0.5) * BLOCK - 0.5, (y + 0.5) * BLOCK - 0.5,
                                           (2 * half + 1) * BLOCK, c});
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
    if (!flatten(&b)) {
        rc = error_set(err, ERROR_INPUT, "the field has no smooth part to hold spots against");
        goto out;
    }
    add_up(&b);
    for (int i = 0; i < SIZES; i++)
        search(&b, halves[i], contrast_min, out);
    sift(out);
out:
    free(work);
    free(b.v);
    free(b.sum);
    return rc;
}
