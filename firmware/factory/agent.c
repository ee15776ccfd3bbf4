#include "firmware/factory/agent.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/factory/agent_parts.h"
#include "protocol/base/clock.h"
#include "protocol/wire/message.h"

enum { WAIT_MS = 5 };

/* ---- what is served ------------------------------------------------------------------------ */

struct group {
    const struct agent_method *methods;
    const void *needs; /* the ops without which the group is not there */
};

enum { GROUPS = 11 };

static void groups_of(const struct hal *hal, struct group out[GROUPS])
{
    const struct group groups[GROUPS] = {
        {agent_system_methods, hal->system},  {agent_flash_methods, hal->flash},
        {agent_identity_methods, hal->flash}, {agent_camera_methods, hal->camera},
        {agent_ptz_methods, hal->motor},      {agent_microphone_methods, hal->audio},
        {agent_speaker_methods, hal->audio},  {agent_wifi_methods, hal->radio},
        {agent_card_methods, hal->card},      {agent_gpio_methods, hal->gpio},
        {agent_lock_methods, hal->flash},
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

/* Every method goes through here: the lock first, then the part of the camera it uses. */
static int serve(void *context, struct request *request, const cJSON *params, cJSON **result,
                 struct error *err)
{
    struct agent *a = context;
    const struct agent_method *method = find(a, request_method(request));
    struct agent_call call = {.request = request, .params = params};
    bool hello = strcmp(method->name, "hello") == 0;
    if (!hello && agent_locked(a))
        return error_set(err, ERROR_REFUSED, "%s: factory mode is closed on this unit",
                         method->name);
    call.result = cJSON_CreateObject();
    int rc = call.result ? 0 : error_set(err, ERROR_MEMORY, "out of memory");
    if (!rc && method->part != PART_NONE)
        rc = agent_take(a, &call, method->part, err);
    if (!rc) {
        /* Again: it may have been locked while this call waited. */
        if (!hello && agent_locked(a))
            rc = error_set(err, ERROR_REFUSED, "factory mode is closed on this unit");
        else
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
            if ((groups[g].needs && !agent_locked(a)) || hello)
                a->methods[count++] = (struct method){m->name, hello, serve};
        }
    a->methods[count] = (struct method){0};
}

/* ---- life ---------------------------------------------------------------------------------- */

static int read_identity(struct agent *a, struct error *err)
{
    enum identity_state state;
    struct identity_record record;
    a->store = (struct identity_store){a->hal, a->board};
    int rc = identity_heal(&a->store, err);
    if (!rc)
        rc = identity_load(&a->store, &state, &record, err);
    if (rc)
        return rc;
    explicit_bzero(&record, sizeof record);
    a->locked = state == IDENTITY_LOCKED || state == IDENTITY_DAMAGED;
    agent_log(a, "identity: %s, factory mode %s", identity_state_name(state),
              a->locked ? "closed" : "open");
    return 0;
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

int agent_create(const struct agent_config *config, struct agent **out, struct error *err)
{
    struct system_facts facts;
    *out = NULL;
    struct agent *a = calloc(1, sizeof *a);
    if (!a)
        return error_set(err, ERROR_MEMORY, "agent: out of memory");
    a->config = *config;
    a->hal = config->hal;
    a->board = config->board;
    a->started_ms = clock_mono_ms();
    for (int i = 0; i < PARTS; i++)
        pthread_mutex_init(&a->parts[i], NULL);
    int rc = a->hal->system && a->hal->flash
                 ? a->hal->system->facts(a->hal->system_state, &facts, err)
                 : error_set(err, ERROR_MISSING, "this hardware has no flash or no chip id");
    if (!rc) {
        snprintf(a->chip_id, sizeof a->chip_id, "%s", facts.chip_id);
        snprintf(a->boot_reason, sizeof a->boot_reason, "%s", facts.boot_reason);
        rc = read_identity(a, err);
    }
    if (!rc)
        rc = read_slots(a, facts.boot_slot[0], err);
    if (rc) {
        agent_free(a);
        return rc;
    }
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
    free(a);
}

const char *agent_chip_id(const struct agent *a)
{
    return a->chip_id;
}

bool agent_locked(const struct agent *a)
{
    return a->locked;
}

const struct method *agent_methods(const struct agent *a)
{
    return a->methods;
}

bool agent_restart_wanted(const struct agent *a)
{
    return a->restart_wanted;
}

int agent_restart(struct agent *a, struct error *err)
{
    return a->hal->system->restart(a->hal->system_state, err);
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
    char line[600];
    va_list args;
    if (!a->config.log)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    a->config.log(a->config.log_context, line);
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
