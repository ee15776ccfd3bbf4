#include "reports/query_rows.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/buffer.h"
#include "protocol/base/clock.h"
#include "reports/store/statements.h"
#include "reports/utf8.h"

struct rows {
    const struct store_engine *engine;
    struct store_statement *st;
};

int rows_code(const struct error *err)
{
    return err && err->code ? err->code : ERROR_IO;
}

int rows_out_of_memory(struct error *err)
{
    return error_set(err, ERROR_MEMORY, "cannot read the store: out of memory");
}

static int start(struct rows *r, struct error *err, const char *types, va_list given)
{
    struct store_value values[STATEMENT_VALUES_MAX];
    size_t count = store_values(values, types, given);
    return r->engine->start(r->st, values, count, err);
}

static struct rows *open_rows(struct store *s, struct error *err, const char *sql, bool many,
                              const char *types, va_list given)
{
    struct rows *r = calloc(1, sizeof *r);
    if (!r) {
        rows_out_of_memory(err);
        return NULL;
    }
    r->engine = s->engine;
    int rc = r->engine->prepare(s->connection, sql, &r->st, err);
    if (!rc && many)
        r->engine->in_portions(r->st);
    if (!rc)
        rc = start(r, err, types, given);
    if (rc) {
        rows_close(r);
        return NULL;
    }
    return r;
}

struct rows *rows_open(struct store *s, struct error *err, const char *sql, const char *types, ...)
{
    va_list given;
    va_start(given, types);
    struct rows *r = open_rows(s, err, sql, false, types, given);
    va_end(given);
    return r;
}

struct rows *rows_open_many(struct store *s, struct error *err, const char *sql, const char *types,
                            ...)
{
    va_list given;
    va_start(given, types);
    struct rows *r = open_rows(s, err, sql, true, types, given);
    va_end(given);
    return r;
}

int rows_again(struct rows *r, struct error *err, const char *types, ...)
{
    va_list given;
    va_start(given, types);
    r->engine->finish(r->st);
    int rc = start(r, err, types, given);
    va_end(given);
    return rc;
}

int rows_next(struct rows *r, struct error *err)
{
    return r->engine->next(r->st, err);
}

void rows_close(struct rows *r)
{
    if (r && r->st)
        r->engine->release(r->st);
    free(r);
}

bool rows_null(const struct rows *r, int column)
{
    return r->engine->kind(r->st, column) == VALUE_NULL;
}

int64_t rows_integer(const struct rows *r, int column)
{
    return r->engine->integer(r->st, column);
}

double rows_real(const struct rows *r, int column)
{
    return r->engine->real(r->st, column);
}

const char *rows_bytes(const struct rows *r, int column)
{
    return r->engine->text(r->st, column);
}

cJSON *rows_text(const struct rows *r, int column)
{
    return rows_clean(rows_bytes(r, column));
}

cJSON *rows_clean(const char *text)
{
    struct buffer b = {0};
    int rc = utf8_append_clean(&b, text);
    const char *clean = rc ? NULL : buffer_text(&b);
    cJSON *value = clean ? cJSON_CreateString(clean) : NULL;
    buffer_free(&b);
    return value;
}

static cJSON *column_value(const struct rows *r, int column)
{
    double real;
    switch (r->engine->kind(r->st, column)) {
    case VALUE_INTEGER:
        return cJSON_CreateNumber((double)rows_integer(r, column));
    case VALUE_REAL:
        real = rows_real(r, column); /* infinite: no limit on this side */
        return isfinite(real) ? cJSON_CreateNumber(real) : cJSON_CreateNull();
    case VALUE_NULL:
        return cJSON_CreateNull();
    default:
        return rows_text(r, column);
    }
}

static bool is_wall_time(const char *name)
{
    static const char *const names[] = {"started_ms", "ended_ms", "first_ms",
                                        "last_ms",    "found_ms", "done_ms"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

int rows_moment(cJSON *object, const char *name_ms, int64_t ms)
{
    char name[32], text[25];
    snprintf(name, sizeof name, "%.*s", (int)strlen(name_ms) - 3, name_ms);
    clock_format_utc(ms, text);
    return cJSON_AddNumberToObject(object, name_ms, (double)ms) &&
                   cJSON_AddStringToObject(object, name, text)
               ? 0
               : ERROR_MEMORY;
}

int rows_columns(const struct rows *r, int first, cJSON *object, struct error *err)
{
    for (int i = first; i < r->engine->columns(r->st); i++) {
        const char *name = r->engine->column(r->st, i);
        if (is_wall_time(name) && !rows_null(r, i)) {
            if (rows_moment(object, name, rows_integer(r, i)))
                return rows_out_of_memory(err);
            continue;
        }
        cJSON *value = column_value(r, i);
        if (!value || !cJSON_AddItemToObject(object, name, value))
            return rows_out_of_memory(err);
    }
    return 0;
}

int rows_append(struct rows *r, cJSON *object, const char *name, struct error *err)
{
    cJSON *array = cJSON_AddArrayToObject(object, name);
    int rc = array ? 0 : rows_out_of_memory(err);
    while (!rc && (rc = rows_next(r, err)) == 1) {
        cJSON *row = cJSON_CreateObject();
        rc = row && cJSON_AddItemToArray(array, row) ? rows_columns(r, 0, row, err)
                                                     : rows_out_of_memory(err);
    }
    return rc;
}

int rows_array(struct rows *r, cJSON *object, const char *name, struct error *err)
{
    if (!r)
        return rows_code(err);
    int rc = rows_append(r, object, name, err);
    rows_close(r);
    return rc;
}

int rows_only(struct rows *r, cJSON *object, struct error *err)
{
    int rc = r ? rows_next(r, err) : rows_code(err);
    if (rc == 1 && (rc = rows_columns(r, 0, object, err)) == 0)
        rc = 1;
    rows_close(r);
    return rc;
}

int rows_begin(struct store *s, bool *began, struct error *err)
{
    return s->engine->snapshot(s->connection, began, err);
}

void rows_end(struct store *s, bool began)
{
    if (began)
        s->engine->rollback(s->connection);
}

int rows_have_identities(struct store *s, struct error *err)
{
    if (!store_handle(s))
        return 0;
    struct rows *r = rows_open(s, err, "SELECT 1 FROM sqlite_schema WHERE type='table' AND name=?1",
                               "t", "identity");
    int rc = r ? rows_next(r, err) : rows_code(err);
    rows_close(r);
    return rc;
}
