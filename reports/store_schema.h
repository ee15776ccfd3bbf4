/* The SQLite side of the store's tables: their version, and what a failure means. */
#ifndef TAKT_REPORTS_STORE_SCHEMA_FILE_H
#define TAKT_REPORTS_STORE_SCHEMA_FILE_H

#include <sqlite3.h>

#include "protocol/base/error.h"

enum {
    STORE_APPLICATION_ID = 0x54414b54, /* "TAKT" in the SQLite header */
    STORE_VERSION = 6,                 /* PRAGMA user_version */
};

/* 0 for an empty file or a store up to STORE_VERSION. ERROR_STATE when it is newer, ERROR_INPUT
 * when the database is not a store. Reads only. */
int store_schema_check(sqlite3 *db, const char *path, int *version, struct error *err);

/* A reader's handle on a station's store. Read-only, whoever runs the program: every write through
 * it is refused. ERROR_MISSING when there is no store, ERROR_STATE for one of a newer version.
 * Close with sqlite3_close(). */
int store_file_open(const char *store_path, sqlite3 **out, struct error *err);

/* Brings the tables up to STORE_VERSION, each version in one transaction. */
int store_schema_migrate(sqlite3 *db, const char *path, struct error *err);

/* The ERROR_* for an SQLite result code: SQLITE_FULL is ERROR_FULL, ... */
int store_code(int sqlite_code);
/* Sets err from the handle's last failure: "what: message". Returns the code. */
int store_fail(sqlite3 *db, struct error *err, const char *what);

#endif
