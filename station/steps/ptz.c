/* Pan and tilt judged by pictures of a textured room, not by the driver's pulses.
 *
 * The unit homes, homes again, and travels its whole range in stations whose views overlap. What
 * each turn really was is read from the pictures on its both sides; their sum from home is the
 * position. A pan axis of nearly a full circle closes it: the last view and the first overlap too,
 * and all turns together must make 360 degrees, which takes the lens's true focal length out of
 * the result. At the far end the position is approached from the other side for the backlash. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixtures/light.h"
#include "protocol/base/json.h"
#include "station/measure/registration.h"
#include "station/steps/camera_view.h"
#include "station/steps/exhibit.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

enum {
    STATIONS_MAX = 24,
    /* Pictures are compared at a quarter of their size: registration to 0.05 pixels of those is
     * still 0.008 degrees, and costs a sixteenth. */
    REDUCED = 4,
};

/* Below this two pictures have nothing in common (registration.h). */
#define PEAK_SURE       0.3
/* How far the focal length may be from the board's before the circle did not close for another
 * reason: a lens is within 3 %. */
#define FOCAL_TOLERANCE 0.03
/* Registration reaches 45 % of the picture: of 77 degrees across. */
#define SHARED_VIEW_DEG 34

static const struct step_param params[] = {
    {"lux", PARAM_NUMBER, "300", 1, 20000, "on the room, lx"},
    {"margin_deg", PARAM_NUMBER, "5", 0, 45, "kept from both ends of the range, deg"},
    {"pan_station_deg", PARAM_NUMBER, "31", 5, 33, "at most this far between pan stations, deg"},
    {"tilt_station_deg", PARAM_NUMBER, "18", 5, 21, "the same for tilt, deg"},
    {"level_deg", PARAM_NUMBER, "50", 0, 180, "tilt at which the camera looks level, deg"},
    {"overshoot_deg", PARAM_NUMBER, "4", 1, 30, "approach from the other side, deg"},
    {"speed_dps", PARAM_NUMBER, "0", 0, 200, "deg/s; 0 is the board's usual speed"},
    {"timeout_s", PARAM_NUMBER, "30", 1, 300, "for one move or homing, s"},
    {0}};

static const struct step_measurement measurements[] = {
    {"pan_homed", "bool", "1 when the homing sensor's edge was found"},
    {"tilt_homed", "bool", "the same for tilt"},
    {"accuracy_deg_max", "deg", "largest error of a position from home, either side, either axis"},
    {"pan_accuracy_deg", "deg", "of the pan axis alone"},
    {"tilt_accuracy_deg", "deg", "of the tilt axis alone"},
    {"pan_backlash_deg", "deg", "between approaches from below and above"},
    {"tilt_backlash_deg", "deg", "the same for tilt"},
    {"home_repeat_deg", "deg", "between two homings, the larger of both axes"},
    {"pan_range_deg", "deg", "turned between first and last station, by the pictures"},
    {"tilt_range_deg", "deg", "the same for tilt"},
    {"moved_fraction_min", "ratio", "smallest part of a commanded turn that was seen: 0 is a jam"},
    {0}};

/* What the camera saw, reduced. */
struct look {
    float *data; /* owned */
    struct plane plane;
};

struct axis_run {
    bool tilt;
    const char *name, *param;
    const struct board_axis *board;
    double from_deg, to_deg;
    size_t stations;
    double at_deg[STATIONS_MAX];
    struct look first;
    double turned_deg[STATIONS_MAX]; /* seen from station i-1 to i */
    double moved_fraction_min, home_repeat_deg, backlash_deg, accuracy_deg;
};

static int move(struct step_context *c, const struct axis_run *a, double deg, struct error *err)
{
    const double speed = step_number(c, "speed_dps");
    cJSON *p = cJSON_CreateObject();
    cJSON_AddNumberToObject(p, a->param, deg);
    if (speed > 0)
        cJSON_AddNumberToObject(p, "speed_dps", speed);
    return unit_call(c->unit, "ptz.move", p, (int)(step_number(c, "timeout_s") * 1000), NULL, err);
}

