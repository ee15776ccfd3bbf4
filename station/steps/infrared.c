/* Night vision in the dark room: how bright and even the unit's own infrared LEDs light a plain
 * wall, whether the IR-cut filter really moves there and back and how long it takes, and the pixels
 * that are dead or hot.
 *
 * The filter is judged by the picture: the same light through it, past it, and through it again.
 * Exposure is held, so that brightness is the LEDs' and not the exposure control's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixtures/light.h"
#include "station/measure/defects.h"
#include "station/measure/shading.h"
#include "station/steps/camera_view.h"
#include "station/steps/exhibit.h"
#include "station/steps/step.h"

/* In one picture of the dark a sensor that reads with noise would show pixels that are not hot: ten
 * times the mean of what is cut off at 0 are four of its sigmas, and 5.7 in the mean of two. */
enum { DARK_FRAMES = 2 };

static const struct step_param params[] = {
    {"exposure_ms", PARAM_NUMBER, "40", 0.1, 1000, "held for all pictures, ms"},
    {"gain", PARAM_NUMBER, "12", 1, 64, "held for all pictures"},
    {"frames", PARAM_NUMBER, "2", 1, VIEW_FRAMES_MAX, "averaged for the lit wall"},
    {"switch_frames", PARAM_NUMBER, "6", 3, VIEW_FRAMES_MAX, "watched while the filter moves"},
    {"golden_brightness", PARAM_NUMBER, "0.39", 0.01, 1,
     "of the golden unit on this wall at this exposure"},
    {0}};

static const struct step_measurement measurements[] = {
    {"brightness", "ratio", "of the wall's middle, linear, over full scale"},
    {"brightness_over_golden", "ratio", "the same over the golden unit's"},
    {"evenness", "ratio", "darkest over brightest block of the wall"},
    {"darkest_corner_ratio", "ratio", "darkest of four corner blocks over the centre block"},
    {"corner_balance", "ratio", "darkest over lightest corner block: 1 when all LEDs shine alike"},
    {"ir_cut_ratio", "ratio", "infrared seen with the filter away over with it in place"},
    {"ir_cut_back_ratio", "ratio", "the same after the filter was called back"},
    {"ir_leak_percent", "%", "infrared that the filter in place lets through, at most"},
    {"dark_level", "ratio", "of the middle with LEDs off, over full scale: stray light"},
    {"cut_away_ms", "ms", "from the command until the picture shows the filter away"},
    {"cut_back_ms", "ms", "the same for its way back"},
    {"dead_pixels", "count", "below half of their neighbours on the lit wall"},
    {"bright_pixels", "count", "above one and a half times their neighbours on the lit wall"},
    {"hot_pixels", "count",
     "above ten times their neighbours in the mean of two pictures of the dark"},
    {"defect_cluster_px", "px", "pixels of the largest cluster, lit or dark"},
    {0}};

static struct view_settings settings_of(const struct step_context *c, bool night, double led)
{
    return (struct view_settings){.stream = true,
                                  .night = night,
                                  .ir_led = led,
                                  .exposure_ms = step_number(c, "exposure_ms"),
                                  .gain = step_number(c, "gain")};
}

