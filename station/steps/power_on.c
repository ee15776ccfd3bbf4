/* Supply on, and the wait until the unit says hello. The current of the first moments is read
 * before anything is asked of the unit: a short or a dead converter shows there and nowhere else.
 */
#include <math.h>

#include "fixtures/power_supply.h"
#include "protocol/base/clock.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

static const struct step_param params[] = {
    {"volts", PARAM_NUMBER, "5.0", 3, 15, "supply voltage, V"},
    {"amps_max", PARAM_NUMBER, "2.0", 0.1, 5, "current limit, A"},
    {"off_ms", PARAM_NUMBER, "200", 0, 10000, "off before on, so that the start is a cold one, ms"},
    {"window_ms", PARAM_NUMBER, "200", 10, 5000, "how long the first current is watched, ms"},
    {"boot_timeout_s", PARAM_NUMBER, "15", 1, 300, "how long the unit may take to say hello, s"},
    {0}};

static const struct step_measurement measurements[] = {
    {"tripped", "bool", "1 when the supply's protection cut it off: a short"},
    {"inrush_a", "A", "highest current in the first window; a short's is past the limit"},
    {"boot_a", "A", "mean current in the first window"},
    {"boot_w", "W", "mean over the first window, as the supply reads it"},
    {"boot_seconds", "s", "from supply on to the unit's hello"},
    {0}};

/* The supply cut it off, within its own time and limit. That is the unit's doing and no error of
 * the station; every figure that a limit may stand for is delivered. */
static int shorted(struct step_context *c, const struct power_reading *r, struct error *err)
{
    int rc = step_value(c, "tripped", 1, err);
    if (rc == 0)
        rc = step_value(c, "inrush_a", fmax(r->amps_peak, step_number(c, "amps_max")), err);
    if (rc == 0)
        rc = step_value(c, "boot_a", r->amps, err);
    if (rc == 0)
        rc = step_value(c, "boot_w", step_number(c, "volts") * step_number(c, "amps_max"), err);
    return rc < 0 ? rc : step_value(c, "boot_seconds", step_number(c, "boot_timeout_s"), err);
}

static int run(struct step_context *c, struct error *err)
{
    struct power_reading first = {0}, later = {0};
    struct error why = {0};
    struct unit_facts facts;
    step_progress(c, 0, "supply on");
    unit_link_drop(c->unit);
    int rc = power_supply_output(c->fixture, false, err);
    if (rc == 0)
        rc = power_supply_set(c->fixture, step_number(c, "volts"), step_number(c, "amps_max"), err);
    if (rc == 0)
        rc = step_wait(c, (int)step_number(c, "off_ms"), err);
    const int64_t started_ms = clock_mono_ms();
    if (rc == 0)
        rc = power_supply_output(c->fixture, true, err);
    if (rc < 0)
        return rc;
    rc = power_supply_measure(c->fixture, (int)step_number(c, "window_ms"), &first, &why);
    if (rc < 0 && first.tripped)
        return shorted(c, &first, err);
    if (rc < 0)
        return error_set(err, rc, "%s", why.text);
    step_progress(c, 0.3, "waiting for the unit");
    const int up =
        unit_link_hello(c->unit, (int)(step_number(c, "boot_timeout_s") * 1000), &facts, err);
    /* A short behind a switch of the unit's own shows once that closes. */
    if (up < 0 && power_supply_measure(c->fixture, 0, &later, &why) < 0 && later.tripped)
        return shorted(c, &later, err);
    if (up < 0)
        return up;
    const double boot_s = (double)(clock_mono_ms() - started_ms) / 1000;
    rc = step_value(c, "tripped", 0, err);
    if (rc == 0)
        rc = step_value(c, "inrush_a", first.amps_peak, err);
    if (rc == 0)
        rc = step_value(c, "boot_a", first.amps, err);
    if (rc == 0)
        rc = step_value(c, "boot_w", first.volts * first.amps, err);
    return rc < 0 ? rc : step_value(c, "boot_seconds", boot_s, err);
}

const struct step_kind step_power_on = {
    .name = "power_on",
    .about = "supply on, first current, wait for the unit",
    .params = params,
    .measurements = measurements,
    .restores = true,
    .run = run,
};
