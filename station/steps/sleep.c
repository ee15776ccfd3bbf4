/* What a battery model draws asleep. A supply reads milliamperes; microamperes want a meter in the
 * slot's line. */
#include "fixtures/meter.h"
#include "fixtures/power_supply.h"
#include "protocol/base/json.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

enum { MARGIN_MS = 15000 };

static const struct step_param params[] = {
    {"settle_ms", PARAM_NUMBER, "500", 50, 20000, "from falling asleep to the reading, ms"},
    {"window_ms", PARAM_NUMBER, "500", 50, 20000, "averaged for, ms"},
    {"late_ms", PARAM_NUMBER, "1000", 0, 10000, "later still the unit may fall asleep, ms"},
    {"meter", PARAM_FLAG, "false", 0, 0, "read by the slot's meter instead of its supply"},
    {0}};

static const struct step_measurement measurements[] = {
    {"sleep_ma", "mA", "drawn asleep, mean of the window"},
    {"slept_ms", "ms", "until it was awake again, as it says"},
    {"asked_ms", "ms", "it was to sleep for"},
    {0}};

static int read_amps(struct step_context *c, double *amps, struct error *err)
{
    const int window_ms = (int)step_number(c, "window_ms");
    struct power_reading supply;
    struct meter_reading meter;
    const bool by_meter = step_flag(c, "meter");
    int rc = by_meter ? meter_measure(c->fixture, "amps", window_ms, &meter, err)
                      : power_supply_measure(c->fixture, window_ms, &supply, err);
    if (rc == 0)
        *amps = by_meter ? meter.mean : supply.amps;
    return rc;
}

static int run(struct step_context *c, struct error *err)
{
    const double until_read_ms = step_number(c, "settle_ms") + step_number(c, "late_ms");
    const double asked_ms = until_read_ms + step_number(c, "window_ms") + step_number(c, "late_ms");
    struct unit_errand *sleeping = NULL;
    struct error why = {0};
    cJSON *ask = cJSON_CreateObject(), *answer = NULL;
    double amps = 0;
    cJSON_AddNumberToObject(ask, "ms", asked_ms);
    const struct call call = {
        .method = "system.sleep", .params = ask, .timeout_ms = (int)asked_ms + MARGIN_MS};
    step_progress(c, 0, "asleep");
    int rc = unit_errand_start(c->unit, &call, &sleeping, err);
    if (rc == 0)
        rc = step_wait(c, (int)until_read_ms, err);
    if (rc == 0)
        rc = read_amps(c, &amps, err);
    const int awake = unit_errand_end(sleeping, &answer, rc == 0 ? err : &why);
    rc = rc < 0 ? rc : awake;
    if (rc == 0)
        rc = step_value(c, "sleep_ma", amps * 1000, err);
    if (rc == 0)
        rc = step_value(c, "slept_ms", json_number(answer, "slept_ms", 0), err);
    if (rc == 0)
        rc = step_value(c, "asked_ms", asked_ms, err);
    cJSON_Delete(answer);
    cJSON_Delete(ask);
    return rc;
}

const struct step_kind step_sleep = {
    .name = "sleep",
    .about = "what a battery model draws asleep, and that it wakes",
    .params = params,
    .measurements = measurements,
    .run = run,
};
