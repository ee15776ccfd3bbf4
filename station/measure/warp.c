#include "station/measure/warp.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "protocol/base/vector.h"

/* ---- the two maps --------------------------------------------------------------------------- */

static inline void rigid_map(const struct warp *w, double x, double y, double to[2],
                             double slope[2][3], double spread[2][2])
{
    double c = w->p[3], s = w->p[4]; /* of the turn */
    to[0] = c * x - s * y + w->p[0];
    to[1] = s * x + c * y + w->p[1];
    slope[0][0] = 1;
    slope[0][1] = 0;
    slope[0][2] = -s * x - c * y;
    slope[1][0] = 0;
    slope[1][1] = 1;
    slope[1][2] = c * x - s * y;
    spread[0][0] = spread[1][1] = c;
    spread[0][1] = -s;
    spread[1][0] = s;
}

static void rigid_step(struct warp *w, const double by[3])
{
    for (int i = 0; i < 3; i++)
        w->p[i] += by[i];
    w->p[3] = cos(w->p[2]);
    w->p[4] = sin(w->p[2]);
}

struct warp warp_rigid(double dx, double dy, double turn_rad)
{
    struct warp w = {.map = rigid_map, .step = rigid_step};
    rigid_step(&w, (double[3]){dx, dy, turn_rad});
    return w;
}

static inline void rotation_map(const struct warp *w, double x, double y, double to[2],
                                double slope[2][3], double spread[2][2])
{
    const double *r = w->p, f = w->focal_px;
    double X = r[0] * x + r[1] * y + r[2] * f;
    double Y = r[3] * x + r[4] * y + r[5] * f;
    double Z = r[6] * x + r[7] * y + r[8] * f;
    const bool ahead = Z > 1e-3 * f; /* what is behind the camera lands far outside */
    Z = ahead ? Z : f;
    double u = X / Z, v = Y / Z;
    to[0] = ahead ? f * u : 1e9;
    to[1] = ahead ? f * v : 1e9;
    /* A further small turn d moves the ray by d x ray. */
    slope[0][0] = -f * u * v;
    slope[0][1] = f * (1 + u * u);
    slope[0][2] = -f * v;
    slope[1][0] = -f * (1 + v * v);
    slope[1][1] = f * u * v;
    slope[1][2] = f * u;
    for (int k = 0; k < 2; k++) {
        spread[0][k] = f * (r[k] - u * r[6 + k]) / Z;
        spread[1][k] = f * (r[3 + k] - v * r[6 + k]) / Z;
    }
}

static void rotation_step(struct warp *w, const double by[3])
{
    /* Rodrigues' formula for the turn by, put before the matrix so far. */
    double angle = sqrt(by[0] * by[0] + by[1] * by[1] + by[2] * by[2]);
    double a = angle > 1e-12 ? sin(angle) / angle : 1;
    double b = angle > 1e-6 ? (1 - cos(angle)) / (angle * angle) : 0.5;
    const double k[3][3] = {{0, -by[2], by[1]}, {by[2], 0, -by[0]}, {-by[1], by[0], 0}};
    double turn[3][3], next[9];
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) {
            double kk = k[i][0] * k[0][j] + k[i][1] * k[1][j] + k[i][2] * k[2][j];
            turn[i][j] = (i == j) + a * k[i][j] + b * kk;
        }
    }
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            next[3 * i + j] =
                turn[i][0] * w->p[j] + turn[i][1] * w->p[3 + j] + turn[i][2] * w->p[6 + j];
    memcpy(w->p, next, sizeof next);
}

struct warp warp_rotation(double dx, double dy, double focal_px)
{
    struct warp w = {.map = rotation_map,
                     .step = rotation_step,
                     .p = {1, 0, 0, 0, 1, 0, 0, 0, 1},
                     .focal_px = focal_px};
    double across = hypot(dx, dy), angle = atan(across / focal_px);
    if (across > 0) /* about the axis at right angles to the shift */
        rotation_step(&w, (double[3]){-dy / across * angle, dx / across * angle, 0});
    return w;
}

