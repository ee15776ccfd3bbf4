#include "station/measure/registration.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "station/measure/fourier.h"
#include "station/measure/warp.h"

/* Widths at which the steps work: the finest least squares, the phase correlation, the coarsest. */
enum {
    FINE_WIDTH = 1200,
    GUESS_WIDTH = 640,
    COARSE_WIDTH = 160,
    EVERY_WIDTH = 400, /* wider levels are aligned by every second pixel and row */
    LEVELS_MAX = 8,
    PEAKS = 6
};

struct level {
    struct plane a, b;
    float *memory;
    double scale; /* full pixels for one of this level */
};

struct pyramid {
    struct level level[LEVELS_MAX]; /* finest first */
    int count;
};

static inline __attribute__((always_inline)) void add_row(const float *from, int f, int w,
                                                          float scale, float *row)
{
    for (int x = 0; x < w; x++) {
        float sum = row[x];
        for (int i = 0; i < f; i++)
            sum += from[x * f + i] * scale;
        row[x] = sum;
    }
}

/* Means over f x f pixels. */
static void reduce(struct plane in, int f, struct plane *out, float *data)
{
    int w = in.width_px / f, h = in.height_px / f;
    const float scale = 1.0f / (float)(f * f);
    for (int y = 0; y < h; y++) {
        float *row = data + (size_t)y * w;
        memset(row, 0, (size_t)w * sizeof *row);
        for (int k = 0; k < f; k++) {
            const float *from = in.data + ((size_t)y * f + k) * in.stride;
            if (f == 1)
                add_row(from, 1, w, scale, row);
            else if (f == 2)
                add_row(from, 2, w, scale, row);
            else
                add_row(from, f, w, scale, row);
        }
    }
    *out = (struct plane){data, w, h, (size_t)w};
}

/* Binomial 1 4 6 4 1 both ways, in place; the outermost two pixels stay. It takes away the finest
 * detail, which a cubic through four pixels does not carry across without loss. */
static void soften(float *v, int w, int h, float *line)
{
    for (int y = 0; y < h; y++) {
        float *r = v + (size_t)y * w;
        memcpy(line, r, (size_t)w * sizeof *line);
        for (int x = 2; x + 2 < w; x++)
            r[x] = (line[x - 2] + line[x + 2] + 4 * (line[x - 1] + line[x + 1]) + 6 * line[x]) / 16;
    }
    /* Down the columns with the two rows above kept as they were: line[0..w) and line[w..2w). */
    float *above = line, *above2 = line + w;
    memcpy(above2, v, (size_t)w * sizeof *v);
    memcpy(above, v + w, (size_t)w * sizeof *v);
    for (int y = 2; y + 2 < h; y++) {
        float *r = v + (size_t)y * w;
        const float *below = r + w, *below2 = r + 2 * (size_t)w;
        for (int x = 0; x < w; x++) {
            float here = r[x];
            r[x] = (above2[x] + below2[x] + 4 * (above[x] + below[x]) + 6 * here) / 16;
            above2[x] = above[x];
            above[x] = here;
        }
    }
}

static void pyramid_free(struct pyramid *p)
{
    for (int i = 0; i < p->count; i++)
        free(p->level[i].memory);
}

static int pyramid_add(struct pyramid *p, struct plane a, struct plane b, int factor, double scale,
                       struct error *err)
{
    struct level *l = &p->level[p->count];
    size_t pixels = (size_t)(a.width_px / factor) * (size_t)(a.height_px / factor);
    const size_t width = (size_t)(a.width_px / factor);
    l->memory = malloc((2 * pixels + 2 * width) * sizeof *l->memory);
    if (!l->memory)
        return error_set(err, ERROR_MEMORY, "no memory to register %dx%d pixels", a.width_px,
                         a.height_px);
    reduce(a, factor, &l->a, l->memory);
    reduce(b, factor, &l->b, l->memory + pixels);
    float *line = l->memory + 2 * pixels;
    soften(l->memory, l->a.width_px, l->a.height_px, line);
    soften(l->memory + pixels, l->a.width_px, l->a.height_px, line);
    l->scale = scale;
    p->count++;
    return 0;
}

