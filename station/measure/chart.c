#include "station/measure/chart.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/vector.h"
#include "station/measure/homography.h"

#define SLANT_DEG     5.0
#define DISC_RADIUS   0.22
#define RING_RADIUS   0.45
#define TURN_MAX_DEG  10.0
#define SQUARE_RADIUS 0.6

/* The finder works on a picture reduced to about this width: a disc is then 8 pixels across its
 * radius, and noise is averaged away. */
enum { FINDER_WIDTH = 576, CANDIDATES_MAX = 16 };

static const struct point fiducial_at[CHART_FIDUCIALS] = {
    {3.4, 0.8}, {12.6, 0.8}, {3.4, 8.2}, {12.6, 8.2}};
static const struct point square_at[CHART_SQUARES] = {
    {8, 4.5}, {1.6, 1.4}, {14.4, 1.4}, {1.6, 7.6}, {14.4, 7.6}};

const double chart_wedge_reflectance[CHART_WEDGE] = {0.03, 0.05, 0.08, 0.12, 0.18,
                                                     0.25, 0.35, 0.48, 0.64, 0.85};

struct point chart_pixel(const struct chart *c, double u, double v)
{
    return homography_map(c->to_pixel, u, v);
}

/* ---- candidates: dark blobs in a bright ring ------------------------------------------------ */

struct reduced {
    float *v;
    float *line; /* a row of the picture */
    double *sum; /* summed area, (width + 1) * (height + 1) */
    int width, height, factor;
};

struct candidate {
    double x, y, radius; /* reduced pixels */
};

VECTORIZED static void add_rows(float *restrict out, const float *restrict a,
                                const float *restrict b, int count)
{
    for (int x = 0; x < count; x++)
        out[x] = a[x] + b[x];
}

/* Of each group of rows the two in the middle are enough: noise is still averaged over 2 x factor
 * pixels, and the mean stands where that of all of them would. */
static void reduce(struct plane p, struct reduced *r)
{
    const int f = r->factor;
    const float scale = 1.0f / (float)(2 * f);
    for (int y = 0; y < r->height; y++) {
        float *out = r->v + (size_t)y * r->width;
        const float *group = p.data + (size_t)y * f * p.stride;
        add_rows(r->line, group + (size_t)((f - 1) / 2) * p.stride,
                 group + (size_t)(f / 2) * p.stride, r->width * f);
        if (f == 4) { /* the usual picture */
            for (int x = 0; x < r->width; x++)
                out[x] = (r->line[4 * x] + r->line[4 * x + 1] + r->line[4 * x + 2] +
                          r->line[4 * x + 3]) *
                         scale;
            continue;
        }
        for (int x = 0; x < r->width; x++) {
            float sum = 0;
            for (int i = 0; i < f; i++)
                sum += r->line[x * f + i];
            out[x] = sum * scale;
        }
    }
    const size_t stride = (size_t)r->width + 1;
    memset(r->sum, 0, stride * sizeof *r->sum);
    for (int y = 0; y < r->height; y++) {
        double line = 0;
        double *below = r->sum + ((size_t)y + 1) * stride;
        below[0] = 0;
        for (int x = 0; x < r->width; x++) {
            line += r->v[(size_t)y * r->width + x];
            below[x + 1] = (below - stride)[x + 1] + line;
        }
    }
}

static double box_mean(const struct reduced *r, int x, int y, int half)
{
    int x0 = x - half < 0 ? 0 : x - half, x1 = x + half + 1 > r->width ? r->width : x + half + 1;
    int y0 = y - half < 0 ? 0 : y - half, y1 = y + half + 1 > r->height ? r->height : y + half + 1;
    const size_t stride = (size_t)r->width + 1;
    double s = r->sum[(size_t)y1 * stride + x1] - r->sum[(size_t)y0 * stride + x1] -
               r->sum[(size_t)y1 * stride + x0] + r->sum[(size_t)y0 * stride + x0];
    return s / ((double)(x1 - x0) * (y1 - y0));
}

