/* A run and its steps as a document. */
#include <string.h>

#include "reports/query.h"
#include "reports/query_rows.h"

static const char run_sql[] =
    "SELECT r.id run, o.name \"order\", p.name product, fp.name plan, fp.sha256 plan_sha256,"
    " fl.sha256 limits_sha256, fr.sha256 product_sha256, fb.sha256 bundle_sha256,"
    " r.plan_signer, r.program_version, si.name site, li.name line, st.name station, r.slot, "
    "r.serial,"
    " u.chip_id, r.operator, r.mode, r.started_ms, r.ended_ms, v.name verdict, r.message"
    " FROM run r JOIN work_order o ON o.id=r.work_order JOIN product p ON p.id=r.product"
    " JOIN file_version fp ON fp.id=r.plan JOIN file_version fl ON fl.id=r.limits"
    " JOIN file_version fr ON fr.id=r.product_file JOIN file_version fb ON fb.id=r.bundle"
    " JOIN station st ON st.id=r.station JOIN line li ON li.id=st.line JOIN site si ON"
    " si.id=li.site JOIN verdict v ON v.id=r.verdict LEFT JOIN unit u ON u.id=r.unit"
    " WHERE r.id=?1";

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

static int add_attempt(struct store *s, struct rows *statements[PARTS], int64_t run, int64_t step,
                       int64_t attempt, cJSON *object, struct error *err)
{
    int rc = 0;
    for (int i = 0; i < PARTS && !rc; i++) {
        if (statements[i])
            rc = rows_again(statements[i], err, "iii", run, step, attempt);
        else if (!(statements[i] = rows_open(s, err, parts[i].sql, "iii", run, step, attempt)))
            rc = rows_code(err);
        if (!rc)
            rc = rows_append(statements[i], object, parts[i].name, err);
    }
    return rc;
}

/* Steps in the plan's order; a step's verdict is its last attempt's. */
static int add_steps(struct store *s, int64_t run, cJSON *object, struct error *err)
{
    cJSON *steps = cJSON_AddArrayToObject(object, "steps"), *step = NULL, *attempts = NULL;
    struct rows *statements[PARTS] = {NULL};
    struct rows *st = rows_open(
        s, err,
        "SELECT s.step, s.attempt, n.name, n.kind, s.attempt attempt, v.name verdict, s.message,"
        " s.started_ms, s.duration_ms FROM step s JOIN step_name n ON n.id=s.name"
        " JOIN verdict v ON v.id=s.verdict WHERE s.run=?1 ORDER BY s.step, s.attempt",
        "i", run);
    if (!st)
        return rows_code(err);
    int rc = steps ? 0 : rows_out_of_memory(err);
    int64_t last = -1;
    while (!rc && (rc = rows_next(st, err)) == 1) {
        rc = 0;
        int64_t index = rows_integer(st, 0);
        if (index != last) {
            step = cJSON_CreateObject();
            attempts = NULL;
            if (!step || !cJSON_AddItemToArray(steps, step) ||
                !cJSON_AddNumberToObject(step, "index", (double)index) ||
                !cJSON_AddItemToObject(step, "id", rows_text(st, 2)) ||
                !cJSON_AddItemToObject(step, "kind", rows_text(st, 3)) ||
                !cJSON_AddStringToObject(step, "verdict", "") ||
                !(attempts = cJSON_AddArrayToObject(step, "attempts")))
                rc = rows_out_of_memory(err);
            last = index;
        }
        cJSON *attempt = rc ? NULL : cJSON_CreateObject();
        if (!attempt || !cJSON_AddItemToArray(attempts, attempt)) {
            rc = rc ? rc : rows_out_of_memory(err);
            break;
        }
        rc = rows_columns(st, 4, attempt, err);
        if (!rc &&
            !cJSON_ReplaceItemInObject(step, "verdict", cJSON_CreateString(rows_bytes(st, 5))))
            rc = rows_out_of_memory(err);
        if (!rc)
            rc = add_attempt(s, statements, run, index, rows_integer(st, 1), attempt, err);
    }
    for (int i = 0; i < PARTS; i++)
        rows_close(statements[i]);
    rows_close(st);
    return rc;
}

int rows_run(struct store *s, int64_t run, cJSON **out, struct error *err)
{
    cJSON *object = cJSON_CreateObject();
    struct rows *st = rows_open(s, err, run_sql, "i", run);
    int rc = !st ? rows_code(err) : object ? 0 : rows_out_of_memory(err);
    if (!rc && (rc = rows_next(st, err)) == 0)
        rc = error_set(err, ERROR_MISSING, "the store has no run %lld", (long long)run);
    else if (rc == 1)
        rc = rows_columns(st, 0, object, err);
    if (!rc)
        rc = add_steps(s, run, object, err);
    rows_close(st);
    if (rc)
        cJSON_Delete(object);
    else
        *out = object;
    return rc;
}

int query_run(struct store *s, int64_t run, cJSON **out, struct error *err)
{
    bool began = false;
    int rc = rows_begin(s, &began, err);
    if (rc)
        return rc;
    rc = rows_run(s, run, out, err);
    rows_end(s, began);
    if (!rc)
        cJSON_AddStringToObject(*out, "document", "run");
    return rc;
}

/* Rows of a name and its value. */
static int add_members(struct rows *r, bool texts, cJSON *object, struct error *err)
{
    int rc = r ? 0 : rows_code(err);
    while (!rc && (rc = rows_next(r, err)) == 1) {
        cJSON *value = texts ? rows_text(r, 1) : cJSON_CreateNumber(rows_real(r, 1));
        rc = value && cJSON_AddItemToObject(object, rows_bytes(r, 0), value)
                 ? 0
                 : rows_out_of_memory(err);
    }
    rows_close(r);
    return rc;
}

int query_step(struct store *s, int64_t run, const char *step_id, cJSON **out, struct error *err)
{
    cJSON *object = cJSON_CreateObject();
    int64_t step = 0, attempt = 0;
    bool began = false;
    int rc = object ? rows_begin(s, &began, err) : rows_out_of_memory(err);
    if (rc) {
        cJSON_Delete(object);
        return rc;
    }
    struct rows *r = rows_open(s, err,
                               "SELECT s.step, s.attempt FROM step s JOIN step_name n ON"
                               " n.id=s.name WHERE s.run=?1 AND n.name=?2"
                               " ORDER BY s.step DESC, s.attempt DESC LIMIT 1",
                               "it", run, step_id);
    rc = r ? rows_next(r, err) : rows_code(err);
    if (rc == 1) {
        step = rows_integer(r, 0);
        attempt = rows_integer(r, 1);
        rc = 0;
    } else if (rc == 0) {
        rc = error_set(err, ERROR_MISSING, "run %lld has no result of step %s yet", (long long)run,
                       step_id);
    }
    rows_close(r);
    if (!rc)
        rc = add_members(rows_open(s, err,
                                   "SELECT f.name, m.value FROM measurement m JOIN figure f ON"
                                   " f.id=m.figure WHERE m.run=?1 AND m.step=?2 AND m.attempt=?3"
                                   " ORDER BY m.n",
                                   "iii", run, step, attempt),
                         false, object, err);
    if (!rc)
        rc = add_members(rows_open(s, err,
                                   "SELECT name, text FROM note WHERE run=?1 AND step=?2 AND"
                                   " attempt=?3 ORDER BY n",
                                   "iii", run, step, attempt),
                         true, object, err);
    rows_end(s, began);
    if (rc)
        cJSON_Delete(object);
    else
        *out = object;
    return rc;
}
