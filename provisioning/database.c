#include "provisioning/database.h"

#include <stdarg.h>

int database_fail(sqlite3 *db, struct error *err, const char *what)
{
    int code = sqlite3_extended_errcode(db);
    int rc = ERROR_IO;
    switch (code & 0xff) {
    case SQLITE_FULL:
        return error_set(err, ERROR_FULL, "%s: no room in the store: free some disk space", what);
    case SQLITE_NOMEM:
        rc = ERROR_MEMORY;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        rc = ERROR_BUSY;
        break;
    case SQLITE_CONSTRAINT:
        rc = ERROR_STATE;
        break;
    case SQLITE_READONLY:
        rc = ERROR_REFUSED;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        rc = ERROR_INPUT;
        break;
    }
    return error_set(err, rc, "%s: %s (SQLite %d)", what, sqlite3_errmsg(db), code);
}

int database_run(sqlite3 *db, const char *sql, struct error *err, const char *what)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return database_fail(db, err, what);
    return 0;
}

static sqlite3_stmt *prepare(sqlite3 *db, struct error *err, const char *sql, const char *types,
                             va_list values)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK) {
        database_fail(db, err, "cannot use the identities' tables");
        return NULL;
    }
    for (int i = 1; *types; types++, i++) {
        const void *data;
        if (*types == 'i') {
            sqlite3_bind_int64(st, i, va_arg(values, int64_t));
        } else if (*types == 'b') {
            data = va_arg(values, const void *);
            sqlite3_bind_blob64(st, i, data, va_arg(values, size_t), SQLITE_STATIC);
        } else {
            const char *text = va_arg(values, const char *);
            if (*types == 'n' && (!text || !*text))
                sqlite3_bind_null(st, i);
            else
                sqlite3_bind_text(st, i, text ? text : "", -1, SQLITE_STATIC);
        }
    }
    return st;
}

sqlite3_stmt *database_prepare(sqlite3 *db, struct error *err, const char *sql, const char *types,
                               ...)
{
    va_list values;
    va_start(values, types);
    sqlite3_stmt *st = prepare(db, err, sql, types, values);
    va_end(values);
    return st;
}

int database_step(sqlite3 *db, sqlite3_stmt *st, struct error *err, const char *what)
{
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : database_fail(db, err, what);
}

int database_write(sqlite3 *db, struct error *err, const char *what, const char *sql,
                   const char *types, ...)
{
    va_list values;
    va_start(values, types);
    sqlite3_stmt *st = prepare(db, err, sql, types, values);
    va_end(values);
    if (!st)
        return err ? err->code : ERROR_IO;
    int rc = database_step(db, st, err, what);
    sqlite3_finalize(st);
    return rc > 0 ? 0 : rc;
}

int database_save(sqlite3 *db, struct error *err)
{
    return database_run(db, "SAVEPOINT provisioning", err, "cannot begin");
}

int database_keep(sqlite3 *db, int rc, struct error *err)
{
    if (rc == 0)
        rc = database_run(db, "RELEASE provisioning", err, "cannot commit");
    if (rc && !sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK TO provisioning; RELEASE provisioning", NULL, NULL, NULL);
    return rc;
}
