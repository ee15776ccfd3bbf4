/* What the test chart shows of lens, sensor and ISP. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/light.h"
#include "station/measure/contrast.h"
#include "station/measure/noise.h"
#include "station/measure/shading.h"
#include "station/steps/camera_view.h"
#include "station/steps/chart_picture.h"
#include "station/steps/exhibit.h"
#include "station/steps/image.h"

struct chart_view {
    struct view views[VIEW_FRAMES_MAX];
    size_t count;
    struct chart_picture picture; /* of the first frame */
    double mtf50[CHART_SQUARES];
    int worst_corner;
};

/* Squares in the order of chart.h: top left, top right, bottom left, bottom right. */
static int measure_sharpness(struct step_context *c, struct chart_view *s, struct error *err)
{
    int rc = chart_picture_sharpness(&s->picture, CHART_SQUARES, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < CHART_SQUARES; i++)
        s->mtf50[i] = chart_picture_mtf50(&s->picture, i, CHART_BOTH);
    const double *m = s->mtf50;
    double low = INFINITY, high = 0;
    for (int i = 1; i < CHART_SQUARES; i++) {
        if (m[i] < low)
            s->worst_corner = i;
        low = fmin(low, m[i]);
        high = fmax(high, m[i]);
    }
    const double mean = (m[1] + m[2] + m[3] + m[4]) / 4;
    const struct {
        const char *name;
        double value;
    } values[] = {
        {"mtf50_centre", m[0]},
        {"mtf50_centre_across", chart_picture_mtf50(&s->picture, 0, CHART_ACROSS)},
        {"mtf50_centre_down", chart_picture_mtf50(&s->picture, 0, CHART_DOWN)},
        {"mtf50_corner_min", low},
        {"mtf50_corner_ratio", mean / m[0]},
        {"mtf50_corner_spread", (high - low) / mean},
        {"mtf50_tilt_across", (m[2] + m[4] - m[1] - m[3]) / 2 / mean},
        {"mtf50_tilt_down", (m[3] + m[4] - m[1] - m[2]) / 2 / mean},
    };
    for (size_t i = 0; rc == 0 && i < sizeof values / sizeof *values; i++)
        rc = step_value(c, values[i].name, values[i].value, err);
    return rc;
}

static int measure_colour(struct step_context *c, const struct chart_view *s, struct color *colour,
                          struct error *err)
{
    int rc = chart_picture_colour(&s->picture, colour, err);
    if (rc == 0)
        rc = step_value(c, "de2000_mean", colour->de2000_mean, err);
    if (rc == 0)
        rc = step_value(c, "de2000_max", colour->de2000_max, err);
    return rc < 0 ? rc : step_value(c, "white_balance_de", colour->white_balance_de, err);
}

static int measure_contrast(struct step_context *c, const struct chart_view *s, struct error *err)
{
    struct contrast_step steps[CHART_WEDGE];
    struct contrast contrast;
    const struct chart_picture *p = &s->picture;
    int rc = 0;
    for (int i = 0; rc == 0 && i < CHART_WEDGE; i++) {
        struct region r;
        struct plane part;
        rc = chart_wedge(&p->chart, p->plane, i, &r, err);
        if (rc == 0)
            rc = plane_crop(p->plane, r, &part, err);
        if (rc == 0) {
            steps[i].reflectance = chart_wedge_reflectance[i];
            steps[i].mean = plane_mean(part, &steps[i].sigma);
            /* A dark step without noise is one below the picture's own steps: half of one is then
             * the least that can be said. */
            steps[i].sigma = fmax(steps[i].sigma, srgb_decode(0.5 / 255) / 2);
        }
    }
    if (rc == 0)
        rc = contrast_wedge(steps, CHART_WEDGE, &contrast, err);
    if (rc == 0)
        rc = step_value(c, "contrast_kept", contrast.ratio / contrast.expected_ratio, err);
    if (rc == 0)
        rc = step_value(c, "dynamic_range_db", contrast.dynamic_range_db, err);
    return rc < 0 ? rc : step_value(c, "tone_gamma", contrast.gamma, err);
}