/* What is darker than half of the mean about it. */
VECTORIZED static void dark_inside(const struct reduced *r, int y, int half, uint8_t *dark)
{
    const int y0 = y - half < 0 ? 0 : y - half,
              y1 = y + half + 1 > r->height ? r->height : y + half + 1, side = 2 * half + 1;
    const size_t stride = (size_t)r->width + 1;
    const double *above = r->sum + (size_t)y0 * stride, *below = r->sum + (size_t)y1 * stride;
    const double twice = 2.0 * side * (y1 - y0);
    const float *v = r->v + (size_t)y * r->width;
    for (int x = half; x < r->width - half; x++) {
        const double box =
            below[x + half + 1] - above[x + half + 1] - below[x - half] + above[x - half];
        dark[x] = v[x] * twice < box;
    }
}

static void dark_row(const struct reduced *r, int y, int half, uint8_t *dark)
{
    const float *v = r->v + (size_t)y * r->width;
    const int left = half < r->width ? half : r->width;
    const int right = r->width - half > left ? r->width - half : left;
    for (int x = 0; x < left; x++)
        dark[x] = v[x] < 0.5 * box_mean(r, x, y, half);
    dark_inside(r, y, half, dark);
    for (int x = right; x < r->width; x++)
        dark[x] = v[x] < 0.5 * box_mean(r, x, y, half);
}

static double sample(const struct reduced *r, double x, double y)
{
    int i = (int)floor(x + 0.5), j = (int)floor(y + 0.5);
    return i < 0 || j < 0 || i >= r->width || j >= r->height ? -1 : r->v[(size_t)j * r->width + i];
}

/* A ring that is brighter than the disc and than what lies outside it, all the way round. */
static bool ringed(const struct reduced *r, const struct candidate *c)
{
    enum { RAYS = 16 };
    int good = 0;
    double disc = sample(r, c->x, c->y);
    /* Strong blur shrinks the dark spot but not the ring about it. */
    double radius = fmax(c->radius, 0.8 * DISC_RADIUS * r->width / 16);
    for (int k = 0; k < RAYS; k++) {
        double dx = cos(2 * M_PI * k / RAYS), dy = sin(2 * M_PI * k / RAYS), ring = 0;
        double outside = 0;
        int n = 0;
        for (double at = 1.1; at <= 2.0; at += 0.1)
            ring = fmax(ring, sample(r, c->x + dx * radius * at, c->y + dy * radius * at));
        for (double at = 2.5; at <= 2.9; at += 0.1) {
            double s = sample(r, c->x + dx * radius * at, c->y + dy * radius * at);
            outside += s > 0 ? s : 0;
            n += s >= 0;
        }
        outside = n ? outside / n : 0; /* a fiducial may touch the picture's rim */
        good += ring > 2 * disc && ring > 1.15 * outside;
    }
    return good >= RAYS - 2;
}

/* Flood-fills the dark component at (x, y) and gives its area, centre and shape. */
static bool component(const struct reduced *r, uint8_t *dark, int *stack, int start,
                      struct candidate *out)
{
    int top = 0;
    double n = 0, sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
    stack[top++] = start;
    dark[start] = 0;
    while (top > 0) {
        int at = stack[--top], x = at % r->width, y = at / r->width;
        n++;
        sx += x;
        sy += y;
        sxx += (double)x * x;
        syy += (double)y * y;
        sxy += (double)x * y;
        const int next[4] = {x > 0 ? at - 1 : -1, x + 1 < r->width ? at + 1 : -1,
                             y > 0 ? at - r->width : -1, y + 1 < r->height ? at + r->width : -1};
        for (int k = 0; k < 4; k++) {
            if (next[k] >= 0 && dark[next[k]]) {
                dark[next[k]] = 0;
                stack[top++] = next[k];
            }
        }
    }
    out->x = sx / n;
    out->y = sy / n;
    out->radius = sqrt(n / M_PI);
    double xx = sxx / n - out->x * out->x, yy = syy / n - out->y * out->y;
    double xy = sxy / n - out->x * out->y;
    double middle = (xx + yy) / 2, off = hypot((xx - yy) / 2, xy);
    double expected = DISC_RADIUS * r->width / 16;
    return out->radius > 0.35 * expected && out->radius < 1.5 * expected &&
           middle + off < 3 * (middle - off);
}

