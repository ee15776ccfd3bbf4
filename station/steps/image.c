/* The picture of the test chart: sharpness in centre and corners, colour, contrast, noise, shading.
 *
 * A chart that cannot be found is the fixture's trouble (no light, not in place) and an error. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixtures/light.h"
#include "station/measure/chart.h"
#include "station/measure/color.h"
#include "station/measure/contrast.h"
#include "station/measure/noise.h"
#include "station/measure/shading.h"
#include "station/measure/sharpness.h"
#include "station/steps/camera_view.h"
#include "station/steps/exhibit.h"
#include "station/steps/step.h"

static const struct step_param params[] = {
    {"lux", PARAM_NUMBER, "500", 1, 20000, "on the chart, lx"},
    {"frames", PARAM_NUMBER, "2", 2, VIEW_FRAMES_MAX, "taken; noise is read between two"},
    {0}};

static const struct step_measurement measurements[] = {
    {"mtf50_centre", "cycles/px", "mean of the centre square's edges"},
    {"mtf50_corner_min", "cycles/px", "of the least sharp corner square"},
    {"mtf50_corner_ratio", "ratio", "mean of the corners over the centre"},
    {"mtf50_corner_spread", "ratio", "sharpest less least sharp corner, over their mean: tilt"},
    {"de2000_mean", "dE2000", "of the 24 patches"},
    {"de2000_max", "dE2000", "of the worst patch"},
    {"white_balance_de", "dE", "of the greys, in a and b alone"},
    {"contrast_kept", "ratio", "of the grey wedge: ratio in the picture over the chart's"},
    {"tone_gamma", "ratio", "slope of the wedge's tones, 1 when linear light stays linear"},
    {"snr_db", "dB", "temporal, on the plain band"},
    {"corner_light_min", "ratio", "darkest corner's background over the centre's"},
    {"chart_rotation_deg", "deg", "of the chart in the picture"},
    {"exposure_ms", "ms", "the exposure control's choice"},
    {0}};

struct chart_view {
    struct view views[VIEW_FRAMES_MAX];
    size_t count;
    float *luma; /* of the first frame, linear */
    struct plane plane;
    struct chart chart;
    struct region edges[CHART_SQUARES][CHART_EDGES];
};

static int square_mtf50(struct chart_view *s, int square, double *out, struct error *err)
{
    double sum = 0;
    for (int edge = 0; edge < CHART_EDGES; edge++) {
        struct plane part;
        struct sharpness sharp;
        struct region *r = &s->edges[square][edge];
        int rc = chart_edge(&s->chart, s->plane, square, edge, r, err);
        if (rc == 0)
            rc = plane_crop(s->plane, *r, &part, err);
        if (rc == 0)
            rc = sharpness_edge(part, &sharp, err);
        if (rc < 0)
            return error_context(err, "square %d, edge %d", square, edge);
        sum += sharp.mtf50_cpp;
    }
    *out = sum / CHART_EDGES;
    return 0;
}

static int measure_sharpness(struct step_context *c, struct chart_view *s, struct error *err)
{
    double mtf50[CHART_SQUARES], low = INFINITY, high = 0, sum = 0;
    int rc = 0;
    for (int i = 0; rc == 0 && i < CHART_SQUARES; i++)
        rc = square_mtf50(s, i, &mtf50[i], err);
    if (rc < 0)
        return rc;
    for (int i = 1; i < CHART_SQUARES; i++) {
        low = fmin(low, mtf50[i]);
        high = fmax(high, mtf50[i]);
        sum += mtf50[i];
    }
    const double mean = sum / (CHART_SQUARES - 1);
    rc = step_value(c, "mtf50_centre", mtf50[0], err);
    if (rc == 0)
        rc = step_value(c, "mtf50_corner_min", low, err);
    if (rc == 0)
        rc = step_value(c, "mtf50_corner_ratio", mean / mtf50[0], err);
    return rc < 0 ? rc : step_value(c, "mtf50_corner_spread", (high - low) / mean, err);
}

static int measure_colour(struct step_context *c, const struct chart_view *s, struct error *err)
{
    double rgb[COLOR_PATCHES][3];
    const struct nv12 frame = view_nv12(&s->views[0]);
    struct color colour;
    int rc = 0;
    for (int i = 0; rc == 0 && i < COLOR_PATCHES; i++) {
        struct region r;
        rc = chart_patch(&s->chart, s->plane, i, &r, err);
        if (rc == 0)
            rc = nv12_mean_rgb(&frame, r, rgb[i], err);
    }
    if (rc < 0)
        return rc;
    color_check(rgb, true, &colour);
    rc = step_value(c, "de2000_mean", colour.de2000_mean, err);
    if (rc == 0)
        rc = step_value(c, "de2000_max", colour.de2000_max, err);
    return rc < 0 ? rc : step_value(c, "white_balance_de", colour.white_balance_de, err);
}

