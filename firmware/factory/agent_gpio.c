/* button.watch, led.set. Watching takes the pins only while it looks, so LEDs can be set meanwhile.
 */
#include <string.h>

#include "firmware/factory/agent_parts.h"
#include "firmware/factory/params.h"
#include "protocol/base/clock.h"

enum { LOOK_MS = 5, CHANGES_MAX = 1024 };

static int pin_param(const cJSON *params, const char *name, const char pins[][BOARD_NAME_MAX],
                     size_t count, const char **out, struct error *err)
{
    int rc = params_text(params, name, 1, BOARD_NAME_MAX - 1, out, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < count; i++)
        if (strcmp(*out, pins[i]) == 0)
            return 0;
    return error_set(err, ERROR_INPUT, "param '%s' is '%s', which this board has not", name, *out);
}

static int look(struct agent *a, struct agent_call *call, const char *button, bool *level,
                struct error *err)
{
    int rc = agent_take(a, call, PART_GPIO, err);
    if (rc)
        return rc;
    rc = a->hal->gpio->button(a->hal->gpio_state, button, level, err);
    agent_leave(a, PART_GPIO);
    return rc;
}

static int watch(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"button", "seconds", "until_changes", NULL};
    const char *button;
    double seconds;
    long long until_changes = CHANGES_MAX, seen = 0;
    bool level;
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = pin_param(call->params, "button", a->board->buttons, a->board->button_count, &button,
                       err);
    if (!rc)
        rc = params_number(call->params, "seconds", 0.01, 60, &seconds, err);
    if (!rc && params_has(call->params, "until_changes"))
        rc = params_integer(call->params, "until_changes", 1, CHANGES_MAX, &until_changes, err);
    if (!rc)
        rc = look(a, call, button, &level, err);
    if (rc)
        return rc;
    int64_t began = clock_mono_ms(), until = began + (int64_t)(seconds * 1000);
    answer_flag(call, call->result, "level_at_start", level);
    cJSON *changes = answer_array(call, call->result, "changes");
    while (!rc && seen < until_changes && clock_mono_ms() < until) {
        bool now;
        rc = request_sleep(call->request, LOOK_MS);
        if (rc)
            return error_set(err, rc, "taken back while watching '%s'", button);
        rc = look(a, call, button, &now, err);
        if (!rc && now != level) {
            cJSON *change = answer_item(call, changes);
            answer_flag(call, change, "level", now);
            answer_number(call, change, "at_ms", (double)(clock_mono_ms() - began));
            level = now;
            seen++;
        }
    }
    return rc;
}

static int led(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"led", "on", NULL};
    const char *name;
    bool on;
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = pin_param(call->params, "led", a->board->leds, a->board->led_count, &name, err);
    if (!rc)
        rc = params_flag(call->params, "on", &on, err);
    if (!rc)
        rc = a->hal->gpio->led(a->hal->gpio_state, name, on, err);
    return rc;
}

const struct agent_method agent_gpio_methods[] = {
    {"button.watch", PART_NONE, watch},
    {"led.set", PART_GPIO, led},
    {0},
};