static int pyramid_build(struct pyramid *p, struct plane a, struct plane b, struct error *err)
{
    if (a.width_px != b.width_px || a.height_px != b.height_px)
        return error_set(err, ERROR_INPUT, "frames of %dx%d and %dx%d: one size expected",
                         a.width_px, a.height_px, b.width_px, b.height_px);
    if (a.width_px < 64 || a.height_px < 48 || a.width_px > PICTURE_SIDE_MAX ||
        a.height_px > PICTURE_SIDE_MAX)
        return error_set(err, ERROR_INPUT, "frames of %dx%d: 64x48 to %d a side expected",
                         a.width_px, a.height_px, PICTURE_SIDE_MAX);
    int factor = (a.width_px + FINE_WIDTH - 1) / FINE_WIDTH;
    if (a.height_px / factor < 32) /* a very long strip is not reduced away */
        factor = a.height_px / 32;
    int rc = pyramid_add(p, a, b, factor, factor, err);
    while (rc == 0 && p->count < LEVELS_MAX) {
        struct level *l = &p->level[p->count - 1];
        if (l->a.width_px <= COARSE_WIDTH || l->a.height_px < 64)
            break;
        rc = pyramid_add(p, l->a, l->b, 2, 2 * l->scale, err);
    }
    return rc;
}

/* ---- first guess ---------------------------------------------------------------------------- */

struct guess {
    double dx, dy, correlation; /* pixels of the level it was made on */
};

/* The highest place of one row of the correlation, or of all. */
struct peak {
    float most;
    int dx, dy;
};

/* Correlation coefficient where b, moved back by whole pixels, lies over a; every second row and
 * column is enough for a choice between peaks. */
static double overlap_correlation(struct plane a, struct plane b, int dx, int dy)
{
    int x0 = dx < 0 ? -dx : 0, x1 = a.width_px - (dx > 0 ? dx : 0);
    int y0 = dy < 0 ? -dy : 0, y1 = a.height_px - (dy > 0 ? dy : 0);
    double n = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
    for (int y = y0; y < y1; y += 2) {
        const float *ra = a.data + (size_t)y * a.stride;
        const float *rb = b.data + (size_t)(y + dy) * b.stride + dx;
        for (int x = x0; x < x1; x += 2) {
            double va = ra[x], vb = rb[x];
            n++;
            sa += va;
            sb += vb;
            saa += va * va;
            sbb += vb * vb;
            sab += va * vb;
        }
    }
    if (n < 64)
        return 0;
    double qa = saa - sa * sa / n, qb = sbb - sb * sb / n;
    return qa > 0 && qb > 0 ? (sab - sa * sb / n) / sqrt(qa * qb) : 0;
}

static double taper(int i, int n)
{
    double edge = fmin(i + 0.5, n - i - 0.5) / (0.12 * n);
    return edge < 1 ? 0.5 - 0.5 * cos(M_PI * edge) : 1;
}

/* `line` has room for a row. */
static void place(struct plane p, struct fourier_cell *out, size_t width, bool imaginary,
                  float *line)
{
    const float mean = (float)plane_mean(p, NULL);
    for (int x = 0; x < p.width_px; x++)
        line[x] = (float)taper(x, p.width_px);
    for (int y = 0; y < p.height_px; y++) {
        const float *row = p.data + (size_t)y * p.stride;
        float wy = (float)taper(y, p.height_px);
        for (int x = 0; x < p.width_px; x++) {
            struct fourier_cell *c = &out[(size_t)y * width + (size_t)x];
            *(imaginary ? &c->im : &c->re) = (row[x] - mean) * wy * line[x];
        }
    }
}

/* Gaussian over frequency, 0.15 cycles/px wide, for place k of n. */
static float softness(size_t k, size_t n)
{
    double f = (double)(k <= n / 2 ? k : n - k) / (double)n;
    return (float)exp(-f * f / (2 * 0.15 * 0.15));
}

/* Both real pictures go through one transform, as real and imaginary part, and are told apart by
 * its symmetry; the cross-power spectrum is whitened and softened towards high frequencies, where
 * noise lives. */
static void cross_power(const struct fourier_cell *z, struct fourier_cell *out, size_t w, size_t h,
                        float *line)
{
    for (size_t x = 0; x < w; x++)
        line[x] = softness(x, w);
    /* What is real in the end has its other half mirrored: rows above the middle are enough. */
    for (size_t y = 0; y <= h / 2; y++) {
        float soft = softness(y, h);
        const size_t opposite = (h - y) & (h - 1);
        const struct fourier_cell *mirror = z + opposite * w;
        for (size_t x = 0; x < w; x++) {
            const size_t across = (w - x) & (w - 1);
            struct fourier_cell p = z[y * w + x], q = mirror[across];
            float ar = (p.re + q.re) / 2, ai = (p.im - q.im) / 2;
            float br = (p.im + q.im) / 2, bi = (q.re - p.re) / 2;
            float re = ar * br + ai * bi, im = ar * bi - ai * br; /* conj(A) B */
            float size = sqrtf(re * re + im * im);
            float k = size > 0 ? line[x] * soft / size : 0;
            out[y * w + x] = (struct fourier_cell){re * k, im * k};
            out[opposite * w + across] = (struct fourier_cell){re * k, -im * k};
        }
    }
}

