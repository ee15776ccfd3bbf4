/* takt measure: the kinds that look at pictures. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "station/cli/measure_kinds.h"
#include "station/measure/chart.h"
#include "station/measure/color.h"
#include "station/measure/defects.h"
#include "station/measure/homography.h"
#include "station/measure/noise.h"
#include "station/measure/picture_file.h"
#include "station/measure/registration.h"
#include "station/measure/shading.h"
#include "station/measure/sharpness.h"

static int load(const struct measure_request *r, const char *path, struct picture *out,
                struct error *err)
{
    int count;
    return picture_load(path, r->frame, r->linear, out, 1, &count, err);
}

/* The luma of the region asked for, or of the whole picture. */
static int look(const struct measure_request *r, const struct picture *p, struct plane *out,
                struct error *err)
{
    *out = picture_luma(p);
    return r->has_roi ? plane_crop(picture_luma(p), r->roi, out, err) : 0;
}

static void add_pair(cJSON *array, double a, double b)
{
    double pair[2] = {a, b};
    cJSON_AddItemToArray(array, cJSON_CreateDoubleArray(pair, 2));
}

/* ---- sharpness ------------------------------------------------------------------------------ */

/* The mean over the four edges of a chart's square; curve and angle are the right edge's. */
static int square_sharpness(struct plane luma, const struct chart *c, int square,
                            struct sharpness *out, struct error *err)
{
    double mtf50 = 0, quarter = 0;
    for (int e = CHART_EDGES - 1; e >= 0; e--) {
        struct region r;
        struct plane part;
        int rc = chart_edge(c, luma, square, e, &r, err);
        if (rc == 0)
            rc = plane_crop(luma, r, &part, err);
        if (rc == 0)
            rc = sharpness_edge(part, out, err);
        if (rc < 0)
            return rc;
        mtf50 += out->mtf50_cpp / CHART_EDGES;
        quarter += out->mtf_nyquist4 / CHART_EDGES;
    }
    out->mtf50_cpp = mtf50;
    out->mtf_nyquist4 = quarter;
    return 0;
}

int measure_sharpness(const struct measure_request *r, cJSON *out, struct error *err)
{
    struct picture p = {0};
    struct plane luma;
    struct sharpness s;
    struct chart chart;
    double squares[CHART_SQUARES] = {0};
    bool on_chart = false;
    int rc = load(r, r->files[0], &p, err);
    if (rc == 0)
        rc = look(r, &p, &luma, err);
    if (rc < 0)
        goto out;
    on_chart = !r->has_roi && luma.width_px >= 320 && chart_find(luma, &chart, NULL) == 0;
    if (on_chart) {
        for (int i = CHART_SQUARES - 1; i >= 0 && rc == 0; i--) {
            rc = square_sharpness(luma, &chart, i, &s, err);
            squares[i] = s.mtf50_cpp;
        }
    } else {
        rc = sharpness_edge(luma, &s, err);
    }
    if (rc < 0)
        goto out;
    cJSON_AddNumberToObject(out, "mtf50_cpp", s.mtf50_cpp);
    cJSON_AddNumberToObject(out, "mtf_nyquist4", s.mtf_nyquist4);
    cJSON_AddNumberToObject(out, "angle_deg", s.angle_deg);
    cJSON_AddNumberToObject(out, "edge_contrast", s.edge_contrast);
    cJSON_AddNumberToObject(out, "noise_fraction", s.noise_fraction);
    if (on_chart)
        cJSON_AddItemToObject(out, "squares_mtf50_cpp",
                              cJSON_CreateDoubleArray(squares, CHART_SQUARES));
    cJSON *curve = cJSON_AddArrayToObject(out, "curve");
    for (int i = 0; i < SHARPNESS_POINTS; i++)
        add_pair(curve, i / 100.0, s.curve[i]);
out:
    picture_free(&p);
    return rc;
}

/* ---- color ---------------------------------------------------------------------------------- */

/* Patches of a ColorChecker are 40 mm, and 6 mm lie between: in units of a patch's width and gap.
 */
#define PATCH 0.842

