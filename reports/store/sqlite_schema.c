/* The store's tables in SQLite: their version stands in the header, rules are triggers. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "protocol/base/buffer.h"
#include "reports/store/schema.h"

int store_code(int sqlite_code)
{
    switch (sqlite_code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_NOMEM:
        return ERROR_MEMORY;
    case SQLITE_FULL:
        return ERROR_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERROR_BUSY;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ERROR_REFUSED;
    case SQLITE_CONSTRAINT:
        return ERROR_STATE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERROR_INPUT;
    default:
        return ERROR_IO;
    }
}

int store_fail(sqlite3 *db, struct error *err, const char *what)
{
    int code = sqlite3_extended_errcode(db);
    const char *path = sqlite3_db_filename(db, "main");
    if ((code & 0xff) == SQLITE_FULL)
        return error_set(err, ERROR_FULL, "%s: no room for %s: free some disk space", what,
                         path ? path : "the store");
    return error_set(err, store_code(code), "%s: %s (SQLite %d, %s)", what, sqlite3_errmsg(db),
                     code, path ? path : "no file");
}

static int pragma_number(sqlite3 *db, const char *sql, int64_t *out, struct error *err)
{
    sqlite3_stmt *st = NULL;
    int rc = 0;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    else
        rc = store_fail(db, err, "cannot read the store's version");
    sqlite3_finalize(st);
    return rc;
}

int store_schema_check(sqlite3 *db, const char *path, int *version, struct error *err)
{
    int64_t user = 0, application = 0, tables = 0;
    int rc = pragma_number(db, "PRAGMA user_version", &user, err);
    if (!rc)
        rc = pragma_number(db, "PRAGMA application_id", &application, err);
    if (!rc)
        rc = pragma_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (rc)
        return error_context(err, "%s", path);
    bool fresh = user == 0 && application == 0 && tables == 0;
    if (!fresh && application != STORE_APPLICATION_ID)
        return error_set(err, ERROR_INPUT,
                         "%s is an SQLite file of another program (application id %#llx, expected "
                         "%#x): it is left as it is",
                         path, (unsigned long long)application, STORE_APPLICATION_ID);
    if (user > STORE_VERSION)
        return error_set(err, ERROR_STATE,
                         "%s is a store of version %lld, this program knows up to %d: use the "
                         "newer program",
                         path, (long long)user, STORE_VERSION);
    *version = (int)user;
    return 0;
}

/* A rule as a trigger. Names and messages are this program's own; an apostrophe is doubled. */
static int append_rule(struct buffer *sql, const struct store_rule *r)
{
    int rc = buffer_printf(sql, "CREATE TRIGGER %s BEFORE %s ON %s", r->name, r->event, r->table);
    if (!rc && r->when)
        rc = buffer_printf(sql, "  WHEN %s", r->when);
    return rc ? rc : buffer_printf(sql, " BEGIN SELECT RAISE(ABORT, '%s'); END;", r->message);
}

int store_rule_make(sqlite3 *db, const struct store_rule *r, struct error *err)
{
    struct buffer sql = {0};
    int rc = append_rule(&sql, r);
    if (rc || !buffer_text(&sql))
        rc = error_set(err, ERROR_MEMORY, "cannot make a rule: out of memory");
    else if (sqlite3_exec(db, buffer_text(&sql), NULL, NULL, NULL) != SQLITE_OK)
        rc = store_fail(db, err, "cannot make a rule");
    buffer_free(&sql);
    return rc;
}

static int migrate_once(sqlite3 *db, int version, struct error *err)
{
    struct buffer sql = {0};
    int rc = buffer_printf(&sql, "BEGIN IMMEDIATE; %s", store_migrations[version].tables);
    for (const struct store_rule *r = store_migrations[version].rules; !rc && r->name; r++)
        rc = append_rule(&sql, r);
    if (!rc)
        rc = buffer_printf(&sql, "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
                           STORE_APPLICATION_ID, version + 1);
    const char *text = rc ? NULL : buffer_text(&sql);
    if (!text)
        rc = error_set(err, ERROR_MEMORY, "cannot make the store's tables: out of memory");
    else if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        rc = store_fail(db, err, "cannot make the store's tables");
    if (rc && !sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    buffer_free(&sql);
    return rc;
}

int store_schema_migrate(sqlite3 *db, const char *path, struct error *err)
{
    int version = 0;
    int rc = store_schema_check(db, path, &version, err);
    for (; !rc && version < STORE_VERSION; version++)
        rc = migrate_once(db, version, err);
    return rc;
}
