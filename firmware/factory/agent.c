#include "firmware/factory/agent.h"

#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/factory/agent_parts.h"
#include "firmware/hal/log_line.h"
#include "protocol/base/clock.h"
#include "protocol/base/digest.h"
#include "protocol/wire/message.h"

enum {
    WAIT_MS = 5,
    LAST_WORDS_MS = 1000, /* for a station that was killed to be noticed, when the next one calls */
};

/* ---- what is served ------------------------------------------------------------------------ */

struct group {
    const struct agent_method *methods;
    const void *needs; /* the ops without which the group is not there */
};

enum { GROUPS = 13 };

static void groups_of(const struct hal *hal, struct group out[GROUPS])
{
    const struct group groups[GROUPS] = {
        {agent_system_methods, hal->system},  {agent_flash_methods, hal->flash},
        {agent_identity_methods, hal->flash}, {agent_camera_methods, hal->camera},
        {agent_ptz_methods, hal->motor},      {agent_microphone_methods, hal->audio},
        {agent_speaker_methods, hal->audio},  {agent_wifi_methods, hal->radio},
        {agent_card_methods, hal->card},      {agent_gpio_methods, hal->gpio},
        {agent_factory_methods, hal->flash},  {agent_bluetooth_methods, hal->bluetooth},
        {agent_health_methods, hal->system},
    };
    memcpy(out, groups, sizeof groups);
}

static const struct agent_method *find(const struct agent *a, const char *name)
{
    struct group groups[GROUPS];
    groups_of(a->hal, groups);
    for (int g = 0; g < GROUPS; g++)
        for (const struct agent_method *m = groups[g].methods; m->name; m++)
            if (strcmp(m->name, name) == 0)
                return m;
    return NULL;
}

const char *agent_closed(const struct agent *a)
{
    if (a->locked)
        return "factory mode is closed on this unit for good";
    return a->trouble[0] ? a->trouble : NULL;
}

/* May this call be served? One that is not `hello` needs factory mode open, and a session that was
 * let in by a token. */
static int admit(const struct agent_session *s, const char *method, struct error *err)
{
    const char *closed = agent_closed(s->agent);
    if (strcmp(method, "hello") == 0)
        return 0;
    if (closed)
        return error_set(err, ERROR_REFUSED, "%s", closed);
    if (!s->entered && strcmp(method, "factory.enter") != 0)
        return error_set(err, ERROR_REFUSED,
                         "no factory token was accepted in this session: factory.enter comes "
                         "first");
    return 0;
}

/* Every method goes through here: the lock first, then the part of the camera it uses. */
static int serve(void *context, struct request *request, const cJSON *params, cJSON **result,
                 struct error *err)
{
    struct agent_session *s = context;
    struct agent *a = s->agent;
    const struct agent_method *method = find(a, request_method(request));
    struct agent_call call = {.session = s, .request = request, .params = params};
    call.result = cJSON_CreateObject();
    int rc = call.result ? 0 : error_set(err, ERROR_MEMORY, "out of memory");
    if (!rc)
        rc = admit(s, method->name, err);
    if (!rc && method->part != PART_NONE)
        rc = agent_take(a, &call, method->part, err);
    if (!rc) {
        rc = admit(s, method->name, err); /* again: it may have been locked meanwhile */
        if (!rc)
            rc = method->serve(a, &call, err);
        if (method->part != PART_NONE)
            agent_leave(a, method->part);
    }
    if (!rc && call.no_memory)
        rc = error_set(err, ERROR_MEMORY, "no memory for the answer");
    if (rc) {
        message_wipe(call.result); /* half an answer may hold the key already */
        cJSON_Delete(call.result);
        agent_log(a, "factory: %s: %s", method->name,
                  err && err->text[0] ? err->text : error_name(rc));
        return rc;
    }
    *result = call.result;
    return 0;
}

static void list_methods(struct agent *a)
{
    struct group groups[GROUPS];
    size_t count = 0;
    groups_of(a->hal, groups);
    for (int g = 0; g < GROUPS; g++)
        for (const struct agent_method *m = groups[g].methods; m->name; m++) {
            bool hello = strcmp(m->name, "hello") == 0;
            if ((groups[g].needs && !agent_closed(a)) || hello)
                a->methods[count++] = (struct method){m->name, hello, serve};
        }
    a->methods[count] = (struct method){0};
}

/* ---- life ---------------------------------------------------------------------------------- */

static int read_identity(struct agent *a, enum identity_state *state, struct error *err)
{
    struct identity_record record;
    a->store = (struct identity_store){a->hal, a->board};
    int rc = identity_heal(&a->store, err);
    if (!rc)
        rc = identity_load(&a->store, state, &record, err);
    explicit_bzero(&record, sizeof record);
    return rc;
}

