#include "station/measure/edge_profile.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/vector.h"

enum { SIDE_MIN_PX = 16, BINS_MAX = 2 * EDGE_REACH_MAX_PX * 16 };

/* The edge: i = offset + slope * t + bend * t^2 with t = (j - height / 2) / height. */
struct line {
    double offset, slope, bend;
};

struct work {
    const float *v; /* turned so that the edge is nearer to upright: v[j * width + i] */
    int width, height;
    struct line line;
    double reach_px; /* the profile covers normal distances -reach to +reach */
    double low, high, rise_px;
    size_t bins;
    struct bin *bin;             /* as they are gathered */
    double *sum, *count, *place; /* means of the bins that hold pixels, one after another */
    size_t used;
    double *scratch, *coefficients;
    struct spline profile;
    struct spline_point *table; /* the profile on the bins' pitch, for looking up */
};

struct bin {
    float sum, place, count; /* of the pixels' values and distances */
};

static double line_at(const struct work *w, int j)
{
    double t = (j - w->height * 0.5) / w->height;
    return w->line.offset + w->line.slope * t + w->line.bend * t * t;
}

/* Pixels along the normal for one pixel across: the cosine of the edge's angle. */
static double line_cosine(const struct work *w)
{
    return 1 / hypot(1, w->line.slope / w->height);
}

/* Whether the picture changes more along x than along y. */
VECTORIZED static bool edge_is_upright(struct plane p)
{
    enum { LANES = 8, STRIDE = 3 };
    float across[LANES] = {0}, along[LANES] = {0}, more = 0;
    for (int y = 1; y + 1 < p.height_px; y += STRIDE) {
        const float *row = p.data + (size_t)y * p.stride, *below = row + p.stride,
                    *above = row - p.stride;
        for (int x = 1; x + LANES < p.width_px; x += LANES)
            for (int i = 0; i < LANES; i++) {
                const float gx = row[x + i + 1] - row[x + i - 1], gy = below[x + i] - above[x + i];
                across[i] += gx * gx;
                along[i] += gy * gy;
            }
    }
    for (int i = 0; i < LANES; i++)
        more += across[i] - along[i];
    return more >= 0;
}

/* First guess: direction and place of the edge from the gradient's second moments, taken on
 * differences over three pixels and two rows so that noise counts little. */
struct moments {
    double ii, ij, weight, ci, cj;
};

/* Every second row is enough for a guess. The fourth power of the gradient: the edge outweighs any
 * field of noise. */
VECTORIZED static void moments_gather(const struct work *w, struct moments *m)
{
    enum { LANES = 8, STRIDE = 2 };
    *m = (struct moments){0};
    for (int j = 1; j + 1 < w->height; j += STRIDE) {
        const float *r = w->v + (size_t)j * w->width, *above = r - w->width, *below = r + w->width;
        float ii[LANES] = {0}, ij[LANES] = {0}, weight[LANES] = {0}, ci[LANES] = {0};
        for (int i = 2; i + 2 < w->width; i += LANES)
            for (int k = 0; k < LANES; k++) {
                const int at = i + k;
                const float gi = r[at + 2] + r[at + 1] - r[at - 1] - r[at - 2];
                const float gj = below[at - 1] + below[at] + below[at + 1] - above[at - 1] -
                                 above[at] - above[at + 1];
                /* A unit slope gives 6 either way: 2 + 1 + 1 + 2 and 3 * 2. */
                float g = gi * gi + gj * gj;
                g = at + 2 < w->width ? g * g : 0;
                ii[k] += g * gi * gi;
                ij[k] += g * gi * gj;
                weight[k] += g;
                ci[k] += g * (float)at;
            }
        for (int k = 0; k < LANES; k++) {
            m->ii += ii[k];
            m->ij += ij[k];
            m->weight += weight[k];
            m->ci += ci[k];
            m->cj += weight[k] * (double)j;
        }
    }
}

static int line_guess(struct work *w, struct error *err)
{
    struct moments m;
    moments_gather(w, &m);
    if (!(m.weight > 0) || !(m.ii > 0))
        return error_set(err, ERROR_INPUT, "no edge in the region: it is of one brightness");
    double slope = -m.ij / m.ii; /* pixels across for one along */
    w->line.slope = slope * w->height;
    w->line.offset = m.ci / m.weight + slope * (w->height * 0.5 - m.cj / m.weight);
    w->line.bend = 0;
    return 0;
}

/* The line through the centroids of each row's derivative, seen through a bell of half-width `half`
 * about the line so far. */