static int measure_noise(struct step_context *c, const struct chart_view *s, struct error *err)
{
    struct plane bands[VIEW_FRAMES_MAX];
    struct region band;
    struct noise noise;
    int rc = chart_band(&s->picture.chart, s->picture.plane, &band, err);
    if (rc < 0)
        return rc;
    const size_t samples = (size_t)band.width_px * band.height_px;
    float *data = malloc(s->count * samples * sizeof *data);
    if (!data)
        return error_set(err, ERROR_MEMORY, "noise: out of memory");
    for (size_t i = 0; rc == 0 && i < s->count; i++) {
        const struct nv12 frame = view_nv12(&s->views[i]);
        bands[i] = (struct plane){.data = data + i * samples,
                                  .width_px = band.width_px,
                                  .height_px = band.height_px,
                                  .stride = (size_t)band.width_px};
        rc = nv12_luma(&frame, band, data + i * samples, err);
    }
    if (rc == 0)
        rc = noise_measure(bands, s->count, &noise, err);
    free(data);
    /* Equal frames are a picture that stands still: its noise is not known, and frozen_frames will
     * say so as well. */
    if (rc == 0 && !isfinite(noise.snr_db)) {
        char why[80];
        snprintf(why, sizeof why, "%zu frames are the same to the last bit", s->count);
        rc = step_noted(c, "noise", why, err);
        noise.snr_db = 0;
    }
    return rc < 0 ? rc : step_value(c, "snr_db", noise.snr_db, err);
}

/* A lens of the board's focal length sees 16 units across; another sees more or less. Distortion
 * draws the fiducials in or out, and the picture's edges more than them: 1 % of barrel at the
 * corners would make this lens 0.2 degrees narrower than it is. */
static double field_of_view_deg(const struct step_context *c, const struct chart_picture *p)
{
    const double distortion = step_number(c, "distortion_percent") / 100;
    const double half_x = p->plane.width_px / 2.0, half_y = p->plane.height_px / 2.0;
    const double corner_px = hypot(half_x, half_y), edge = half_x / corner_px;
    const double nominal_px = c->board->focal_mm * 1000 / c->board->pixel_um;
    double squares = 0, field = edge;
    for (int i = 0; i < CHART_FIDUCIALS; i++) {
        const struct point *f = &p->chart.fiducial[i];
        squares += (f->x - half_x) * (f->x - half_x) + (f->y - half_y) * (f->y - half_y);
    }
    const double fiducials = squares / CHART_FIDUCIALS / (corner_px * corner_px);
    const double focal_px =
        nominal_px * p->chart.unit_px * 16 / p->plane.width_px / (1 + distortion * fiducials);
    /* Where the light at the picture's edge would land without distortion. */
    for (int i = 0; i < 8; i++)
        field = edge / (1 + distortion * field * field);
    return 2 * atan(field * corner_px / focal_px) * 180 / M_PI;
}

static int measure_geometry(struct step_context *c, const struct chart_view *s, struct error *err)
{
    const struct chart_picture *p = &s->picture;
    struct shading shading;
    const double view_deg = field_of_view_deg(c, p);
    int rc = shading_chart(p->plane, &p->chart, &shading, err);
    if (rc == 0)
        rc = step_value(c, "corner_light_min", shading.darkest_corner_ratio, err);
    if (rc == 0)
        rc = step_value(c, "chart_rotation_deg", p->chart.rotation_deg, err);
    if (rc == 0)
        rc = step_value(c, "chart_shift_percent", chart_picture_shift_percent(p), err);
    if (rc == 0)
        rc = step_value(c, "field_of_view_deg", view_deg, err);
    return rc < 0 ? rc : step_value(c, "exposure_ms", s->views[0].exposure_ms, err);
}

static void draw_squares(struct step_context *c, const struct chart_view *s, struct exhibit *e)
{
    double corner_low, high;
    step_limits(c, "mtf50_corner_ratio", &corner_low, &high);
    for (int i = 0; i < CHART_SQUARES; i++) {
        char text[32];
        enum exhibit_mark mark = exhibit_judge(c, "mtf50_centre", s->mtf50[0]);
        if (i > 0 && isfinite(corner_low)) /* each corner on its own: which one it is must show */
            mark = s->mtf50[i] >= corner_low * s->mtf50[0] ? EXHIBIT_GOOD : EXHIBIT_BAD;
        snprintf(text, sizeof text, "MTF50 %.3f", s->mtf50[i]);
        for (int j = 0; j < CHART_EDGES; j++) {
            const struct region *r = &s->picture.edges[i][j];
            exhibit_box(e, r->x_px, r->y_px, r->width_px, r->height_px, mark, j == 3 ? text : "");
        }
    }
}

static void draw_patches(struct step_context *c, const struct chart_view *s,
                         const struct color *colour, struct exhibit *e)
{
    for (int i = 0; i < COLOR_PATCHES; i++) {
        struct region r;
        if (chart_patch(&s->picture.chart, s->picture.plane, i, &r, NULL) < 0)
            continue;
        exhibit_box(e, r.x_px, r.y_px, r.width_px, r.height_px,
                    exhibit_judge(c, "de2000_max", colour->de2000[i]), "");
    }
}

