/* Pan and tilt judged by pictures of a textured room, not by the driver's pulses.
 *
 * The unit homes, homes again, and travels its whole range in stations whose views overlap. What
 * each turn really was is read from the pictures on its both sides; their sum from home is the
 * position. A pan axis of nearly a full circle closes it: the last view and the first overlap too,
 * and all turns together must make 360 degrees, which takes the lens's true focal length out of
 * the result. In the middle of the range one position is approached several times from either side
 * (ISO 230-2: repeatability and reversal); then the axis goes all the way back, timed and listened
 * to, and must be where it began. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixtures/light.h"
#include "protocol/base/json.h"
#include "station/measure/level.h"
#include "station/measure/registration.h"
#include "station/steps/camera_view.h"
#include "station/steps/exhibit.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"
#include "station/steps/unit_sound.h"

enum {
    STATIONS_MAX = 24,
    APPROACHES_MAX = 10,
    LISTEN_HZ = 16000,
    /* Pictures are compared at a quarter of their size: registration to 0.05 pixels of those is
     * still 0.008 degrees, and costs a sixteenth. */
    REDUCED = 4,
};

/* Below this two pictures have nothing in common (registration.h). */
#define PEAK_SURE       0.3
/* How far the focal length may be from the board's before the circle did not close for another
 * reason: a lens is within 3 %. */
#define FOCAL_TOLERANCE 0.03
/* What no microphone hears. */
#define SILENCE_DBA     -120
/* Registration reaches 45 % of the picture: of 77 degrees across. */
#define SHARED_VIEW_DEG 34

static const struct step_param params[] = {
    {"lux", PARAM_NUMBER, "300", 1, 20000, "on the room, lx"},
    {"margin_deg", PARAM_NUMBER, "0", 0, 45, "kept from both ends of the range, deg"},
    {"pan_station_deg", PARAM_NUMBER, "31", 5, 33, "at most this far between pan stations, deg"},
    {"tilt_station_deg", PARAM_NUMBER, "18", 5, 21, "the same for tilt, deg"},
    {"level_deg", PARAM_NUMBER, "50", 0, 180, "tilt at which the camera looks level, deg"},
    {"overshoot_deg", PARAM_NUMBER, "4", 1, 30, "approach from the other side, deg"},
    {"approaches", PARAM_NUMBER, "5", 2, APPROACHES_MAX, "of one position from either side"},
    {"listen_s", PARAM_NUMBER, "1", 0.2, 5, "to the microphone, in silence and while turning, s"},
    {"speed_dps", PARAM_NUMBER, "0", 0, 200, "deg/s; 0 is the board's usual speed"},
    {"timeout_s", PARAM_NUMBER, "30", 1, 300, "for one move or homing, s"},
    {0}};

