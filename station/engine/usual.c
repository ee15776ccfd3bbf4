#include "station/engine/usual.h"

#include <stdlib.h>
#include <string.h>

static const char query[] =
    "SELECT n.name, n.kind, avg(s.duration_ms) FROM"
    " (SELECT r.id FROM run r JOIN file_version f ON f.id = r.plan"
    "   JOIN product p ON p.id = r.product"
    "   WHERE f.kind = 'plan' AND f.name = ?1 AND p.name = ?2 AND r.verdict = 1"
    "   ORDER BY r.id DESC LIMIT 50) last"
    " JOIN step s ON s.run = last.id JOIN step_name n ON n.id = s.name"
    " WHERE s.verdict = 1 GROUP BY n.id";

static void take_row(sqlite3_stmt *row, const struct plan *plan, double *usual_ms, bool *known)
{
    const char *id = (const char *)sqlite3_column_text(row, 0);
    const char *kind = (const char *)sqlite3_column_text(row, 1);
    for (size_t i = 0; i < plan->step_count + plan->teardown_count; i++)
        if (strcmp(plan->steps[i].id, id) == 0 && strcmp(plan->steps[i].kind, kind) == 0) {
            usual_ms[i] = sqlite3_column_double(row, 2);
            known[i] = true;
        }
}

int usual_times(sqlite3 *db, const struct plan *plan, double **usual_ms, bool **known,
                struct error *err)
{
    const size_t count = plan->step_count + plan->teardown_count;
    double *ms = calloc(count, sizeof *ms);
    bool *seen = calloc(count, sizeof *seen);
    sqlite3_stmt *s = NULL;
    int rc = ms && seen ? 0 : error_set(err, ERROR_MEMORY, "usual times: out of memory");
    if (rc)
        goto out;
    for (size_t i = 0; i < count; i++)
        ms[i] = plan->steps[i].deadline_ms / 4.0;
    if (!db)
        goto out;
    if (sqlite3_prepare_v2(db, query, -1, &s, NULL) != SQLITE_OK) {
        rc = error_set(err, ERROR_IO, "usual times: %s", sqlite3_errmsg(db));
        goto out;
    }
    sqlite3_bind_text(s, 1, plan->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, plan->product, -1, SQLITE_STATIC);
    int got;
    while ((got = sqlite3_step(s)) == SQLITE_ROW)
        take_row(s, plan, ms, seen);
    if (got != SQLITE_DONE)
        rc = error_set(err, ERROR_IO, "usual times: %s", sqlite3_errmsg(db));
out:
    sqlite3_finalize(s);
    if (known && !rc) {
        *known = seen;
        seen = NULL;
    }
    free(seen);
    if (rc) {
        free(ms);
        ms = NULL;
    }
    *usual_ms = ms;
    return rc;
}
