/* What keys and scans do: each a call to taktd, and a line that says what came of it. */
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "station/console/state.h"
#include "station/console/words.h"

/* A PIN takes a tenth of a second on an idle machine. */
enum { CALL_MS = 3000, PIN_CALL_MS = 20000 };

void say(struct console *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->message, sizeof c->message, format, args);
    va_end(args);
}

int action_call(struct console *c, const char *method, cJSON *params, cJSON **result,
                struct error *err)
{
    const bool with_pin = strncmp(method, "operator.", 9) == 0;
    if (!c->client) {
        cJSON_Delete(params);
        return error_set(err, ERROR_CLOSED, "%s", _("taktd does not answer; waiting for it"));
    }
    int rc = client_call(c->client, method, params, with_pin ? PIN_CALL_MS : CALL_MS, result, err);
    if (rc == ERROR_CLOSED) {
        client_close(c->client);
        c->client = NULL;
        c->next_try_ms = clock_mono_ms();
    }
    return rc;
}

/* ---- people ---------------------------------------------------------------------------------- */

static void signed_in(struct console *c, const cJSON *result)
{
    struct error err;
    snprintf(c->who, sizeof c->who, "%s", json_string(result, "name", ""));
    snprintf(c->session, sizeof c->session, "%s", json_string(result, "session", ""));
    if (operator_role_find(json_string(result, "role", ""), &c->role, &err))
        c->role = ROLE_OPERATOR;
    client_session(c->client, c->session);
    say(c, _("%s works here now"), c->who);
}

void action_sign_out(struct console *c)
{
    struct error err = {0};
    if (c->client)
        action_call(c, "operator.sign_out", NULL, NULL, &err);
    if (c->client)
        client_session(c->client, "");
    c->who[0] = '\0';
    OPENSSL_cleanse(c->session, sizeof c->session);
}

bool action_may(struct console *c, enum operator_act act)
{
    if (c->who[0] && operator_role_may(c->role, act))
        return true;
    if (!c->who[0])
        action_ask(c, c->tiles.operators ? PROMPT_BADGE : PROMPT_FIRST);
    else
        say(c, _("%s may not do this: ask a technician or an engineer"), c->who);
    return false;
}

static void first_account(struct console *c)
{
    struct error err = {0};
    cJSON *result = NULL, *params;
    const struct prompt_field *f = c->prompt.fields;
    if (strcmp(f[1].text, f[2].text) != 0) {
        say(c, "%s", _("the two PINs differ: type them again"));
        OPENSSL_cleanse(c->prompt.fields[1].text, sizeof f->text);
        OPENSSL_cleanse(c->prompt.fields[2].text, sizeof f->text);
        c->prompt.at = 1;
        return;
    }
    params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "name", f[0].text);
    cJSON_AddStringToObject(params, "pin", f[1].text);
    if (action_call(c, "operator.first", params, &result, &err)) {
        say(c, _("no account was made: %s"), err.text);
        c->prompt.at = err.code == ERROR_INPUT && f[0].text[0] ? 1 : 0;
        OPENSSL_cleanse(c->prompt.fields[1].text, sizeof f->text);
        OPENSSL_cleanse(c->prompt.fields[2].text, sizeof f->text);
        return;
    }
    signed_in(c, result);
    cJSON_Delete(result);
    prompt_close(&c->prompt);
}

static void sign_in(struct console *c)
{
    struct error err = {0};
    cJSON *result = NULL, *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "name", c->prompt.fields[0].text);
    cJSON_AddStringToObject(params, "pin", c->prompt.fields[1].text);
    int rc = action_call(c, "operator.sign_in", params, &result, &err);
    if (rc) {
        say(c, _("not signed in: %s"), err.text);
        OPENSSL_cleanse(c->prompt.fields[1].text, sizeof c->prompt.fields[1].text);
        return;
    }
    signed_in(c, result);
    cJSON_Delete(result);
    prompt_close(&c->prompt);
}

void action_ask(struct console *c, int kind)
{
    static const struct prompt prompts[] = {
        [PROMPT_FIRST] = {.title = N_("nobody has an account here: the first is an engineer's"),
                          .advice = N_("Enter goes on, Esc leaves; PIN: 6 characters or more"),
                          .fields = {{.label = N_("name")},
                                     {.label = N_("PIN"), .hidden = true},
                                     {.label = N_("PIN once more"), .hidden = true}},
                          .count = 3},
        [PROMPT_BADGE] = {.title = N_("who works here?"),
                          .advice = N_("scan the badge or type the name; Esc leaves it"),
                          .fields = {{.label = N_("badge or name")},
                                     {.label = N_("PIN"), .hidden = true}},
                          .count = 2},
        [PROMPT_ORDER] = {.title = N_("which order?"),
                          .advice = N_("scan or type it; Esc leaves it"),
                          .fields = {{.label = N_("order")}},
                          .count = 1},
        [PROMPT_CODE] = {.title = N_("a code that cannot be scanned"),
                         .advice = N_("a label, a badge, an order or a slot; Esc leaves it"),
                         .fields = {{.label = N_("code")}},
                         .count = 1},
    };
    prompt_close(&c->prompt);
    c->prompt = prompts[kind];
    c->prompt.kind = kind;
}