static const struct step_measurement measurements[] = {
    {"pan_homed", "bool", "1 when the homing sensor's edge was found"},
    {"tilt_homed", "bool", "the same for tilt"},
    {"accuracy_deg_max", "deg", "largest error of a position from home, either side, either axis"},
    {"pan_accuracy_deg", "deg", "of the pan axis alone"},
    {"tilt_accuracy_deg", "deg", "of the tilt axis alone"},
    {"pan_backlash_deg", "deg",
     "reversal: mean of the approaches from above less those from below"},
    {"tilt_backlash_deg", "deg", "the same for tilt"},
    {"pan_repeat_deg", "deg", "four standard deviations of the approaches from the worse side"},
    {"tilt_repeat_deg", "deg", "the same for tilt"},
    {"pan_step_loss_deg", "deg", "where it began and where it came back to, without homing"},
    {"tilt_step_loss_deg", "deg", "the same for tilt"},
    {"pan_speed_dps", "deg/s", "of the move back, by pictures and the unit's clock"},
    {"tilt_speed_dps", "deg/s", "the same for tilt"},
    {"noise_over_silence_db", "dB", "of the louder axis turning, A-weighted, at the microphone"},
    {"range_guarded", "bool", "1 when both axes refuse to be sent past their range"},
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
    size_t approached; /* the station that is come to from both sides */
    double at_deg[STATIONS_MAX];
    struct look first;
    double turned_deg[STATIONS_MAX]; /* seen from station i-1 to i */
    double error_deg[STATIONS_MAX];  /* of the position, from below, from home */
    double moved_fraction_min, home_repeat_deg, backlash_deg, repeat_deg, accuracy_deg;
    double step_loss_deg, back_ms, turning_dba;
    bool guarded;
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
    for (int y = 0; y < height * REDUCED; y++) {
        const uint8_t *luma = v->nv12 + (size_t)y * v->width_px;
        float *row = out->data + (size_t)(y / REDUCED) * width;
        for (int x = 0; x < width; x++) {
            float sum = row[x];
            for (int i = 0; i < REDUCED; i++)
                sum += linear[luma[x * REDUCED + i]];
            row[x] = sum;
        }
    }
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

/* Home, first station; home again, first station again. What follows is told from the second
 * homing: the edge is found in a place of its own each time. */
static int repeat_home(struct step_context *c, struct axis_run *a, struct view *keep,
                       struct error *err)
{
    struct look before = {0};
    int rc = move(c, a, a->from_deg, err);
    if (rc == 0)
        rc = look(c, &before, keep, err);
    if (rc == 0)
        rc = home(c, a, err);
    if (rc == 0)
        rc = move(c, a, a->from_deg, err);
    if (rc == 0)
        rc = look(c, &a->first, NULL, err);
    double turned = 0;
    if (rc == 0)
        rc = seen_turn(c, a, &before, &a->first, 0, &turned, err);
    a->home_repeat_deg = fabs(turned);
    look_free(&before);
    return rc;
}

/* ---- one position from both sides ----------------------------------------------------------- */

static double mean_of(const double *v, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += v[i];
    return sum / (double)count;
}

static double sigma_of(const double *v, size_t count)
{
    const double mean = mean_of(v, count);
    double squares = 0;
    for (size_t i = 0; i < count; i++)
        squares += (v[i] - mean) * (v[i] - mean);
    return sqrt(squares / (double)(count - 1));
}

/* What is seen at `deg` against `reference`; the first picture becomes the reference. */
static int approach(struct step_context *c, struct axis_run *a, double deg, double from_deg,
                    struct look *reference, double *seen_deg, struct error *err)
{
    struct look now = {0};
    *seen_deg = 0;
    int rc = move(c, a, from_deg, err);
    if (rc == 0)
        rc = move(c, a, deg, err);
    if (rc == 0)
        rc = look(c, &now, NULL, err);
    if (rc == 0 && !reference->data) {
        *reference = now;
        return 0;
    }
    if (rc == 0)
        rc = seen_turn(c, a, reference, &now, 0, seen_deg, err);
    look_free(&now);
    return rc;
}

/* ISO 230-2: so many approaches from either side; reversal is the difference of the means, and
 * repeatability four standard deviations of the worse side. */
static int approach_from_both_sides(struct step_context *c, struct axis_run *a, struct error *err)
{
    double below[APPROACHES_MAX], above[APPROACHES_MAX];
    const size_t count = (size_t)step_number(c, "approaches");
    const double over = step_number(c, "overshoot_deg");
    const double at_deg = a->at_deg[a->approached];
    struct look reference = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = approach(c, a, at_deg, at_deg - over, &reference, &below[i], err);
        if (rc == 0)
            rc = approach(c, a, at_deg, at_deg + over, &reference, &above[i], err);
    }
    look_free(&reference);
    if (rc < 0)
        return rc;
    a->backlash_deg = mean_of(above, count) - mean_of(below, count);
    a->repeat_deg = 4 * fmax(sigma_of(below, count), sigma_of(above, count));
    return 0;
}

/* ---- the way back --------------------------------------------------------------------------- */

static int listen(struct step_context *c, double *dba, struct error *err)
{
    const size_t count = (size_t)(step_number(c, "listen_s") * LISTEN_HZ);
    float *samples = malloc(count * sizeof *samples);
    if (!samples)
        return error_set(err, ERROR_MEMORY, "ptz: out of memory");
    int rc = unit_sound_record(c, LISTEN_HZ, samples, count, err);
    if (rc == 0)
        rc = level_dba_fs(samples, count, LISTEN_HZ, dba, err);
    free(samples);
    *dba = rc == 0 ? fmax(*dba, SILENCE_DBA) : SILENCE_DBA;
    return rc;
}

