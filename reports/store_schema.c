#include "reports/store_schema.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Text that repeats (figures with their limits, step names, file hashes) is kept once and named by
 * number: a measurement row is about 20 bytes, so ten years of a line fit on one disk. Rows of a
 * run lie together: its steps and measurements are keyed by the run and need no index beside. */
static const char schema_1[] =
    "CREATE TABLE verdict(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
    "INSERT INTO verdict VALUES (0,''),(1,'pass'),(2,'fail'),(3,'error'),(4,'timeout'),"
    "  (5,'aborted'),(6,'skipped');"

    "CREATE TABLE site(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE line(id INTEGER PRIMARY KEY, site INTEGER NOT NULL REFERENCES site,"
    "  name TEXT NOT NULL, UNIQUE(site, name)) STRICT;"
    "CREATE TABLE station(id INTEGER PRIMARY KEY, line INTEGER NOT NULL REFERENCES line,"
    "  name TEXT NOT NULL, UNIQUE(line, name)) STRICT;"
    "CREATE TABLE product(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE work_order(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    "  product INTEGER NOT NULL REFERENCES product, opened_ms INTEGER NOT NULL) STRICT;"

    "CREATE TABLE file_version(id INTEGER PRIMARY KEY,"
    "  kind TEXT NOT NULL CHECK(kind IN ('plan','limits','product','bundle')),"
    "  name TEXT NOT NULL, sha256 TEXT NOT NULL CHECK(length(sha256) IN (0, 64)),"
    "  UNIQUE(kind, sha256, name)) STRICT;"

    "CREATE TABLE unit(id INTEGER PRIMARY KEY, chip_id TEXT UNIQUE, serial TEXT,"
    "  first_ms INTEGER NOT NULL, CHECK(chip_id <> ''), CHECK(serial <> '')) STRICT;"
    "CREATE INDEX unit_serial ON unit(serial) WHERE serial IS NOT NULL;"

    "CREATE TABLE run(id INTEGER PRIMARY KEY, unit INTEGER REFERENCES unit,"
    "  work_order INTEGER NOT NULL REFERENCES work_order,"
    "  product INTEGER NOT NULL REFERENCES product,"
    "  plan INTEGER NOT NULL REFERENCES file_version,"
    "  limits INTEGER NOT NULL REFERENCES file_version,"
    "  product_file INTEGER NOT NULL REFERENCES file_version,"
    "  bundle INTEGER NOT NULL REFERENCES file_version,"
    "  program_version TEXT NOT NULL, station INTEGER NOT NULL REFERENCES station,"
    "  slot INTEGER NOT NULL, serial TEXT NOT NULL, operator TEXT NOT NULL, mode TEXT NOT NULL,"
    "  started_ms INTEGER NOT NULL, ended_ms INTEGER,"
    "  verdict INTEGER NOT NULL DEFAULT 0 REFERENCES verdict, message TEXT,"
    "  CHECK((verdict = 0) = (ended_ms IS NULL))) STRICT;"
    "CREATE INDEX run_unit ON run(unit);"
    "CREATE INDEX run_order ON run(work_order);"
    "CREATE INDEX run_station ON run(station, started_ms);"
    "CREATE INDEX run_serial ON run(serial) WHERE serial <> '';"
    "CREATE INDEX run_open ON run(id) WHERE verdict = 0;"

    "CREATE TABLE step_name(id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL,"
    "  UNIQUE(name, kind)) STRICT;"
    "CREATE TABLE step(run INTEGER NOT NULL REFERENCES run, step INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL CHECK(attempt >= 1), name INTEGER NOT NULL REFERENCES step_name,"
    "  verdict INTEGER NOT NULL REFERENCES verdict, message TEXT, started_ms INTEGER NOT NULL,"
    "  duration_ms REAL NOT NULL, PRIMARY KEY(run, step, attempt)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE figure(id INTEGER PRIMARY KEY, name TEXT NOT NULL, unit TEXT NOT NULL,"
    "  low REAL NOT NULL, high REAL NOT NULL, UNIQUE(name, unit, low, high)) STRICT;"
    "CREATE TABLE measurement(run INTEGER NOT NULL, step INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL, n INTEGER NOT NULL, figure INTEGER NOT NULL REFERENCES figure,"
    "  value REAL, verdict INTEGER NOT NULL REFERENCES verdict,"
    "  PRIMARY KEY(run, step, attempt, n),"
    "  FOREIGN KEY(run, step, attempt) REFERENCES step) STRICT, WITHOUT ROWID;"
    "CREATE TABLE note(run INTEGER NOT NULL, step INTEGER NOT NULL, attempt INTEGER NOT NULL,"
    "  n INTEGER NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL,"
    "  PRIMARY KEY(run, step, attempt, n),"
    "  FOREIGN KEY(run, step, attempt) REFERENCES step) STRICT, WITHOUT ROWID;"
    "CREATE TABLE content(id INTEGER PRIMARY KEY,"
    "  sha256 TEXT NOT NULL UNIQUE CHECK(length(sha256) = 64), bytes INTEGER NOT NULL) STRICT;"
    "CREATE TABLE attachment(run INTEGER NOT NULL, step INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL, n INTEGER NOT NULL, name TEXT NOT NULL, mime TEXT NOT NULL,"
    "  content INTEGER NOT NULL REFERENCES content, PRIMARY KEY(run, step, attempt, n),"
    "  FOREIGN KEY(run, step, attempt) REFERENCES step) STRICT, WITHOUT ROWID;"

    /* What was measured stays as it was measured, whoever holds the handle. */
    "CREATE TRIGGER step_stays BEFORE UPDATE ON step BEGIN"
    "  SELECT RAISE(ABORT, 'a recorded step is never changed'); END;"
    "CREATE TRIGGER step_kept BEFORE DELETE ON step BEGIN"
    "  SELECT RAISE(ABORT, 'a recorded step is never removed'); END;"
    "CREATE TRIGGER measurement_stays BEFORE UPDATE ON measurement BEGIN"
    "  SELECT RAISE(ABORT, 'a recorded measurement is never changed'); END;"
    "CREATE TRIGGER measurement_kept BEFORE DELETE ON measurement BEGIN"
    "  SELECT RAISE(ABORT, 'a recorded measurement is never removed'); END;"
    "CREATE TRIGGER verdict_stays BEFORE UPDATE OF verdict, ended_ms ON run"
    "  WHEN old.verdict <> 0 BEGIN SELECT RAISE(ABORT, 'a closed run is never changed'); END;"
    "CREATE TRIGGER run_kept BEFORE DELETE ON run BEGIN"
    "  SELECT RAISE(ABORT, 'a run is never removed'); END;";

/* Version n+1 is reached by running migrations[n]. */
static const char *const migrations[STORE_VERSION] = {schema_1};

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

int store_schema_migrate(sqlite3 *db, const char *path, struct error *err)
{
    int version = 0;
    int rc = store_schema_check(db, path, &version, err);
    for (; !rc && version < STORE_VERSION; version++) {
        char stamp[96];
        snprintf(stamp, sizeof stamp, "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
                 STORE_APPLICATION_ID, version + 1);
        if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_exec(db, migrations[version], NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_exec(db, stamp, NULL, NULL, NULL) != SQLITE_OK) {
            rc = store_fail(db, err, "cannot make the store's tables");
            if (!sqlite3_get_autocommit(db))
                sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        }
    }
    return rc;
}
