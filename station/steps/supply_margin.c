/* How far the supply may sag and rise: the voltage goes down in small steps with the unit at work
 * until it restarts or the lowest is reached, then to the highest, and back. A unit that restarted
 * is waited for, so that the next step finds it up. */
#include <math.h>
#include <string.h>

#include "fixtures/power_supply.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

enum { CALL_MS = 1500 };

static const struct step_param params[] = {
    {"volts", PARAM_NUMBER, "5.0", 3, 15, "nominal, V"},
    {"amps_max", PARAM_NUMBER, "2.0", 0.1, 5, "current limit, A"},
    {"from_volts", PARAM_NUMBER, "4.8", 3, 15, "highest of the way down, V"},
    {"low_volts", PARAM_NUMBER, "4.35", 2, 15, "lowest that is tried, V"},
    {"step_volts", PARAM_NUMBER, "0.05", 0.01, 1, "V"},
    {"high_volts", PARAM_NUMBER, "5.5", 3, 20, "V"},
    {"hold_ms", PARAM_NUMBER, "40", 10, 10000, "at each voltage, ms"},
    {"boot_timeout_s", PARAM_NUMBER, "15", 1, 300, "for a unit that restarted, s"},
    {0}};

static const struct step_measurement measurements[] = {
    {"lowest_volts", "V", "at which it went on running; the lowest that was tried, or above"},
    {"low_a", "A", "drawn there"},
    {"runs_at_high", "bool", "1 when it went on running at the highest voltage"},
    {"high_a", "A", "drawn there"},
    {0}};

/* Whether the unit that answers is the one that did before, without a start in between: its session
 * would be gone. */
static bool answers(struct step_context *c)
{
    struct error why = {0};
    char nonce[TOKEN_NONCE_TEXT]; /* of the session; a unit that restarted gives another */
    cJSON *p = cJSON_CreateObject();
    memcpy(nonce, unit_link_facts(c->unit)->nonce, sizeof nonce);
    cJSON_AddStringToObject(p, "load", "streaming");
    return unit_call(c->unit, "system.load", p, CALL_MS, NULL, &why) == 0 &&
           strcmp(nonce, unit_link_facts(c->unit)->nonce) == 0;
}

static int at_voltage(struct step_context *c, double volts, bool *runs, double *amps,
                      struct error *err)
{
    struct power_reading r;
    int rc = power_supply_set(c->fixture, volts, step_number(c, "amps_max"), err);
    if (rc == 0)
        rc = power_supply_measure(c->fixture, (int)step_number(c, "hold_ms"), &r, err);
    if (rc < 0)
        return rc;
    *runs = answers(c);
    *amps = r.amps;
    return 0;
}

static int come_back(struct step_context *c, struct error *err)
{
    struct session *session;
    unit_link_drop(c->unit);
    int rc = power_supply_set(c->fixture, step_number(c, "volts"), step_number(c, "amps_max"), err);
    if (rc == 0)
        rc = unit_link_session(c->unit, (int)(step_number(c, "boot_timeout_s") * 1000), &session,
                               err);
    return rc;
}

static int go_down(struct step_context *c, double *lowest, double *amps, bool *runs,
                   struct error *err)
{
    const double step = step_number(c, "step_volts"), from = step_number(c, "from_volts");
    const int steps = (int)floor((from - step_number(c, "low_volts")) / step + 0.5);
    *lowest = step_number(c, "volts");
    *runs = true;
    for (int i = 0; i <= steps; i++) {
        const double volts = from - i * step;
        double now = 0;
        step_progress(c, 0.6 * i / (steps + 1), "%.2f V", volts);
        int rc = step_cancelled(c) ? step_wait(c, 0, err) : at_voltage(c, volts, runs, &now, err);
        if (rc < 0 || !*runs)
            return rc;
        *lowest = volts;
        *amps = now;
    }
    return 0;
}

static int run(struct step_context *c, struct error *err)
{
    double lowest = 0, low_a = 0, high_a = 0;
    bool runs_low = true, runs_high = true;
    struct error ignored = {0};
    int rc = answers(c) ? 0 : come_back(c, err);
    if (rc == 0)
        rc = go_down(c, &lowest, &low_a, &runs_low, err);
    if (rc == 0 && !runs_low)
        rc = come_back(c, err);
    if (rc == 0) {
        step_progress(c, 0.7, "%.2f V", step_number(c, "high_volts"));
        rc = at_voltage(c, step_number(c, "high_volts"), &runs_high, &high_a, err);
    }
    /* Back to the nominal voltage whatever happened. */
    const int set = runs_high && rc == 0 ? power_supply_set(c->fixture, step_number(c, "volts"),
                                                            step_number(c, "amps_max"), err)
                                         : come_back(c, rc == 0 ? err : &ignored);
    rc = rc < 0 ? rc : set;
    if (rc == 0)
        rc = step_value(c, "lowest_volts", lowest, err);
    if (rc == 0)
        rc = step_value(c, "low_a", low_a, err);
    if (rc == 0)
        rc = step_value(c, "runs_at_high", runs_high, err);
    if (rc == 0)
        rc = step_value(c, "high_a", high_a, err);
    return rc;
}

const struct step_kind step_supply_margin = {
    .name = "supply_margin",
    .about = "how far the supply may sag and rise",
    .params = params,
    .measurements = measurements,
    .run = run,
};
