#include "firmware/update/slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long number_of(const struct environment *env, const char *name, unsigned long most)
{
    const char *text = environment_get(env, name);
    unsigned long value = text && text[0] >= '0' && text[0] <= '9' ? strtoul(text, NULL, 10) : 0;
    return value < most ? value : most;
}

static char slot_of(const struct environment *env, const char *name, char fallback)
{
    const char *text = environment_get(env, name);
    return text && (strcmp(text, "a") == 0 || strcmp(text, "b") == 0) ? text[0] : fallback;
}

static void text_of(const struct environment *env, const char *name, char *out, size_t size)
{
    const char *text = environment_get(env, name);
    snprintf(out, size, "%s", text ? text : "");
}

int slots_load(const struct hal *hal, const struct board *board, struct slots *out,
               struct error *err)
{
    memset(out, 0, sizeof *out);
    out->hal = hal;
    out->board = board;
    struct environment *env = &out->environment;
    int rc = environment_load(hal, board, env, err);
    if (rc)
        return rc;
    out->good = slot_of(env, "slot_good", 'a');
    out->active = slot_of(env, "slot_active", out->good);
    out->trial = number_of(env, "upgrade_available", 1) == 1 && out->active != out->good;
    unsigned long limit = number_of(env, "bootlimit", SLOT_TRIES),
                  count = number_of(env, "bootcount", SLOT_TRIES);
    out->tries_left = out->trial && limit > count ? (int)(limit - count) : 0;
    out->release_min = (uint32_t)number_of(env, "release_min", UINT32_MAX);
    for (int i = 0; i < 2; i++) {
        char name[24];
        snprintf(name, sizeof name, "slot_%c_version", 'a' + i);
        text_of(env, name, out->slot[i].version, sizeof out->slot[i].version);
        snprintf(name, sizeof name, "slot_%c_release", 'a' + i);
        out->slot[i].release = (uint32_t)number_of(env, name, UINT32_MAX);
    }
    text_of(env, "slot_fallback", out->fallback, sizeof out->fallback);
    if (env->damaged)
        snprintf(out->fallback, sizeof out->fallback, "both copies of the environment are damaged");
    return 0;
}

static int set_number(struct environment *env, const char *name, unsigned long value,
                      struct error *err)
{
    char text[24];
    snprintf(text, sizeof text, "%lu", value);
    return environment_set(env, name, text, err);
}

/* Puts the struct into the environment and the environment into the flash, in one store. */
static int store(struct slots *s, struct error *err)
{
    struct environment *env = &s->environment;
    int rc = environment_set(env, "slot_active", (char[]){s->active, '\0'}, err);
    if (!rc)
        rc = environment_set(env, "slot_good", (char[]){s->good, '\0'}, err);
    if (!rc)
        rc = environment_set(env, "upgrade_available", s->trial ? "1" : NULL, err);
    if (!rc)
        rc = environment_set(env, "bootlimit", NULL, err);
    if (!rc)
        rc = environment_set(env, "bootcount", NULL, err);
    if (!rc && s->trial)
        rc = set_number(env, "bootlimit", SLOT_TRIES, err);
    if (!rc && s->trial)
        rc = set_number(env, "bootcount", (unsigned long)(SLOT_TRIES - s->tries_left), err);
    if (!rc)
        rc = set_number(env, "release_min", s->release_min, err);
    for (int i = 0; i < 2 && !rc; i++) {
        const struct slot *slot = &s->slot[i];
        char name[24];
        snprintf(name, sizeof name, "slot_%c_version", 'a' + i);
        rc = environment_set(env, name, slot->version[0] ? slot->version : NULL, err);
        snprintf(name, sizeof name, "slot_%c_release", 'a' + i);
        if (!rc && slot->version[0])
            rc = set_number(env, name, slot->release, err);
        else if (!rc)
            rc = environment_set(env, name, NULL, err);
    }
    if (!rc)
        rc = environment_set(env, "slot_fallback", s->fallback[0] ? s->fallback : NULL, err);
    if (!rc)
        rc = environment_store(s->hal, s->board, env, err);
    if (rc)
        error_context(err, "slots");
    return rc;
}

/* Stores a changed copy; the caller's struct changes only when the flash did. */
static int change(struct slots *s, struct slots *changed, struct error *err)
{
    int rc = store(changed, err);
    if (!rc)
        *s = *changed;
    return rc;
}

int slots_boot(struct slots *s, struct error *err)
{
    if (!s->trial)
        return 0;
    struct slots changed = *s;
    if (s->tries_left > 0) {
        changed.tries_left--;
    } else {
        snprintf(changed.fallback, sizeof changed.fallback,
                 "slot %c (%s) did not prove itself in %d starts", s->active,
                 slots_at(s, s->active)->version, SLOT_TRIES);
        changed.active = s->good;
        changed.trial = false;
    }
    return change(s, &changed, err);
}

char slots_other(char slot)
{
    return slot == 'a' ? 'b' : 'a';
}

struct slot *slots_at(struct slots *s, char slot)
{
    return &s->slot[slot == 'b'];
}

int slots_overwrite(struct slots *s, char slot, struct error *err)
{
    if (s->trial && slot == s->good)
        return error_set(err, ERROR_STATE,
                         "slot %c is what a trial of slot %c falls back to; commit that first",
                         slot, s->active);
    if (!slots_at(s, slot)->version[0] && s->active != slot)
        return 0;
    struct slots changed = *s;
    *slots_at(&changed, slot) = (struct slot){0};
    /* Activated but not started yet: it must not be started half-written. */
    changed.active = s->good;
    changed.trial = false;
    return change(s, &changed, err);
}

int slots_activate(struct slots *s, char slot, const char *version, uint32_t release,
                   struct error *err)
{
    struct slots changed = *s;
    changed.active = slot;
    changed.trial = slot != s->good;
    changed.tries_left = changed.trial ? SLOT_TRIES : 0;
    changed.fallback[0] = '\0';
    struct slot *content = slots_at(&changed, slot);
    snprintf(content->version, sizeof content->version, "%s", version);
    content->release = release;
    return change(s, &changed, err);
}

int slots_commit(struct slots *s, char running, struct error *err)
{
    if (running != s->active)
        return error_set(err, ERROR_STATE, "slot %c runs, but slot %c is active: restart first",
                         running, s->active);
    if (!s->trial)
        return 0;
    struct slots changed = *s;
    changed.good = running;
    changed.trial = false;
    changed.tries_left = 0;
    if (slots_at(s, running)->release > s->release_min)
        changed.release_min = slots_at(s, running)->release;
    return change(s, &changed, err);
}

const char *slots_variable(const struct slots *s, const char *name)
{
    return environment_get(&s->environment, name);
}

int slots_set_variable(struct slots *s, const char *name, const char *value, struct error *err)
{
    struct slots changed = *s;
    int rc = environment_set(&changed.environment, name, value, err);
    return rc ? rc : change(s, &changed, err);
}
