#include "station/measure/shading.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { COLUMNS = 32, ROWS = 18, BLOCKS = COLUMNS * ROWS, FIT = 5 };

struct block {
    double x, y, value; /* x, y in half widths from the picture's centre */
};

/* value = p0 + p1 r^2 + p2 r^4 about (p3, p4). */
static double model(const double p[FIT], double x, double y, double slope[FIT])
{
    double dx = x - p[3], dy = y - p[4], r2 = dx * dx + dy * dy;
    slope[0] = 1;
    slope[1] = r2;
    slope[2] = r2 * r2;
    double by_r2 = p[1] + 2 * p[2] * r2;
    slope[3] = -2 * dx * by_r2;
    slope[4] = -2 * dy * by_r2;
    return p[0] + p[1] * r2 + p[2] * r2 * r2;
}

static double residual(const struct block *b, const double p[FIT])
{
    double sum = 0, slope[FIT];
    for (int i = 0; i < BLOCKS; i++) {
        double e = b[i].value - model(p, b[i].x, b[i].y, slope);
        sum += e * e;
    }
    return sum;
}

static bool solve(double m[FIT][FIT + 1])
{
    for (int c = 0; c < FIT; c++) {
        int pivot = c;
        for (int r = c + 1; r < FIT; r++)
            if (fabs(m[r][c]) > fabs(m[pivot][c]))
                pivot = r;
        if (!(fabs(m[pivot][c]) > 1e-15))
            return false;
        for (int k = 0; k <= FIT; k++) {
            double t = m[c][k];
            m[c][k] = m[pivot][k];
            m[pivot][k] = t;
        }
        for (int r = 0; r < FIT; r++) {
            double f = m[r][c] / m[c][c];
            for (int k = c; r != c && k <= FIT; k++)
                m[r][k] -= f * m[c][k];
        }
    }
    for (int c = 0; c < FIT; c++)
        m[c][FIT] /= m[c][c];
    return true;
}

/* Levenberg-Marquardt from the picture's centre. */
static void light_middle(const struct block *b, double p[FIT])
{
    double before = residual(b, p), damping = 1e-3;
    for (int pass = 0; pass < 60 && damping < 1e9; pass++) {
        double m[FIT][FIT + 1], slope[FIT], next[FIT];
        memset(m, 0, sizeof m);
        for (int i = 0; i < BLOCKS; i++) {
            double e = b[i].value - model(p, b[i].x, b[i].y, slope);
            for (int r = 0; r < FIT; r++) {
                for (int c = 0; c < FIT; c++)
                    m[r][c] += slope[r] * slope[c];
                m[r][FIT] += slope[r] * e;
            }
        }
        for (int r = 0; r < FIT; r++)
            m[r][r] = m[r][r] * (1 + damping) + 1e-12;
        if (!solve(m))
            return;
        double step = 0;
        for (int r = 0; r < FIT; r++) {
            next[r] = p[r] + m[r][FIT];
            step = fmax(step, fabs(m[r][FIT]));
        }
        double after = residual(b, next);
        if (after <= before && fabs(next[3]) < 2 && fabs(next[4]) < 2) {
            memcpy(p, next, sizeof next);
            before = after;
            damping *= 0.2;
            if (step < 1e-7)
                return;
        } else {
            damping *= 8;
        }
    }
}

static double block_mean(struct plane p, double x0, double y0, double x1, double y1)
{
    struct region r = {(int)x0, (int)y0, (int)x1 - (int)x0, (int)y1 - (int)y0};
    struct plane part;
    return plane_crop(p, r, &part, NULL) < 0 ? 0 : plane_mean(part, NULL);
}

static int ratios(const double corner[4], double centre, struct shading *out, struct error *err)
{
    if (!(centre > 1e-6))
        return error_set(err, ERROR_INPUT,
                         "the picture's centre is black: nothing to hold its "
                         "corners against");
    out->center_mean = centre;
    out->darkest_corner_ratio = corner[0] / centre;
    for (int i = 0; i < 4; i++) {
        out->corner_ratio[i] = corner[i] / centre;
        out->darkest_corner_ratio = fmin(out->darkest_corner_ratio, out->corner_ratio[i]);
    }
    return 0;
}

