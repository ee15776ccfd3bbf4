/* A finger presses and lets go; the unit says what its pin did. Press and release are the
 * fixture's, the levels and times the unit's. */
#include <string.h>

#include "fixtures/actuator.h"
#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

enum {
    TRIES = 3,
    SETTLE_MS = 20, /* longer than a switch bounces */
    SEEN_MS = 100,  /* of the watch that a release must leave to be seen */
};

static const struct step_param params[] = {
    {"button", PARAM_TEXT, "reset", 0, 0, "the board's name for it"},
    {"lead_ms", PARAM_NUMBER, "200", 50, 5000, "from the start of watching to the press, ms"},
    {"hold_ms", PARAM_NUMBER, "200", 50, 5000, "pressed for, ms"},
    {"watch_s", PARAM_NUMBER, "1", 1, 30, "watched for, s"},
    {0}};

static const struct step_measurement measurements[] = {
    {"level_at_rest", "level", "pin before the press: 1 = high"},
    {"level_pressed", "level", "pin while pressed: 0 = low, the button pulls to ground"},
    {"level_released", "level", "pin after the release"},
    {"transitions", "count", "changes longer than a bounce: a press and a release are 2"},
    {"bounces", "count", "changes closer together than 20 ms"},
    {"pressed_ms", "ms", "between press and release, as the pin saw them"},
    {0}};

struct watched {
    bool rest, pressed, released;
    int transitions, bounces;
    double pressed_at_ms, released_at_ms; /* the two transitions */
    bool late; /* the fixture let go when the watch was about over: that says nothing of the unit */
};

/* Changes that follow each other within the settling time are one transition to the last level. */
static void read_changes(const cJSON *answer, struct watched *out)
{
    const cJSON *changes = cJSON_GetObjectItemCaseSensitive(answer, "changes"), *change;
    bool level = json_bool(answer, "level_at_start", false);
    *out = (struct watched){.rest = level, .pressed = level, .released = level};
    bool settled = level;
    cJSON_ArrayForEach(change, changes)
    {
        const double at_ms = json_number(change, "at_ms", 0);
        level = json_bool(change, "level", false);
        if (change->next && json_number(change->next, "at_ms", 0) - at_ms < SETTLE_MS) {
            out->bounces++;
            continue;
        }
        if (level == settled)
            continue;
        settled = level;
        if (++out->transitions == 1) {
            out->pressed = level;
            out->pressed_at_ms = at_ms;
        } else {
            out->released_at_ms = at_ms;
        }
    }
    out->released = settled;
}

static int press_once(struct step_context *c, struct watched *out, struct error *err)
{
    const char *button = step_text(c, "button");
    const double watch_s = step_number(c, "watch_s");
    struct unit_errand *watch = NULL;
    struct error why = {0};
    cJSON *ask = cJSON_CreateObject(), *answer = NULL;
    cJSON_AddStringToObject(ask, "button", button);
    cJSON_AddNumberToObject(ask, "seconds", watch_s);
    /* As many as could come: the watch then lasts its whole time and sees the bounces too. */
    cJSON_AddNumberToObject(ask, "until_changes", 64);
    const struct call call = {
        .method = "button.watch", .params = ask, .timeout_ms = (int)(watch_s * 1000) + 5000};
    const int64_t began_ms = clock_mono_ms();
    int rc = unit_errand_start(c->unit, &call, &watch, err);
    if (rc == 0)
        rc = step_wait(c, (int)step_number(c, "lead_ms"), err);
    if (rc == 0)
        rc = actuator_press(c->fixture, button, true, err);
    if (rc == 0)
        rc = step_wait(c, (int)step_number(c, "hold_ms"), err);
    /* Let go also when the wait was cut short. */
    const int let_go = actuator_press(c->fixture, button, false, rc == 0 ? err : &why);
    const bool late = clock_mono_ms() - began_ms > (int64_t)(watch_s * 1000) - SEEN_MS;
    if (rc == 0)
        rc = let_go;
    const int seen = unit_errand_end(watch, &answer, rc == 0 ? err : &why);
    if (rc == 0)
        rc = seen;
    if (rc == 0)
        read_changes(answer, out);
    out->late = late;
    cJSON_Delete(answer);
    cJSON_Delete(ask);
    return rc;
}

static int run(struct step_context *c, struct error *err)
{
    struct watched w = {0};
    int rc = 0;
    for (int i = 0; i < TRIES; i++) {
        step_progress(c, (double)i / TRIES, "pressing %s", step_text(c, "button"));
        rc = press_once(c, &w, err);
        if (rc < 0)
            return rc;
        /* Low at the start and one change only: on a busy unit the watch began after the press. */
        if (!w.late && (w.rest || w.transitions != 1))
            break;
    }
    if (w.late)
        return error_set(err, ERROR_TIMEOUT,
                         "the fixture did not let go of %s within the %g s it was watched for: the "
                         "station is too busy",
                         step_text(c, "button"), step_number(c, "watch_s"));
    rc = step_value(c, "level_at_rest", w.rest, err);
    if (rc == 0)
        rc = step_value(c, "level_pressed", w.pressed, err);
    if (rc == 0)
        rc = step_value(c, "level_released", w.released, err);
    if (rc == 0)
        rc = step_value(c, "transitions", w.transitions, err);
    if (rc == 0)
        rc = step_value(c, "bounces", w.bounces, err);
    /* 0: it never did both. A long press is this step with a long hold. */
    if (rc == 0)
        rc = step_value(c, "pressed_ms",
                        w.transitions >= 2 ? w.released_at_ms - w.pressed_at_ms : 0, err);
    return rc;
}

const struct step_kind step_button = {
    .name = "button",
    .about = "a press and a release, as the unit's pin sees them",
    .params = params,
    .measurements = measurements,
    .run = run,
};