static int read_slots(struct agent *a, char boot_slot, struct error *err)
{
    int rc = slots_load(a->hal, a->board, &a->slots, err);
    if (rc)
        return rc;
    if (!boot_slot)
        rc = slots_boot(&a->slots, err);
    a->running = boot_slot ? boot_slot : a->slots.active;
    agent_log(a, "boot: slot %c (%s)%s%s%s", a->running,
              slots_at(&a->slots, a->running)->version[0] ? slots_at(&a->slots, a->running)->version
                                                          : "version unknown",
              a->slots.trial ? ", on trial" : "", a->slots.fallback[0] ? "; " : "",
              a->slots.fallback);
    return rc;
}

struct finalize agent_finalize(struct agent *a)
{
    return (struct finalize){.hal = a->hal,
                             .board = a->board,
                             .slots = &a->slots,
                             .store = &a->store,
                             .running = a->running,
                             .log = a->config.log,
                             .log_context = a->config.log_context};
}

/* Whether factory mode is open in this life, and why not. */
static void open_or_close(struct agent *a, enum identity_state state)
{
    const struct finalize f = agent_finalize(a);
    struct error why = {0};
    if (finalize_at_start(&f, &state, &why))
        agent_log(a, "factory: %s", why.text);
    a->locked = state == IDENTITY_LOCKED;
    a->finalized = a->locked || finalize_loader_closed(&a->slots);
    why = (struct error){0};
    if (state == IDENTITY_DAMAGED)
        snprintf(a->trouble, sizeof a->trouble,
                 "factory mode is closed: both copies of the identity are damaged");
    else if (finalize_loader_closed(&a->slots))
        snprintf(a->trouble, sizeof a->trouble,
                 "factory mode is closed: the loader is, and the identity is %s",
                 identity_state_name(state));
    else if (factory_partition_load(a->hal, a->board, &a->credentials, &why))
        snprintf(a->trouble, sizeof a->trouble, "factory mode is closed: %.180s", why.text);
    const char *closed = agent_closed(a);
    agent_log(a, "identity: %s, factory mode %s", identity_state_name(state),
              closed ? "closed" : "open");
    if (closed && !a->locked)
        agent_log(a, "factory: %s", closed);
}

int agent_create(const struct agent_config *config, struct agent **out, struct error *err)
{
    enum identity_state state;
    struct system_facts facts;
    *out = NULL;
    struct agent *a = calloc(1, sizeof *a);
    if (!a)
        return error_set(err, ERROR_MEMORY, "agent: out of memory");
    a->config = *config;
    a->hal = config->hal;
    a->board = config->board;
    a->started_ms = clock_mono_ms();
    /* A camera that is kept going streams from the start on. */
    a->streaming = a->hal->camera && a->hal->camera->pump;
    for (int i = 0; i < PARTS; i++)
        pthread_mutex_init(&a->parts[i], NULL);
    pthread_mutex_init(&a->place.lock, NULL);
    int rc = a->hal->system && a->hal->flash
                 ? a->hal->system->facts(a->hal->system_state, &facts, err)
                 : error_set(err, ERROR_MISSING, "this hardware has no flash or no chip id");
    if (!rc) {
        snprintf(a->chip_id, sizeof a->chip_id, "%s", facts.chip_id);
        rc = read_identity(a, &state, err);
    }
    if (!rc)
        rc = read_slots(a, facts.boot_slot[0], err);
    if (rc) {
        agent_free(a);
        return rc;
    }
    open_or_close(a, state);
    list_methods(a);
    *out = a;
    return 0;
}

void agent_free(struct agent *a)
{
    if (!a)
        return;
    writer_free(a->writer);
    for (int i = 0; i < PARTS; i++)
        pthread_mutex_destroy(&a->parts[i]);
    pthread_mutex_destroy(&a->place.lock);
    free(a);
}

const char *agent_chip_id(const struct agent *a)
{
    return a->chip_id;
}

bool agent_finalized(const struct agent *a)
{
    return a->finalized;
}

const char *agent_factory_ca(const struct agent *a)
{
    return agent_closed(a) ? NULL : a->credentials.ca_pem;
}

const struct method *agent_methods(const struct agent *a)
{
    return a->methods;
}

enum card_update_end agent_card_update(struct agent *a, const char *bundle_path,
                                       bool (*stop)(void *context), void *context,
                                       struct card_record *record)
{
    const struct card_update update = {.hal = a->hal,
                                       .board = a->board,
                                       .slots = &a->slots,
                                       .running = a->running,
                                       .public_key_pem = a->config.bundle_key_pem,
                                       .unit = a->chip_id,
                                       .stop = stop,
                                       .context = context};
    enum card_update_end end = CARD_UPDATE_NOTHING;
    pthread_mutex_lock(&a->parts[PART_CARD]);
    pthread_mutex_lock(&a->parts[PART_FLASH]);
    pthread_mutex_lock(&a->place.lock);
    const bool station_is_in = a->place.inside > 0;
    pthread_mutex_unlock(&a->place.lock);
    if (!station_is_in)
        end = card_update_run(&update, bundle_path, record);
    pthread_mutex_unlock(&a->parts[PART_FLASH]);
    pthread_mutex_unlock(&a->parts[PART_CARD]);
    return end;
}