/* The move goes on in the unit while its microphone is heard. */
static int come_back(struct step_context *c, struct axis_run *a, struct error *err)
{
    struct unit_errand *errand = NULL;
    struct error ignored = {0};
    cJSON *answer = NULL, *p = cJSON_CreateObject();
    const double speed = step_number(c, "speed_dps");
    cJSON_AddNumberToObject(p, a->param, a->from_deg);
    if (speed > 0)
        cJSON_AddNumberToObject(p, "speed_dps", speed);
    const struct call call = {
        .method = "ptz.move", .params = p, .timeout_ms = (int)(step_number(c, "timeout_s") * 1000)};
    int rc = unit_errand_start(c->unit, &call, &errand, err);
    if (rc == 0)
        rc = listen(c, &a->turning_dba, err);
    const int ended = unit_errand_end(errand, &answer, rc == 0 ? err : &ignored);
    rc = rc < 0 ? rc : ended;
    a->back_ms = json_number(answer, "duration_ms", 0);
    cJSON_Delete(answer);
    cJSON_Delete(p);
    return rc;
}

/* Back where it began, without homing. A view that has nothing in common with the first is off by
 * more than can be seen. */
static int measure_step_loss(struct step_context *c, struct axis_run *a, struct error *err)
{
    struct look now = {0};
    struct error why = {0};
    double turned = 0;
    int rc = look(c, &now, NULL, err);
    if (rc < 0)
        return rc;
    rc = seen_turn(c, a, &a->first, &now, 0, &turned, &why);
    look_free(&now);
    if (rc < 0 && rc != ERROR_STATE)
        return error_set(err, rc, "%s", why.text);
    a->step_loss_deg = rc < 0 ? SHARED_VIEW_DEG : fabs(turned);
    return 0;
}

/* A unit that can be sent past its range would run into its stops. */
static int try_past_range(struct step_context *c, struct axis_run *a, struct error *err)
{
    struct error why = {0};
    const int rc = move(c, a, a->board->max_deg + 5, &why);
    a->guarded = rc == ERROR_REMOTE;
    return rc == 0 || rc == ERROR_REMOTE ? 0 : error_set(err, rc, "%s", why.text);
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
        a->error_deg[i] = error;
        a->accuracy_deg = fmax(a->accuracy_deg, fabs(error));
        a->accuracy_deg = fmax(a->accuracy_deg, fabs(error + a->backlash_deg * scale));
    }
}

static void plan_stations(const struct step_context *c, struct axis_run *a, const char *spacing)
{
    const double margin = step_number(c, "margin_deg"), most = step_number(c, spacing);
    a->from_deg = a->board->min_deg + margin;
    a->to_deg = a->board->max_deg - margin;
    a->stations = 1 + (size_t)ceil((a->to_deg - a->from_deg) / most - 1e-9);
    if (a->stations > STATIONS_MAX)
        a->stations = STATIONS_MAX;
    /* Most of the range is left for the one move back. */
    a->approached = a->stations * 3 / 4;
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
        rc = travel(c, a, from_fraction, from_fraction + 0.7 * (to_fraction - from_fraction), &last,
                    err);
    if (rc == 0 && !a->tilt)
        rc = close_circle(c, a, &last, scale, err);
    look_free(&last);
    if (rc == 0)
        rc = try_past_range(c, a, err);
    step_progress(c, from_fraction + 0.7 * (to_fraction - from_fraction), "%s from both sides",
                  a->name);
    if (rc == 0)
        rc = approach_from_both_sides(c, a, err);
    step_progress(c, from_fraction + 0.9 * (to_fraction - from_fraction), "%s back", a->name);
    if (rc == 0)
        rc = come_back(c, a, err);
    return rc < 0 ? rc : measure_step_loss(c, a, err);
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

/* Turned from the first station to this one, by the pictures. */
static double turned_to(const struct axis_run *a, size_t station)
{
    double sum = 0;
    for (size_t i = 1; i <= station; i++)
        sum += a->turned_deg[i];
    return sum;
}

static double speed_dps(const struct axis_run *a, double scale)
{
    return a->back_ms > 0 ? turned_to(a, a->approached) * scale / a->back_ms * 1000 : 0;
}

static int report(struct step_context *c, const struct axis_run *pan, const struct axis_run *tilt,
                  double scale, double silence_dba, struct error *err)
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
        {"pan_repeat_deg", pan->repeat_deg * scale},
        {"tilt_repeat_deg", tilt->repeat_deg * scale},
        {"pan_step_loss_deg", pan->step_loss_deg * scale},
        {"tilt_step_loss_deg", tilt->step_loss_deg * scale},
        {"pan_speed_dps", speed_dps(pan, scale)},
        {"tilt_speed_dps", speed_dps(tilt, scale)},
        {"noise_over_silence_db", fmax(pan->turning_dba, tilt->turning_dba) - silence_dba},
        {"range_guarded", pan->guarded && tilt->guarded},
        {"home_repeat_deg", fmax(pan->home_repeat_deg, tilt->home_repeat_deg) * scale},
        {"pan_range_deg", turned_to(pan, pan->stations - 1) * scale},
        {"tilt_range_deg", turned_to(tilt, tilt->stations - 1) * scale},
        {"moved_fraction_min", fmin(pan->moved_fraction_min, tilt->moved_fraction_min)},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof values / sizeof values[0]; i++)
        rc = step_value(c, values[i].name, values[i].value, err);
    return rc;
}