static int look(struct step_context *c, bool night, double led, size_t frames, struct view *views,
                struct error *err)
{
    const struct view_settings s = settings_of(c, night, led);
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

/* The filter's way as the picture shows it. */
struct filter_way {
    double before, after; /* of the middle, first and last frame */
    double took_ms; /* until between the last frame of the old kind and the first of the new */
    bool moved;     /* the last frame is nearer to what was expected than the first */
};

static int watch_filter(struct step_context *c, bool to_night, struct filter_way *out,
                        struct error *err)
{
    struct view views[VIEW_FRAMES_MAX] = {{0}};
    double level[VIEW_FRAMES_MAX], began_ms[VIEW_FRAMES_MAX], applied_us;
    const size_t count = (size_t)step_number(c, "switch_frames");
    struct view_settings s = settings_of(c, to_night, 1);
    s.as_they_come = true;
    int rc = camera_configure_at(c, &s, &applied_us, err);
    if (rc == 0)
        rc = camera_capture(c, count, views, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = middle(&views[i], &level[i], err);
        began_ms[i] = (views[i].timestamp_us - applied_us) / 1000 - views[i].exposure_ms / 2;
    }
    view_free(views, count);
    if (rc < 0)
        return rc;
    *out = (struct filter_way){level[0], level[count - 1], began_ms[count - 1], false};
    /* Halfway in stops, since one level is some hundred times the other. */
    const double least = srgb_decode(0.5 / 255);
    const double half = sqrt(fmax(out->before, least) * fmax(out->after, least));
    out->moved = to_night ? out->after > 2 * fmax(out->before, least)
                          : out->before > 2 * fmax(out->after, least);
    for (size_t i = 1; out->moved && i < count; i++)
        if (to_night ? level[i] > half : level[i] < half) {
            out->took_ms = fmax(0, (began_ms[i - 1] + began_ms[i]) / 2);
            break;
        }
    return 0;
}

struct light {
    struct shading shading;
    double brightness, through_filter, dark;
    struct filter_way away, back;
};

static double ir_cut_ratio(const struct light *l)
{
    /* Half a step of the 8-bit picture: what the filter lets through may be less than one. */
    return l->brightness / fmax(l->through_filter, srgb_decode(0.5 / 255));
}

static double corner_balance(const struct shading *s)
{
    double low = INFINITY, high = 0;
    for (int i = 0; i < 4; i++) {
        low = fmin(low, s->corner_ratio[i]);
        high = fmax(high, s->corner_ratio[i]);
    }
    return high > 0 ? low / high : 0;
}

static int report_light(struct step_context *c, const struct light *l, struct error *err)
{
    const double least = srgb_decode(0.5 / 255);
    const struct {
        const char *name;
        double value;
    } values[] = {
        {"brightness", l->brightness},
        {"brightness_over_golden", l->brightness / step_number(c, "golden_brightness")},
        {"evenness", l->shading.evenness},
        {"darkest_corner_ratio", l->shading.darkest_corner_ratio},
        {"corner_balance", corner_balance(&l->shading)},
        {"ir_cut_ratio", ir_cut_ratio(l)},
        {"ir_cut_back_ratio", l->brightness / fmax(l->back.after, least)},
        {"ir_leak_percent", 100 * fmax(l->through_filter, least) / fmax(l->brightness, least)},
        {"dark_level", l->dark},
        {"cut_away_ms", l->away.took_ms},
        {"cut_back_ms", l->back.took_ms},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof values / sizeof *values; i++)
        rc = step_value(c, values[i].name, values[i].value, err);
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

/* Brightness along both diagonals over the middle's. */
static void draw_diagonals(struct step_context *c, struct plane lit, const struct light *l,
                           struct exhibit *e)
{
    enum { PLACES = 65 };
    double x[PLACES], y[2][PLACES], low, high;
    struct exhibit_line lines[2];
    const int half = lit.width_px / 40;
    step_limits(c, "darkest_corner_ratio", &low, &high);
    const double *corner = l->shading.corner_ratio; /* left and right above, left and right below */
    const double darker[2] = {fmin(corner[0], corner[3]), fmin(corner[1], corner[2])};
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < PLACES; i++) {
            const int across = half + (lit.width_px - 1 - 2 * half) * i / (PLACES - 1);
            const int down = half + (lit.height_px - 1 - 2 * half) * i / (PLACES - 1);
            const struct region r = {across - half, (k ? lit.height_px - 1 - down : down) - half,
                                     2 * half, 2 * half};
            struct plane part;
            x[i] = 100.0 * i / (PLACES - 1);
            y[k][i] = plane_crop(lit, r, &part, NULL) < 0 || !(l->shading.center_mean > 0)
                          ? 0
                          : plane_mean(part, NULL) / l->shading.center_mean;
        }
        enum exhibit_mark mark = exhibit_judge(c, "darkest_corner_ratio", darker[k]);
        if (k == 1 && mark == EXHIBIT_GOOD && darker[0] >= low) /* two of one colour say nothing */
            mark = EXHIBIT_FREE;
        lines[k] = (struct exhibit_line){k ? "rising" : "falling", x, y[k], PLACES, mark};
    }
    const struct exhibit_curve curve = {.title = "light along the diagonals over the middle",
                                        .x_name = "% of the way",
                                        .x_high = 100,
                                        .y_high = 1.5,
                                        .lines = lines,
                                        .line_count = 2,
                                        .x_limit = NAN,
                                        .y_limits = {low, NAN}};
    exhibit_plot(e, &curve);
}