static void line_from_centroids(struct work *w, double half)
{
    double n = 0, st = 0, stt = 0, sc = 0, stc = 0;
    double sign = w->high > w->low ? 1 : -1, span = fabs(w->high - w->low);
    for (int j = 0; j < w->height; j++) {
        const float *r = w->v + (size_t)j * w->width;
        double centre = line_at(w, j), mass = 0, moment = 0;
        int first = (int)ceil(centre - half), last = (int)floor(centre + half);
        if (first < 1 || last > w->width - 2)
            continue;
        for (int i = first; i <= last; i++) {
            double place = (i - centre) / half, under = 1 - place * place;
            double d = under * under * sign * ((double)r[i + 1] - r[i - 1]) * 0.5;
            mass += d;
            moment += d * (i - centre);
        }
        if (mass < 0.3 * span) /* noise, or no edge in this row */
            continue;
        double t = (j - w->height * 0.5) / w->height;
        double c = centre + moment / mass;
        if (fabs(c - centre) > half)
            continue;
        n++;
        st += t;
        stt += t * t;
        sc += c;
        stc += t * c;
    }
    double det = n * stt - st * st;
    if (n < 8 || !(det > 1e-9))
        return;
    w->line.slope = (n * stc - st * sc) / det;
    w->line.offset = (sc - w->line.slope * st) / n;
    w->line.bend = 0;
}

/* From every `stride`-th row. */
static void bins_gather(struct work *w, int stride)
{
    const double cosine = line_cosine(w), reach = w->reach_px;
    const float step = (float)cosine;
    memset(w->bin, 0, w->bins * sizeof *w->bin);
    for (int j = 0; j < w->height; j += stride) {
        const float *r = w->v + (size_t)j * w->width;
        double at = line_at(w, j);
        int first = (int)ceil(at - reach / cosine), last = (int)floor(at + reach / cosine);
        first = first < 0 ? 0 : first;
        last = last < w->width - 1 ? last : w->width - 1;
        const float from = (float)((first - at) * cosine);
        for (int i = first; i <= last; i++) {
            const float d = from + step * (float)(i - first);
            const size_t bin = (size_t)((d + (float)reach) * (float)(1 / EDGE_BIN_PX));
            if (bin < w->bins) {
                w->bin[bin].sum += r[i];
                w->bin[bin].place += d;
                w->bin[bin].count++;
            }
        }
    }
    w->used = 0;
    for (size_t b = 0; b < w->bins; b++) {
        const struct bin *from = &w->bin[b];
        if (from->count > 0) {
            w->sum[w->used] = (double)from->sum / from->count;
            w->place[w->used] = (double)from->place / from->count;
            w->count[w->used++] = from->count;
        }
    }
}

/* Levels of both sides and the distance from 10 % to 90 % between them, from the bins. */
static int profile_levels(struct work *w, struct error *err)
{
    const size_t used = w->used, outer = used / 5;
    if (outer < 8)
        return error_set(err, ERROR_INPUT, "the edge stands too near the side of its region");
    double side[2] = {0, 0}, n[2] = {0, 0};
    for (size_t b = 0; b < used; b++) {
        int s = b < outer ? 0 : b >= used - outer ? 1 : -1;
        if (s >= 0) {
            side[s] += w->sum[b] * w->count[b];
            n[s] += w->count[b];
        }
    }
    if (!(n[0] > 0) || !(n[1] > 0))
        return error_set(err, ERROR_INPUT, "the edge stands too near the side of its region");
    w->low = side[0] / n[0];
    w->high = side[1] / n[1];

    /* Area between profile and step, on either side of the middle: free of noise where a
     * search for crossings is not. For a Gaussian, 10-90 % is 2.563 sigma and the area
     * sigma / sqrt(2 pi) a side. */
    double area = 0, step = w->high - w->low;
    double before = -w->reach_px;
    for (size_t b = 0; b < used; b++) {
        double d = w->place[b], x = (w->sum[b] - w->low) / step;
        if (isfinite(x))
            area += (d < 0 ? x : 1 - x) * (d - before);
        before = d;
    }
    w->rise_px = 2.563 * sqrt(2 * M_PI) * fabs(area) / 2;
    return 0;
}

static int profile_fit(struct work *w, struct error *err)
{
    w->profile.start = -w->reach_px;
    w->profile.step = EDGE_KNOT_PX;
    w->profile.intervals = (size_t)(2 * w->reach_px / EDGE_KNOT_PX + 0.5);
    w->profile.coefficients = w->coefficients;
    if (spline_fit(&w->profile, w->place, w->sum, w->count, w->used, w->scratch) < 0)
        return error_set(err, ERROR_INPUT, "too few pixels to rebuild the edge's profile");
    spline_table(&w->profile, EDGE_BINS_A_KNOT, w->table);
    w->table[w->bins + 1] = w->table[w->bins];
    return 0;
}

