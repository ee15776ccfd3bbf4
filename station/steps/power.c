/* What the unit draws in each of its states, from the supply's own readings. */
#include <math.h>
#include <string.h>

#include "fixtures/power_supply.h"
#include "protocol/base/json.h"
#include "station/steps/camera_view.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

static const struct step_param params[] = {
    {"settle_ms", PARAM_NUMBER, "200", 0, 60000, "after a change of state, before reading, ms"},
    {"window_ms", PARAM_NUMBER, "400", 50, 60000, "averaged for each state, ms"},
    {"motors", PARAM_FLAG, "true", 0, 0, "turn the pan motor while everything is on"},
    {0}};

static const struct step_measurement measurements[] = {
    {"standby_w", "W", "radio and sensor off"},
    {"idle_w", "W", "awake, nothing to do"},
    {"streaming_w", "W", "encoding one stream"},
    {"infrared_w", "W", "encoding one stream by night: infrared LEDs at full drive"},
    {"all_on_w", "W", "encoder, NPU, radio, infrared LEDs and the pan motor at once"},
    {"all_on_peak_a", "A", "highest reading meanwhile"},
    {"volts", "V", "at the supply with everything on"},
    {0}};

static int set_load(struct step_context *c, const char *load, struct error *err)
{
    cJSON *p = cJSON_CreateObject();
    cJSON_AddStringToObject(p, "load", load);
    return unit_call(c->unit, "system.load", p, 5000, NULL, err);
}

static int stream(struct step_context *c, bool on, struct error *err)
{
    cJSON *p = cJSON_CreateObject();
    cJSON_AddBoolToObject(p, "stream", on);
    return unit_call(c->unit, "camera.configure", p, 10000, NULL, err);
}

static int read_supply(struct step_context *c, struct power_reading *out, struct error *err)
{
    int rc = step_wait(c, (int)step_number(c, "settle_ms"), err);
    return rc < 0 ? rc
                  : power_supply_measure(c->fixture, (int)step_number(c, "window_ms"), out, err);
}

static int one_state(struct step_context *c, const char *load, const char *name, double fraction,
                     struct error *err)
{
    struct power_reading r;
    step_progress(c, fraction, "%s", load);
    int rc = stream(c, strcmp(load, "streaming") == 0, err);
    if (rc == 0)
        rc = set_load(c, load, err);
    if (rc == 0)
        rc = read_supply(c, &r, err);
    return rc < 0 ? rc : step_value(c, name, r.volts * r.amps, err);
}

/* Far enough to turn until the window is over, away from the nearer end of the range. */
static double turn_to_deg(const struct step_context *c, double now_deg)
{
    const struct board_axis *axis = &c->board->pan;
    const double middle = (axis->min_deg + axis->max_deg) / 2;
    const double seconds = (step_number(c, "settle_ms") + step_number(c, "window_ms")) / 1000 + 0.5;
    const double way = fmin(seconds * axis->speed_dps, middle - axis->min_deg);
    return now_deg < middle ? now_deg + way : now_deg - way;
}

static int start_turning(struct step_context *c, cJSON **ask, struct unit_errand **out,
                         struct error *err)
{
    cJSON *status = NULL;
    int rc = unit_call(c->unit, "ptz.status", NULL, 5000, &status, err);
    if (rc < 0)
        return rc;
    const cJSON *pan = cJSON_GetObjectItemCaseSensitive(status, "pan");
    const bool homed = json_bool(pan, "homed", false);
    const double now_deg = json_number(pan, "deg", 0);
    cJSON_Delete(status);
    if (!homed)
        return 0; /* a pan axis that cannot home is the ptz step's finding */
    *ask = cJSON_CreateObject();
    cJSON_AddNumberToObject(*ask, "pan_deg", turn_to_deg(c, now_deg));
    const struct call call = {.method = "ptz.move", .params = *ask, .timeout_ms = 60000};
    return unit_errand_start(c->unit, &call, out, err);
}

static int all_on(struct step_context *c, struct power_reading *out, struct error *err)
{
    const struct view_settings night = {
        .stream = true, .night = true, .ir_led = 1, .auto_exposure = true};
    struct unit_errand *turning = NULL;
    struct error why = {0};
    cJSON *ask = NULL;
    step_progress(c, 0.7, "everything on");
    int rc = set_load(c, "full", err);
    if (rc == 0)
        rc = camera_configure(c, &night, err);
    if (rc == 0 && c->board->has_ptz && step_flag(c, "motors"))
        rc = start_turning(c, &ask, &turning, err);
    if (rc == 0)
        rc = read_supply(c, out, err);
    const int turned = unit_errand_end(turning, NULL, rc == 0 ? err : &why);
    cJSON_Delete(ask);
    return rc < 0 ? rc : turned;
}

static int by_night(struct step_context *c, struct error *err)
{
    const struct view_settings night = {
        .stream = true, .night = true, .ir_led = 1, .auto_exposure = true};
    struct power_reading r;
    step_progress(c, 0.55, "infrared");
    int rc = camera_configure(c, &night, err);
    if (rc == 0)
        rc = read_supply(c, &r, err);
    return rc < 0 ? rc : step_value(c, "infrared_w", r.volts * r.amps, err);
}

static int run(struct step_context *c, struct error *err)
{
    struct power_reading full;
    struct error ignored = {0};
    int rc = one_state(c, "standby", "standby_w", 0, err);
    if (rc == 0)
        rc = one_state(c, "idle", "idle_w", 0.2, err);
    if (rc == 0)
        rc = one_state(c, "streaming", "streaming_w", 0.4, err);
    if (rc == 0)
        rc = by_night(c, err);
    if (rc == 0)
        rc = all_on(c, &full, err);
    if (rc == 0)
        rc = step_value(c, "all_on_w", full.volts * full.amps, err);
    if (rc == 0)
        rc = step_value(c, "all_on_peak_a", full.amps_peak, err);
    if (rc == 0)
        rc = step_value(c, "volts", full.volts, err);
    camera_restore(c);
    set_load(c, "idle", &ignored);
    return rc;
}

const struct step_kind step_power = {
    .name = "power",
    .about = "standby, idle, streaming and everything on, in watts",
    .params = params,
    .measurements = measurements,
    .run = run,
};