static int home(struct step_context *c, const struct axis_run *a, struct error *err)
{
    cJSON *p = cJSON_CreateObject();
    cJSON_AddStringToObject(p, "axis", a->name);
    return unit_call(c->unit, "ptz.home", p, (int)(step_number(c, "timeout_s") * 1000), NULL, err);
}

static void look_free(struct look *l)
{
    free(l->data);
    l->data = NULL;
}

/* Linear luma, averaged over blocks. */
static int reduce(const struct view *v, struct look *out, struct error *err)
{
    const int width = (int)v->width_px / REDUCED, height = (int)v->height_px / REDUCED;
    float linear[256];
    for (int i = 0; i < 256; i++)
        linear[i] = (float)(srgb_decode(i / 255.0) / (REDUCED * REDUCED));
    out->data = calloc((size_t)width * height, sizeof *out->data);
    if (!out->data)
        return error_set(err, ERROR_MEMORY, "ptz: out of memory");
    for (int y = 0; y < height * REDUCED; y++)
        for (int x = 0; x < width * REDUCED; x++)
            out->data[(size_t)(y / REDUCED) * width + x / REDUCED] +=
                linear[v->nv12[(size_t)y * v->width_px + x]];
    out->plane = (struct plane){
        .data = out->data, .width_px = width, .height_px = height, .stride = (size_t)width};
    return 0;
}

static int look(struct step_context *c, struct look *out, struct view *keep, struct error *err)
{
    struct view v;
    int rc = camera_capture(c, 1, &v, err);
    if (rc < 0)
        return rc;
    rc = reduce(&v, out, err);
    if (rc == 0 && keep && !keep->nv12)
        *keep = v;
    else
        view_free(&v, 1);
    return rc;
}

static int seen_turn(const struct step_context *c, const struct axis_run *a,
                     const struct look *from, const struct look *to, double commanded_deg,
                     double *turned_deg, struct error *err)
{
    const double focal_px = c->board->focal_mm * 1000 / c->board->pixel_um / REDUCED;
    struct pan_tilt t;
    int rc = registration_pan_tilt(from->plane, to->plane, focal_px, &t, err);
    if (rc < 0)
        return rc;
    if (t.peak < PEAK_SURE)
        return error_set(err, ERROR_STATE,
                         "%s: two pictures %.1f degrees apart have nothing in common (correlation "
                         "%.2f): is the panorama in place?",
                         a->name, commanded_deg, t.peak);
    *turned_deg = a->tilt ? t.tilt_deg : t.pan_deg;
    return 0;
}

/* Home, first station; home again, first station again. */
static int repeat_home(struct step_context *c, struct axis_run *a, struct view *keep,
                       struct error *err)
{
    struct look again = {0};
    int rc = move(c, a, a->from_deg, err);
    if (rc == 0)
        rc = look(c, &a->first, keep, err);
    if (rc == 0)
        rc = home(c, a, err);
    if (rc == 0)
        rc = move(c, a, a->from_deg, err);
    if (rc == 0)
        rc = look(c, &again, NULL, err);
    double turned = 0;
    if (rc == 0)
        rc = seen_turn(c, a, &a->first, &again, 0, &turned, err);
    a->home_repeat_deg = fabs(turned);
    look_free(&again);
    return rc;
}

static int approach_from_above(struct step_context *c, struct axis_run *a,
                               const struct look *from_below, struct error *err)
{
    struct look from_above = {0};
    double turned = 0;
    int rc = move(c, a, a->to_deg + step_number(c, "overshoot_deg"), err);
    if (rc == 0)
        rc = move(c, a, a->to_deg, err);
    if (rc == 0)
        rc = look(c, &from_above, NULL, err);
    if (rc == 0)
        rc = seen_turn(c, a, from_below, &from_above, 0, &turned, err);
    a->backlash_deg = turned;
    look_free(&from_above);
    return rc;
}