static int patches_from_corners(const struct picture *p, const struct point corners[4],
                                double rgb[COLOR_PATCHES][3], struct error *err)
{
    const double wide = 5 + PATCH, high = 3 + PATCH;
    const struct point from[4] = {{0, 0}, {wide, 0}, {wide, high}, {0, high}};
    double h[9];
    if (!homography_fit(from, corners, h))
        return error_set(err, ERROR_INPUT, "--corners: three of the four stand in one line");
    for (int i = 0; i < COLOR_PATCHES; i++) {
        double u = i % 6 + PATCH / 2, v = i / 6 + PATCH / 2;
        struct point at = homography_map(h, u, v);
        struct point right = homography_map(h, u + 0.5, v), down = homography_map(h, u, v + 0.5);
        /* A fifth of the way to the next patch: clear of every border, gaps or none. */
        double half =
            0.4 * fmin(hypot(right.x - at.x, right.y - at.y), hypot(down.x - at.x, down.y - at.y));
        if (!(fabs(at.x) < PICTURE_SIDE_MAX) || !(fabs(at.y) < PICTURE_SIDE_MAX))
            return error_set(err, ERROR_INPUT, "--corners: patch %d is not in the picture", i + 1);
        int x0 = (int)ceil(at.x - half), y0 = (int)ceil(at.y - half);
        struct region r = {x0, y0, (int)floor(at.x + half) - x0 + 1,
                           (int)floor(at.y + half) - y0 + 1};
        int rc = picture_mean_rgb(p, r, rgb[i], err);
        if (rc < 0)
            return error_context(err, "patch %d", i + 1);
    }
    return 0;
}

static int patches_find(const struct measure_request *r, const struct picture *p,
                        double rgb[COLOR_PATCHES][3], const char **how, struct error *err)
{
    struct plane luma = picture_luma(p);
    struct chart chart;
    if (r->has_corners) {
        *how = "given";
        return patches_from_corners(p, r->corners, rgb, err);
    }
    int rc = chart_find(luma, &chart, err);
    if (rc == 0 && !r->has_roi) {
        *how = "fiducials";
        for (int i = 0; i < COLOR_PATCHES && rc == 0; i++) {
            struct region region;
            rc = chart_patch(&chart, luma, i, &region, err);
            if (rc == 0)
                rc = picture_mean_rgb(p, region, rgb[i], err);
        }
        return rc;
    }
    /* No fiducials: a picture, or its region, that is the 24 patches from rim to rim. Whether it is
     * one the patches must say. */
    *how = "picture";
    double x0 = -0.5, y0 = -0.5, x1 = p->width_px - 0.5, y1 = p->height_px - 0.5;
    if (r->has_roi) {
        x0 += r->roi.x_px;
        y0 += r->roi.y_px;
        x1 = x0 + r->roi.width_px;
        y1 = y0 + r->roi.height_px;
    }
    const struct point rim[4] = {{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}};
    struct color c;
    if (patches_from_corners(p, rim, rgb, NULL) == 0) {
        color_check(rgb, true, &c);
        if (c.de2000_mean < 20)
            return 0;
    }
    return error_set(err, ERROR_MISSING,
                     "no 24-patch chart found in '%s': neither fiducials nor patches from rim to "
                     "rim; say where it is with --corners",
                     r->files[0]);
}

int measure_color(const struct measure_request *r, cJSON *out, struct error *err)
{
    struct picture p = {0};
    double rgb[COLOR_PATCHES][3];
    struct color c;
    const char *how = "";
    int rc = load(r, r->files[0], &p, err);
    if (rc == 0)
        rc = patches_find(r, &p, rgb, &how, err);
    if (rc < 0)
        goto out;
    color_check(rgb, r->match_exposure, &c);
    cJSON *patches = cJSON_AddArrayToObject(out, "patches");
    for (int i = 0; i < COLOR_PATCHES; i++) {
        cJSON *patch = cJSON_CreateObject();
        const double lab[3] = {c.lab[i].l, c.lab[i].a, c.lab[i].b};
        cJSON_AddStringToObject(patch, "name", color_references[i].name);
        cJSON_AddItemToObject(patch, "lab", cJSON_CreateDoubleArray(lab, 3));
        cJSON_AddNumberToObject(patch, "de2000", c.de2000[i]);
        cJSON_AddItemToArray(patches, patch);
    }
    cJSON_AddNumberToObject(out, "de2000_mean", c.de2000_mean);
    cJSON_AddNumberToObject(out, "de2000_max", c.de2000_max);
    cJSON_AddNumberToObject(out, "white_balance_de", c.white_balance_de);
    cJSON_AddStringToObject(out, "corners", how);
    cJSON_AddNumberToObject(out, "exposure", c.exposure);
out:
    picture_free(&p);
    return rc;
}

int measure_deltae(const struct measure_request *r, cJSON *out, struct error *err)
{
    double v[2][3];
    for (int i = 0; i < 2; i++)
        if (!measure_numbers(r->files[i], v[i], 3))
            return error_set(err, ERROR_INPUT, "'%s' is no colour: L,a,b expected", r->files[i]);
    struct lab x = {v[0][0], v[0][1], v[0][2]}, y = {v[1][0], v[1][1], v[1][2]};
    cJSON_AddNumberToObject(out, "de76", delta_e76(x, y));
    cJSON_AddNumberToObject(out, "de2000", delta_e2000(x, y));
    return 0;
}

/* ---- fields --------------------------------------------------------------------------------- */