static int candidates_find(const struct reduced *r, uint8_t *dark, int *stack,
                           struct candidate *out)
{
    const int half = (int)(1.2 * r->width / 16), pixels = r->width * r->height;
    int count = 0;
    for (int y = 0; y < r->height; y++)
        dark_row(r, y, half, dark + (size_t)y * r->width);
    for (int i = 0; i < pixels && count < CANDIDATES_MAX; i++)
        if (dark[i] && component(r, dark, stack, i, &out[count]) && ringed(r, &out[count]))
            count++;
    return count;
}

/* ---- which four, and how they stand --------------------------------------------------------- */

/* How far four points are from the fiducials' rectangle under shift, turn and scale: mean
 * distance after the best such fit, as a fraction of the rectangle's width. */
static double misfit(const struct point p[4])
{
    double cu = 0, cv = 0, cx = 0, cy = 0, a = 0, b = 0, n = 0, rest = 0;
    for (int i = 0; i < 4; i++) {
        cu += fiducial_at[i].x / 4;
        cv += fiducial_at[i].y / 4;
        cx += p[i].x / 4;
        cy += p[i].y / 4;
    }
    for (int i = 0; i < 4; i++) {
        double u = fiducial_at[i].x - cu, v = fiducial_at[i].y - cv;
        double x = p[i].x - cx, y = p[i].y - cy;
        a += u * x + v * y;
        b += u * y - v * x;
        n += u * u + v * v;
    }
    a /= n;
    b /= n;
    for (int i = 0; i < 4; i++) {
        double u = fiducial_at[i].x - cu, v = fiducial_at[i].y - cv;
        rest += hypot(p[i].x - cx - (a * u - b * v), p[i].y - cy - (b * u + a * v)) / 4;
    }
    return a > 0 ? rest / (9.2 * hypot(a, b)) : 1;
}

/* Orders four points as top left, top right, bottom left, bottom right. */
static void order(struct point p[4])
{
    for (int i = 0; i < 3; i++)
        for (int k = i + 1; k < 4; k++)
            if (p[k].y < p[i].y) {
                struct point t = p[i];
                p[i] = p[k];
                p[k] = t;
            }
    for (int i = 0; i < 4; i += 2)
        if (p[i].x > p[i + 1].x) {
            struct point t = p[i];
            p[i] = p[i + 1];
            p[i + 1] = t;
        }
}

static double best_four(const struct candidate *c, int count, struct point best[4])
{
    double least = 1;
    for (int i = 0; i < count; i++)
        for (int j = i + 1; j < count; j++)
            for (int k = j + 1; k < count; k++)
                for (int l = k + 1; l < count; l++) {
                    const int pick[4] = {i, j, k, l};
                    struct point p[4];
                    for (int m = 0; m < 4; m++)
                        p[m] = (struct point){c[pick[m]].x, c[pick[m]].y};
                    order(p);
                    double m = misfit(p);
                    if (m < least) {
                        least = m;
                        memcpy(best, p, sizeof p);
                    }
                }
    return least;
}

/* Centre of what lies within `radius` and is darker than nine tenths of the rim's mean: the weight
 * is how much darker. */
