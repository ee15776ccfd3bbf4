/* The supply goes while the unit is at something, and comes back: does it start, is it who it was,
 * does its card still take what is written? What it is at, when, and how the supply goes is drawn
 * from the pass's seed, which is noted with it: the same seed makes the same cut again. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "fixtures/power_supply.h"
#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "protocol/base/splitmix.h"
#include "station/flash/agent_flash.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

enum { CALL_MS = 15000, RECORD_BYTES = 1 << 20, RAMP_STEPS = 8, RAMP_STEP_MS = 10, CARD_TEXT = 16 };

static const struct step_param params[] = {
    {"while", PARAM_TEXT, "rest record identity update format", 0, 0,
     "what it may be at, of these words"},
    {"shapes", PARAM_TEXT, "edge brownout", 0, 0, "how the supply may go, of these words"},
    {"latest_ms", PARAM_NUMBER, "1500", 10, 60000, "the cut comes within it, ms"},
    {"off_ms", PARAM_NUMBER, "300", 0, 60000, "off for so long, ms"},
    {"low_volts", PARAM_NUMBER, "2.5", 0, 15, "lowest a brown-out goes down to, V"},
    {"volts", PARAM_NUMBER, "5.0", 3, 15, "supply voltage, V"},
    {"amps_max", PARAM_NUMBER, "2.0", 0.1, 5, "current limit, A"},
    {"boot_timeout_s", PARAM_NUMBER, "15", 1, 300, "how long the unit may take to come back, s"},
    {0}};

static const struct step_measurement measurements[] = {
    {"started", "bool", "1 when it came back"},
    {"start_s", "s", "from the supply's return to its session"},
    {"identity_same", "bool", "1 when its identity reads as before the cut"},
    {"record_bad_blocks", "count", "blocks written to its card after the cut that read otherwise"},
    {"card_whole", "bool", "1 when its card has the file system that it had, or takes a new one"},
    {0}};

/* ---- what it is at -----------------------------------------------------------------------------
 */

/* Each goes on until the unit is gone or `over`: a shallow brown-out takes no unit down. */

static int at_rest(struct step_context *c, const bool *over, struct error *err)
{
    return 0;
}

static int record(struct step_context *c, double *bad_blocks, struct error *err)
{
    cJSON *ask = cJSON_CreateObject(), *answer = NULL;
    cJSON_AddNumberToObject(ask, "bytes", RECORD_BYTES);
    cJSON_AddNumberToObject(ask, "seed", (double)(step_seed(c) >> 17)); /* 31 bits */
    int rc = unit_call(c->unit, "card.speed", ask, CALL_MS, &answer, err);
    *bad_blocks = json_number(answer, "bad_blocks", 0);
    cJSON_Delete(answer);
    return rc;
}

static bool is_over(const bool *over)
{
    return __atomic_load_n(over, __ATOMIC_RELAXED);
}

static int records(struct step_context *c, const bool *over, struct error *err)
{
    double unused;
    int rc = 0;
    while (rc == 0 && !is_over(over))
        rc = record(c, &unused, err);
    return rc;
}

/* Writes what it has, again and again: what stands there afterwards is the same whatever happens.
 */
static int writes_identity(struct step_context *c, const bool *over, struct error *err)
{
    static const char *const kept[] = {"did", "mac", "serial", "key", NULL};
    cJSON *identity = NULL;
    int rc = unit_call(c->unit, "identity.read", NULL, CALL_MS, &identity, err);
    while (rc == 0 && !is_over(over) &&
           strcmp(json_string(identity, "state", ""), "written") == 0 &&
           cJSON_HasObjectItem(identity, "key")) {
        cJSON *same = cJSON_CreateObject();
        for (const char *const *k = kept; *k; k++)
            cJSON_AddStringToObject(same, *k, json_string(identity, *k, ""));
        rc = unit_call(c->unit, "identity.write", same, CALL_MS, NULL, err);
    }
    cJSON_Delete(identity);
    return rc;
}

/* The order's bundle into the slot that does not run; a unit left on trial has come up, and that is
 * all a commit asks. */
static int updates(struct step_context *c, const bool *over, struct error *err)
{
    struct bundle *bundle = NULL;
    struct session *session;
    struct agent_flash_result ignored;
    int rc = c->bundle_path[0] ? bundle_open(c->bundle_path, c->bundle_key_pem, &bundle, err) : 1;
    const struct agent_flash job = {.bundle = bundle, .timeout_ms = 10 * CALL_MS, .cancel = over};
    if (rc == 0)
        rc = unit_call(c->unit, "flash.commit", NULL, CALL_MS, NULL, err);
    if (rc == 0)
        rc = unit_link_session(c->unit, CALL_MS, &session, err);
    if (rc == 0)
        rc = agent_flash_write(session, &job, &ignored, err);
    bundle_close(bundle);
    return rc;
}

