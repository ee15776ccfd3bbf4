/* An order, a station, a shift or a mode as a document.
 *
 * A unit's first verdict is that of its first run that was judged: aborted runs (an operator's
 * doing) and skipped ones say nothing about the unit. A failure is a measurement outside its limits
 * in the last attempt of a step that did not pass; a step without one (no answer, timeout) counts
 * under its verdict. */
#include <math.h>
#include <string.h>

#include "reports/query.h"
#include "reports/query_scope.h"
#include "reports/statistics/reliability.h"

/* One row a unit: keyed by unit, or by run where the unit never said who it was. */
#define LIST_SQL(identity, join)                                                                   \
    "WITH seen AS (SELECT r.id, coalesce(r.unit, -r.id) who,"                                      \
    "   CASE WHEN r.verdict IN (1, 2, 3, 4) THEN r.id END judged FROM run r WHERE{scope}),"        \
    " per AS (SELECT who, count(*) runs, max(id) last, min(judged) first_judged,"                  \
    "   max(judged) last_judged FROM seen GROUP BY who)"                                           \
    " SELECT l.serial, u.chip_id, " identity ", per.runs, per.last run,"                           \
    "   vf.name first_verdict, vl.name last_verdict, v.name verdict, st.name station, l.slot,"     \
    "   l.started_ms, l.ended_ms,"                                                                 \
    "   l.message FROM per JOIN run l ON l.id=per.last JOIN verdict v ON v.id=l.verdict"           \
    " JOIN station st ON st.id=l.station LEFT JOIN unit u ON u.id=l.unit" join                     \
    " LEFT JOIN run f ON f.id=per.first_judged LEFT JOIN verdict vf ON vf.id=f.verdict"            \
    " LEFT JOIN run j ON j.id=per.last_judged LEFT JOIN verdict vl ON vl.id=j.verdict"             \
    " ORDER BY per.last"
static const char list_sql[] = LIST_SQL("NULL did, NULL mac, NULL identity_state", "");
static const char list_identities_sql[] = LIST_SQL("i.did, i.mac, si.name identity_state",
                                                   " LEFT JOIN identity i ON i.chip_id=u.chip_id"
                                                   " LEFT JOIN identity_state si ON si.id=i.state");

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