static void draw_curves(struct step_context *c, const struct chart_view *s, struct exhibit *e)
{
    double x[SHARPNESS_POINTS], limit, high;
    struct exhibit_line lines[2];
    const int squares[2] = {0, s->worst_corner};
    double y[2][SHARPNESS_POINTS];
    step_limits(c, "mtf50_centre", &limit, &high);
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < SHARPNESS_POINTS; i++) {
            x[i] = i / 100.0;
            y[k][i] = 0;
            for (int edge = 0; edge < CHART_EDGES; edge++)
                y[k][i] += s->picture.sharp[squares[k]][edge].curve[i] / CHART_EDGES;
        }
        lines[k] =
            (struct exhibit_line){k ? "worst corner" : "centre", x, y[k], SHARPNESS_POINTS,
                                  k ? EXHIBIT_FREE : exhibit_judge(c, "mtf50_centre", s->mtf50[0])};
    }
    const struct exhibit_curve curve = {.title =
                                            "contrast (MTF); dashed: least MTF50 of the centre",
                                        .x_name = "cycles/px",
                                        .x_high = 0.5,
                                        .y_high = 1.1,
                                        .lines = lines,
                                        .line_count = 2,
                                        .x_limit = limit,
                                        .y_limits = {0.5, NAN}};
    exhibit_plot(e, &curve);
}

static int attach(struct step_context *c, const struct chart_view *s, const struct color *colour,
                  struct error *err)
{
    struct exhibit e;
    int rc = exhibit_begin(c, &s->picture.frame, 1152, &e, err);
    if (rc < 0)
        return rc;
    draw_squares(c, s, &e);
    draw_patches(c, s, colour, &e);
    draw_curves(c, s, &e);
    const double *m = s->mtf50, mean = (m[1] + m[2] + m[3] + m[4]) / 4;
    exhibit_figure(&e, c, "mtf50_centre", m[0]);
    exhibit_figure(&e, c, "mtf50_corner_ratio", mean / m[0]);
    exhibit_figure(&e, c, "mtf50_corner_min", m[s->worst_corner]);
    exhibit_figure(&e, c, "mtf50_tilt_across", (m[2] + m[4] - m[1] - m[3]) / 2 / mean);
    exhibit_figure(&e, c, "mtf50_tilt_down", (m[3] + m[4] - m[1] - m[2]) / 2 / mean);
    exhibit_figure(&e, c, "de2000_mean", colour->de2000_mean);
    exhibit_figure(&e, c, "de2000_max", colour->de2000_max);
    exhibit_figure(&e, c, "white_balance_de", colour->white_balance_de);
    exhibit_figure(&e, c, "chart_rotation_deg", s->picture.chart.rotation_deg);
    exhibit_figure(&e, c, "chart_shift_percent", chart_picture_shift_percent(&s->picture));
    rc = exhibit_attach(c, "chart", &e, err);
    exhibit_free(&e);
    return rc;
}

static int take(struct step_context *c, struct chart_view *s, struct error *err)
{
    const struct view_settings day = {.stream = true, .auto_exposure = true};
    const size_t frames = (size_t)step_number(c, "frames");
    step_progress(c, 0, "chart");
    int rc = light_scene(c->fixture, "chart", step_number(c, "lux"), err);
    if (rc == 0)
        rc = camera_configure(c, &day, err);
    if (rc == 0)
        rc = camera_capture(c, frames, s->views, err);
    if (rc < 0)
        return rc;
    s->count = frames;
    const struct nv12 frame = view_nv12(&s->views[0]);
    return chart_picture_find(c, &frame, &s->picture, err);
}

int image_chart(struct step_context *c, int *frozen, struct error *err)
{
    struct color colour;
    struct chart_view *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERROR_MEMORY, "image: out of memory");
    int rc = take(c, s, err);
    if (rc == 0) {
        step_progress(c, 0.3, "sharpness, colour, tones, noise");
        rc = measure_sharpness(c, s, err);
    }
    if (rc == 0)
        rc = measure_colour(c, s, &colour, err);
    if (rc == 0)
        rc = measure_contrast(c, s, err);
    if (rc == 0)
        rc = measure_noise(c, s, err);
    if (rc == 0)
        rc = measure_geometry(c, s, err);
    if (rc == 0)
        rc = attach(c, s, &colour, err);
    for (size_t i = 1; i < s->count; i++)
        *frozen +=
            memcmp(s->views[i].nv12, s->views[i - 1].nv12, view_nv12(&s->views[i]).bytes) == 0;
    view_free(s->views, s->count);
    chart_picture_free(&s->picture);
    free(s);
    return rc;
}
