#include "reports/store_statements.h"

#include <stdarg.h>
#include <string.h>

#include "reports/store_schema.h"

static const char *const sql[ST_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_SAVE] = "SAVEPOINT record",
    [ST_RELEASE] = "RELEASE record",
    [ST_TAKE_BACK] = "ROLLBACK TO record",
    [ST_SITE_FIND] = "SELECT id FROM site WHERE name=?1",
    [ST_SITE_ADD] = "INSERT INTO site(name) VALUES (?1)",
    [ST_LINE_FIND] = "SELECT id FROM line WHERE site=?1 AND name=?2",
    [ST_LINE_ADD] = "INSERT INTO line(site, name) VALUES (?1, ?2)",
    [ST_STATION_FIND] = "SELECT id FROM station WHERE line=?1 AND name=?2",
    [ST_STATION_ADD] = "INSERT INTO station(line, name) VALUES (?1, ?2)",
    [ST_PRODUCT_FIND] = "SELECT id FROM product WHERE name=?1",
    [ST_PRODUCT_ADD] = "INSERT INTO product(name) VALUES (?1)",
    [ST_ORDER_FIND] = "SELECT id FROM work_order WHERE name=?1",
    [ST_ORDER_ADD] = "INSERT INTO work_order(name, product, opened_ms) VALUES (?1, ?2, ?3)",
    [ST_FILE_FIND] = "SELECT id FROM file_version WHERE kind=?1 AND sha256=?2 AND name=?3",
    [ST_FILE_ADD] = "INSERT INTO file_version(kind, sha256, name) VALUES (?1, ?2, ?3)",
    [ST_UNIT_BY_CHIP] = "SELECT id FROM unit WHERE chip_id=?1",
    [ST_UNIT_BY_SERIAL] = "SELECT id FROM unit WHERE serial=?1 ORDER BY id DESC LIMIT 1",
    [ST_UNIT_ADD] = "INSERT INTO unit(chip_id, serial, first_ms) VALUES (?1, ?2, ?3)",
    [ST_UNIT_CHIP] = "SELECT 1 FROM unit WHERE id=?1 AND chip_id IS NOT NULL",
    [ST_UNIT_SET_CHIP] = "UPDATE unit SET chip_id=?2 WHERE id=?1",
    [ST_UNIT_SET_SERIAL] = "UPDATE unit SET serial=?2 WHERE id=?1 AND serial IS NOT ?2",
    [ST_UNIT_MOVE_RUNS] = "UPDATE run SET unit=?2 WHERE unit=?1 AND serial=?3",
    [ST_UNIT_REMOVE] =
        "DELETE FROM unit WHERE id=?1 AND NOT EXISTS (SELECT 1 FROM run WHERE unit=?1)",
    [ST_RUN_ADD] = "INSERT INTO run(unit, work_order, product, plan, limits, product_file, bundle,"
                   " program_version, station, slot, serial, operator, mode, started_ms)"
                   " VALUES (nullif(?1, 0), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
                   " ?14)",
    [ST_RUN_STATE] = "SELECT verdict FROM run WHERE id=?1",
    [ST_RUN_SET_UNIT] = "UPDATE run SET unit=?2, serial=?3 WHERE id=?1",
    [ST_RUN_CLOSE] = "UPDATE run SET verdict=?2, message=?3, ended_ms=?4 WHERE id=?1",
    [ST_RUN_OPEN_IDS] = "SELECT id FROM run WHERE verdict=0 AND id > ?1 ORDER BY id LIMIT 1",
    [ST_RUN_OPEN_ONE] =
        "SELECT r.id, o.name, p.name, fp.name, fp.sha256, fl.sha256, fr.sha256, fb.sha256,"
        " r.program_version, si.name, li.name, st.name, r.slot, r.serial, r.operator, r.mode,"
        " r.started_ms, coalesce(u.chip_id, ''),"
        " (SELECT coalesce(max(step) + 1, 0) FROM step WHERE run=r.id AND verdict <> 0)"
        " FROM run r JOIN work_order o ON o.id=r.work_order JOIN product p ON p.id=r.product"
        " JOIN file_version fp ON fp.id=r.plan JOIN file_version fl ON fl.id=r.limits"
        " JOIN file_version fr ON fr.id=r.product_file JOIN file_version fb ON fb.id=r.bundle"
        " JOIN station st ON st.id=r.station JOIN line li ON li.id=st.line"
        " JOIN site si ON si.id=li.site LEFT JOIN unit u ON u.id=r.unit WHERE r.id=?1",
    [ST_STEP_NAME_FIND] = "SELECT id FROM step_name WHERE name=?1 AND kind=?2",
    [ST_STEP_NAME_ADD] = "INSERT INTO step_name(name, kind) VALUES (?1, ?2)",
    [ST_STEP_ADD] =
        "INSERT INTO step(run, step, attempt, name, verdict, message, started_ms, duration_ms)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [ST_FIGURE_FIND] = "SELECT id FROM figure WHERE name=?1 AND unit=?2 AND low=?3 AND high=?4",
    [ST_FIGURE_ADD] = "INSERT INTO figure(name, unit, low, high) VALUES (?1, ?2, ?3, ?4)",
    [ST_MEASUREMENT_ADD] = "INSERT INTO measurement(run, step, attempt, n, figure, value, verdict)"
                           " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [ST_NOTE_ADD] = "INSERT INTO note(run, step, attempt, n, name, text)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [ST_CONTENT_FIND] = "SELECT id FROM content WHERE sha256=?1 AND bytes=?2",
    [ST_CONTENT_ADD] = "INSERT INTO content(sha256, bytes) VALUES (?1, ?2)",
    [ST_ATTACHMENT_ADD] = "INSERT INTO attachment(run, step, attempt, n, name, mime, content)"
                          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
};