/* ---- for people ----------------------------------------------------------------------------- */

static void draw_errors(struct step_context *c, const struct axis_run *a, struct exhibit *e)
{
    double low, high, from_above[STATIONS_MAX], most = 1.2;
    step_limits(c, "accuracy_deg_max", &low, &high);
    for (size_t i = 0; i < a->stations; i++) {
        from_above[i] = a->error_deg[i] + (i ? a->backlash_deg : 0);
        most = fmax(most, 1.1 * fmax(fabs(a->error_deg[i]), fabs(from_above[i])));
    }
    const enum exhibit_mark mark = exhibit_judge(c, "accuracy_deg_max", a->accuracy_deg);
    const struct exhibit_line lines[2] = {
        {"from below", a->at_deg, a->error_deg, a->stations, mark},
        {"from above", a->at_deg, from_above, a->stations, EXHIBIT_FREE}};
    const struct exhibit_curve curve = {
        .title = a->tilt ? "tilt: error of the position, deg" : "pan: error of the position, deg",
        .x_name = "deg from home",
        .x_low = a->from_deg,
        .x_high = a->to_deg,
        .y_low = -most,
        .y_high = most,
        .lines = lines,
        .line_count = 2,
        .x_limit = NAN,
        .y_limits = {isfinite(high) ? -high : NAN, isfinite(high) ? high : NAN}};
    exhibit_plot(e, &curve);
}

static int attach(struct step_context *c, const struct view *v, const struct axis_run *pan,
                  const struct axis_run *tilt, struct error *err)
{
    struct exhibit e;
    if (!v->nv12)
        return 0;
    const struct nv12 frame = view_nv12(v);
    int rc = exhibit_begin(c, &frame, 1152, &e, err);
    if (rc < 0)
        return rc;
    draw_errors(c, pan, &e);
    draw_errors(c, tilt, &e);
    exhibit_figure(&e, c, "pan_accuracy_deg", pan->accuracy_deg);
    exhibit_figure(&e, c, "tilt_accuracy_deg", tilt->accuracy_deg);
    exhibit_figure(&e, c, "pan_backlash_deg", fabs(pan->backlash_deg));
    exhibit_figure(&e, c, "tilt_backlash_deg", fabs(tilt->backlash_deg));
    exhibit_figure(&e, c, "pan_step_loss_deg", pan->step_loss_deg);
    exhibit_figure(&e, c, "tilt_step_loss_deg", tilt->step_loss_deg);
    exhibit_figure(&e, c, "moved_fraction_min",
                   fmin(pan->moved_fraction_min, tilt->moved_fraction_min));
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
    double scale = 1, silence_dba = SILENCE_DBA;
    pan.turning_dba = tilt.turning_dba = SILENCE_DBA;
    if (!c->board->has_ptz)
        return error_set(err, ERROR_STATE, "board %s has no pan and tilt", c->board->name);
    plan_stations(c, &pan, "pan_station_deg");
    plan_stations(c, &tilt, "tilt_station_deg");
    int rc = light_scene(c->fixture, "panorama", step_number(c, "lux"), err);
    if (rc == 0)
        rc = camera_configure(c, &day, err);
    if (rc == 0) {
        step_progress(c, 0, "homing");
        rc = listen(c, &silence_dba, err);
    }
    if (rc == 0) {
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
        rc = report(c, &pan, &tilt, scale, silence_dba, err);
    if (rc == 0)
        rc = attach(c, &first, &pan, &tilt, err);
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