/* ---- sampling between pixels ---------------------------------------------------------------- */

/* Catmull-Rom: a cubic through four neighbours. */
static inline __attribute__((always_inline)) void weights(float t, float *v0, float *v1, float *v2,
                                                          float *v3)
{
    const float t2 = t * t, t3 = t2 * t;
    *v0 = 0.5f * (-t + 2 * t2 - t3);
    *v1 = 0.5f * (2 - 5 * t2 + 3 * t3);
    *v2 = 0.5f * (t + 4 * t2 - 3 * t3);
    *v3 = 0.5f * (-t2 + t3);
}

static bool sample(struct plane p, double x, double y, float *value)
{
    if (!(x >= 1) || !(y >= 1) || !(x < p.width_px - 2) || !(y < p.height_px - 2))
        return false;
    int i = (int)x, j = (int)y;
    float vx[4], vy[4], v = 0;
    weights((float)(x - i), &vx[0], &vx[1], &vx[2], &vx[3]);
    weights((float)(y - j), &vy[0], &vy[1], &vy[2], &vy[3]);
    const float *row = p.data + (size_t)(j - 1) * p.stride + (i - 1);
    for (int k = 0; k < 4; k++, row += p.stride)
        v += vy[k] * (row[0] * vx[0] + row[1] * vx[1] + row[2] * vx[2] + row[3] * vx[3]);
    *value = v;
    return true;
}

/* ---- least squares -------------------------------------------------------------------------- */

/* Sums over the overlap. Unknowns: three steps times gain, gain and offset; b ~ gain * a + offset.
 * The slope of the picture is taken from a, at whole pixels, and never from b: between pixels b's
 * noise is weaker than on them, and a fit by b's own slope is drawn to half pixels. */
enum { UNKNOWNS = 5 };
struct sums {
    double m[UNKNOWNS][UNKNOWNS + 1];
    double n, a, b, aa, bb, ab;
};

/* Pixels are taken in runs along a row, so that all but the reading of b becomes vectors. */
enum { RUN = 32, LANES = 4, PAIRS = UNKNOWNS * (UNKNOWNS + 1) / 2 + UNKNOWNS };

struct run {
    double a[RUN], ax[RUN], ay[RUN]; /* the picture and its slope */
    double g[UNKNOWNS][RUN], value[RUN], counts[RUN];
    float tx[RUN], ty[RUN], wx[4][RUN], wy[4][RUN];
    int at[RUN]; /* first of the 4 x 4 pixels of b */
};

static inline __attribute__((always_inline)) void begin_run(const struct warp_frame *f, int y,
                                                            int x, int count, struct run *r)
{
    const float *row = f->a.data + (size_t)y * f->a.stride + x;
    const float *above = row - f->a.stride, *below = row + f->a.stride;
    const int stride = f->stride;
    for (int i = 0; i < count; i++) {
        const int k = i * stride;
        r->a[i] = row[k];
        r->ax[i] = (row[k + 1] - row[k - 1]) * 0.5;
        r->ay[i] = (below[k] - above[k]) * 0.5;
        r->counts[i] = 1;
    }
    for (int i = count; i < RUN; i++)
        r->a[i] = r->ax[i] = r->ay[i] = r->counts[i] = 0;
}

