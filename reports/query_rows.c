#include "reports/query_rows.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/buffer.h"
#include "protocol/base/clock.h"
#include "reports/store_schema.h"
#include "reports/utf8.h"

sqlite3_stmt *rows_prepare(sqlite3 *db, struct error *err, const char *sql, const char *types, ...)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK) {
        store_fail(db, err, "cannot read the store");
        return NULL;
    }
    va_list values;
    va_start(values, types);
    for (int i = 1; *types; types++, i++) {
        if (*types == 'i')
            sqlite3_bind_int64(st, i, va_arg(values, int64_t));
        else
            sqlite3_bind_text(st, i, va_arg(values, const char *), -1, SQLITE_TRANSIENT);
    }
    va_end(values);
    return st;
}

int rows_next(sqlite3 *db, sqlite3_stmt *st, struct error *err)
{
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : store_fail(db, err, "cannot read the store");
}

cJSON *rows_text(sqlite3_stmt *st, int column)
{
    struct buffer b = {0};
    int rc = utf8_append_clean(&b, (const char *)sqlite3_column_text(st, column));
    const char *clean = rc ? NULL : buffer_text(&b);
    cJSON *value = clean ? cJSON_CreateString(clean) : NULL;
    buffer_free(&b);
    return value;
}

static cJSON *column_value(sqlite3_stmt *st, int column)
{
    switch (sqlite3_column_type(st, column)) {
    case SQLITE_INTEGER:
        return cJSON_CreateNumber((double)sqlite3_column_int64(st, column));
    case SQLITE_FLOAT:
        if (!isfinite(sqlite3_column_double(st, column)))
            return cJSON_CreateNull(); /* no limit on this side; or not a number */
        return cJSON_CreateNumber(sqlite3_column_double(st, column));
    case SQLITE_NULL:
        return cJSON_CreateNull();
    default:
        return rows_text(st, column);
    }
}

static int is_wall_time(const char *name)
{
    return !strcmp(name, "started_ms") || !strcmp(name, "ended_ms") || !strcmp(name, "first_ms") ||
           !strcmp(name, "last_ms") || !strcmp(name, "found_ms") || !strcmp(name, "done_ms");
}

int rows_columns(sqlite3_stmt *st, int first, cJSON *object, struct error *err)
{
    for (int i = first; i < sqlite3_column_count(st); i++) {
        const char *name = sqlite3_column_name(st, i);
        cJSON *value = column_value(st, i);
        if (!value || !cJSON_AddItemToObject(object, name, value))
            return error_set(err, ERROR_MEMORY, "cannot read the store: out of memory");
        if (is_wall_time(name) && sqlite3_column_type(st, i) == SQLITE_INTEGER) {
            char shorter[32], text[25];
            snprintf(shorter, sizeof shorter, "%.*s", (int)strlen(name) - 3, name);
            clock_format_utc(sqlite3_column_int64(st, i), text);
            if (!cJSON_AddStringToObject(object, shorter, text))
                return error_set(err, ERROR_MEMORY, "cannot read the store: out of memory");
        }
    }
    return 0;
}

int rows_append(sqlite3 *db, sqlite3_stmt *st, cJSON *object, const char *name, struct error *err)
{
    cJSON *array = cJSON_AddArrayToObject(object, name);
    int rc = array ? 0 : error_set(err, ERROR_MEMORY, "cannot read the store: out of memory");
    while (!rc && (rc = rows_next(db, st, err)) == 1) {
        cJSON *row = cJSON_CreateObject();
        rc = row && cJSON_AddItemToArray(array, row) ? rows_columns(st, 0, row, err) : ERROR_MEMORY;
    }
    return rc;
}

int rows_array(sqlite3 *db, sqlite3_stmt *st, cJSON *object, const char *name, struct error *err)
{
    if (!st)
        return err && err->code ? err->code : ERROR_IO;
    int rc = rows_append(db, st, object, name, err);
    sqlite3_finalize(st);
    return rc;
}

int rows_begin(sqlite3 *db, int *began, struct error *err)
{
    *began = sqlite3_get_autocommit(db);
    if (*began && sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return store_fail(db, err, "cannot read the store");
    return 0;
}

void rows_end(sqlite3 *db, int began)
{
    if (began)
        sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
}

int rows_have_identities(sqlite3 *db, struct error *err)
{
    sqlite3_stmt *st = rows_prepare(
        db, err, "SELECT 1 FROM sqlite_schema WHERE type='table' AND name=?1", "t", "identity");
    if (!st)
        return err && err->code ? err->code : ERROR_IO;
    int rc = rows_next(db, st, err);
    sqlite3_finalize(st);
    return rc;
}
