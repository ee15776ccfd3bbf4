/* A run and its steps as a document. */
#include <string.h>

#include "reports/query.h"
#include "reports/query_rows.h"

static const char run_sql[] =
    "SELECT r.id run, o.name \"order\", p.name product, fp.name plan, fp.sha256 plan_sha256,"
    " fl.sha256 limits_sha256, fr.sha256 product_sha256, fb.sha256 bundle_sha256,"
    " r.program_version, si.name site, li.name line, st.name station, r.slot, r.serial,"
    " u.chip_id, r.operator, r.mode, r.started_ms, r.ended_ms, v.name verdict, r.message"
    " FROM run r JOIN work_order o ON o.id=r.work_order JOIN product p ON p.id=r.product"
    " JOIN file_version fp ON fp.id=r.plan JOIN file_version fl ON fl.id=r.limits"
    " JOIN file_version fr ON fr.id=r.product_file JOIN file_version fb ON fb.id=r.bundle"
    " JOIN station st ON st.id=r.station JOIN line li ON li.id=st.line JOIN site si ON"
    " si.id=li.site JOIN verdict v ON v.id=r.verdict LEFT JOIN unit u ON u.id=r.unit"
    " WHERE r.id=?1";

static int out_of_memory(struct error *err)
{
    return error_set(err, ERROR_MEMORY, "cannot read the store: out of memory");
}

static int code_of(const struct error *err)
{
    return err && err->code ? err->code : ERROR_IO;
}

/* What belongs to an attempt, by its key: a statement each, prepared once for all of a run's. */
enum part { PART_MEASUREMENTS, PART_NOTES, PART_ATTACHMENTS, PARTS };
static const struct {
    const char *name, *sql;
} parts[PARTS] = {
    {"measurements", "SELECT f.name, f.unit, m.value, f.low, f.high, v.name verdict"
                     " FROM measurement m JOIN figure f ON f.id=m.figure"
                     " JOIN verdict v ON v.id=m.verdict"
                     " WHERE m.run=?1 AND m.step=?2 AND m.attempt=?3 ORDER BY m.n"},
    {"notes", "SELECT name, text FROM note WHERE run=?1 AND step=?2 AND attempt=?3 ORDER BY n"},
    {"attachments", "SELECT a.name, a.mime, c.sha256, c.bytes FROM attachment a"
                    " JOIN content c ON c.id=a.content WHERE a.run=?1 AND a.step=?2 AND"
                    " a.attempt=?3 ORDER BY a.n"},
};

static int add_attempt(sqlite3 *db, sqlite3_stmt *statements[PARTS], int64_t run, int64_t step,
                       int64_t attempt, cJSON *object, struct error *err)
{
    int rc = 0;
    for (int i = 0; i < PARTS && !rc; i++) {
        if (!statements[i])
            statements[i] = rows_prepare(db, err, parts[i].sql, "");
        if (!statements[i])
            return code_of(err);
        sqlite3_bind_int64(statements[i], 1, run);
        sqlite3_bind_int64(statements[i], 2, step);
        sqlite3_bind_int64(statements[i], 3, attempt);
        rc = rows_append(db, statements[i], object, parts[i].name, err);
        sqlite3_reset(statements[i]);
    }
    return rc;
}

/* Steps in the plan's order; a step's verdict is its last attempt's. */
static int add_steps(sqlite3 *db, int64_t run, cJSON *object, struct error *err)
{
    cJSON *steps = cJSON_AddArrayToObject(object, "steps"), *step = NULL, *attempts = NULL;
    sqlite3_stmt *statements[PARTS] = {NULL};
    sqlite3_stmt *st = rows_prepare(
        db, err,
        "SELECT s.step, s.attempt, n.name, n.kind, s.attempt attempt, v.name verdict, s.message,"
        " s.started_ms, s.duration_ms FROM step s JOIN step_name n ON n.id=s.name"
        " JOIN verdict v ON v.id=s.verdict WHERE s.run=?1 ORDER BY s.step, s.attempt",
        "i", run);
    if (!st)
        return code_of(err);
    int rc = steps ? 0 : out_of_memory(err);
    int64_t last = -1;
    while (!rc && (rc = rows_next(db, st, err)) == 1) {
        rc = 0;
        int64_t index = sqlite3_column_int64(st, 0);
        if (index != last) {
            step = cJSON_CreateObject();
            attempts = NULL;
            if (!step || !cJSON_AddItemToArray(steps, step) ||
                !cJSON_AddNumberToObject(step, "index", (double)index) ||
                !cJSON_AddItemToObject(step, "id", rows_text(st, 2)) ||
                !cJSON_AddItemToObject(step, "kind", rows_text(st, 3)) ||
                !cJSON_AddStringToObject(step, "verdict", "") ||
                !(attempts = cJSON_AddArrayToObject(step, "attempts")))
                rc = out_of_memory(err);
            last = index;
        }
        cJSON *attempt = rc ? NULL : cJSON_CreateObject();
        if (!attempt || !cJSON_AddItemToArray(attempts, attempt)) {
            rc = rc ? rc : out_of_memory(err);
            break;
        }
        rc = rows_columns(st, 4, attempt, err);
        if (!rc &&
            !cJSON_ReplaceItemInObject(
                step, "verdict", cJSON_CreateString((const char *)sqlite3_column_text(st, 5))))
            rc = out_of_memory(err);
        if (!rc)
            rc = add_attempt(db, statements, run, index, sqlite3_column_int64(st, 1), attempt, err);
    }
    for (int i = 0; i < PARTS; i++)
        sqlite3_finalize(statements[i]);
    sqlite3_finalize(st);
    return rc;
}