static struct peak row_peak(const struct fourier_cell *c, size_t w, size_t h, int reach_x, int dy)
{
    const struct fourier_cell *row = c + ((size_t)dy & (h - 1)) * w;
    struct peak p = {-INFINITY, 0, dy};
    for (int dx = -reach_x; dx <= reach_x; dx++) {
        const float v = row[(size_t)dx & (w - 1)].re;
        if (v > p.most) {
            p.most = v;
            p.dx = dx;
        }
    }
    return p;
}

static int guess_shift(struct plane a, struct plane b, struct guess *best, struct error *err)
{
    /* Room for the shift, so that what leaves on one side does not come in on the other. */
    const size_t w = fourier_size((size_t)a.width_px * 3 / 2);
    const size_t h = fourier_size((size_t)a.height_px * 3 / 2);
    const int reach_x = (int)(0.48 * a.width_px), reach_y = (int)(0.48 * a.height_px);
    struct fourier_cell *z = fourier_alloc(w * h * sizeof *z);
    struct fourier_cell *c = fourier_alloc(w * h * sizeof *c);
    float *line = fourier_alloc(w * sizeof *line);
    struct peak *rows = fourier_alloc((2 * (size_t)reach_y + 1) * sizeof *rows);
    int rc = 0;
    if (!z || !c || !line || !rows) {
        rc = error_set(err, ERROR_MEMORY, "no memory for a transform of %zux%zu", w, h);
        goto out;
    }
    place(a, z, w, false, line);
    place(b, z, w, true, line);
    rc = fourier_plane(z, w, h, false, err);
    if (rc < 0)
        goto out;
    cross_power(z, c, w, h, line);
    rc = fourier_plane(c, w, h, true, err);
    if (rc < 0)
        goto out;

    best->correlation = -2;
    for (int dy = -reach_y; dy <= reach_y; dy++)
        rows[dy + reach_y] = row_peak(c, w, h, reach_x, dy);
    for (int k = 0; k < PEAKS; k++) {
        struct peak top = {-INFINITY, 0, 0};
        for (int dy = -reach_y; dy <= reach_y; dy++)
            if (rows[dy + reach_y].most > top.most)
                top = rows[dy + reach_y];
        double correlation = overlap_correlation(a, b, top.dx, top.dy);
        if (correlation > best->correlation)
            *best = (struct guess){top.dx, top.dy, correlation};
        for (int dy = top.dy - 2; dy <= top.dy + 2; dy++) { /* not the same peak again */
            for (int dx = top.dx - 2; dx <= top.dx + 2; dx++)
                c[((size_t)dy & (h - 1)) * w + ((size_t)dx & (w - 1))].re = -INFINITY;
            if (dy >= -reach_y && dy <= reach_y)
                rows[dy + reach_y] = row_peak(c, w, h, reach_x, dy);
        }
    }
out:
    fourier_free(z);
    fourier_free(c);
    fourier_free(line);
    fourier_free(rows);
    return rc;
}

/* When the frames are turned against each other the peak is weak: then turns are tried in steps
 * that leave the peak standing, and the best is kept. */
static int guess_turned(const struct level *l, struct guess *best, double *turn_rad,
                        struct error *err)
{
    struct plane turned = l->b;
    float *memory = malloc((size_t)l->b.width_px * (size_t)l->b.height_px * sizeof *memory);
    int rc = 0;
    if (!memory)
        return error_set(err, ERROR_MEMORY, "no memory to turn %dx%d pixels", l->b.width_px,
                         l->b.height_px);
    turned.data = memory;
    turned.stride = (size_t)l->b.width_px;
    for (int degrees = -30; degrees <= 30 && rc == 0; degrees += 2) {
        if (degrees == 0)
            continue;
        struct guess g;
        double turn = degrees * M_PI / 180;
        warp_turn(l->b, turn, memory);
        rc = guess_shift(l->a, turned, &g, err);
        if (rc == 0 && g.correlation > best->correlation + 0.02) {
            *turn_rad = turn;
            /* Found after turning back about the centre: forward the shift turns along. */
            *best = (struct guess){cos(turn) * g.dx - sin(turn) * g.dy,
                                   sin(turn) * g.dx + cos(turn) * g.dy, g.correlation};
        }
    }
    free(memory);
    return rc;
}

/* ---- from coarse to fine -------------------------------------------------------------------- */

