#include "station/measure/warp.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* ---- the two maps --------------------------------------------------------------------------- */

static void rigid_map(const struct warp *w, double x, double y, double to[2], double slope[2][3],
                      double spread[2][2])
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
    if (!(Z > 1e-3 * f)) { /* behind the camera: far outside */
        to[0] = to[1] = 1e9;
        memset(slope, 0, 6 * sizeof(double));
        memset(spread, 0, 4 * sizeof(double));
        return;
    }
    double u = X / Z, v = Y / Z;
    to[0] = f * u;
    to[1] = f * v;
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
static void weights(double t, double v[4])
{
    double t2 = t * t, t3 = t2 * t;
    v[0] = 0.5 * (-t + 2 * t2 - t3);
    v[1] = 0.5 * (2 - 5 * t2 + 3 * t3);
    v[2] = 0.5 * (t + 4 * t2 - 3 * t3);
    v[3] = 0.5 * (-t2 + t3);
}

static bool sample(struct plane p, double x, double y, double *value)
{
    if (!(x >= 1) || !(y >= 1) || !(x < p.width_px - 2) || !(y < p.height_px - 2))
        return false;
    int i = (int)x, j = (int)y;
    double vx[4], vy[4], v = 0;
    weights(x - i, vx);
    weights(y - j, vy);
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

static inline __attribute__((always_inline)) void
gather_by(warp_map *map, const struct warp_frame *f, const struct warp *w, struct sums *s)
{
    memset(s, 0, sizeof *s);
    for (int y = 1; y + 1 < f->a.height_px; y += f->stride) {
        const float *row = f->a.data + (size_t)y * f->a.stride;
        for (int x = 1; x + 1 < f->a.width_px; x += f->stride) {
            double to[2], slope[2][3], spread[2][2], value;
            map(w, (x - f->center_x) * f->scale, (y - f->center_y) * f->scale, to, slope, spread);
            if (!sample(f->b, to[0] / f->scale + f->center_x, to[1] / f->scale + f->center_y,
                        &value))
                continue;
            double a = row[x], g[UNKNOWNS];
            double ax = (row[x + 1] - row[x - 1]) * 0.5;
            double ay = ((row + f->a.stride)[x] - (row - f->a.stride)[x]) * 0.5;
            double det = spread[0][0] * spread[1][1] - spread[0][1] * spread[1][0];
            if (!(fabs(det) > 1e-3))
                continue;
            double bx = (spread[1][1] * ax - spread[1][0] * ay) / det;
            double by = (spread[0][0] * ay - spread[0][1] * ax) / det;
            for (int i = 0; i < 3; i++)
                g[i] = (bx * slope[0][i] + by * slope[1][i]) / f->scale;
            g[3] = -a;
            g[4] = -1;
            for (int i = 0; i < UNKNOWNS; i++) {
                for (int k = i; k < UNKNOWNS; k++)
                    s->m[i][k] += g[i] * g[k];
                s->m[i][UNKNOWNS] -= g[i] * value;
            }
            s->n++;
            s->a += a;
            s->b += value;
            s->aa += a * a;
            s->bb += value * value;
            s->ab += a * value;
        }
    }
}

/* Most of an alignment's time: with the map within the loop, half as long. */
static void gather(const struct warp_frame *f, const struct warp *w, struct sums *s)
{
    if (w->map == rotation_map)
        gather_by(rotation_map, f, w, s);
    else
        gather_by(w->map, f, w, s);
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
            double dx = x - cx, dy = y - cy, value;
            bool inside = sample(b, c * dx - s * dy + cx, s * dx + c * dy + cy, &value);
            *out++ = (float)(inside ? value : mean);
        }
    }
}