/* The sum of all turns of a closed circle is 360 degrees whatever the lens is. */
static int close_circle(const struct step_context *c, const struct axis_run *a,
                        const struct look *last, double *scale, struct error *err)
{
    const double over_deg = 360 - (a->to_deg - a->from_deg);
    double turned = 0;
    *scale = 1;
    if (over_deg > SHARED_VIEW_DEG)
        return 0;
    /* An axis that stopped on its way does not come round: what it did not turn is known by now. */
    struct error why = {0};
    int rc = seen_turn(c, a, last, &a->first, over_deg, &turned, &why);
    if (rc < 0)
        return rc == ERROR_STATE ? 0 : error_set(err, rc, "%s", why.text);
    double sum = turned;
    for (size_t i = 1; i < a->stations; i++)
        sum += a->turned_deg[i];
    if (fabs(360 / sum - 1) < FOCAL_TOLERANCE)
        *scale = 360 / sum;
    return 0;
}

/* All stations upwards; *last is the last picture, the caller's. */
static int travel(struct step_context *c, struct axis_run *a, double from_fraction,
                  double to_fraction, struct look *last, struct error *err)
{
    struct look before = {0};
    int rc = 0;
    for (size_t i = 1; rc == 0 && i < a->stations; i++) {
        const double commanded = a->at_deg[i] - a->at_deg[i - 1];
        step_progress(c, from_fraction + (to_fraction - from_fraction) * i / a->stations,
                      "%s at %.0f degrees", a->name, a->at_deg[i]);
        rc = move(c, a, a->at_deg[i], err);
        if (rc == 0)
            rc = look(c, last, NULL, err);
        if (rc == 0)
            rc = seen_turn(c, a, i == 1 ? &a->first : &before, last, commanded, &a->turned_deg[i],
                           err);
        look_free(&before);
        if (rc == 0)
            a->moved_fraction_min = fmin(a->moved_fraction_min, a->turned_deg[i] / commanded);
        if (rc == 0 && i + 1 < a->stations) {
            before = *last;
            *last = (struct look){0};
        }
    }
    return rc;
}

static void errors_from_home(struct axis_run *a, double scale)
{
    double error = 0;
    a->accuracy_deg = 0;
    for (size_t i = 1; i < a->stations; i++) {
        error += a->turned_deg[i] * scale - (a->at_deg[i] - a->at_deg[i - 1]);
        a->accuracy_deg = fmax(a->accuracy_deg, fabs(error));
    }
    a->accuracy_deg = fmax(a->accuracy_deg, fabs(error + a->backlash_deg * scale));
}

static void plan_stations(const struct step_context *c, struct axis_run *a, const char *spacing)
{
    const double margin = step_number(c, "margin_deg"), most = step_number(c, spacing);
    a->from_deg = a->board->min_deg + margin;
    a->to_deg = a->board->max_deg - margin;
    a->stations = 1 + (size_t)ceil((a->to_deg - a->from_deg) / most - 1e-9);
    if (a->stations > STATIONS_MAX)
        a->stations = STATIONS_MAX;
    for (size_t i = 0; i < a->stations; i++)
        a->at_deg[i] = a->from_deg + (a->to_deg - a->from_deg) * i / (a->stations - 1);
    a->moved_fraction_min = 1;
}

static int measure_axis(struct step_context *c, struct axis_run *a, double *scale,
                        double from_fraction, double to_fraction, struct view *keep,
                        struct error *err)
{
    struct look last = {0};
    int rc = repeat_home(c, a, keep, err);
    if (rc == 0)
        rc = travel(c, a, from_fraction, to_fraction, &last, err);
    if (rc == 0)
        rc = approach_from_above(c, a, &last, err);
    if (rc == 0 && !a->tilt)
        rc = close_circle(c, a, &last, scale, err);
    look_free(&last);
    return rc;
}

/* An axis that finds no home stands anywhere: any position is wrong by up to its whole range. */
static int try_home(struct step_context *c, struct axis_run *a, bool *homed, struct error *err)
{
    struct error why = {0};
    char name[16];
    int rc = home(c, a, &why);
    *homed = rc == 0;
    if (rc < 0 && rc != ERROR_REMOTE)
        return error_set(err, rc, "%s", why.text);
    if (rc < 0) {
        a->accuracy_deg = a->board->max_deg - a->board->min_deg;
        a->moved_fraction_min = 0;
        rc = step_noted(c, a->name, why.text, err);
    }
    snprintf(name, sizeof name, "%s_homed", a->name);
    return rc < 0 ? rc : step_value(c, name, *homed, err);
}