int shading_field(struct plane luma, struct shading *out, struct error *err)
{
    const int w = luma.width_px, h = luma.height_px;
    if (w < 160 || h < 90 || w > PICTURE_SIDE_MAX || h > PICTURE_SIDE_MAX)
        return error_set(err, ERROR_INPUT, "a field of %dx%d: 160x90 to %d a side expected", w, h,
                         PICTURE_SIDE_MAX);
    *out = (struct shading){0};
    double bw = w / 10.0, bh = h / 10.0;
    const double corner[4] = {block_mean(luma, 0, 0, bw, bh), block_mean(luma, w - bw, 0, w, bh),
                              block_mean(luma, 0, h - bh, bw, h),
                              block_mean(luma, w - bw, h - bh, w, h)};
    double centre = block_mean(luma, (w - bw) / 2, (h - bh) / 2, (w + bw) / 2, (h + bh) / 2);
    int rc = ratios(corner, centre, out, err);
    if (rc < 0)
        return rc;

    /* A block of the evenness is four of the fit's. */
    struct block b[BLOCKS];
    double darkest = INFINITY, brightest = 0, quarter[BLOCKS], quarter_px[BLOCKS];
    for (int j = 0; j < ROWS; j++) {
        for (int i = 0; i < COLUMNS; i++) {
            const int x0 = w * i / COLUMNS, x1 = w * (i + 1) / COLUMNS;
            const int y0 = h * j / ROWS, y1 = h * (j + 1) / ROWS, at = j * COLUMNS + i;
            const double mean = block_mean(luma, x0, y0, x1, y1);
            b[at] =
                (struct block){(x0 + x1 - w) / (double)w, (y0 + y1 - h) / (double)w, mean / centre};
            quarter_px[at] = (double)(x1 - x0) * (y1 - y0);
            quarter[at] = mean * quarter_px[at];
        }
    }
    for (int j = 0; j < ROWS; j += 2) {
        for (int i = 0; i < COLUMNS; i += 2) {
            const int at = j * COLUMNS + i, below = at + COLUMNS;
            const double sum = quarter[at] + quarter[at + 1] + quarter[below] + quarter[below + 1];
            const double v = sum / (quarter_px[at] + quarter_px[at + 1] + quarter_px[below] +
                                    quarter_px[below + 1]);
            darkest = fmin(darkest, v);
            brightest = fmax(brightest, v);
        }
    }
    out->evenness = darkest / brightest;

    double p[FIT] = {1, -0.1, 0, 0, 0};
    light_middle(b, p);
    /* Fall-off from the middle to the picture's far corner; a flat field has no middle. */
    double slope[FIT], half_h = (double)h / w, depth = 0;
    for (int i = 0; i < 4; i++) {
        double v = model(p, i % 2 ? 1 : -1, i / 2 ? half_h : -half_h, slope);
        depth = fmax(depth, p[0] - v);
    }
    if (depth > 0.01 * p[0])
        out->center_offset_percent = 100 * hypot(p[3], p[4]) / 2;
    return 0;
}

int shading_chart(struct plane luma, const struct chart *chart, struct shading *out,
                  struct error *err)
{
    double place[6], darkest = INFINITY, brightest = 0;
    *out = (struct shading){0};
    for (int i = 0; i < 6; i++) {
        struct region r;
        struct plane part;
        int rc = chart_background(chart, luma, i, &r, err);
        if (rc == 0)
            rc = plane_crop(luma, r, &part, err);
        if (rc < 0)
            return rc;
        place[i] = plane_mean(part, NULL);
        darkest = fmin(darkest, place[i]);
        brightest = fmax(brightest, place[i]);
    }
    out->evenness = brightest > 0 ? darkest / brightest : 0;
    return ratios(place, (place[4] + place[5]) / 2, out, err);
}