static void add_number(cJSON *object, const char *name, double value)
{
    cJSON_AddItemToObject(object, name,
                          isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
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
static int add_last_failures(struct store *s, cJSON *object, struct error *err)
{
    cJSON *row;
    int rc = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(object, "units"))
    {
        if (rc || is_verdict(row, "verdict", "pass"))
            continue;
        int64_t run = (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(row, "run"));
        rc = rows_array(
            rows_open(s, err,
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

static int add_scope(struct store *s, const struct query_scope *scope, cJSON *object,
                     struct error *err)
{
    int identities = rows_have_identities(s, err), rc = identities < 0 ? identities : 0;
    if (!rc)
        rc = rows_array(scope_open(s, scope, identities ? list_identities_sql : list_sql, err),
                        object, "units", err);
    if (!rc)
        rc = rows_array(scope_open(s, scope, failures_sql, err), object, "failures", err);
    if (!rc)
        rc = add_last_failures(s, object, err);
    if (!rc) {
        add_totals(object);
        rc = scope_add_yields(s, scope, object, err);
    }
    if (!rc)
        rc = scope_add_figures(s, scope, object, err);
    if (!rc)
        rc = scope_add_identities(s, scope, object, err);
    return rc;
}

/* Hours under test of all units together, runs that failed in them, and what that says of the time
 * between failures: the test ends when its time is over. */
static int add_reliability(struct store *s, const struct query_scope *scope, cJSON *object,
                           struct error *err)
{
    static const double confidences[] = {0.6, 0.9, 0.95};
    cJSON *list = cJSON_CreateObject();
    struct rows *r = scope_open(s, scope,
                                "SELECT sum(r.ended_ms - r.started_ms) / 3600000.0, count(*) FILTER"
                                " (WHERE r.verdict IN (2, 3, 4)) FROM run r WHERE{scope}"
                                "AND r.ended_ms >= r.started_ms AND r.verdict IN (1, 2, 3, 4)",
                                err);
    int rc = r ? rows_next(r, err) : rows_code(err);
    double hours = rc == 1 ? rows_real(r, 0) : 0;
    int failures = rc == 1 ? (int)rows_integer(r, 1) : 0;
    rows_close(r);
    cJSON_AddItemToObject(object, "reliability", list);
    cJSON_AddNumberToObject(list, "hours", hours);
    cJSON_AddNumberToObject(list, "failures", failures);
    add_number(list, "mtbf_hours", failures ? hours / failures : NAN);
    cJSON *bounds = cJSON_AddArrayToObject(list, "bounds");
    for (size_t i = 0; i < sizeof confidences / sizeof confidences[0]; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddItemToArray(bounds, row);
        cJSON_AddNumberToObject(row, "confidence", confidences[i]);
        add_number(row, "lower_hours", reliability_mtbf_bound(hours, failures, confidences[i]));
        add_number(row, "upper_hours", reliability_mtbf_upper(hours, failures, confidences[i]));
    }
    return rc < 0 ? rc : 0;
}

/* What a report may be about. `find` answers the row's id, then columns for the document; its ?2
 * and ?3, where it has them, are the time. */
struct subject {
    const char *document, *what, *find;
    bool timed, reliability;
};

static int scoped(struct store *s, const struct subject *subject, struct query_scope scope,
                  const char *name, cJSON **out, struct error *err)
{
    cJSON *object = cJSON_CreateObject();
    bool began = false;
    int rc = object ? rows_begin(s, &began, err) : rows_out_of_memory(err);
    if (rc) {
        cJSON_Delete(object);
        return rc;
    }
    cJSON_AddStringToObject(object, "document", subject->document);
    struct rows *r = subject->timed
                         ? rows_open(s, err, subject->find, "tii", name, scope.from_ms, scope.to_ms)
                         : rows_open(s, err, subject->find, "t", name);
    rc = r ? rows_next(r, err) : rows_code(err);
    if (rc == 1) {
        scope.id = rows_integer(r, 0);
        rc = rows_columns(r, 1, object, err);
    } else if (rc == 0) {
        rc = error_set(err, ERROR_MISSING, "the store has no %s '%s'", subject->what, name);
    }
    rows_close(r);
    if (!rc)
        rc = add_scope(s, &scope, object, err);
    if (!rc && subject->reliability)
        rc = add_reliability(s, &scope, object, err);
    rows_end(s, began);
    if (rc)
        cJSON_Delete(object);
    else
        *out = object;
    return rc;
}

#define STATION_FIND                                                                               \
    "SELECT s.id, s.name station, l.name line, si.name site,"                                      \
    " (SELECT min(started_ms) FROM run WHERE station=s.id AND started_ms>=?2 AND started_ms<?3)"   \
    "  started_ms,"                                                                                \
    " (SELECT max(coalesce(ended_ms, started_ms)) FROM run WHERE station=s.id AND"                 \
    "  started_ms>=?2 AND started_ms<?3) last_ms"                                                  \
    " FROM station s JOIN line l ON l.id=s.line JOIN site si ON si.id=l.site"                      \
    " WHERE s.name=?1 ORDER BY s.id DESC LIMIT 1"

int query_order(struct store *s, const char *order, cJSON **out, struct error *err)
{
    static const struct subject subject = {
        .document = "order",
        .what = "order",
        .find = "SELECT o.id, o.name \"order\", p.name product, o.opened_ms started_ms,"
                " (SELECT max(coalesce(ended_ms, started_ms)) FROM run WHERE work_order=o.id)"
                " last_ms FROM work_order o JOIN product p ON p.id=o.product WHERE o.name=?1"};
    const struct query_scope scope = {
        .column = "work_order", .from_ms = INT64_MIN, .to_ms = INT64_MAX};
    return scoped(s, &subject, scope, order, out, err);
}

int query_mode(struct store *s, const char *mode, cJSON **out, struct error *err)
{
    static const struct subject subject = {
        .document = "mode",
        .what = "mode",
        .find = "SELECT 0, mode, min(started_ms) started_ms,"
                " max(coalesce(ended_ms, started_ms)) last_ms FROM run WHERE"
                " mode <> 'production' AND mode=?1 GROUP BY mode",
        .reliability = true};
    /* As the index run_mode has it. */
    const struct query_scope scope = {.column = "mode <> 'production' AND r.mode",
                                      .text = mode,
                                      .from_ms = INT64_MIN,
                                      .to_ms = INT64_MAX};
    return scoped(s, &subject, scope, mode, out, err);
}

int query_station(struct store *s, const char *station, cJSON **out, struct error *err)
{
    static const struct subject subject = {
        .document = "station", .what = "station", .find = STATION_FIND, .timed = true};
    const struct query_scope scope = {
        .column = "station", .from_ms = INT64_MIN, .to_ms = INT64_MAX};
    return scoped(s, &subject, scope, station, out, err);
}

int query_shift(struct store *s, const char *station, int64_t from_ms, int64_t to_ms, cJSON **out,
                struct error *err)
{
    static const struct subject subject = {
        .document = "shift", .what = "station", .find = STATION_FIND, .timed = true};
    const struct query_scope scope = {.column = "station", .from_ms = from_ms, .to_ms = to_ms};
    int rc = scoped(s, &subject, scope, station, out, err);
    if (rc)
        return rc;
    rc = rows_moment(*out, "from_ms", from_ms);
    return rc ? rc : rows_moment(*out, "to_ms", to_ms);
}