/* A card with files is refused by the unit: then the cut is one at rest. */
static int formats(struct step_context *c, const bool *over, struct error *err)
{
    int rc = 0;
    while (rc == 0 && !is_over(over))
        rc = unit_call(c->unit, "card.format", NULL, CALL_MS, NULL, err);
    return rc;
}

static const struct {
    const char *name;
    int (*act)(struct step_context *c, const bool *over, struct error *err);
} moments[] = {{"rest", at_rest},
               {"record", records},
               {"identity", writes_identity},
               {"update", updates},
               {"format", formats}};

/* ---- how the supply goes -----------------------------------------------------------------------
 */

static int edge(struct step_context *c, double lowest_volts, struct error *err)
{
    int rc = power_supply_output(c->fixture, false, err);
    return rc < 0 ? rc : step_wait(c, (int)step_number(c, "off_ms"), err);
}

/* Down in a ramp, a while at the lowest, and up again without ever being switched off. */
static int brownout(struct step_context *c, double lowest_volts, struct error *err)
{
    const double volts = step_number(c, "volts"), amps = step_number(c, "amps_max");
    int rc = 0;
    for (int i = 1; rc == 0 && i <= RAMP_STEPS; i++) {
        rc = power_supply_set(c->fixture, volts - (volts - lowest_volts) * i / RAMP_STEPS, amps,
                              err);
        if (rc == 0)
            rc = step_wait(c, RAMP_STEP_MS, err);
    }
    return rc < 0 ? rc : step_wait(c, (int)step_number(c, "off_ms"), err);
}

static const struct {
    const char *name;
    int (*go)(struct step_context *c, double lowest_volts, struct error *err);
} shapes[] = {{"edge", edge}, {"brownout", brownout}};

/* ---- one cut -----------------------------------------------------------------------------------
 */

struct cut {
    struct step_context *step;
    size_t moment, shape;
    int after_ms;
    double lowest_volts;
    char card[CARD_TEXT]; /* its file system before */
    bool over;            /* the supply is back */
    struct error error;   /* of what it was at: of no account */
};

static double uniform(uint64_t *state)
{
    return (double)(splitmix_next(state) >> 11) / 9007199254740992.0;
}

static bool has_word(const char *words, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += length)
        if ((at == words || at[-1] == ' ') && (!at[length] || at[length] == ' '))
            return true;
    return false;
}

/* One of those that are allowed; -1: none is. */
static int draw_of(uint64_t *state, const char *words, const char *const *names, size_t count)
{
    size_t allowed[8], n = 0;
    for (size_t i = 0; i < count && n < 8; i++)
        if (has_word(words, names[i]))
            allowed[n++] = i;
    const double draw = uniform(state);
    return n ? (int)allowed[(size_t)(draw * (double)n)] : -1;
}

static int draw(struct step_context *c, struct cut *out, struct error *err)
{
    enum { MOMENTS = sizeof moments / sizeof *moments, SHAPES = sizeof shapes / sizeof *shapes };
    const char *moment_names[MOMENTS], *shape_names[SHAPES];
    uint64_t state = step_seed(c);
    char text[80];
    for (size_t i = 0; i < MOMENTS; i++)
        moment_names[i] = moments[i].name;
    for (size_t i = 0; i < SHAPES; i++)
        shape_names[i] = shapes[i].name;
    const int moment = draw_of(&state, step_text(c, "while"), moment_names, MOMENTS);
    const int shape = draw_of(&state, step_text(c, "shapes"), shape_names, SHAPES);
    if (moment < 0 || shape < 0)
        return error_set(
            err, ERROR_INPUT,
            "'while' is of rest, record, identity, update, format and 'shapes' of edge, "
            "brownout, not '%s' and '%s'",
            step_text(c, "while"), step_text(c, "shapes"));
    *out = (struct cut){.step = c, .moment = (size_t)moment, .shape = (size_t)shape};
    out->after_ms = (int)(uniform(&state) * step_number(c, "latest_ms"));
    const double low = step_number(c, "low_volts");
    out->lowest_volts = low + uniform(&state) * (step_number(c, "volts") - low);
    if (shape)
        snprintf(text, sizeof text, "%s, %s to %.2f V after %d ms, seed %llu", moments[moment].name,
                 shapes[shape].name, out->lowest_volts, out->after_ms,
                 (unsigned long long)step_seed(c));
    else
        snprintf(text, sizeof text, "%s, %s after %d ms, seed %llu", moments[moment].name,
                 shapes[shape].name, out->after_ms, (unsigned long long)step_seed(c));
    return step_noted(c, "cut", text, err);
}

static void *act(void *context)
{
    struct cut *cut = context;
    moments[cut->moment].act(cut->step, &cut->over, &cut->error);
    return NULL;
}

/* The unit at it in a thread of its own, the supply by the clock; both are over when it returns,
 * and the supply is on again. */