int measure_shading(const struct measure_request *r, cJSON *out, struct error *err)
{
    struct picture p = {0};
    struct plane luma;
    struct shading s;
    int rc = load(r, r->files[0], &p, err);
    if (rc == 0)
        rc = look(r, &p, &luma, err);
    if (rc == 0)
        rc = shading_field(luma, &s, err);
    if (rc == 0) {
        cJSON_AddItemToObject(out, "corner_ratio", cJSON_CreateDoubleArray(s.corner_ratio, 4));
        cJSON_AddNumberToObject(out, "darkest_corner_ratio", s.darkest_corner_ratio);
        cJSON_AddNumberToObject(out, "center_offset_percent", s.center_offset_percent);
        cJSON_AddNumberToObject(out, "evenness", s.evenness);
        cJSON_AddNumberToObject(out, "center_mean", s.center_mean);
    }
    picture_free(&p);
    return rc;
}

int measure_noise(const struct measure_request *r, cJSON *out, struct error *err)
{
    enum { FROM_VIDEO = 16 };
    struct picture p[NOISE_FRAMES_MAX] = {{0}};
    struct plane luma[NOISE_FRAMES_MAX];
    struct noise n;
    int count = 0, rc = 0;
    if (r->count == 1) {
        rc = picture_load(r->files[0], r->frame, r->linear, p, FROM_VIDEO, &count, err);
    } else {
        for (; count < r->count && rc == 0; count += rc == 0)
            rc = load(r, r->files[count], &p[count], err);
    }
    if (rc == 0 && count < 2)
        rc = error_set(err, ERROR_INPUT, "'%s' is one frame: two or more are needed", r->files[0]);
    for (int i = 0; i < count && rc == 0; i++)
        rc = look(r, &p[i], &luma[i], err);
    if (rc == 0)
        rc = noise_measure(luma, (size_t)count, &n, err);
    if (rc == 0) {
        cJSON_AddNumberToObject(out, "temporal_sigma", n.temporal_sigma);
        cJSON_AddNumberToObject(out, "snr_db", n.snr_db);
        cJSON_AddNumberToObject(out, "fixed_pattern_sigma", n.fixed_pattern_sigma);
        cJSON_AddNumberToObject(out, "mean", n.mean);
        cJSON_AddNumberToObject(out, "frames", count);
    }
    for (int i = 0; i < count; i++)
        picture_free(&p[i]);
    return rc;
}

int measure_defects(const struct measure_request *r, cJSON *out, struct error *err)
{
    struct picture p = {0};
    struct plane luma;
    struct defects d = {0};
    int rc = load(r, r->files[0], &p, err);
    if (rc == 0)
        rc = look(r, &p, &luma, err);
    if (rc == 0)
        rc = defects_find(luma, NULL, &d, err);
    if (rc == 0) {
        cJSON *points = cJSON_AddArrayToObject(out, "points");
        for (size_t i = 0; i < d.count; i++) {
            cJSON *point = cJSON_CreateObject();
            cJSON_AddNumberToObject(point, "x", d.points[i].x + (r->has_roi ? r->roi.x_px : 0));
            cJSON_AddNumberToObject(point, "y", d.points[i].y + (r->has_roi ? r->roi.y_px : 0));
            cJSON_AddStringToObject(point, "kind", defect_name(d.points[i].kind));
            cJSON_AddItemToArray(points, point);
        }
        cJSON_AddNumberToObject(out, "clusters", (double)d.clusters);
        cJSON_AddNumberToObject(out, "largest_cluster_px", (double)d.largest_px);
        cJSON_AddNumberToObject(out, "total", (double)d.total);
    }
    defects_free(&d);
    picture_free(&p);
    return rc;
}

int measure_registration(const struct measure_request *r, cJSON *out, struct error *err)
{
    struct picture p[2] = {{0}};
    struct plane luma[2];
    struct registration g;
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0; i++) {
        rc = load(r, r->files[i], &p[i], err);
        if (rc == 0)
            rc = look(r, &p[i], &luma[i], err);
    }
    if (rc == 0)
        rc = registration_measure(luma[0], luma[1], &g, err);
    if (rc == 0) {
        cJSON_AddNumberToObject(out, "dx_px", g.dx_px);
        cJSON_AddNumberToObject(out, "dy_px", g.dy_px);
        cJSON_AddNumberToObject(out, "rotation_deg", g.rotation_deg);
        cJSON_AddNumberToObject(out, "peak", g.peak);
    }
    if (rc == 0 && r->focal_px > 0) {
        struct pan_tilt t;
        rc = registration_pan_tilt(luma[0], luma[1], r->focal_px, &t, err);
        if (rc == 0) {
            cJSON_AddNumberToObject(out, "pan_deg", t.pan_deg);
            cJSON_AddNumberToObject(out, "tilt_deg", t.tilt_deg);
            cJSON_AddNumberToObject(out, "roll_deg", t.roll_deg);
        }
    }
    for (int i = 0; i < 2; i++)
        picture_free(&p[i]);
    return rc;
}
