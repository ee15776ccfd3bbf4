/* A finger holds the reset button as long as the manual says; the unit must start anew. What tells
 * is its own clock since its start, seen through the agent before and after, and that it says it
 * was restarted, not switched on. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fixtures/actuator.h"
#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

enum { CALL_MS = 3000, PAUSE_MS = 200 };

static const struct step_param params[] = {
    {"button", PARAM_TEXT, "reset", 0, 0, "the board's name for it"},
    {"hold_ms", PARAM_NUMBER, "6000", 100, 30000, "pressed for, ms"},
    {"restart_s", PARAM_NUMBER, "4", 1, 60,
     "from the release until the restart must have begun, s"},
    {"boot_timeout_s", PARAM_NUMBER, "15", 1, 300, "for the unit to be up again, s"},
    {0}};

static const struct step_measurement measurements[] = {
    {"restarted", "bool", "1 when the unit started anew"},
    {"orderly", "bool", "1 when it says that it was restarted: no watchdog, no loss of supply"},
    {"back_s", "s", "from the press until it answered again; 0 when it did not restart"},
    {0}};

struct life {
    double uptime_ms;
    char reason[24];
};

static int ask(struct step_context *c, int timeout_ms, struct life *out, struct error *err)
{
    cJSON *info = NULL;
    int rc = unit_call(c->unit, "unit.info", NULL, timeout_ms, &info, err);
    if (rc == 0) {
        out->uptime_ms = json_number(info, "uptime_ms", 0);
        snprintf(out->reason, sizeof out->reason, "%s", json_string(info, "boot_reason", ""));
    }
    cJSON_Delete(info);
    return rc;
}

static int press(struct step_context *c, struct error *err)
{
    struct error why = {0};
    const char *button = step_text(c, "button");
    int rc = actuator_press(c->fixture, button, true, err);
    if (rc == 0)
        rc = step_wait(c, (int)step_number(c, "hold_ms"), err);
    /* Let go also when the wait was cut short. */
    const int let_go = actuator_press(c->fixture, button, false, rc == 0 ? err : &why);
    return rc < 0 ? rc : let_go;
}

/* True once the unit says that it is younger than it would be had it gone on. It may say nothing
 * while it goes down and comes up; a session of before is then of no use any more. */
static bool young(struct step_context *c, const struct life *before, int64_t asked_ms,
                  struct life *after)
{
    struct error why = {0};
    if (ask(c, CALL_MS, after, &why) < 0) {
        unit_link_drop(c->unit);
        return false;
    }
    const double older = before->uptime_ms + (double)(clock_mono_ms() - asked_ms);
    return after->uptime_ms < older - step_number(c, "hold_ms") / 2;
}

static int await_restart(struct step_context *c, const struct life *before, int64_t asked_ms,
                         bool *restarted, struct life *after, struct error *err)
{
    const int64_t from_ms = clock_mono_ms();
    const double restart_ms = step_number(c, "restart_s") * 1000;
    const double up_ms = restart_ms + step_number(c, "boot_timeout_s") * 1000;
    bool answered = false; /* and was old */
    int rc = 0;
    *restarted = false;
    while (rc == 0 && !*restarted) {
        const double waited_ms = (double)(clock_mono_ms() - from_ms);
        *after = (struct life){0};
        *restarted = young(c, before, asked_ms, after);
        answered = !*restarted && after->reason[0];
        if (waited_ms > up_ms || (answered && waited_ms > restart_ms))
            break;
        rc = *restarted ? 0 : step_wait(c, PAUSE_MS, err);
    }
    if (rc == 0 && !*restarted && !answered)
        rc = error_set(err, ERROR_TIMEOUT, "the unit did not come back %.0f s after its reset",
                       up_ms / 1000);
    return rc;
}

static int run(struct step_context *c, struct error *err)
{
    struct life before = {0}, after = {0};
    bool restarted = false;
    step_progress(c, 0, "holding %s", step_text(c, "button"));
    int rc = ask(c, CALL_MS, &before, err);
    const int64_t asked_ms = clock_mono_ms();
    if (rc == 0)
        rc = press(c, err);
    if (rc == 0) {
        step_progress(c, 0.6, "waiting for the unit");
        rc = await_restart(c, &before, asked_ms, &restarted, &after, err);
    }
    if (rc == 0)
        rc = step_noted(c, "boot_reason", after.reason, err);
    if (rc == 0)
        rc = step_value(c, "restarted", restarted, err);
    if (rc == 0)
        rc = step_value(c, "orderly", restarted && strcmp(after.reason, "reboot") == 0, err);
    if (rc == 0)
        rc = step_value(c, "back_s", restarted ? (double)(clock_mono_ms() - asked_ms) / 1000 : 0,
                        err);
    return rc;
}

const struct step_kind step_reset = {
    .name = "reset",
    .about = "the reset button held: the unit must start anew",
    .params = params,
    .measurements = measurements,
    .run = run,
};
