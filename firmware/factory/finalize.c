#include "firmware/factory/finalize.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/factory/factory_partition.h"
#include "firmware/hal/log_line.h"

static const char loader[] = "loader";

static void say(const struct finalize *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(const struct finalize *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line_format(f->log, f->log_context, format, args);
    va_end(args);
}

static bool loader_is(const struct slots *slots, const char *value)
{
    const char *text = slots_variable(slots, loader);
    return text && strcmp(text, value) == 0;
}

bool finalize_loader_closed(const struct slots *slots)
{
    return loader_is(slots, "closed");
}

/* Stored, then read from the flash again. */
static int set_loader(const struct finalize *f, const char *value, struct error *err)
{
    struct slots *back = malloc(sizeof *back);
    int rc = back ? 0 : error_set(err, ERROR_MEMORY, "finalize: out of memory");
    if (!rc && !loader_is(f->slots, value))
        rc = slots_set_variable(f->slots, loader, value, err);
    if (!rc)
        rc = slots_load(f->hal, f->board, back, err);
    if (!rc && !loader_is(back, value))
        rc = error_set(err, ERROR_MISMATCH, "the loader's state does not read back as %s", value);
    free(back);
    return rc;
}

static int verify(const struct finalize *f, struct identity_record *record, struct error *err)
{
    enum identity_state state;
    /* On trial it would fall back after a few starts, with nobody left to commit it. */
    if (f->slots->trial || f->running != f->slots->active)
        return error_set(err, ERROR_STATE, "slot %c is on trial; flash.commit first",
                         f->slots->active);
    int rc = identity_load(f->store, &state, record, err);
    if (!rc && (state != IDENTITY_WRITTEN || !record->did[0] || !record->key_bytes))
        rc = error_set(err, ERROR_STATE, "the identity is %s, expected a written one",
                       identity_state_name(state));
    if (!rc && record->made_here && !record->certificate_bytes)
        rc = error_set(err, ERROR_STATE, "the identity has no certificate; identity.certify first");
    return rc;
}

static int lock(const struct finalize *f, struct identity_record *record, struct error *err)
{
    struct identity_record back = {0};
    enum identity_state state = IDENTITY_EMPTY;
    record->locked = true;
    int rc = identity_save(f->store, record, err);
    if (!rc)
        rc = identity_load(f->store, &state, &back, err);
    if (!rc && (state != IDENTITY_LOCKED || memcmp(&back, record, sizeof back) != 0))
        rc =
            error_set(err, ERROR_MISMATCH, "the lock reads back as %s", identity_state_name(state));
    explicit_bzero(&back, sizeof back);
    return rc;
}

/* From the credentials on. */
static int finish(const struct finalize *f, struct identity_record *record, struct error *err)
{
    int rc = factory_partition_erase(f->hal, f->board, err);
    if (!rc)
        rc = set_loader(f, "closed", err);
    if (!rc)
        rc = lock(f, record, err);
    return rc;
}

int finalize_now(const struct finalize *f, struct error *err)
{
    struct identity_record record = {0};
    int rc = verify(f, &record, err);
    if (!rc && !finalize_loader_closed(f->slots)) /* closed: it was begun before and failed */
        rc = set_loader(f, "closing", err);
    if (!rc)
        rc = finish(f, &record, err);
    explicit_bzero(&record, sizeof record);
    return rc;
}

static int repair(const struct finalize *f, struct error *err)
{
    bool blank;
    int rc = factory_partition_blank(f->hal, f->board, &blank, err);
    if (!rc && !blank) {
        say(f, "factory: credentials on a locked unit: erasing them");
        rc = factory_partition_erase(f->hal, f->board, err);
    }
    /* Both copies damaged counts as closed already; there is nothing whole to write it into. */
    if (!rc && !finalize_loader_closed(f->slots) && !f->slots->environment.damaged) {
        say(f, "factory: the loader of a locked unit is open: closing it");
        rc = set_loader(f, "closed", err);
    }
    return rc;
}

/* Begun once, and nobody can come in to do it again. */
static bool must_go_on(const struct finalize *f)
{
    struct factory_credentials *credentials = malloc(sizeof *credentials);
    bool whole = !credentials || /* no memory: nothing is done on a guess */
                 factory_partition_load(f->hal, f->board, credentials, NULL) == 0;
    free(credentials);
    return finalize_loader_closed(f->slots) || (loader_is(f->slots, "closing") && !whole);
}

int finalize_at_start(const struct finalize *f, enum identity_state *state, struct error *err)
{
    struct identity_record record = {0};
    if (*state == IDENTITY_LOCKED)
        return repair(f, err);
    if (*state != IDENTITY_WRITTEN || !must_go_on(f))
        return 0;
    say(f, "factory: finalizing was cut short: going on");
    int rc = identity_load(f->store, state, &record, err);
    if (!rc)
        rc = finish(f, &record, err);
    int reread = identity_load(f->store, state, &record, NULL);
    if (reread) /* not to be read: not to be opened */
        *state = IDENTITY_DAMAGED;
    explicit_bzero(&record, sizeof record);
    if (!rc)
        say(f, "factory: locked; factory mode is closed");
    return rc;
}
