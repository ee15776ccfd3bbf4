/* SQLite as provisioning uses it: one statement at a time, failures as ERROR_* with a message. */
#ifndef TAKT_PROVISIONING_DATABASE_H
#define TAKT_PROVISIONING_DATABASE_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

/* Sets err from the handle's last failure; returns its ERROR_* (constraint: ERROR_STATE). */
int database_fail(sqlite3 *db, struct error *err, const char *what);
int database_run(sqlite3 *db, const char *sql, struct error *err, const char *what);
/* Values follow `types`: i int64_t, t const char *, n const char * where "" is NULL,
 * b const void * then size_t. The caller steps and finalizes; NULL with err set on failure.
 * Texts and blobs must live until then. */
sqlite3_stmt *database_prepare(sqlite3 *db, struct error *err, const char *sql, const char *types,
                               ...);
/* Steps once: 1 a row, 0 none, negative a failure. */
int database_step(sqlite3 *db, sqlite3_stmt *st, struct error *err, const char *what);
/* A statement without rows, from preparing to finalizing. */
int database_write(sqlite3 *db, struct error *err, const char *what, const char *sql,
                   const char *types, ...);

/* A savepoint around several statements; rc decides whether they stay. Nests in the caller's
 * transaction, or is one of its own. */
int database_save(sqlite3 *db, struct error *err);
int database_keep(sqlite3 *db, int rc, struct error *err);

#endif