/* One Gauss-Newton step of offset, slope and bend against the profile; returns the residual's
 * standard deviation. *moved_px is how far the line went, at most. */
static double line_refine(struct work *w, bool move, double *moved_px)
{
    const double cosine = line_cosine(w), reach = w->reach_px - EDGE_KNOT_PX;
    const float step = (float)(cosine / EDGE_BIN_PX);
    double m[3][4] = {{0}}, squares = 0, n = 0;
    *moved_px = 0;
    for (int j = 0; j < w->height; j++) {
        const float *r = w->v + (size_t)j * w->width;
        double at = line_at(w, j), t = (j - w->height * 0.5) / w->height;
        int first = (int)ceil(at - reach / cosine), last = (int)floor(at + reach / cosine);
        double power[3] = {1, t, t * t};
        float gg = 0, ge = 0, ee = 0;
        first = first < 0 ? 0 : first;
        last = last < w->width - 1 ? last : w->width - 1;
        const float from = (float)(((first - at) * cosine + w->reach_px) / EDGE_BIN_PX);
        for (int i = first; i <= last; i++) {
            const float place = from + step * (float)(i - first);
            const int knot = (int)place;
            const struct spline_point *k = w->table + knot;
            const float part = place - (float)knot;
            const float e = r[i] - (k[0].value + part * (k[1].value - k[0].value));
            const float g = -(k[0].slope + part * (k[1].slope - k[0].slope)) * (float)cosine;
            gg += g * g;
            ge += g * e;
            ee += e * e;
        }
        squares += ee;
        n += last >= first ? last - first + 1 : 0;
        for (int p = 0; p < 3; p++) {
            for (int q = 0; q < 3; q++)
                m[p][q] += power[p] * power[q] * gg;
            m[p][3] += power[p] * ge;
        }
    }
    for (int p = 0; move && p < 3; p++) {
        if (!(m[p][p] > 1e-12))
            return n > 0 ? sqrt(squares / n) : 0;
        for (int q = p + 1; q < 3; q++) {
            double f = m[q][p] / m[p][p];
            for (int k = p; k < 4; k++)
                m[q][k] -= f * m[p][k];
        }
    }
    if (move) {
        double bend = m[2][3] / m[2][2];
        double slope = (m[1][3] - m[1][2] * bend) / m[1][1];
        double offset = (m[0][3] - m[0][2] * bend - m[0][1] * slope) / m[0][0];
        if (fabs(bend) < 4 && fabs(slope) < 4 && fabs(offset) < 4) {
            w->line.bend += bend;
            w->line.slope += slope;
            w->line.offset += offset;
            *moved_px = fabs(bend) / 4 + fabs(slope) / 2 + fabs(offset);
        }
    }
    return n > 0 ? sqrt(squares / n) : 0;
}

VECTORIZED static double strayed(const float *row, int count, float level)
{
    enum { LANES = 8 };
    float lanes[LANES] = {0};
    double sum = 0;
    int i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++)
            lanes[k] += fabsf(row[i + k] - level);
    for (int k = 0; k < LANES; k++)
        sum += lanes[k];
    for (; i < count; i++)
        sum += fabsf(row[i] - level);
    return sum;
}

/* Mean distance of the pixels beyond the profile from its ends, as a fraction of its height: near
 * 0 when both sides are plain, near 0.5 when there are more edges. */
static double sides_stray(const struct work *w)
{
    const double cosine = line_cosine(w);
    double end[2], stray = 0, n = 0;
    spline_at(&w->profile, -w->reach_px, &end[0], NULL);
    spline_at(&w->profile, w->reach_px, &end[1], NULL);
    for (int j = 0; j < w->height; j += 3) {
        const float *r = w->v + (size_t)j * w->width;
        const double at = line_at(w, j), reach = w->reach_px / cosine;
        const int left = (int)fmin(fmax(ceil(at - reach), 0), w->width);
        const int right = (int)fmax(fmin(floor(at + reach) + 1, w->width), left);
        stray +=
            strayed(r, left, (float)end[0]) + strayed(r + right, w->width - right, (float)end[1]);
        n += left + w->width - right;
    }
    return n > 0 ? stray / n / fmax(fabs(end[1] - end[0]), 1e-12) : 0;
}

