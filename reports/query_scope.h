/* The runs a report is about: an order's, a mode's, or a station's within a time. Only the
 * query files include this. */
#ifndef TAKT_REPORTS_QUERY_SCOPE_H
#define TAKT_REPORTS_QUERY_SCOPE_H

#include "reports/query_rows.h"

struct query_scope {
    const char *column; /* of run: "work_order", "station", "mode" */
    int64_t id;         /* its value, unless there is a text */
    const char *text;
    int64_t from_ms, to_ms; /* started in [from, to) */
};

/* `sql` with each {scope} as a condition on the run r and {first} as the query of the ids of the
 * runs in which units were judged first. Both bind ?1 to ?3. NULL with err set. */
struct rows *scope_open(struct store *s, const struct query_scope *scope, const char *sql,
                        struct error *err);

/* Members of the document, each from one reading of the scope's rows (docs/records.md). */
int scope_add_yields(struct store *s, const struct query_scope *scope, cJSON *object,
                     struct error *err);
int scope_add_figures(struct store *s, const struct query_scope *scope, cJSON *object,
                      struct error *err);
int scope_add_identities(struct store *s, const struct query_scope *scope, cJSON *object,
                         struct error *err);

#endif
