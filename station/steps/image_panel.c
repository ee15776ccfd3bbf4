/* What an even panel shows: shading, the light's middle, dirt, pixels, flicker, and the frames'
 * pace. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/light.h"
#include "station/measure/blemish.h"
#include "station/measure/defects.h"
#include "station/measure/flicker.h"
#include "station/measure/noise.h"
#include "station/measure/shading.h"
#include "station/steps/camera_view.h"
#include "station/steps/exhibit.h"
#include "station/steps/image.h"

struct panel {
    struct view views[VIEW_FRAMES_MAX];
    size_t count;
    float *mean, *one; /* planes: the frames' mean, and the frame in work */
    double *rows;      /* means of each row, frame after frame */
    struct plane plane;
    struct noise noise; /* of the middle, between the first two frames */
    struct shading shading;
    struct blemishes spots;
    struct defects defects;
    struct flicker flicker;
    double frozen;
};

/* The mean plane, the rows of each frame, frames that are the one before. */
static int gather(struct panel *p, struct error *err)
{
    const int w = (int)p->views[0].width_px, h = (int)p->views[0].height_px;
    const size_t samples = (size_t)w * h;
    const struct region all = {0, 0, w, h};
    p->mean = calloc(samples, sizeof *p->mean);
    p->one = malloc(samples * sizeof *p->one);
    p->rows = malloc(p->count * (size_t)h * sizeof *p->rows);
    if (!p->mean || !p->one || !p->rows)
        return error_set(err, ERROR_MEMORY, "image: out of memory");
    p->plane = (struct plane){p->mean, w, h, (size_t)w};
    const struct plane one = {p->one, w, h, (size_t)w};
    const float part = 1.0f / (float)p->count;
    for (size_t i = 0; i < p->count; i++) {
        const struct nv12 frame = view_nv12(&p->views[i]);
        int rc = nv12_luma(&frame, all, p->one, err);
        if (rc < 0)
            return rc;
        flicker_rows(one, p->rows + i * (size_t)h);
        for (size_t k = 0; k < samples; k++)
            p->mean[k] += part * p->one[k];
        p->frozen += i && memcmp(p->views[i].nv12, p->views[i - 1].nv12, frame.bytes) == 0;
    }
    return 0;
}

/* Temporal noise and fixed pattern of the middle eighth each way, over all frames. */
static int middle_noise(struct panel *p, struct error *err)
{
    struct plane frames[VIEW_FRAMES_MAX];
    const struct region r = {p->plane.width_px * 7 / 16 / 2 * 2,
                             p->plane.height_px * 7 / 16 / 2 * 2, p->plane.width_px / 8,
                             p->plane.height_px / 8};
    const size_t samples = (size_t)r.width_px * r.height_px;
    float *data = malloc(p->count * samples * sizeof *data);
    int rc = data ? 0 : error_set(err, ERROR_MEMORY, "image: out of memory");
    for (size_t i = 0; rc == 0 && i < p->count; i++) {
        const struct nv12 frame = view_nv12(&p->views[i]);
        frames[i] = (struct plane){data + i * samples, r.width_px, r.height_px, (size_t)r.width_px};
        rc = nv12_luma(&frame, r, data + i * samples, err);
    }
    if (rc == 0)
        rc = noise_measure(frames, p->count, &p->noise, err);
    free(data);
    return rc;
}

static int evaluate(struct step_context *c, struct panel *p, struct error *err)
{
    int rc = gather(p, err);
    if (rc == 0)
        rc = middle_noise(p, err);
    if (rc == 0)
        rc = shading_field(p->plane, &p->shading, err);
    if (rc == 0)
        rc = blemish_find(p->plane, step_number(c, "spot_contrast"), &p->spots, err);
    if (rc == 0)
        rc = defects_find(p->plane, NULL, &p->defects, err);
    return rc < 0 ? rc
                  : flicker_measure(p->rows, p->count, p->plane.height_px, p->plane.width_px,
                                    p->noise.temporal_sigma, &p->flicker, err);
}

static int report(struct step_context *c, const struct panel *p, struct error *err)
{
    double times[VIEW_FRAMES_MAX], numbers[VIEW_FRAMES_MAX];
    struct pace pace;
    for (size_t i = 0; i < p->count; i++) {
        times[i] = p->views[i].timestamp_us;
        numbers[i] = p->views[i].sequence;
    }
    int rc = pace_of(times, numbers, p->count, 1, &pace, err);
    const struct {
        const char *name;
        double value;
    } values[] = {
        {"panel_corner_min", p->shading.darkest_corner_ratio},
        {"light_middle_percent", p->shading.center_offset_percent},
        {"spot_worst_percent", 100 * p->spots.worst},
        {"spots", (double)p->spots.count},
        {"dead_pixels", (double)p->defects.dead},
        {"bright_pixels", (double)p->defects.bright},
        {"defect_cluster_px", (double)p->defects.largest_px},
        {"fixed_pattern_percent", 100 * p->noise.fixed_pattern_sigma / p->noise.mean},
        {"flicker_percent", p->flicker.flicker_percent},
        {"banding_percent", p->flicker.banding_percent},
        {"standing_bands_percent", p->flicker.standing_percent},
        {"frame_rate_hz", pace.frame_rate_hz},
        {"frozen_frames", p->frozen},
    };
    for (size_t i = 0; rc == 0 && i < sizeof values / sizeof *values; i++)
        rc = step_value(c, values[i].name, values[i].value, err);
    return rc;
}