int rows_run(sqlite3 *db, int64_t run, cJSON **out, struct error *err)
{
    cJSON *object = cJSON_CreateObject();
    sqlite3_stmt *st = rows_prepare(db, err, run_sql, "i", run);
    int rc = !st ? code_of(err) : object ? 0 : out_of_memory(err);
    if (!rc && (rc = rows_next(db, st, err)) == 0)
        rc = error_set(err, ERROR_MISSING, "the store has no run %lld", (long long)run);
    else if (rc == 1)
        rc = rows_columns(st, 0, object, err);
    if (!rc)
        rc = add_steps(db, run, object, err);
    sqlite3_finalize(st);
    if (rc)
        cJSON_Delete(object);
    else
        *out = object;
    return rc;
}

int query_run(sqlite3 *db, int64_t run, cJSON **out, struct error *err)
{
    int began = 0;
    int rc = rows_begin(db, &began, err);
    if (rc)
        return rc;
    rc = rows_run(db, run, out, err);
    rows_end(db, began);
    if (!rc)
        cJSON_AddStringToObject(*out, "document", "run");
    return rc;
}

int query_step(sqlite3 *db, int64_t run, const char *step_id, cJSON **out, struct error *err)
{
    cJSON *object = cJSON_CreateObject();
    int64_t step = 0, attempt = 0;
    int began = 0;
    int rc = object ? rows_begin(db, &began, err) : out_of_memory(err);
    if (rc) {
        cJSON_Delete(object);
        return rc;
    }
    sqlite3_stmt *st = rows_prepare(db, err,
                                    "SELECT s.step, s.attempt FROM step s JOIN step_name n ON"
                                    " n.id=s.name WHERE s.run=?1 AND n.name=?2"
                                    " ORDER BY s.step DESC, s.attempt DESC LIMIT 1",
                                    "it", run, step_id);
    rc = st ? rows_next(db, st, err) : code_of(err);
    if (rc == 1) {
        step = sqlite3_column_int64(st, 0);
        attempt = sqlite3_column_int64(st, 1);
        rc = 0;
    } else if (rc == 0) {
        rc = error_set(err, ERROR_MISSING, "run %lld has no result of step %s yet", (long long)run,
                       step_id);
    }
    sqlite3_finalize(st);
    st = rc ? NULL
            : rows_prepare(db, err,
                           "SELECT f.name, m.value FROM measurement m JOIN figure f ON"
                           " f.id=m.figure WHERE m.run=?1 AND m.step=?2 AND m.attempt=?3"
                           " UNION ALL SELECT name, text FROM note WHERE run=?1 AND step=?2 AND"
                           " attempt=?3",
                           "iii", run, step, attempt);
    if (!rc && !st)
        rc = code_of(err);
    while (!rc && (rc = rows_next(db, st, err)) == 1) {
        const char *name = (const char *)sqlite3_column_text(st, 0);
        cJSON *value = sqlite3_column_type(st, 1) == SQLITE_TEXT
                           ? rows_text(st, 1)
                           : cJSON_CreateNumber(sqlite3_column_double(st, 1));
        rc = value && cJSON_AddItemToObject(object, name, value) ? 0 : out_of_memory(err);
    }
    sqlite3_finalize(st);
    rows_end(db, began);
    if (rc)
        cJSON_Delete(object);
    else
        *out = object;
    return rc;
}
