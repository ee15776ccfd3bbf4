/* An order, or a station, as a document.
 *
 * A unit's first verdict is that of its first run that was judged: aborted runs (an operator's
 * doing) and skipped ones say nothing about the unit. A failure is a measurement outside its limits
 * in the last attempt of a step that did not pass; a step without one (no answer, timeout) counts
 * under its verdict. */
#include <string.h>

#include "protocol/base/clock.h"
#include "reports/query.h"
#include "reports/query_scope.h"

/* One row a unit: keyed by unit, or by run where the unit never said who it was. */
static const char list_sql[] =
    "WITH judged AS (SELECT r.*, coalesce('u' || r.unit, 'r' || r.id) who,"
    "   r.verdict IN (1, 2, 3, 4) counts FROM run r WHERE{scope}),"
    " per AS (SELECT who, count(*) runs, max(id) last, min(iif(counts, id, NULL)) first_judged,"
    "   max(iif(counts, id, NULL)) last_judged FROM judged GROUP BY who)"
    " SELECT l.serial, u.chip_id, per.runs, per.last run, vf.name first_verdict,"
    "   vl.name last_verdict, v.name verdict, st.name station, l.slot, l.started_ms, l.ended_ms,"
    "   l.message FROM per JOIN run l ON l.id=per.last JOIN verdict v ON v.id=l.verdict"
    " JOIN station st ON st.id=l.station LEFT JOIN unit u ON u.id=l.unit"
    " LEFT JOIN run f ON f.id=per.first_judged LEFT JOIN verdict vf ON vf.id=f.verdict"
    " LEFT JOIN run j ON j.id=per.last_judged LEFT JOIN verdict vl ON vl.id=j.verdict"
    " ORDER BY per.last";

static const char failures_sql[] =
    "WITH bad AS (SELECT s.run, s.step, s.attempt, s.name, s.verdict FROM run r"
    "   JOIN step s ON s.run=r.id WHERE{scope}AND r.verdict IN (2, 3, 4)"
    "   AND s.verdict IN (2, 3, 4) AND s.attempt=(SELECT max(attempt) FROM step"
    "     WHERE run=s.run AND step=s.step)),"
    " named AS (SELECT b.run, b.name, f.name measurement, f.unit FROM bad b"
    "   LEFT JOIN measurement m ON m.run=b.run AND m.step=b.step AND m.attempt=b.attempt"
    "     AND m.verdict=2 LEFT JOIN figure f ON f.id=m.figure)"
    " SELECT n.name step, n.kind, coalesce(d.measurement, '') measurement,"
    "   coalesce(d.unit, '') unit, count(DISTINCT d.run) count FROM named d"
    " JOIN step_name n ON n.id=d.name GROUP BY 1, 2, 3, 4 ORDER BY count DESC, 1, 3";

static int code_of(const struct error *err)
{
    return err && err->code ? err->code : ERROR_IO;
}

static int is_verdict(const cJSON *row, const char *member, const char *verdict)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(row, member);
    return cJSON_IsString(value) && !strcmp(value->valuestring, verdict);
}

/* Yields over the units that were judged; null while none was. */
static void add_totals(cJSON *object)
{
    const cJSON *row;
    int units = 0, judged = 0, first = 0, last = 0, open = 0, runs = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(object, "units"))
    {
        units++;
        runs += (int)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(row, "runs"));
        judged += cJSON_IsString(cJSON_GetObjectItemCaseSensitive(row, "last_verdict"));
        first += is_verdict(row, "first_verdict", "pass");
        last += is_verdict(row, "last_verdict", "pass");
        open += is_verdict(row, "verdict", "");
    }
    cJSON_AddNumberToObject(object, "unit_count", units);
    cJSON_AddNumberToObject(object, "run_count", runs);
    cJSON_AddNumberToObject(object, "judged", judged);
    cJSON_AddNumberToObject(object, "passed", last);
    cJSON_AddNumberToObject(object, "failed", judged - last);
    cJSON_AddNumberToObject(object, "open", open);
    cJSON_AddItemToObject(object, "first_pass_yield",
                          judged ? cJSON_CreateNumber((double)first / judged) : cJSON_CreateNull());
    cJSON_AddItemToObject(object, "last_pass_yield",
                          judged ? cJSON_CreateNumber((double)last / judged) : cJSON_CreateNull());
}