static int work_create(struct plane p, bool upright, struct work *w, double **memory,
                       struct error *err)
{
    w->width = upright ? p.width_px : p.height_px;
    w->height = upright ? p.height_px : p.width_px;
    size_t pixels = (size_t)w->width * (size_t)w->height;
    /* The profile reaches no further to either side than half the region: a small one stays in
     * memory that the process has already. */
    size_t bins = (size_t)w->width * 16 + 64;
    bins = bins < BINS_MAX ? bins : BINS_MAX;
    size_t knots = bins / 4 + 3;
    size_t doubles = 3 * bins + spline_scratch(bins / 4) + knots;
    /* The pixels' rows are read past their end by a vector's length. */
    enum { PAST = 16 };
    double *block =
        malloc(doubles * sizeof(double) + bins * sizeof(struct bin) +
               (bins + 2) * sizeof(struct spline_point) + (pixels + PAST) * sizeof(float));
    if (!block)
        return error_set(err, ERROR_MEMORY, "no memory for an edge of %dx%d pixels", w->width,
                         w->height);
    *memory = block;
    w->sum = block;
    w->count = w->sum + bins;
    w->place = w->count + bins;
    w->scratch = w->place + bins;
    w->coefficients = w->scratch + spline_scratch(bins / 4);
    w->bin = (struct bin *)(w->coefficients + knots);
    w->table = (struct spline_point *)(w->bin + bins);
    float *v = (float *)(w->table + bins + 2);
    w->v = v;
    for (int y = 0; y < p.height_px; y++) {
        const float *row = p.data + (size_t)y * p.stride;
        if (upright)
            memcpy(v + (size_t)y * w->width, row, (size_t)w->width * sizeof *v);
        else
            for (int x = 0; x < p.width_px; x++)
                v[(size_t)x * w->width + y] = row[x];
    }
    memset(v + pixels, 0, PAST * sizeof *v);
    return 0;
}

static void reach_set(struct work *w, double wanted_px)
{
    /* As far as the region holds pixels of the profile's both sides. */
    double cosine = line_cosine(w);
    double ends[2] = {line_at(w, 0), line_at(w, w->height - 1)};
    double left = fmax(ends[0], ends[1]) * cosine;
    double right = (w->width - 1 - fmin(ends[0], ends[1])) * cosine;
    double reach = fmin(fmin(left, right), fmin(wanted_px, EDGE_REACH_MAX_PX - 1));
    reach = fmin(reach, w->width / 2.0);
    w->reach_px = fmax(2, floor(reach / EDGE_KNOT_PX) * EDGE_KNOT_PX);
    w->bins = (size_t)(2 * w->reach_px / EDGE_BIN_PX + 0.5);
}

int edge_profile_fit(struct plane edge, struct edge_profile *out, struct error *err)
{
    struct work w = {0};
    double *memory = NULL, residual, moved_px;
    int rc;

    if (edge.width_px < SIDE_MIN_PX || edge.height_px < SIDE_MIN_PX)
        return error_set(err, ERROR_INPUT, "an edge region of %dx%d pixels: at least %dx%d needed",
                         edge.width_px, edge.height_px, SIDE_MIN_PX, SIDE_MIN_PX);
    if (edge.width_px > PICTURE_SIDE_MAX || edge.height_px > PICTURE_SIDE_MAX)
        return error_set(err, ERROR_INPUT, "an edge region of %dx%d pixels is too large",
                         edge.width_px, edge.height_px);
    rc = work_create(edge, edge_is_upright(edge), &w, &memory, err);
    if (rc < 0)
        return rc;

    rc = line_guess(&w, err);
    if (rc < 0)
        goto out;
    for (int pass = 0; pass < 2; pass++) {
        reach_set(&w, EDGE_REACH_MAX_PX);
        bins_gather(&w, pass ? 2 : 4);
        rc = profile_levels(&w, err);
        if (rc < 0)
            goto out;
        line_from_centroids(&w, fmax(6, 1.5 * w.rise_px));
    }
    /* Only so much profile as the window will see: noise beyond it serves nobody. */
    reach_set(&w, 3 * fmax(2, w.rise_px) + 2);
    bins_gather(&w, 1);
    rc = profile_fit(&w, err);
    if (rc < 0)
        goto out;
    for (int pass = 0;; pass++) {
        residual = line_refine(&w, pass < 3, &moved_px);
        /* A thousandth of a pixel moves no contrast by a thousandth: the profile stays. */
        if (moved_px <= 1e-3)
            break;
        bins_gather(&w, 1);
        rc = profile_fit(&w, err);
        if (rc < 0)
            goto out;
    }
    *out = (struct edge_profile){.curve = w.profile,
                                 .reach_px = w.reach_px,
                                 .low = w.low,
                                 .high = w.high,
                                 .rise_px = w.rise_px,
                                 .residual = residual,
                                 .stray = sides_stray(&w),
                                 .columns_px = fabs(w.line.slope),
                                 .rows = w.height,
                                 .memory = memory};
    return 0;
out:
    free(memory);
    return rc;
}

void edge_profile_free(struct edge_profile *profile)
{
    free(profile->memory);
    profile->memory = NULL;
}
