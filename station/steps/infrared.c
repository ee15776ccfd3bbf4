/* Night vision in the dark room: how bright and even the unit's own infrared LEDs light a plain
 * wall, whether the IR-cut filter really moves, and the pixels that are dead or hot.
 *
 * The filter is judged by the picture: the same light through it and past it. Exposure is held, so
 * that brightness is the LEDs' and not the exposure control's. */
#include <math.h>
#include <stdlib.h>

#include "fixtures/light.h"
#include "station/measure/defects.h"
#include "station/measure/shading.h"
#include "station/steps/camera_view.h"
#include "station/steps/exhibit.h"
#include "station/steps/step.h"

static const struct step_param params[] = {
    {"exposure_ms", PARAM_NUMBER, "40", 0.1, 1000, "held for all pictures, ms"},
    {"gain", PARAM_NUMBER, "12", 1, 64, "held for all pictures"},
    {"frames", PARAM_NUMBER, "2", 1, VIEW_FRAMES_MAX, "averaged for the lit wall"},
    {0}};

static const struct step_measurement measurements[] = {
    {"brightness", "ratio", "of the wall's middle, linear, over full scale"},
    {"evenness", "ratio", "darkest over brightest block of the wall"},
    {"darkest_corner_ratio", "ratio", "darkest of four corner blocks over the centre block"},
    {"corner_balance", "ratio", "darkest over lightest corner block: 1 when all LEDs shine alike"},
    {"ir_cut_ratio", "ratio", "infrared seen with the filter away over with it in place"},
    {"dead_pixels", "count", "below half of their neighbours on the lit wall"},
    {"bright_pixels", "count", "above one and a half times their neighbours on the lit wall"},
    {"hot_pixels", "count", "above ten times their neighbours in the dark"},
    {"defect_cluster_px", "px", "pixels of the largest cluster, lit or dark"},
    {0}};

static int look(struct step_context *c, bool night, double led, size_t frames, struct view *views,
                struct error *err)
{
    const struct view_settings s = {.stream = true,
                                    .night = night,
                                    .ir_led = led,
                                    .exposure_ms = step_number(c, "exposure_ms"),
                                    .gain = step_number(c, "gain")};
    int rc = camera_configure(c, &s, err);
    return rc < 0 ? rc : camera_capture(c, frames, views, err);
}

/* Mean of the frames' linear luma: allocated for the caller. */
static int mean_luma(const struct view *views, size_t count, float **data, struct plane *out,
                     struct error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const struct nv12 frame = view_nv12(&views[i]);
        struct plane p;
        float *next = NULL;
        rc = nv12_plane(&frame, i ? &next : data, i ? &p : out, err);
        if (rc < 0 || i == 0)
            continue;
        const size_t samples = (size_t)frame.width_px * frame.height_px;
        for (size_t k = 0; k < samples; k++)
            (*data)[k] += (next[k] - (*data)[k]) / (float)(i + 1);
        free(next);
    }
    return rc;
}

/* Mean over the middle tenth of the picture each way. */
static int middle(const struct view *v, double *out, struct error *err)
{
    const struct nv12 frame = view_nv12(v);
    const struct region r = {frame.width_px * 9 / 20, frame.height_px * 9 / 20, frame.width_px / 10,
                             frame.height_px / 10};
    double rgb[3];
    int rc = nv12_mean_rgb(&frame, r, rgb, err);
    if (rc == 0)
        *out = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
    return rc;
}

static int report_light(struct step_context *c, const struct shading *s, double brightness,
                        double through_filter, struct error *err)
{
    double low = INFINITY, high = 0;
    for (int i = 0; i < 4; i++) {
        low = fmin(low, s->corner_ratio[i]);
        high = fmax(high, s->corner_ratio[i]);
    }
    /* Half a step of the 8-bit picture: what the filter lets through may be less than one. */
    const double least = srgb_decode(0.5 / 255);
    int rc = step_value(c, "brightness", brightness, err);
    if (rc == 0)
        rc = step_value(c, "evenness", s->evenness, err);
    if (rc == 0)
        rc = step_value(c, "darkest_corner_ratio", s->darkest_corner_ratio, err);
    if (rc == 0)
        rc = step_value(c, "corner_balance", high > 0 ? low / high : 0, err);
    if (rc == 0)
        rc = step_value(c, "ir_cut_ratio", brightness / fmax(through_filter, least), err);
    return rc;
}