/* Where each pixel lands in b, and what a step does to it there. */
static inline __attribute__((always_inline)) void map_run(warp_map *map, const struct warp_frame *f,
                                                          const struct warp *w, int y, int x,
                                                          struct run *r)
{
    const double scale = f->scale, center_x = f->center_x, center_y = f->center_y;
    const double right = f->b.width_px - 2, bottom = f->b.height_px - 2;
    const int b_stride = (int)f->b.stride, stride = f->stride;
    double column[RUN], row[RUN];
    for (int i = 0; i < RUN; i++) {
        double to[2], slope[2][3], spread[2][2];
        map(w, (x + i * stride - center_x) * scale, (y - center_y) * scale, to, slope, spread);
        double u = to[0] / scale + center_x, v = to[1] / scale + center_y;
        double det = spread[0][0] * spread[1][1] - spread[0][1] * spread[1][0];
        /* 1 or 0, by products: a branch would end the vector */
        const double inside = (u >= 1 ? 1.0 : 0.0) * (v >= 1 ? 1.0 : 0.0) *
                              (u < right ? 1.0 : 0.0) * (v < bottom ? 1.0 : 0.0) *
                              (fabs(det) > 1e-3 ? 1.0 : 0.0);
        const double counts = r->counts[i] * inside;
        column[i] = inside > 0 ? u : 1;
        row[i] = inside > 0 ? v : 1;
        det = inside > 0 ? det : 1;
        r->counts[i] = counts;
        const double bx = (spread[1][1] * r->ax[i] - spread[1][0] * r->ay[i]) / det;
        const double by = (spread[0][0] * r->ay[i] - spread[0][1] * r->ax[i]) / det;
        for (int k = 0; k < 3; k++)
            r->g[k][i] = counts * ((bx * slope[0][k] + by * slope[1][k]) / scale);
        r->g[3][i] = counts * -r->a[i];
        r->g[4][i] = -counts;
    }
    for (int i = 0; i < RUN; i++) {
        const int c = (int)column[i], d = (int)row[i];
        r->at[i] = (d - 1) * b_stride + c - 1;
        r->tx[i] = (float)(column[i] - c);
        r->ty[i] = (float)(row[i] - d);
    }
    for (int i = 0; i < RUN; i++) {
        weights(r->tx[i], &r->wx[0][i], &r->wx[1][i], &r->wx[2][i], &r->wx[3][i]);
        weights(r->ty[i], &r->wy[0][i], &r->wy[1][i], &r->wy[2][i], &r->wy[3][i]);
    }
}

static inline __attribute__((always_inline)) void sample_run(struct plane b, struct run *r)
{
    for (int i = 0; i < RUN; i++) {
        const float *row = b.data + r->at[i];
        float column[4] = {0};
        for (int k = 0; k < 4; k++, row += b.stride)
            for (int c = 0; c < 4; c++)
                column[c] += r->wy[k][i] * row[c];
        r->value[i] = r->counts[i] * (column[0] * r->wx[0][i] + column[1] * r->wx[1][i] +
                                      column[2] * r->wx[2][i] + column[3] * r->wx[3][i]);
    }
}

static inline __attribute__((always_inline)) void add_products(const double *p, const double *q,
                                                               double sum[LANES])
{
    for (int i = 0; i < RUN; i += LANES)
        for (int l = 0; l < LANES; l++)
            sum[l] += p[i + l] * q[i + l];
}

static inline __attribute__((always_inline)) void
gather_by(warp_map *map, const struct warp_frame *f, const struct warp *w, struct sums *s)
{
    double m[PAIRS][LANES] = {{0}}, bb[LANES] = {0};
    struct run r;
    memset(s, 0, sizeof *s);
    for (int y = 1; y + 1 < f->a.height_px; y += f->stride) {
        for (int x = 1; x + 1 < f->a.width_px; x += f->stride * RUN) {
            const int left = (f->a.width_px - 1 - x + f->stride - 1) / f->stride;
            begin_run(f, y, x, left < RUN ? left : RUN, &r);
            map_run(map, f, w, y, x, &r);
            sample_run(f->b, &r);
            for (int i = 0, at = 0; i < UNKNOWNS; i++) {
                for (int k = i; k < UNKNOWNS; k++)
                    add_products(r.g[i], r.g[k], m[at++]);
                add_products(r.g[i], r.value, m[at++]);
            }
            add_products(r.value, r.value, bb);
        }
    }
    for (int l = 0; l < LANES; l++) {
        for (int i = 0, at = 0; i < UNKNOWNS; i++) {
            for (int k = i; k < UNKNOWNS; k++)
                s->m[i][k] += m[at++][l];
            s->m[i][UNKNOWNS] -= m[at++][l];
        }
        s->bb += bb[l];
    }
    /* The last two unknowns go with -a and -1. */
    s->n = s->m[4][4];
    s->a = s->m[3][4];
    s->aa = s->m[3][3];
    s->ab = s->m[3][UNKNOWNS];
    s->b = s->m[4][UNKNOWNS];
}