/* A transaction that SQLite gave up by itself stays refused until store_commit() said so: the
 * commit hook keeps what comes after it from being committed piecemeal. */
static int refuse_lost(struct store *s, struct error *err)
{
    if (!s->begun || !s->lost)
        return 0;
    if (s->why_lost.code)
        return error_set(err, s->why_lost.code, "%s", s->why_lost.text);
    return error_set(err, ERROR_IO, "the store's transaction was taken back by SQLite");
}

static int fail(struct store *s, enum store_statement id, struct error *err)
{
    struct error local;
    int rc = store_fail(s->db, &local, "cannot write the store");
    (void)id;
    if (s->begun && s->lost && !s->why_lost.code)
        s->why_lost = local;
    if (err)
        *err = local;
    return rc;
}

static int prepare(struct store *s, enum store_statement id, struct error *err)
{
    if (s->statements[id])
        return 0;
    if (sqlite3_prepare_v3(s->db, sql[id], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[id],
                           NULL) != SQLITE_OK)
        return fail(s, id, err);
    return 0;
}

static void bind(sqlite3_stmt *st, const char *types, va_list values)
{
    for (int i = 1; *types; types++, i++) {
        const char *text;
        switch (*types) {
        case 'i':
            sqlite3_bind_int64(st, i, va_arg(values, int64_t));
            break;
        case 'r':
            sqlite3_bind_double(st, i, va_arg(values, double));
            break;
        default:
            text = va_arg(values, const char *);
            if (*types == 'n' && (!text || !*text))
                sqlite3_bind_null(st, i);
            else
                sqlite3_bind_text(st, i, text ? text : "", -1, SQLITE_STATIC);
        }
    }
}

/* SQLITE_ROW or SQLITE_DONE as 1 or 0 with *number from the row; negative on failure. */
static int execute(struct store *s, enum store_statement id, int64_t *number, struct error *err,
                   const char *types, va_list values)
{
    int rc = prepare(s, id, err);
    if (rc)
        return rc;
    sqlite3_stmt *st = s->statements[id];
    bind(st, types, values);
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW && number)
        *number = sqlite3_column_int64(st, 0);
    if (code == SQLITE_ROW || code == SQLITE_DONE)
        rc = code == SQLITE_ROW;
    else
        rc = fail(s, id, err);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return rc;
}

int store_run(struct store *s, enum store_statement id, struct error *err, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    int rc = execute(s, id, NULL, err, types, values);
    va_end(values);
    return rc > 0 ? 0 : rc;
}

int store_number(struct store *s, enum store_statement id, int64_t *out, struct error *err,
                 const char *types, ...)
{
    va_list values;
    va_start(values, types);
    int rc = execute(s, id, out, err, types, values);
    va_end(values);
    return rc;
}

int store_intern(struct store *s, enum store_statement find, enum store_statement add, int64_t *out,
                 struct error *err, const char *types, ...)
{
    va_list values, again;
    va_start(values, types);
    va_copy(again, values);
    int rc = execute(s, find, out, err, types, values);
    if (rc == 0) {
        rc = execute(s, add, NULL, err, types, again);
        if (rc == 0)
            *out = sqlite3_last_insert_rowid(s->db);
    }
    va_end(again);
    va_end(values);
    return rc > 0 ? 0 : rc;
}

int store_rows(struct store *s, enum store_statement id, int64_t value, sqlite3_stmt **out,
               struct error *err)
{
    int rc = prepare(s, id, err);
    if (!rc) {
        *out = s->statements[id];
        sqlite3_bind_int64(*out, 1, value);
    }
    return rc;
}

int store_save(struct store *s, struct error *err)
{
    int rc = refuse_lost(s, err);
    return rc ? rc : store_run(s, ST_SAVE, err, "");
}

int store_keep(struct store *s, int rc, struct error *err)
{
    if (rc == 0) {
        rc = store_run(s, ST_RELEASE, err, "");
        if (rc == 0)
            return 0;
    }
    /* Gone already when SQLite took the whole transaction back. */
    if (!sqlite3_get_autocommit(s->db)) {
        store_run(s, ST_TAKE_BACK, NULL, "");
        store_run(s, ST_RELEASE, NULL, "");
    }
    return rc;
}