static int make_cut(struct step_context *c, struct cut *cut, struct error *err)
{
    pthread_t thread;
    struct error ignored;
    const int64_t at_ns = clock_mono_ns() + (int64_t)cut->after_ms * 1000000;
    if (pthread_create(&thread, NULL, act, cut))
        return error_set(err, ERROR_MEMORY, "no thread for what the unit is at");
    clock_sleep_until_ns(at_ns);
    int rc = shapes[cut->shape].go(c, cut->lowest_volts, err);
    /* On again whatever happened; a call that was under way ends with the unit. */
    int on = power_supply_set(c->fixture, step_number(c, "volts"), step_number(c, "amps_max"),
                              rc < 0 ? &ignored : err);
    if (on == 0)
        on = power_supply_output(c->fixture, true, rc < 0 ? &ignored : err);
    __atomic_store_n(&cut->over, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    return rc < 0 ? rc : on;
}

static char *identity_text(struct step_context *c, struct error *err)
{
    cJSON *identity = NULL;
    char *text = NULL;
    if (unit_call(c->unit, "identity.read", NULL, CALL_MS, &identity, err) == 0)
        text = cJSON_PrintUnformatted(identity);
    cJSON_Delete(identity);
    return text;
}

/* Into 16 bytes; "absent" without a card. */
static int card_text(struct step_context *c, char *out, struct error *err)
{
    cJSON *answer = NULL;
    int rc = unit_call(c->unit, "card.status", NULL, CALL_MS, &answer, err);
    const bool present = json_bool(answer, "present", false);
    snprintf(out, CARD_TEXT, "%s", present ? json_string(answer, "filesystem", "") : "absent");
    cJSON_Delete(answer);
    return rc;
}

/* A card whose format was cut takes another, and has a file system then. One with files was refused
 * and has what it had. */
static int look_at_card(struct step_context *c, const struct cut *cut, struct error *err)
{
    struct error why = {0};
    char card[CARD_TEXT];
    int rc = 0;
    if (strcmp(moments[cut->moment].name, "format") == 0 &&
        unit_call(c->unit, "card.format", NULL, CALL_MS, NULL, &why) < 0)
        rc = step_noted(c, "format", why.text, err);
    if (rc == 0)
        rc = card_text(c, card, err);
    const bool whole = strcmp(card, cut->card) == 0 ||
                       (strcmp(cut->card, "none") == 0 && strcmp(card, "fat32") == 0);
    return rc < 0 ? rc : step_value(c, "card_whole", whole, err);
}

static int look(struct step_context *c, const struct cut *cut, const char *before,
                struct error *err)
{
    double bad_blocks = 0;
    char *after = identity_text(c, err);
    if (!after)
        return ERROR_STATE;
    int rc = step_value(c, "identity_same", strcmp(before, after) == 0, err);
    memset(after, 0, strlen(after)); /* a key stood in it */
    cJSON_free(after);
    if (rc == 0)
        rc = record(c, &bad_blocks, err);
    if (rc == 0)
        rc = step_value(c, "record_bad_blocks", bad_blocks, err);
    return rc < 0 ? rc : look_at_card(c, cut, err);
}

/* A session; a unit that a cut before left without one is switched off and on first. */
static int reach(struct step_context *c, struct error *err)
{
    struct session *session;
    const int boot_ms = (int)(step_number(c, "boot_timeout_s") * 1000);
    if (unit_link_session(c->unit, 2000, &session, err) == 0)
        return 0;
    unit_link_drop(c->unit);
    int rc = power_supply_output(c->fixture, false, err);
    if (rc == 0)
        rc = step_wait(c, (int)step_number(c, "off_ms"), err);
    if (rc == 0)
        rc = power_supply_output(c->fixture, true, err);
    return rc < 0 ? rc : unit_link_session(c->unit, boot_ms, &session, err);
}

static int run(struct step_context *c, struct error *err)
{
    struct cut cut;
    struct error why = {0};
    struct session *session;
    char *before = NULL;
    int rc = draw(c, &cut, err);
    if (rc == 0)
        rc = reach(c, err);
    if (rc == 0 && !(before = identity_text(c, err)))
        rc = ERROR_STATE;
    if (rc == 0)
        rc = card_text(c, cut.card, err);
    if (rc == 0)
        rc = make_cut(c, &cut, err);
    if (rc < 0)
        goto out;
    const int64_t on_ms = clock_mono_ms();
    unit_link_drop(c->unit);
    const int up =
        unit_link_session(c->unit, (int)(step_number(c, "boot_timeout_s") * 1000), &session, &why);
    rc = step_value(c, "started", up == 0, err);
    if (rc == 0 && up < 0)
        rc = step_noted(c, "why", why.text, err);
    if (rc == 0 && up == 0)
        rc = step_value(c, "start_s", (double)(clock_mono_ms() - on_ms) / 1000, err);
    if (rc == 0 && up == 0)
        rc = look(c, &cut, before, err);
out:
    if (before)
        memset(before, 0, strlen(before));
    cJSON_free(before);
    return rc;
}

const struct step_kind step_power_cut = {
    .name = "power_cut",
    .about = "the supply goes while the unit is at something; is it whole afterwards?",
    .params = params,
    .measurements = measurements,
    .run = run,
};
