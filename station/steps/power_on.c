/* Supply on, and the wait until the unit says hello. The current of the first moments is read
 * before anything is asked of the unit: a short or a dead converter shows there and nowhere else.
 */
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
    {"inrush_a", "A", "highest current in the first window"},
    {"boot_a", "A", "mean current in the first window"},
    {"boot_seconds", "s", "from supply on to the unit's hello"},
    {0}};

static int run(struct step_context *c, struct error *err)
{
    struct power_reading first;
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
    if (rc == 0)
        rc = power_supply_measure(c->fixture, (int)step_number(c, "window_ms"), &first, err);
    if (rc == 0)
        rc = step_value(c, "inrush_a", first.amps_peak, err);
    if (rc == 0)
        rc = step_value(c, "boot_a", first.amps, err);
    if (rc < 0)
        return rc;
    step_progress(c, 0.3, "waiting for the unit");
    rc = unit_link_hello(c->unit, (int)(step_number(c, "boot_timeout_s") * 1000), &facts, err);
    if (rc < 0)
        return rc;
    return step_value(c, "boot_seconds", (double)(clock_mono_ms() - started_ms) / 1000, err);
}

const struct step_kind step_power_on = {
    .name = "power_on",
    .about = "supply on, first current, wait for the unit",
    .params = params,
    .measurements = measurements,
    .restores = true,
    .run = run,
};
