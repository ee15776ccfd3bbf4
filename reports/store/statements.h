/* The store's prepared statements: prepared on first use, kept until the store is closed. Only the
 * store's and the query's own files include this. */
#ifndef TAKT_REPORTS_STORE_STATEMENTS_H
#define TAKT_REPORTS_STORE_STATEMENTS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"
#include "reports/store/engine.h"

enum store_statement_id {
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
    ST_TALLY_RUN,
    ST_TALLY_FAILURES,
    ST_AGAIN_AFTER,
    ST_AGAIN_BEFORE,
    ST_AGAIN_FORGET,
    ST_AGAIN_UNIT,
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
    ST_RUN_WHO,
    ST_IDENTITY_THERE,
    ST_IDENTITY_ADD,
    ST_OPERATOR_FIND,
    ST_OPERATOR_ADD,
    ST_INSTRUMENT_FIND,
    ST_INSTRUMENT_ADD,
    ST_CALIBRATION_FIND,
    ST_CALIBRATION_ADD,
    ST_TOOLING_FIND,
    ST_TOOLING_ADD,
    ST_TOOLING_PART_ADD,
    ST_DEFECT_ADD,
    ST_REPAIR_ADD,
    ST_RECEIVED_FIND,
    ST_RECEIVED_ADD,
    ST_OUTBOX_QUEUE,
    ST_OUTBOX_STATE,
    ST_OUTBOX_SETTLE,
    ST_OUTBOX_TROUBLE,
    ST_OUTBOX_RETRY,
    ST_DESTINATION_PUT,
    ST_DESTINATION_OFF,
    ST_CAMPAIGN_OPEN,
    ST_CAMPAIGN_ADD,
    ST_CAMPAIGN_REPORT,
    ST_CAMPAIGN_FIGURE_ADD,
    ST_CAMPAIGN_INSTRUMENT_ADD,
    ST_CAMPAIGN_UNIT_PUT,
    ST_CAMPAIGN_EVENT_ADD,
    ST_CAMPAIGN_ROW_ADD,
    ST_CAMPAIGN_PROGRESS,
    ST_COUNT,
};

struct store_name;

struct store {
    const struct store_engine *engine;
    struct store_connection *connection;
    struct store_statement *statements[ST_COUNT];
    struct store_name *names; /* numbers of names seen, NULL while none is */
    uint64_t name_seed;
};

/* Values follow `types`, one letter each: i int64_t, z int64_t where 0 is NULL, r double where
 * not-a-number is NULL, t const char *, n const char * where "" is NULL. */
size_t store_values(struct store_value values[STATEMENT_VALUES_MAX], const char *types,
                    va_list given);

/* Each of these is finished before it returns. */

/* Runs a statement and leaves out the rows it may answer. */
int store_run(struct store *s, enum store_statement_id id, struct error *err, const char *types,
              ...);
/* The first column of the first row: 1 when there was one, 0 when none. */
int store_number(struct store *s, enum store_statement_id id, int64_t *out, struct error *err,
                 const char *types, ...);
/* The row's id by `find`, else made by `add` (which returns it) with the same values. */
int store_intern(struct store *s, enum store_statement_id find, enum store_statement_id add,
                 int64_t *out, struct error *err, const char *types, ...);
void store_forget_names(struct store *s);
/* For reading rows: started; the caller takes them with next() and finishes. */
int store_rows(struct store *s, enum store_statement_id id, struct store_statement **out,
               struct error *err, const char *types, ...);

/* A savepoint around what one call writes; `rc` decides whether it stays. Returns rc, or what went
 * wrong keeping it. */
int store_save(struct store *s, struct error *err);
int store_keep(struct store *s, int rc, struct error *err);

#endif