static VECTORIZED void gather_rotation(const struct warp_frame *f, const struct warp *w,
                                       struct sums *s)
{
    gather_by(rotation_map, f, w, s);
}

static VECTORIZED void gather_rigid(const struct warp_frame *f, const struct warp *w,
                                    struct sums *s)
{
    gather_by(rigid_map, f, w, s);
}

/* Most of an alignment's time: with the map within the loop. */
static void gather(const struct warp_frame *f, const struct warp *w, struct sums *s)
{
    if (w->map == rotation_map)
        gather_rotation(f, w, s);
    else
        gather_rigid(f, w, s);
}

static double correlation(const struct sums *s)
{
    if (s->n < 64)
        return -1;
    double qa = s->aa - s->a * s->a / s->n, qb = s->bb - s->b * s->b / s->n;
    return qa > 0 && qb > 0 ? (s->ab - s->a * s->b / s->n) / sqrt(qa * qb) : -1;
}

static bool solve(struct sums *s, double by[3])
{
    double(*m)[UNKNOWNS + 1] = s->m;
    for (int i = 0; i < UNKNOWNS; i++)
        for (int k = 0; k < i; k++)
            m[i][k] = m[k][i];
    for (int c = 0; c < UNKNOWNS; c++) {
        int pivot = c;
        for (int r = c + 1; r < UNKNOWNS; r++)
            if (fabs(m[r][c]) > fabs(m[pivot][c]))
                pivot = r;
        if (!(fabs(m[pivot][c]) > 1e-12))
            return false;
        for (int k = 0; k <= UNKNOWNS; k++) {
            double t = m[c][k];
            m[c][k] = m[pivot][k];
            m[pivot][k] = t;
        }
        for (int r = 0; r < UNKNOWNS; r++) {
            double q = m[r][c] / m[c][c];
            for (int k = c; r != c && k <= UNKNOWNS; k++)
                m[r][k] -= q * m[c][k];
        }
    }
    double gain = m[3][UNKNOWNS] / m[3][3];
    if (!(gain > 1e-3))
        return false;
    for (int c = 0; c < 3; c++)
        by[c] = m[c][UNKNOWNS] / m[c][c] / gain;
    return isfinite(by[0]) && isfinite(by[1]) && isfinite(by[2]);
}

void warp_align(const struct warp_frame *f, struct warp *w)
{
    enum { STEPS_MAX = 12 };
    const double slack = 0.01; /* the overlap changes with the step, and its correlation with it */
    struct sums s;
    gather(f, w, &s);
    w->correlation = correlation(&s);
    for (int k = 0; k < STEPS_MAX; k++) {
        double by[3], before[2], after[2], slope[2][3], spread[2][2];
        if (!solve(&s, by))
            return;
        struct warp next = *w;
        next.step(&next, by);
        gather(f, &next, &s);
        next.correlation = correlation(&s);
        if (!(next.correlation > w->correlation - slack))
            return;
        /* How far the step moved a point near the picture's rim. */
        double rim_x = f->center_x * f->scale, rim_y = f->center_y * f->scale;
        w->map(w, rim_x, rim_y, before, slope, spread);
        next.map(&next, rim_x, rim_y, after, slope, spread);
        *w = next;
        if (hypot(after[0] - before[0], after[1] - before[1]) < 0.003 * f->scale)
            return;
    }
}

void warp_turn(struct plane b, double turn_rad, float *out)
{
    const double c = cos(turn_rad), s = sin(turn_rad), mean = plane_mean(b, NULL);
    const double cx = (b.width_px - 1) / 2.0, cy = (b.height_px - 1) / 2.0;
    for (int y = 0; y < b.height_px; y++) {
        for (int x = 0; x < b.width_px; x++) {
            const double dx = x - cx, dy = y - cy;
            float value;
            bool inside = sample(b, c * dx - s * dy + cx, s * dx + c * dy + cy, &value);
            *out++ = inside ? value : (float)mean;
        }
    }
}