static int measure_contrast(struct step_context *c, const struct chart_view *s, struct error *err)
{
    struct contrast_step steps[CHART_WEDGE];
    struct contrast contrast;
    int rc = 0;
    for (int i = 0; rc == 0 && i < CHART_WEDGE; i++) {
        struct region r;
        struct plane part;
        rc = chart_wedge(&s->chart, s->plane, i, &r, err);
        if (rc == 0)
            rc = plane_crop(s->plane, r, &part, err);
        if (rc == 0) {
            steps[i].reflectance = chart_wedge_reflectance[i];
            steps[i].mean = plane_mean(part, &steps[i].sigma);
        }
    }
    if (rc == 0)
        rc = contrast_wedge(steps, CHART_WEDGE, &contrast, err);
    if (rc == 0)
        rc = step_value(c, "contrast_kept", contrast.ratio / contrast.expected_ratio, err);
    return rc < 0 ? rc : step_value(c, "tone_gamma", contrast.gamma, err);
}

static int measure_noise(struct step_context *c, const struct chart_view *s, struct error *err)
{
    struct plane bands[VIEW_FRAMES_MAX];
    struct region band;
    struct noise noise;
    int rc = chart_band(&s->chart, s->plane, &band, err);
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
    /* Equal frames are a picture that stands still, not one without noise. */
    if (rc == 0 && !isfinite(noise.snr_db))
        rc =
            error_set(err, ERROR_STATE, "noise: %zu frames are the same to the last bit", s->count);
    return rc < 0 ? rc : step_value(c, "snr_db", noise.snr_db, err);
}

static int measure_shading(struct step_context *c, const struct chart_view *s, struct error *err)
{
    struct shading shading;
    int rc = shading_chart(s->plane, &s->chart, &shading, err);
    return rc < 0 ? rc : step_value(c, "corner_light_min", shading.darkest_corner_ratio, err);
}

/* The regions that were measured, drawn on the picture that goes into the record. */
static int attach(struct step_context *c, const struct chart_view *s, struct error *err)
{
    static const uint8_t green[3] = {0, 230, 80};
    struct exhibit e = {0};
    int rc = exhibit_from_view(&s->views[0], 1152, &e, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < CHART_SQUARES; i++)
        for (int j = 0; j < CHART_EDGES; j++) {
            const struct region *r = &s->edges[i][j];
            exhibit_frame(&e, r->x_px, r->y_px, r->width_px, r->height_px, green);
        }
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
    rc = nv12_plane(&frame, &s->luma, &s->plane, err);
    return rc < 0 ? rc : chart_find(s->plane, &s->chart, err);
}

static int evaluate(struct step_context *c, struct chart_view *s, struct error *err)
{
    step_progress(c, 0.4, "sharpness");
    int rc = measure_sharpness(c, s, err);
    if (rc == 0) {
        step_progress(c, 0.7, "colour, contrast, noise");
        rc = measure_colour(c, s, err);
    }
    if (rc == 0)
        rc = measure_contrast(c, s, err);
    if (rc == 0)
        rc = measure_noise(c, s, err);
    if (rc == 0)
        rc = measure_shading(c, s, err);
    if (rc == 0)
        rc = step_value(c, "chart_rotation_deg", s->chart.rotation_deg, err);
    if (rc == 0)
        rc = step_value(c, "exposure_ms", s->views[0].exposure_ms, err);
    return rc < 0 ? rc : attach(c, s, err);
}

static int run(struct step_context *c, struct error *err)
{
    struct error ignored = {0};
    struct chart_view *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERROR_MEMORY, "image: out of memory");
    int rc = take(c, s, err);
    if (rc == 0)
        rc = evaluate(c, s, err);
    camera_restore(c);
    light_scene(c->fixture, "dark", 0, &ignored);
    view_free(s->views, s->count);
    free(s->luma);
    free(s);
    return rc;
}

const struct step_kind step_image = {
    .name = "image",
    .about = "sharpness, colour, contrast, noise and shading on the test chart",
    .params = params,
    .measurements = measurements,
    .run = run,
};