static struct point dark_centre(struct plane p, struct point at, double radius)
{
    const double outer2 = radius * radius, inner2 = 0.81 * outer2;
    for (int pass = 0; pass < 4; pass++) {
        double rim = 0, rim_n = 0, sx = 0, sy = 0, s = 0;
        int x0 = (int)ceil(at.x - radius), x1 = (int)floor(at.x + radius);
        int y0 = (int)ceil(at.y - radius), y1 = (int)floor(at.y + radius);
        if (x0 < 0 || y0 < 0 || x1 >= p.width_px || y1 >= p.height_px)
            return at;
        for (int loop = 0; loop < 2; loop++) {
            for (int y = y0; y <= y1; y++) {
                const float *row = p.data + (size_t)y * p.stride;
                const double dy2 = (y - at.y) * (y - at.y);
                double row_s = 0, row_sx = 0;
                for (int x = x0; x <= x1; x++) {
                    const double d2 = (x - at.x) * (x - at.x) + dy2;
                    if (d2 > outer2)
                        continue;
                    if (loop == 0) {
                        rim += d2 > inner2 ? row[x] : 0;
                        rim_n += d2 > inner2;
                    } else if (row[x] < rim) {
                        /* A soft rim, so that the circle's own pixel steps do not pull. */
                        double w = rim - row[x];
                        if (d2 > inner2)
                            w *= fmin(1, 10 * (1 - sqrt(d2) / radius));
                        row_s += w;
                        row_sx += w * x;
                    }
                }
                s += row_s;
                sx += row_sx;
                sy += row_s * y;
            }
            if (loop == 0)
                rim = 0.9 * rim / fmax(rim_n, 1);
        }
        if (!(s > 0))
            return at;
        struct point next = {sx / s, sy / s};
        double moved = hypot(next.x - at.x, next.y - at.y);
        if (moved > radius)
            return at;
        at = next;
        if (moved < 0.01)
            break;
    }
    return at;
}

/* A slanted square's centre, in the reduced picture: its place is for its edges' regions, and a
 * tenth of a pixel of that is more than they need. */
static struct point square_centre(const struct reduced *r, struct point at, double unit_px)
{
    const struct plane p = {r->v, r->width, r->height, (size_t)r->width};
    const double f = r->factor, off = (f - 1) * 0.5;
    const struct point small = {(at.x - off) / f, (at.y - off) / f};
    const struct point found = dark_centre(p, small, 1.0 * unit_px / f);
    return (struct point){found.x * f + off, found.y * f + off};
}

static int placement(struct plane p, const struct reduced *r, struct chart *c, struct error *err)
{
    struct point middle = chart_pixel(c, 8, 4.5), right = chart_pixel(c, 9, 4.5);
    c->unit_px = hypot(right.x - middle.x, right.y - middle.y);
    c->rotation_deg = atan2(right.y - middle.y, right.x - middle.x) * 180 / M_PI;
    if (fabs(c->rotation_deg) > TURN_MAX_DEG)
        return error_set(err, ERROR_MISSING,
                         "chart badly placed: turned by %.1f degrees, at most %.0f expected",
                         c->rotation_deg, TURN_MAX_DEG);
    for (int i = 0; i < CHART_SQUARES; i++) {
        struct point at = chart_pixel(c, square_at[i].x, square_at[i].y);
        double room = 1.05 * c->unit_px; /* the square, its blur and some background */
        if (at.x < room || at.y < room || at.x > p.width_px - 1 - room ||
            at.y > p.height_px - 1 - room)
            return error_set(err, ERROR_MISSING,
                             "chart badly placed: its slanted square at %.0f,%.0f is not wholly "
                             "in the picture of %dx%d",
                             at.x, at.y, p.width_px, p.height_px);
        c->square[i] = square_centre(r, at, c->unit_px);
        if (hypot(c->square[i].x - at.x, c->square[i].y - at.y) > 0.3 * c->unit_px)
            return error_set(err, ERROR_MISSING,
                             "chart not found: no slanted square at %.0f,%.0f, where the fiducials "
                             "say it is",
                             at.x, at.y);
    }
    return 0;
}