static void take_order(struct console *c, const char *text)
{
    if (!text[0] || strlen(text) >= sizeof c->order) {
        say(c, _("'%s' is no order"), text);
        return;
    }
    snprintf(c->order, sizeof c->order, "%s", text);
    say(c, _("order %s"), text);
}

void action_answer(struct console *c)
{
    char text[PROMPT_TEXT_MAX + 1];
    c->message[0] = '\0';
    switch (c->prompt.kind) {
    case PROMPT_FIRST:
        first_account(c);
        return;
    case PROMPT_BADGE:
        sign_in(c);
        return;
    default:
        break;
    }
    const int kind = c->prompt.kind;
    memcpy(text, c->prompt.fields[0].text, sizeof text);
    prompt_close(&c->prompt);
    if (kind == PROMPT_ORDER)
        take_order(c, text);
    else if (text[0])
        action_code(c, text);
}

/* ---- units ----------------------------------------------------------------------------------- */

static bool start(struct console *c, int slot, const char *serial, const char *mode)
{
    struct error err = {0};
    if (!action_may(c, ACT_RUN))
        return false;
    if (!c->order[0]) {
        action_ask(c, PROMPT_ORDER);
        return false;
    }
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "plan", c->config->plan);
    cJSON_AddStringToObject(params, "order", c->order);
    cJSON_AddStringToObject(params, "operator", c->who);
    cJSON_AddStringToObject(params, "mode", mode);
    if (slot)
        cJSON_AddItemToArray(cJSON_AddArrayToObject(params, "slots"), cJSON_CreateNumber(slot));
    if (serial && *serial)
        cJSON_AddItemToArray(cJSON_AddArrayToObject(params, "serials"), cJSON_CreateString(serial));
    if (action_call(c, "run.start", params, NULL, &err)) {
        say(c, _("not started: %s"), err.text);
        return false;
    }
    if (slot && serial && *serial)
        say(c, _("slot %d started with %s"), slot, serial);
    else if (slot)
        say(c, _("slot %d started"), slot);
    else
        say(c, "%s", _("all free slots started"));
    return true;
}

bool action_start(struct console *c, int slot, const char *serial)
{
    return start(c, slot, serial, "production");
}

void action_golden(struct console *c, int slot)
{
    if (action_may(c, ACT_GOLDEN))
        start(c, slot, NULL, "golden");
}

void action_accept(struct console *c)
{
    struct error err = {0};
    cJSON *result = NULL;
    if (!action_may(c, ACT_PLAN))
        return;
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "plan", c->config->plan);
    cJSON_AddStringToObject(params, "operator", c->who);
    if (action_call(c, "plan.accept", params, &result, &err)) {
        say(c, _("not accepted: %s"), err.text);
        return;
    }
    const char *changed = json_string(result, "changed", "");
    if (*changed)
        say(c, _("the changed files hold from now on (%s)"), changed);
    else
        say(c, "%s", _("plan, limits, product and bundle are unchanged"));
    cJSON_Delete(result);
}

void action_abort(struct console *c, int slot)
{
    struct error err = {0};
    cJSON *params = cJSON_CreateObject();
    cJSON_AddNumberToObject(params, "slot", slot);
    cJSON_AddStringToObject(params, "operator", c->who[0] ? c->who : c->config->operator_name);
    if (action_call(c, "run.abort", params, NULL, &err))
        say(c, _("not aborted: %s"), err.text);
    else
        say(c, _("slot %d: aborting"), slot);
}

static void choose_slot(struct console *c, const char *text)
{
    const int number = scan_slot(text);
    for (size_t i = 0; i < c->tiles.count; i++)
        if (c->tiles.slots[i].slot == number) {
            c->selected = i;
            say(c, _("slot %d is next"), number);
            return;
        }
    say(c, _("'%s' names no slot of this station"), text);
}

/* A label starts the slot that is next, and the free one behind it becomes the next. */
static void take_label(struct console *c, const char *text)
{
    const struct tile *target = console_target(c);
    if (!target) {
        say(c, _("every slot is at work: %s is not taken"), text);
        return;
    }
    const size_t at = (size_t)(target - c->tiles.slots);
    c->selected = at;
    if (!action_start(c, target->slot, text))
        return;
    for (size_t i = 1; i < c->tiles.count; i++) {
        const size_t next = (at + i) % c->tiles.count;
        if (strcmp(c->tiles.slots[next].state, "idle") == 0) {
            c->selected = next;
            return;
        }
    }
}

void action_code(struct console *c, const char *text)
{
    c->message[0] = '\0';
    switch (scan_kind(&c->codes, text)) {
    case SCAN_BADGE:
        if (c->who[0])
            action_sign_out(c);
        action_ask(c, PROMPT_BADGE);
        snprintf(c->prompt.fields[0].text, sizeof c->prompt.fields[0].text, "%s", text);
        c->prompt.at = 1;
        break;
    case SCAN_ORDER:
        take_order(c, text);
        break;
    case SCAN_SLOT:
        choose_slot(c, text);
        break;
    case SCAN_SERIAL:
        take_label(c, text);
        break;
    }
}
