#include "reports/store.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/digest.h"
#include "protocol/base/file.h"
#include "reports/store/statements.h"

static const char *const verdict_names[] = {
    [VERDICT_NONE] = "",           [VERDICT_PASS] = "pass",       [VERDICT_FAIL] = "fail",
    [VERDICT_ERROR] = "error",     [VERDICT_TIMEOUT] = "timeout", [VERDICT_ABORTED] = "aborted",
    [VERDICT_SKIPPED] = "skipped",
};

const char *verdict_name(enum verdict v)
{
    return (size_t)v < sizeof verdict_names / sizeof verdict_names[0] ? verdict_names[v] : "";
}

/* SQLite last: it takes every path. */
static const struct store_engine *const engines[] = {&store_engine_postgresql,
                                                     &store_engine_sqlite};

const struct store_engine *store_engine_of(const char *place)
{
    size_t i = 0;
    while (!engines[i]->takes(place))
        i++;
    return engines[i];
}

/* What messages of this store are told apart by from those of every other: made once. */
static int name_store(struct store *s, struct error *err)
{
    uint8_t random[16];
    char name[33];
    int64_t there = 0;
    int rc = store_number(s, ST_IDENTITY_THERE, &there, err, "");
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (RAND_bytes(random, sizeof random) != 1)
        return error_set(err, ERROR_IO, "no randomness for the store's name");
    hex_encode(random, sizeof random, name);
    return store_run(s, ST_IDENTITY_ADD, err, "t", name);
}

static int open_place(const char *place, bool reader, struct store **out, struct error *err)
{
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERROR_MEMORY, "cannot open the store %s: out of memory", place);
    s->engine = store_engine_of(place);
    if (RAND_bytes((unsigned char *)&s->name_seed, sizeof s->name_seed) != 1) {
        free(s);
        return error_set(err, ERROR_IO, "no randomness to open the store %s", place);
    }
    int rc = s->engine->open(place, reader, &s->connection, err);
    if (!rc && !reader)
        rc = name_store(s, err);
    if (rc)
        store_close(s);
    else
        *out = s;
    return rc;
}

int store_open(const char *place, const char *attachments_dir, struct store **out,
               struct error *err)
{
    int rc = attachments_dir ? file_make_folders(attachments_dir, 0755, err) : 0;
    return rc ? rc : open_place(place, false, out, err);
}

int store_open_reader(const char *place, struct store **out, struct error *err)
{
    return open_place(place, true, out, err);
}

void store_close(struct store *s)
{
    if (!s)
        return;
    store_forget_names(s);
    for (int i = 0; i < ST_COUNT; i++)
        if (s->statements[i])
            s->engine->release(s->statements[i]);
    if (s->connection)
        s->engine->close(s->connection);
    free(s);
}

sqlite3 *store_handle(struct store *s)
{
    return s->engine->handle ? s->engine->handle(s->connection) : NULL;
}

bool store_is_address(const char *place)
{
    return store_engine_of(place) != &store_engine_sqlite;
}

const char *store_engine_name(const struct store *s)
{
    return s->engine->name;
}

int store_begin(struct store *s, struct error *err)
{
    return s->engine->begin(s->connection, err);
}

int store_commit(struct store *s, struct error *err)
{
    int rc = s->engine->commit(s->connection, err);
    if (rc)
        store_forget_names(s);
    return rc;
}

void store_rollback(struct store *s)
{
    store_forget_names(s);
    s->engine->rollback(s->connection);
}