int chart_find(struct plane luma, struct chart *out, struct error *err)
{
    struct reduced r = {0};
    uint8_t *dark = NULL;
    int *stack = NULL, rc = 0;

    if (luma.width_px < 320 || luma.height_px < 180 || luma.width_px > PICTURE_SIDE_MAX ||
        luma.height_px > PICTURE_SIDE_MAX)
        return error_set(err, ERROR_INPUT, "a picture of %dx%d: 320x180 to %d a side expected",
                         luma.width_px, luma.height_px, PICTURE_SIDE_MAX);
    r.factor = luma.width_px / FINDER_WIDTH > 1 ? luma.width_px / FINDER_WIDTH : 1;
    r.width = luma.width_px / r.factor;
    r.height = luma.height_px / r.factor;
    size_t pixels = (size_t)r.width * (size_t)r.height;
    r.v = malloc(pixels * sizeof *r.v);
    r.line = malloc((size_t)r.width * (size_t)r.factor * sizeof *r.line);
    r.sum = malloc(((size_t)r.width + 1) * ((size_t)r.height + 1) * sizeof *r.sum);
    dark = malloc(pixels);
    stack = malloc(pixels * sizeof *stack);
    if (!r.v || !r.line || !r.sum || !dark || !stack) {
        rc = error_set(err, ERROR_MEMORY, "no memory to look for the chart");
        goto out;
    }
    reduce(luma, &r);

    struct candidate found[CANDIDATES_MAX];
    struct point four[CHART_FIDUCIALS];
    int count = candidates_find(&r, dark, stack, found);
    if (count < CHART_FIDUCIALS) {
        rc = error_set(err, ERROR_MISSING, "chart not found: %d of its 4 fiducials seen", count);
        goto out;
    }
    double off = best_four(found, count, four);
    if (off > 0.08) {
        rc = error_set(err, ERROR_MISSING,
                       "chart badly placed: of %d fiducials seen the best four stand %.0f %% off "
                       "their rectangle, at most 8 %% expected",
                       count, 100 * off);
        goto out;
    }
    for (int i = 0; i < CHART_FIDUCIALS; i++) {
        struct point at = {four[i].x * r.factor + (r.factor - 1) * 0.5,
                           four[i].y * r.factor + (r.factor - 1) * 0.5};
        double unit = (four[1].x - four[0].x) * r.factor / 9.2;
        out->fiducial[i] = dark_centre(luma, at, (DISC_RADIUS + RING_RADIUS) / 2 * unit);
    }
    if (!homography_fit(fiducial_at, out->fiducial, out->to_pixel)) {
        rc = error_set(err, ERROR_MISSING, "chart badly placed: its fiducials stand in one line");
        goto out;
    }
    rc = placement(luma, &r, out, err);
out:
    free(r.v);
    free(r.line);
    free(r.sum);
    free(dark);
    free(stack);
    return rc;
}

/* ---- where the parts are -------------------------------------------------------------------- */

static int rectangle(struct plane p, double x0, double y0, double x1, double y1, struct region *out,
                     struct error *err)
{
    if (!(x0 >= 0) || !(y0 >= 0) || !(x1 <= p.width_px - 1) || !(y1 <= p.height_px - 1) ||
        x1 < x0 || y1 < y0)
        return error_set(err, ERROR_INPUT,
                         "a part of the chart at %.0f,%.0f to %.0f,%.0f is not in the picture of "
                         "%dx%d",
                         x0, y0, x1, y1, p.width_px, p.height_px);
    int left = (int)ceil(x0), top = (int)ceil(y0);
    *out = (struct region){left, top, (int)floor(x1) - left + 1, (int)floor(y1) - top + 1};
    if (out->width_px < 1 || out->height_px < 1)
        return error_set(err, ERROR_INPUT, "a part of the chart is smaller than a pixel");
    return 0;
}

