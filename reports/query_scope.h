/* The runs a report is about: an order's, or a station's within a time. Only the query files
 * include this. */
#ifndef TAKT_REPORTS_QUERY_SCOPE_H
#define TAKT_REPORTS_QUERY_SCOPE_H

#include "reports/query_rows.h"

struct query_scope {
    const char *column; /* of run: "work_order" or "station" */
    int64_t id;
    int64_t from_ms, to_ms; /* started in [from, to) */
};

/* `sql` with each {scope} as a condition on the run r and {first} as the query of the ids of the
 * runs in which units were judged first. Both bind ?1 to ?3. NULL with err set. */
sqlite3_stmt *scope_prepare(sqlite3 *db, const struct query_scope *scope, const char *sql,
                            struct error *err);

/* Members of the document, each from one reading of the scope's rows (docs/records.md). */
int scope_add_yields(sqlite3 *db, const struct query_scope *scope, cJSON *object,
                     struct error *err);
int scope_add_figures(sqlite3 *db, const struct query_scope *scope, cJSON *object,
                      struct error *err);
int scope_add_identities(sqlite3 *db, const struct query_scope *scope, cJSON *object,
                         struct error *err);

#endif