static double range_seen(const struct axis_run *a)
{
    double sum = 0;
    for (size_t i = 1; i < a->stations; i++)
        sum += a->turned_deg[i];
    return sum;
}

static int report(struct step_context *c, const struct axis_run *pan, const struct axis_run *tilt,
                  double scale, struct error *err)
{
    const struct {
        const char *name;
        double value;
    } values[] = {
        {"accuracy_deg_max", fmax(pan->accuracy_deg, tilt->accuracy_deg)},
        {"pan_accuracy_deg", pan->accuracy_deg},
        {"tilt_accuracy_deg", tilt->accuracy_deg},
        {"pan_backlash_deg", fabs(pan->backlash_deg) * scale},
        {"tilt_backlash_deg", fabs(tilt->backlash_deg) * scale},
        {"home_repeat_deg", fmax(pan->home_repeat_deg, tilt->home_repeat_deg) * scale},
        {"pan_range_deg", range_seen(pan) * scale},
        {"tilt_range_deg", range_seen(tilt) * scale},
        {"moved_fraction_min", fmin(pan->moved_fraction_min, tilt->moved_fraction_min)},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof values / sizeof values[0]; i++)
        rc = step_value(c, values[i].name, values[i].value, err);
    return rc;
}

static int attach_first_view(struct step_context *c, const struct view *v, struct error *err)
{
    struct exhibit e = {0};
    if (!v->nv12)
        return 0;
    int rc = exhibit_from_view(v, 576, &e, err);
    if (rc == 0)
        rc = exhibit_attach(c, "panorama", &e, err);
    exhibit_free(&e);
    return rc;
}

static int run(struct step_context *c, struct error *err)
{
    const struct view_settings day = {.stream = true, .auto_exposure = true};
    struct axis_run pan = {.name = "pan", .param = "pan_deg", .board = &c->board->pan};
    struct axis_run tilt = {
        .tilt = true, .name = "tilt", .param = "tilt_deg", .board = &c->board->tilt};
    struct view first = {0};
    struct error ignored = {0};
    bool pan_homed = false, tilt_homed = false;
    double scale = 1;
    if (!c->board->has_ptz)
        return error_set(err, ERROR_STATE, "board %s has no pan and tilt", c->board->name);
    plan_stations(c, &pan, "pan_station_deg");
    plan_stations(c, &tilt, "tilt_station_deg");
    int rc = light_scene(c->fixture, "panorama", step_number(c, "lux"), err);
    if (rc == 0)
        rc = camera_configure(c, &day, err);
    if (rc == 0) {
        step_progress(c, 0, "homing");
        rc = try_home(c, &tilt, &tilt_homed, err);
    }
    if (rc == 0 && tilt_homed)
        rc = measure_axis(c, &tilt, &scale, 0.05, 0.3, &first, err);
    /* Pan is measured level: tilted, the same turn would show as a roll as well. */
    if (rc == 0 && tilt_homed)
        rc = move(c, &tilt, step_number(c, "level_deg"), err);
    if (rc == 0)
        rc = try_home(c, &pan, &pan_homed, err);
    if (rc == 0 && pan_homed)
        rc = measure_axis(c, &pan, &scale, 0.35, 0.95, &first, err);
    if (rc == 0 && pan_homed)
        errors_from_home(&pan, scale);
    if (rc == 0 && tilt_homed)
        errors_from_home(&tilt, scale);
    if (rc == 0)
        rc = report(c, &pan, &tilt, scale, err);
    if (rc == 0)
        rc = attach_first_view(c, &first, err);
    camera_restore(c);
    light_scene(c->fixture, "dark", 0, &ignored);
    view_free(&first, 1);
    look_free(&pan.first);
    look_free(&tilt.first);
    return rc;
}

const struct step_kind step_ptz = {
    .name = "ptz",
    .about = "pan and tilt over their range, positions read from pictures",
    .params = params,
    .measurements = measurements,
    .run = run,
};