int chart_region(const struct chart *c, struct plane p, double u, double v, double side,
                 struct region *out, struct error *err)
{
    struct point at = chart_pixel(c, u, v);
    double half = side / 2 * c->unit_px;
    return rectangle(p, at.x - half, at.y - half, at.x + half, at.y + half, out, err);
}

int chart_edge(const struct chart *c, struct plane p, int square, int edge, struct region *out,
               struct error *err)
{
    if (square < 0 || square >= CHART_SQUARES || edge < 0 || edge >= CHART_EDGES)
        return error_set(err, ERROR_INPUT, "the chart has no edge %d of square %d", edge, square);
    double turn = (SLANT_DEG + c->rotation_deg + 90 * edge) * M_PI / 180;
    double x = c->square[square].x + SQUARE_RADIUS * c->unit_px * cos(turn);
    double y = c->square[square].y + SQUARE_RADIUS * c->unit_px * sin(turn);
    /* 0.8 along the edge keeps clear of the corners, 0.36 to either side of the fiducials. */
    double across = 0.36 * c->unit_px, along = 0.40 * c->unit_px;
    double w = edge % 2 ? along : across, h = edge % 2 ? across : along;
    return rectangle(p, x - w, y - h, x + w, y + h, out, err);
}

int chart_patch(const struct chart *c, struct plane p, int patch, struct region *out,
                struct error *err)
{
    if (patch < 0 || patch >= CHART_PATCHES)
        return error_set(err, ERROR_INPUT, "the chart has no patch %d", patch);
    return chart_region(c, p, 2.7 + 0.76 * (patch % 6), 3.36 + 0.76 * (patch / 6), 0.40, out, err);
}

int chart_wedge(const struct chart *c, struct plane p, int step, struct region *out,
                struct error *err)
{
    if (step < 0 || step >= CHART_WEDGE)
        return error_set(err, ERROR_INPUT, "the chart's wedge has no step %d", step);
    return chart_region(c, p, 9.8 + 0.85 * (step % 5), 4.1 + 0.85 * (step / 5), 0.44, out, err);
}

int chart_band(const struct chart *c, struct plane p, struct region *out, struct error *err)
{
    struct point a = chart_pixel(c, 4.2, 6.5), b = chart_pixel(c, 11.8, 6.9);
    /* Turned, the band's upright inside is lower by the rise over half its length. */
    double rise = fabs(chart_pixel(c, 11.8, 6.5).y - a.y) / 2;
    double half = fmax(4, (b.y - a.y) / 2 - rise), middle = (a.y + b.y) / 2;
    double width = b.x - a.x;
    if (rise > (b.y - a.y) / 4) { /* a shorter band then */
        width *= 0.25;
        half = (b.y - a.y) / 2 - rise * 0.25;
    }
    double centre = (a.x + b.x) / 2;
    return rectangle(p, centre - width / 2, middle - half, centre + width / 2, middle + half, out,
                     err);
}

int chart_background(const struct chart *c, struct plane p, int place, struct region *out,
                     struct error *err)
{
    static const struct point at[6] = {{0.45, 0.45},  {15.55, 0.45}, {0.45, 8.55},
                                       {15.55, 8.55}, {8, 3.3},      {8, 5.7}};
    if (place < 0 || place >= 6)
        return error_set(err, ERROR_INPUT, "the chart has no background place %d", place);
    /* The outermost places may just leave a picture that is a little off: they are moved in. */
    struct point pixel = chart_pixel(c, at[place].x, at[place].y);
    double half = 0.2 * c->unit_px;
    double x = fmin(fmax(pixel.x, half), p.width_px - 1 - half);
    double y = fmin(fmax(pixel.y, half), p.height_px - 1 - half);
    if (hypot(x - pixel.x, y - pixel.y) > 0.4 * c->unit_px)
        return error_set(err, ERROR_INPUT, "the chart's corner %d is not in the picture", place);
    return rectangle(p, x - half, y - half, x + half, y + half, out, err);
}