static int first_guess(const struct pyramid *p, double *dx, double *dy, double *turn_rad,
                       bool may_turn, struct error *err)
{
    int at = 0;
    while (at + 1 < p->count && p->level[at].a.width_px > GUESS_WIDTH)
        at++;
    const struct level *l = &p->level[at];
    double sigma_a, sigma_b;
    plane_mean(l->a, &sigma_a);
    plane_mean(l->b, &sigma_b);
    if (!(sigma_a > 1e-6) || !(sigma_b > 1e-6))
        return error_set(err, ERROR_INPUT, "a frame without texture cannot be registered");
    struct guess g;
    int rc = guess_shift(l->a, l->b, &g, err);
    *turn_rad = 0;
    if (rc == 0 && may_turn && g.correlation < 0.7) {
        int coarse = at;
        while (coarse + 1 < p->count && p->level[coarse].a.width_px > GUESS_WIDTH / 2)
            coarse++;
        struct guess turned = g;
        rc = guess_turned(&p->level[coarse], &turned, turn_rad, err);
        if (*turn_rad != 0) {
            g = turned;
            l = &p->level[coarse];
        }
    }
    *dx = g.dx * l->scale;
    *dy = g.dy * l->scale;
    return rc;
}

static void refine(const struct pyramid *p, int full_width, int full_height, struct warp *w)
{
    for (int i = p->count - 1; i >= 0; i--) {
        const struct level *l = &p->level[i];
        struct warp_frame f = {.a = l->a,
                               .b = l->b,
                               .scale = l->scale,
                               .center_x = full_width / (2 * l->scale) - 0.5,
                               .center_y = full_height / (2 * l->scale) - 0.5,
                               .stride = l->a.width_px > EVERY_WIDTH ? 2 : 1};
        warp_align(&f, w);
    }
}

int registration_measure(struct plane a, struct plane b, struct registration *out,
                         struct error *err)
{
    struct pyramid p = {.count = 0};
    double dx, dy, turn;
    int rc = pyramid_build(&p, a, b, err);
    if (rc == 0)
        rc = first_guess(&p, &dx, &dy, &turn, true, err);
    if (rc < 0)
        goto out;
    struct warp w = warp_rigid(dx, dy, turn);
    refine(&p, a.width_px, a.height_px, &w);
    out->dx_px = w.p[0];
    out->dy_px = w.p[1];
    out->rotation_deg = w.p[2] * 180 / M_PI;
    out->peak = w.correlation;
out:
    pyramid_free(&p);
    return rc;
}

int registration_pan_tilt(struct plane a, struct plane b, double focal_px, struct pan_tilt *out,
                          struct error *err)
{
    struct pyramid p = {.count = 0};
    double dx, dy, turn;
    if (!(focal_px >= 1))
        return error_set(err, ERROR_INPUT, "a focal length of %g pixels: at least 1 expected",
                         focal_px);
    int rc = pyramid_build(&p, a, b, err);
    if (rc == 0)
        rc = first_guess(&p, &dx, &dy, &turn, false, err);
    if (rc < 0)
        goto out;
    struct warp w = warp_rotation(dx, dy, focal_px);
    refine(&p, a.width_px, a.height_px, &w);
    /* The second frame's axis in the first one's view; y runs down. */
    const double *r = w.p;
    out->pan_deg = atan2(r[6], r[8]) * 180 / M_PI;
    out->tilt_deg = -asin(fmax(-1, fmin(1, r[7]))) * 180 / M_PI;
    /* Pan and tilt leave the first frame's upright upright. */
    out->roll_deg = atan2(r[1], r[4]) * 180 / M_PI;
    out->peak = w.correlation;
out:
    pyramid_free(&p);
    return rc;
}

struct pan_tilt pan_tilt_at_elevation(struct pan_tilt seen, double elevation_deg)
{
    const double deg = M_PI / 180, e = elevation_deg * deg;
    double x = sin(seen.pan_deg * deg) * cos(seen.tilt_deg * deg);
    double y = -sin(seen.tilt_deg * deg); /* down */
    double z = cos(seen.pan_deg * deg) * cos(seen.tilt_deg * deg);
    double level_y = y * cos(e) - z * sin(e), level_z = y * sin(e) + z * cos(e);
    seen.pan_deg = atan2(x, level_z) / deg;
    seen.tilt_deg = asin(fmax(-1, fmin(1, -level_y))) / deg - elevation_deg;
    return seen;
}

double registration_angle_deg(double shift_px, double focal_px)
{
    return atan(shift_px / focal_px) * 180 / M_PI;
}