static int report_defects(struct step_context *c, struct plane lit, struct plane dark,
                          struct error *err)
{
    struct defects on_wall = {0}, in_dark = {0};
    int rc = defects_find(lit, NULL, &on_wall, err);
    if (rc == 0)
        rc = defects_find(dark, NULL, &in_dark, err);
    if (rc == 0)
        rc = step_value(c, "dead_pixels", (double)on_wall.dead, err);
    if (rc == 0)
        rc = step_value(c, "bright_pixels", (double)on_wall.bright, err);
    if (rc == 0)
        rc = step_value(c, "hot_pixels", (double)in_dark.hot, err);
    if (rc == 0)
        rc = step_value(c, "defect_cluster_px", fmax(on_wall.largest_px, in_dark.largest_px), err);
    defects_free(&on_wall);
    defects_free(&in_dark);
    return rc;
}

static int attach(struct step_context *c, const struct view *v, struct error *err)
{
    static const uint8_t green[3] = {0, 230, 80};
    const double w = v->width_px / 10.0, h = v->height_px / 10.0;
    struct exhibit e = {0};
    int rc = exhibit_from_view(v, 576, &e, err);
    if (rc < 0)
        return rc;
    exhibit_frame(&e, 0, 0, w, h, green);
    exhibit_frame(&e, v->width_px - w - 2, 0, w, h, green);
    exhibit_frame(&e, 0, v->height_px - h - 2, w, h, green);
    exhibit_frame(&e, v->width_px - w - 2, v->height_px - h - 2, w, h, green);
    exhibit_frame(&e, v->width_px * 0.45, v->height_px * 0.45, w, h, green);
    rc = exhibit_attach(c, "infrared", &e, err);
    exhibit_free(&e);
    return rc;
}

/* A wall that stays black has no shape: every ratio of it is 0. */
static int shape_of(struct plane lit, double brightness, struct shading *out, struct error *err)
{
    *out = (struct shading){0};
    return brightness < srgb_decode(1.0 / 255) ? 0 : shading_field(lit, out, err);
}

static int run(struct step_context *c, struct error *err)
{
    struct view filtered = {0}, dark = {0}, lit[VIEW_FRAMES_MAX] = {0};
    struct plane lit_plane, dark_plane;
    struct shading shading;
    float *lit_data = NULL, *dark_data = NULL;
    double through_filter = 0, brightness = 0;
    const size_t frames = (size_t)step_number(c, "frames");
    step_progress(c, 0, "dark room");
    int rc = light_scene(c->fixture, "dark", 0, err);
    if (rc == 0)
        rc = look(c, false, 1, 1, &filtered, err);
    if (rc == 0) {
        step_progress(c, 0.25, "infrared light");
        rc = look(c, true, 1, frames, lit, err);
    }
    if (rc == 0) {
        step_progress(c, 0.5, "darkness");
        rc = look(c, true, 0, 1, &dark, err);
    }
    camera_restore(c);
    if (rc == 0)
        rc = middle(&filtered, &through_filter, err);
    if (rc == 0)
        rc = mean_luma(lit, frames, &lit_data, &lit_plane, err);
    if (rc == 0)
        rc = mean_luma(&dark, 1, &dark_data, &dark_plane, err);
    if (rc == 0)
        rc = middle(&lit[0], &brightness, err);
    if (rc == 0)
        rc = shape_of(lit_plane, brightness, &shading, err);
    step_progress(c, 0.7, "evenness, defects");
    if (rc == 0)
        rc = report_light(c, &shading, brightness, through_filter, err);
    if (rc == 0)
        rc = report_defects(c, lit_plane, dark_plane, err);
    if (rc == 0)
        rc = attach(c, &lit[0], err);
    view_free(&filtered, 1);
    view_free(lit, frames);
    view_free(&dark, 1);
    free(lit_data);
    free(dark_data);
    return rc;
}

const struct step_kind step_infrared = {
    .name = "infrared",
    .about = "night vision: brightness, evenness, IR-cut filter, defective pixels",
    .params = params,
    .measurements = measurements,
    .run = run,
};
