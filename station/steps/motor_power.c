/* What each motor draws, above the unit at rest: the transient of its start and the mean of its
 * turning. Shorted windings draw more; open ones draw nothing. A motor that is not homed turns
 * while it homes, one that is moves a piece. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fixtures/power_supply.h"
#include "protocol/base/json.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

enum { MOVE_MS = 60000 };

static const struct step_param params[] = {
    {"rest_ms", PARAM_NUMBER, "300", 50, 60000, "the unit at rest averaged for, ms"},
    {"start_ms", PARAM_NUMBER, "60", 20, 1000, "watched for the start's transient, ms"},
    {"window_ms", PARAM_NUMBER, "300", 50, 60000, "a motor's turning averaged for, ms"},
    {0}};

static const struct step_measurement measurements[] = {
    {"rest_w", "W", "nothing turns"},
    {"pan_w", "W", "the pan motor turning, above rest"},
    {"pan_start_a", "A", "highest reading as the pan motor starts"},
    {"tilt_w", "W", "the tilt motor turning, above rest"},
    {"tilt_start_a", "A", "highest reading as the tilt motor starts"},
    {0}};

static int start_turning(struct step_context *c, const char *axis, const struct board_axis *facts,
                         cJSON **ask, struct unit_errand **out, struct error *err)
{
    cJSON *status = NULL;
    int rc = unit_call(c->unit, "ptz.status", NULL, 5000, &status, err);
    if (rc < 0)
        return rc;
    const cJSON *now = cJSON_GetObjectItemCaseSensitive(status, axis);
    const bool homed = json_bool(now, "homed", false);
    const double deg = json_number(now, "deg", 0), middle = (facts->min_deg + facts->max_deg) / 2;
    const double seconds = (step_number(c, "start_ms") + step_number(c, "window_ms")) / 1000 + 0.5;
    const double way = fmin(seconds * facts->speed_dps, middle - facts->min_deg);
    cJSON_Delete(status);
    *ask = cJSON_CreateObject();
    if (homed) {
        char member[16];
        snprintf(member, sizeof member, "%s_deg", axis);
        cJSON_AddNumberToObject(*ask, member, deg < middle ? deg + way : deg - way);
    } else {
        cJSON_AddStringToObject(*ask, "axis", axis);
    }
    const struct call call = {
        .method = homed ? "ptz.move" : "ptz.home", .params = *ask, .timeout_ms = MOVE_MS};
    return unit_errand_start(c->unit, &call, out, err);
}

static int one_axis(struct step_context *c, const char *axis, const struct board_axis *facts,
                    double rest_w, struct error *err)
{
    struct unit_errand *turning = NULL;
    struct power_reading start, on;
    struct error why = {0};
    cJSON *ask = NULL;
    char watts[16], amps[24];
    snprintf(watts, sizeof watts, "%s_w", axis);
    snprintf(amps, sizeof amps, "%s_start_a", axis);
    int rc = start_turning(c, axis, facts, &ask, &turning, err);
    if (rc == 0)
        rc = power_supply_measure(c->fixture, (int)step_number(c, "start_ms"), &start, err);
    if (rc == 0)
        rc = power_supply_measure(c->fixture, (int)step_number(c, "window_ms"), &on, err);
    /* A motor that cannot home is the ptz step's finding, and one that trips the supply this
     * step's. */
    unit_errand_end(turning, NULL, &why);
    cJSON_Delete(ask);
    if (rc == 0)
        rc = step_value(c, watts, on.volts * on.amps - rest_w, err);
    return rc < 0 ? rc : step_value(c, amps, fmax(start.amps_peak, on.amps_peak), err);
}

static int run(struct step_context *c, struct error *err)
{
    struct power_reading rest;
    cJSON *p = cJSON_CreateObject();
    cJSON_AddStringToObject(p, "load", "idle");
    step_progress(c, 0, "at rest");
    int rc = unit_call(c->unit, "system.load", p, 5000, NULL, err);
    if (rc == 0)
        rc = power_supply_measure(c->fixture, (int)step_number(c, "rest_ms"), &rest, err);
    if (rc < 0)
        return rc;
    const double rest_w = rest.volts * rest.amps;
    rc = step_value(c, "rest_w", rest_w, err);
    if (rc < 0 || !c->board->has_ptz)
        return rc;
    step_progress(c, 0.2, "tilt");
    rc = one_axis(c, "tilt", &c->board->tilt, rest_w, err);
    if (rc == 0) {
        step_progress(c, 0.6, "pan");
        rc = one_axis(c, "pan", &c->board->pan, rest_w, err);
    }
    return rc;
}

const struct step_kind step_motor_power = {
    .name = "motor_power",
    .about = "what each motor draws, starting and turning",
    .params = params,
    .measurements = measurements,
    .run = run,
};