static int attach(struct step_context *c, const struct view *v, struct plane lit,
                  const struct light *l, struct error *err)
{
    const double w = v->width_px / 10.0, h = v->height_px / 10.0;
    const double right = v->width_px - w - 2, below = v->height_px - h - 2;
    const struct point at[4] = {{0, 0}, {right, 0}, {0, below}, {right, below}};
    const struct nv12 frame = view_nv12(v);
    struct exhibit e;
    char text[24];
    double brightest = 0;
    int rc = exhibit_begin(c, &frame, 768, &e, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 4; i++)
        brightest = fmax(brightest, l->shading.corner_ratio[i]);
    for (int i = 0; i < 4; i++) {
        const double ratio = l->shading.corner_ratio[i];
        enum exhibit_mark mark = exhibit_judge(c, "darkest_corner_ratio", ratio);
        if (mark != EXHIBIT_BAD)
            mark = exhibit_judge(c, "corner_balance", brightest > 0 ? ratio / brightest : 0);
        snprintf(text, sizeof text, "%.2f", ratio);
        exhibit_box(&e, at[i].x, at[i].y, w, h, mark, text);
    }
    snprintf(text, sizeof text, "%.3f", l->brightness);
    exhibit_box(&e, v->width_px * 0.45, v->height_px * 0.45, w, h,
                exhibit_judge(c, "brightness", l->brightness), text);
    draw_diagonals(c, lit, l, &e);
    exhibit_figure(&e, c, "brightness", l->brightness);
    exhibit_figure(&e, c, "darkest_corner_ratio", l->shading.darkest_corner_ratio);
    exhibit_figure(&e, c, "corner_balance", corner_balance(&l->shading));
    exhibit_figure(&e, c, "evenness", l->shading.evenness);
    exhibit_figure(&e, c, "ir_cut_ratio", ir_cut_ratio(l));
    exhibit_figure(&e, c, "cut_away_ms", l->away.took_ms);
    exhibit_figure(&e, c, "cut_back_ms", l->back.took_ms);
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

struct pictures {
    struct view filtered, dark[DARK_FRAMES], lit[VIEW_FRAMES_MAX];
    size_t frames;
};

/* Through the filter, its way there, past it, in darkness, its way back. */
static int take(struct step_context *c, struct pictures *p, struct light *l, struct error *err)
{
    step_progress(c, 0, "dark room");
    int rc = light_scene(c->fixture, "dark", 0, err);
    if (rc == 0)
        rc = look(c, false, 1, 1, &p->filtered, err);
    if (rc == 0) {
        step_progress(c, 0.2, "IR-cut filter away");
        rc = watch_filter(c, true, &l->away, err);
    }
    if (rc == 0) {
        step_progress(c, 0.35, "infrared light");
        rc = look(c, true, 1, p->frames, p->lit, err);
    }
    if (rc == 0) {
        step_progress(c, 0.5, "darkness");
        rc = look(c, true, 0, DARK_FRAMES, p->dark, err);
    }
    if (rc == 0) {
        step_progress(c, 0.6, "IR-cut filter back");
        rc = watch_filter(c, false, &l->back, err);
    }
    return rc;
}

static int run(struct step_context *c, struct error *err)
{
    struct light l = {0};
    struct plane lit_plane, dark_plane;
    float *lit_data = NULL, *dark_data = NULL;
    struct pictures *p = calloc(1, sizeof *p);
    if (!p)
        return error_set(err, ERROR_MEMORY, "infrared: out of memory");
    p->frames = (size_t)step_number(c, "frames");
    int rc = take(c, p, &l, err);
    camera_restore(c);
    step_progress(c, 0.75, "evenness, defects");
    if (rc == 0)
        rc = middle(&p->filtered, &l.through_filter, err);
    if (rc == 0)
        rc = middle(&p->dark[0], &l.dark, err);
    if (rc == 0)
        rc = mean_luma(p->lit, p->frames, &lit_data, &lit_plane, err);
    if (rc == 0)
        rc = mean_luma(p->dark, DARK_FRAMES, &dark_data, &dark_plane, err);
    if (rc == 0)
        rc = middle(&p->lit[0], &l.brightness, err);
    if (rc == 0)
        rc = shape_of(lit_plane, l.brightness, &l.shading, err);
    if (rc == 0)
        rc = report_light(c, &l, err);
    if (rc == 0)
        rc = report_defects(c, lit_plane, dark_plane, err);
    if (rc == 0)
        rc = attach(c, &p->lit[0], lit_plane, &l, err);
    view_free(&p->filtered, 1);
    view_free(p->lit, p->frames);
    view_free(p->dark, DARK_FRAMES);
    free(p);
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
