/* Rows to JSON: only the query files include this. */
#ifndef TAKT_REPORTS_QUERY_ROWS_H
#define TAKT_REPORTS_QUERY_ROWS_H

#include <cjson/cJSON.h>
#include <sqlite3.h>
#include <stdint.h>

#include "protocol/base/error.h"

/* Prepared, with values bound as `types` says (i int64_t, t const char *); NULL with err set. */
sqlite3_stmt *rows_prepare(sqlite3 *db, struct error *err, const char *sql, const char *types, ...);
/* 1 a row, 0 the end, negative a failure. */
int rows_next(sqlite3 *db, sqlite3_stmt *st, struct error *err);
/* Adds each column of the present row to `object` under the column's name: texts, numbers, NULL.
 * A column "x_ms" that holds a wall time (started_ms, ended_ms, first_ms, found_ms, ...) is
 * followed by "x" as text. A byte that is no UTF-8 becomes U+FFFD. */
int rows_columns(sqlite3_stmt *st, int first, cJSON *object, struct error *err);
/* A text column as a JSON string, in the same way; NULL out of memory. */
cJSON *rows_text(sqlite3_stmt *st, int column);
/* All rows as an array of objects under `name`; the statement stays the caller's. */
int rows_append(sqlite3 *db, sqlite3_stmt *st, cJSON *object, const char *name, struct error *err);
/* The same of a statement that is finalized then; NULL is the failure that err tells. */
int rows_array(sqlite3 *db, sqlite3_stmt *st, cJSON *object, const char *name, struct error *err);

/* A read transaction around several statements: one snapshot. Joins one that is open. */
int rows_begin(sqlite3 *db, int *began, struct error *err);
void rows_end(sqlite3 *db, int began);

/* The run's members and its "steps", each with its attempts. */
int rows_run(sqlite3 *db, int64_t run, cJSON **out, struct error *err);
/* Is provisioning's table of identities in this file? */
int rows_have_identities(sqlite3 *db, struct error *err);

#endif