int agent_button(struct agent *a, const char *name, bool *level, struct error *err)
{
    pthread_mutex_lock(&a->parts[PART_GPIO]);
    int rc = a->hal->gpio->button(a->hal->gpio_state, name, level, err);
    pthread_mutex_unlock(&a->parts[PART_GPIO]);
    return rc;
}

void agent_want_restart(struct agent *a)
{
    a->restart_wanted = true;
}

bool agent_restart_wanted(const struct agent *a)
{
    return a->restart_wanted;
}

int agent_restart(struct agent *a, struct error *err)
{
    return a->hal->system->restart(a->hal->system_state, err);
}

/* ---- sessions -------------------------------------------------------------------------------- */

int agent_session_create(struct agent *a, struct agent_session **out, struct error *err)
{
    uint8_t nonce[TOKEN_NONCE_BYTES];
    struct agent_session *s = *out = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERROR_MEMORY, "agent: out of memory");
    if (RAND_bytes(nonce, sizeof nonce) != 1) {
        free(s);
        *out = NULL;
        return error_set(err, ERROR_IO, "agent: no randomness for a session's nonce");
    }
    s->agent = a;
    hex_encode(nonce, sizeof nonce, s->nonce);
    return 0;
}

void agent_session_leave(struct agent_session *s)
{
    struct agent_place *place = &s->agent->place;
    pthread_mutex_lock(&place->lock);
    place->inside -= s->inside;
    s->inside = false;
    pthread_mutex_unlock(&place->lock);
}

void agent_session_free(struct agent_session *s)
{
    if (!s)
        return;
    agent_session_leave(s);
    free(s);
}

bool agent_session_entered(const struct agent_session *s)
{
    return s->entered;
}

int agent_session_refusals(const struct agent_session *s)
{
    return s->refusals;
}

/* Free for a session of that station and order; an empty order asks for the station alone. A token
 * without a station's name shares with nobody. */
static bool place_free(const struct agent_place *place, const struct agent_session *s,
                       const char *station, const char *order)
{
    if (!place->inside || s->inside)
        return true;
    return station[0] && strcmp(place->station, station) == 0 &&
           (!order[0] || strcmp(place->order, order) == 0);
}

/* A station that was killed and started again calls before its old session was seen to end. */
static int wait_for_place(const struct agent_call *call, const char *station, const char *order,
                          bool take, struct error *err)
{
    struct agent_session *s = call->session;
    struct agent_place *place = &s->agent->place;
    int64_t until_ms = clock_mono_ms() + LAST_WORDS_MS;
    for (;;) {
        pthread_mutex_lock(&place->lock);
        const bool there = place_free(place, s, station, order);
        if (there && take && !s->inside) {
            snprintf(place->station, sizeof place->station, "%s", station);
            snprintf(place->order, sizeof place->order, "%s", order);
            place->inside++;
            s->inside = true;
        }
        pthread_mutex_unlock(&place->lock);
        if (there)
            return 0;
        if (clock_mono_ms() >= until_ms || request_sleep(call->request, WAIT_MS))
            return error_set(err, ERROR_BUSY, "another station is connected to this unit");
    }
}

int agent_take_place(struct agent_call *call, const struct token *token, struct error *err)
{
    return wait_for_place(call, token->station, token->order, true, err);
}

int agent_need_place(const struct agent_call *call, const char *station, struct error *err)
{
    return wait_for_place(call, station, "", false, err);
}

/* ---- for the files that serve --------------------------------------------------------------- */

int agent_take(struct agent *a, struct agent_call *call, enum agent_part part, struct error *err)
{
    while (pthread_mutex_trylock(&a->parts[part])) {
        int rc = request_sleep(call->request, WAIT_MS);
        if (rc)
            return error_set(err, rc, "another call held this part of the camera all the time");
    }
    return 0;
}

void agent_leave(struct agent *a, enum agent_part part)
{
    pthread_mutex_unlock(&a->parts[part]);
}

void agent_log(const struct agent *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line_format(a->config.log, a->config.log_context, format, args);
    va_end(args);
}

void answer_number(struct agent_call *call, cJSON *object, const char *name, double value)
{
    call->no_memory |= !cJSON_AddNumberToObject(object, name, value);
}

void answer_text(struct agent_call *call, cJSON *object, const char *name, const char *text)
{
    call->no_memory |= !cJSON_AddStringToObject(object, name, text);
}

void answer_flag(struct agent_call *call, cJSON *object, const char *name, bool value)
{
    call->no_memory |= !cJSON_AddBoolToObject(object, name, value);
}

cJSON *answer_array(struct agent_call *call, cJSON *object, const char *name)
{
    cJSON *array = cJSON_AddArrayToObject(object, name);
    call->no_memory |= !array;
    return array;
}

cJSON *answer_object(struct agent_call *call, cJSON *object, const char *name)
{
    cJSON *added = cJSON_AddObjectToObject(object, name);
    call->no_memory |= !added;
    return added;
}

cJSON *answer_item(struct agent_call *call, cJSON *array)
{
    cJSON *item = cJSON_CreateObject();
    if (!item || !cJSON_AddItemToArray(array, item)) {
        cJSON_Delete(item);
        call->no_memory = true;
        return NULL;
    }
    return item;
}