/* Brightness along the diagonal over the middle's. */
static void draw_diagonal(const struct panel *p, struct exhibit *e, double limit)
{
    enum { PLACES = 65, HALF = 12 };
    double x[PLACES], y[PLACES];
    for (int i = 0; i < PLACES; i++) {
        const int cx = HALF + (p->plane.width_px - 1 - 2 * HALF) * i / (PLACES - 1);
        const int cy = HALF + (p->plane.height_px - 1 - 2 * HALF) * i / (PLACES - 1);
        struct plane part;
        const struct region r = {cx - HALF, cy - HALF, 2 * HALF, 2 * HALF};
        x[i] = 100.0 * i / (PLACES - 1);
        y[i] = plane_crop(p->plane, r, &part, NULL) < 0
                   ? 0
                   : plane_mean(part, NULL) / p->shading.center_mean;
    }
    const struct exhibit_line line = {"light", x, y, PLACES, EXHIBIT_GOOD};
    const struct exhibit_curve curve = {.title = "light along the diagonal over the middle",
                                        .x_name = "% of the way",
                                        .x_high = 100,
                                        .y_high = 1.2,
                                        .lines = &line,
                                        .line_count = 1,
                                        .x_limit = NAN,
                                        .y_limits = {limit, NAN}};
    exhibit_plot(e, &curve);
}

static int attach(struct step_context *c, const struct panel *p, struct error *err)
{
    struct exhibit e;
    char text[48];
    double low, high;
    const struct nv12 frame = view_nv12(&p->views[0]);
    int rc = exhibit_begin(c, &frame, 1152, &e, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < p->spots.count; i++) {
        const struct blemish *s = &p->spots.spots[i];
        snprintf(text, sizeof text, "spot %.1f %%", 100 * s->contrast);
        exhibit_box(&e, s->x_px - s->size_px, s->y_px - s->size_px, 2 * s->size_px, 2 * s->size_px,
                    exhibit_judge(c, "spot_worst_percent", 100 * fabs(s->contrast)), text);
    }
    const enum exhibit_mark mark = exhibit_judge(c, "dead_pixels", (double)p->defects.dead);
    for (size_t i = 0; i < p->defects.count && i < 2000; i++)
        exhibit_box(&e, p->defects.points[i].x - 6, p->defects.points[i].y - 6, 12, 12, mark, "");
    step_limits(c, "panel_corner_min", &low, &high);
    draw_diagonal(p, &e, low);
    exhibit_figure(&e, c, "panel_corner_min", p->shading.darkest_corner_ratio);
    exhibit_figure(&e, c, "light_middle_percent", p->shading.center_offset_percent);
    exhibit_figure(&e, c, "spot_worst_percent", 100 * p->spots.worst);
    exhibit_figure(&e, c, "spots", (double)p->spots.count);
    exhibit_figure(&e, c, "dead_pixels", (double)p->defects.dead);
    exhibit_figure(&e, c, "bright_pixels", (double)p->defects.bright);
    exhibit_figure(&e, c, "defect_cluster_px", (double)p->defects.largest_px);
    exhibit_figure(&e, c, "fixed_pattern_percent",
                   100 * p->noise.fixed_pattern_sigma / p->noise.mean);
    exhibit_figure(&e, c, "flicker_percent", p->flicker.flicker_percent);
    exhibit_figure(&e, c, "banding_percent", p->flicker.banding_percent);
    exhibit_figure(&e, c, "standing_bands_percent", p->flicker.standing_percent);
    rc = exhibit_attach(c, "panel", &e, err);
    exhibit_free(&e);
    return rc;
}

int image_panel(struct step_context *c, int frozen, struct error *err)
{
    struct panel *p = calloc(1, sizeof *p);
    if (!p)
        return error_set(err, ERROR_MEMORY, "image: out of memory");
    const size_t frames = (size_t)step_number(c, "panel_frames");
    step_progress(c, 0.6, "plain panel");
    int rc = light_scene(c->fixture, "flat", step_number(c, "lux"), err);
    if (rc == 0)
        rc = camera_capture(c, frames, p->views, err);
    if (rc == 0) {
        p->count = frames;
        p->frozen = frozen;
        rc = evaluate(c, p, err);
    }
    if (rc == 0)
        rc = report(c, p, err);
    if (rc == 0)
        rc = attach(c, p, err);
    view_free(p->views, p->count);
    defects_free(&p->defects);
    free(p->mean);
    free(p->one);
    free(p->rows);
    free(p);
    return rc;
}