/* The measurements outside their limits of a unit's last run: what a repairer asks first. */
static int add_last_failures(sqlite3 *db, cJSON *object, struct error *err)
{
    cJSON *row;
    int rc = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(object, "units"))
    {
        if (rc || is_verdict(row, "verdict", "pass"))
            continue;
        int64_t run = (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(row, "run"));
        rc = rows_array(
            db,
            rows_prepare(db, err,
                         "SELECT n.name step, v.name verdict, s.message, f.name measurement,"
                         " f.unit, m.value, f.low, f.high FROM step s"
                         " JOIN step_name n ON n.id=s.name JOIN verdict v ON v.id=s.verdict"
                         " LEFT JOIN measurement m ON m.run=s.run AND m.step=s.step AND"
                         " m.attempt=s.attempt AND m.verdict=2 LEFT JOIN figure f ON f.id=m.figure"
                         " WHERE s.run=?1 AND s.verdict IN (2, 3, 4) AND s.attempt="
                         "(SELECT max(attempt) FROM step WHERE run=s.run AND step=s.step)"
                         " ORDER BY s.step, m.n",
                         "i", run),
            row, "failures", err);
    }
    return rc;
}

static int add_scope(sqlite3 *db, const struct query_scope *scope, cJSON *object, struct error *err)
{
    int rc = rows_array(db, scope_prepare(db, scope, list_sql, err), object, "units", err);
    if (!rc)
        rc = rows_array(db, scope_prepare(db, scope, failures_sql, err), object, "failures", err);
    if (!rc)
        rc = add_last_failures(db, object, err);
    if (!rc) {
        add_totals(object);
        rc = scope_add_yields(db, scope, object, err);
    }
    if (!rc)
        rc = scope_add_figures(db, scope, object, err);
    if (!rc)
        rc = scope_add_identities(db, scope, object, err);
    return rc;
}

/* `find` answers the row's id, then columns for the document. */
static int scoped(sqlite3 *db, const char *document, struct query_scope scope, const char *find,
                  const char *name, cJSON **out, struct error *err)
{
    cJSON *object = cJSON_CreateObject();
    const char *what = strcmp(document, "order") ? "station" : "order";
    int began = 0;
    int rc = object ? rows_begin(db, &began, err)
                    : error_set(err, ERROR_MEMORY, "cannot read the store: out of memory");
    if (rc) {
        cJSON_Delete(object);
        return rc;
    }
    cJSON_AddStringToObject(object, "document", document);
    sqlite3_stmt *st = rows_prepare(db, err, find, "tii", name, scope.from_ms, scope.to_ms);
    rc = st ? rows_next(db, st, err) : code_of(err);
    if (rc == 1) {
        scope.id = sqlite3_column_int64(st, 0);
        rc = rows_columns(st, 1, object, err);
    } else if (rc == 0) {
        rc = error_set(err, ERROR_MISSING, "the store has no %s '%s'", what, name);
    }
    sqlite3_finalize(st);
    if (!rc)
        rc = add_scope(db, &scope, object, err);
    rows_end(db, began);
    if (rc)
        cJSON_Delete(object);
    else
        *out = object;
    return rc;
}

static const char station_sql[] =
    "SELECT s.id, s.name station, l.name line, si.name site,"
    " (SELECT min(started_ms) FROM run WHERE station=s.id AND started_ms>=?2 AND started_ms<?3)"
    "  started_ms,"
    " (SELECT max(coalesce(ended_ms, started_ms)) FROM run WHERE station=s.id AND"
    "  started_ms>=?2 AND started_ms<?3) last_ms"
    " FROM station s JOIN line l ON l.id=s.line JOIN site si ON si.id=l.site"
    " WHERE s.name=?1 ORDER BY s.id DESC LIMIT 1";

int query_order(sqlite3 *db, const char *order, cJSON **out, struct error *err)
{
    const struct query_scope scope = {"work_order", 0, INT64_MIN, INT64_MAX};
    return scoped(db, "order", scope,
                  "SELECT o.id, o.name \"order\", p.name product, o.opened_ms started_ms,"
                  " (SELECT max(coalesce(ended_ms, started_ms)) FROM run WHERE work_order=o.id)"
                  " last_ms FROM work_order o JOIN product p ON p.id=o.product WHERE o.name=?1",
                  order, out, err);
}

int query_station(sqlite3 *db, const char *station, cJSON **out, struct error *err)
{
    const struct query_scope scope = {"station", 0, INT64_MIN, INT64_MAX};
    return scoped(db, "station", scope, station_sql, station, out, err);
}

int query_shift(sqlite3 *db, const char *station, int64_t from_ms, int64_t to_ms, cJSON **out,
                struct error *err)
{
    const struct query_scope scope = {"station", 0, from_ms, to_ms};
    char text[25];
    int rc = scoped(db, "shift", scope, station_sql, station, out, err);
    if (rc)
        return rc;
    cJSON_AddNumberToObject(*out, "from_ms", (double)from_ms);
    clock_format_utc(from_ms, text);
    cJSON_AddStringToObject(*out, "from", text);
    cJSON_AddNumberToObject(*out, "to_ms", (double)to_ms);
    clock_format_utc(to_ms, text);
    cJSON_AddStringToObject(*out, "to", text);
    return 0;
}
