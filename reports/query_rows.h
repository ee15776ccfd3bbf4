/* Reading the store, whichever engine has it: rows, and rows as JSON. Only the query files, trace
 * and the outbox include this. */
#ifndef TAKT_REPORTS_QUERY_ROWS_H
#define TAKT_REPORTS_QUERY_ROWS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"
#include "reports/store.h"

struct rows; /* of one statement */

/* Started, with values as `types` says (i int64_t, t const char *, which stays the caller's until
 * the rows are closed); NULL with err set. */
struct rows *rows_open(struct store *s, struct error *err, const char *sql, const char *types, ...);
/* The same for rows without end, within rows_begin(): they are not held all at once. */
struct rows *rows_open_many(struct store *s, struct error *err, const char *sql, const char *types,
                            ...);
/* The same statement with other values. */
int rows_again(struct rows *r, struct error *err, const char *types, ...);
/* 1 a row, 0 the end, negative a failure. */
int rows_next(struct rows *r, struct error *err);
void rows_close(struct rows *r); /* NULL is fine */

/* Columns of the present row, from 0; a text lives until the next row. */
bool rows_null(const struct rows *r, int column);
int64_t rows_integer(const struct rows *r, int column);
double rows_real(const struct rows *r, int column);
const char *rows_bytes(const struct rows *r, int column); /* as they are stored; "" for NULL */
/* As a JSON string: a byte that is no UTF-8 becomes U+FFFD. NULL out of memory. */
cJSON *rows_text(const struct rows *r, int column);

/* A text as a JSON string, in the same way. */
cJSON *rows_clean(const char *text);
/* "x_ms", a wall time, and "x" as text. */
int rows_moment(cJSON *object, const char *name_ms, int64_t ms);

/* Adds each column of the present row to `object` under the column's name: texts, numbers, NULL.
 * A column "x_ms" that holds a wall time (started_ms, ended_ms, first_ms, found_ms, ...) is
 * followed by "x" as text. */
int rows_columns(const struct rows *r, int first, cJSON *object, struct error *err);
/* All rows as an array of objects under `name`; the rows stay the caller's. */
int rows_append(struct rows *r, cJSON *object, const char *name, struct error *err);
/* The same, and they are closed then; NULL is the failure that err tells. */
int rows_array(struct rows *r, cJSON *object, const char *name, struct error *err);
/* The one row there is into `object`, and closed. 1 when there was one, 0 when none. */
int rows_only(struct rows *r, cJSON *object, struct error *err);

/* A read transaction around several statements: one snapshot. Joins one that is open. */
int rows_begin(struct store *s, bool *began, struct error *err);
void rows_end(struct store *s, bool began);

/* What a call that answered NULL failed with. */
int rows_code(const struct error *err);
int rows_out_of_memory(struct error *err);

/* The run's members and its "steps", each with its attempts. */
int rows_run(struct store *s, int64_t run, cJSON **out, struct error *err);
/* Is provisioning's table of identities in this store? A line's store has none. */
int rows_have_identities(struct store *s, struct error *err);

#endif
