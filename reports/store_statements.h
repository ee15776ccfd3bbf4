/* The store's prepared statements: prepared on first use, kept until the store is closed. Only the
 * store's own files include this. */
#ifndef TAKT_REPORTS_STORE_STATEMENTS_H
#define TAKT_REPORTS_STORE_STATEMENTS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum store_statement {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_SAVE,
    ST_RELEASE,
    ST_TAKE_BACK,
    ST_SITE_FIND,
    ST_SITE_ADD,
    ST_LINE_FIND,
    ST_LINE_ADD,
    ST_STATION_FIND,
    ST_STATION_ADD,
    ST_PRODUCT_FIND,
    ST_PRODUCT_ADD,
    ST_ORDER_FIND,
    ST_ORDER_ADD,
    ST_FILE_FIND,
    ST_FILE_ADD,
    ST_UNIT_BY_CHIP,
    ST_UNIT_BY_SERIAL,
    ST_UNIT_ADD,
    ST_UNIT_CHIP,
    ST_UNIT_SET_CHIP,
    ST_UNIT_SET_SERIAL,
    ST_UNIT_MOVE_RUNS,
    ST_UNIT_REMOVE,
    ST_RUN_ADD,
    ST_RUN_STATE,
    ST_RUN_SET_UNIT,
    ST_RUN_CLOSE,
    ST_RUN_OPEN_IDS,
    ST_RUN_OPEN_ONE,
    ST_STEP_NAME_FIND,
    ST_STEP_NAME_ADD,
    ST_STEP_ADD,
    ST_FIGURE_FIND,
    ST_FIGURE_ADD,
    ST_MEASUREMENT_ADD,
    ST_NOTE_ADD,
    ST_CONTENT_FIND,
    ST_CONTENT_ADD,
    ST_ATTACHMENT_ADD,
    ST_COUNT,
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *statements[ST_COUNT];
    int lock_fd;
    bool begun; /* between store_begin() and store_commit() */
    bool lost;  /* begun, and SQLite rolled the transaction back by itself */
    struct error why_lost;
};

/* Values follow `types`, one letter each: i int64_t, r double, t const char *, n const char * where
 * "" is NULL. Each of these resets the statement before it returns. */

/* Runs a statement that answers no row. */
int store_run(struct store *s, enum store_statement id, struct error *err, const char *types, ...);
/* The first column of the first row: 1 when there was one, 0 when none. */
int store_number(struct store *s, enum store_statement id, int64_t *out, struct error *err,
                 const char *types, ...);
/* The row's id by `find`, else made by `add` with the same values. */
int store_intern(struct store *s, enum store_statement find, enum store_statement add, int64_t *out,
                 struct error *err, const char *types, ...);
/* For reading rows: prepared and bound to one number; the caller steps and resets it. */
int store_rows(struct store *s, enum store_statement id, int64_t value, sqlite3_stmt **out,
               struct error *err);

/* A savepoint around what one call writes; `rc` decides whether it stays. Returns rc, or what went
 * wrong keeping it. */
int store_save(struct store *s, struct error *err);
int store_keep(struct store *s, int rc, struct error *err);

#endif
