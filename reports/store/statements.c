#include "reports/store/statements.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/splitmix.h"

static const char *const sql[ST_COUNT] = {
    [ST_SITE_FIND] = "SELECT id FROM site WHERE name=?1",
    [ST_SITE_ADD] = "INSERT INTO site(name) VALUES (?1)"
                    " ON CONFLICT DO NOTHING RETURNING id",
    [ST_LINE_FIND] = "SELECT id FROM line WHERE site=?1 AND name=?2",
    [ST_LINE_ADD] = "INSERT INTO line(site, name) VALUES (?1, ?2)"
                    " ON CONFLICT DO NOTHING RETURNING id",
    [ST_STATION_FIND] = "SELECT id FROM station WHERE line=?1 AND name=?2",
    [ST_STATION_ADD] = "INSERT INTO station(line, name) VALUES (?1, ?2)"
                       " ON CONFLICT DO NOTHING RETURNING id",
    [ST_PRODUCT_FIND] = "SELECT id FROM product WHERE name=?1",
    [ST_PRODUCT_ADD] = "INSERT INTO product(name) VALUES (?1)"
                       " ON CONFLICT DO NOTHING RETURNING id",
    [ST_ORDER_FIND] = "SELECT id FROM work_order WHERE name=?1",
    [ST_ORDER_ADD] = "INSERT INTO work_order(name, product, opened_ms) VALUES (?1, ?2, ?3)"
                     " ON CONFLICT DO NOTHING RETURNING id",
    [ST_FILE_FIND] = "SELECT id FROM file_version WHERE kind=?1 AND sha256=?2 AND name=?3",
    [ST_FILE_ADD] = "INSERT INTO file_version(kind, sha256, name) VALUES (?1, ?2, ?3)"
                    " ON CONFLICT DO NOTHING RETURNING id",
    [ST_UNIT_BY_CHIP] = "SELECT id FROM unit WHERE chip_id=?1",
    [ST_UNIT_BY_SERIAL] = "SELECT id FROM unit WHERE serial=?1 ORDER BY id DESC LIMIT 1",
    [ST_UNIT_ADD] = "INSERT INTO unit(chip_id, serial, first_ms) VALUES (?1, ?2, ?3) RETURNING id",
    [ST_UNIT_CHIP] = "SELECT 1 FROM unit WHERE id=?1 AND chip_id IS NOT NULL",
    [ST_UNIT_SET_CHIP] = "UPDATE unit SET chip_id=?2 WHERE id=?1",
    [ST_UNIT_SET_SERIAL] = "UPDATE unit SET serial=?2 WHERE id=?1 AND serial IS DISTINCT FROM ?2",
    [ST_UNIT_MOVE_RUNS] = "UPDATE run SET unit=?2 WHERE unit=?1 AND serial=?3",
    [ST_UNIT_REMOVE] =
        "DELETE FROM unit WHERE id=?1 AND NOT EXISTS (SELECT 1 FROM run WHERE unit=?1)",
    [ST_RUN_ADD] = "INSERT INTO run(unit, work_order, product, plan, limits, product_file, bundle,"
                   " program_version, station, slot, serial, operator, mode, started_ms, tooling,"
                   " plan_signer) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
                   " ?14, ?15, ?16)"
                   " RETURNING id",
    [ST_RUN_STATE] = "SELECT verdict FROM run WHERE id=?1",
    [ST_RUN_SET_UNIT] = "UPDATE run SET unit=?2, serial=?3 WHERE id=?1",
    [ST_RUN_CLOSE] = "UPDATE run SET verdict=?2, message=?3, ended_ms=?4 WHERE id=?1",
    /* Of run ?1, just closed: what schema.h's STORE_TALLY and its like say of all. */
    [ST_TALLY_RUN] =
        "INSERT INTO tally(started, ended, station, runs, passed, first_run) SELECT"
        " started_ms / 900000, ended_ms / 60000, station, 1, CASE WHEN verdict = 1 THEN 1 ELSE 0 "
        "END, id FROM run"
        " WHERE id=?1 AND mode = 'production' AND verdict BETWEEN 1 AND 4 ON CONFLICT(started, "
        "ended, station) DO UPDATE "
        "SET"
        " runs=tally.runs + 1, passed=tally.passed + excluded.passed, first_run=CASE WHEN"
        " excluded.first_run < tally.first_run THEN excluded.first_run ELSE tally.first_run END",
    [ST_TALLY_FAILURES] =
        "INSERT INTO tally_failure(started, name, figure, station, failures)"
        " SELECT r.started_ms / 900000, s.name, coalesce(m.figure, 0), r.station, count(*)"
        " FROM run r JOIN step s ON s.run = r.id LEFT JOIN measurement m ON m.run = s.run AND"
        " m.step = s.step AND m.attempt = s.attempt AND m.verdict = 2 WHERE r.id=?1 AND"
        " s.run=?1 AND r.mode = 'production' AND r.verdict IN (2, 3, 4) AND s.verdict IN (2, 3, 4) "
        "AND s.attempt = (SELECT"
        " max(l.attempt) FROM step l WHERE l.run=?1 AND l.step = s.step) GROUP BY 1, 2, 3,"
        " 4 ORDER BY 1, 2, 3" /* two writers of one store take rows in one order */
        " ON CONFLICT(started, name, figure, station) DO UPDATE SET"
        " failures=tally_failure.failures + excluded.failures",
    [ST_AGAIN_AFTER] =
        "INSERT INTO run_again(run, previous) SELECT r.id, p.id FROM run r JOIN run p"
        " ON p.id=(SELECT max(b.id) FROM run b WHERE b.unit=r.unit AND b.id < r.id"
        " AND b.mode = 'production' AND b.verdict BETWEEN 1 AND 4)"
        " WHERE r.id=?1 AND r.mode = 'production' AND r.verdict BETWEEN 1 AND 4",
    [ST_AGAIN_BEFORE] =
        "INSERT INTO run_again(run, previous) SELECT n.id, r.id FROM run r JOIN run n"
        " ON n.id=(SELECT min(a.id) FROM run a WHERE a.unit=r.unit AND a.id > r.id"
        " AND a.mode = 'production' AND a.verdict BETWEEN 1 AND 4) WHERE r.id=?1 AND"
        " r.mode = 'production' AND r.verdict BETWEEN 1 AND 4"
        " ON CONFLICT(run) DO UPDATE SET previous=excluded.previous",
    /* Of unit ?1, whose runs became others. */
    [ST_AGAIN_FORGET] = "DELETE FROM run_again WHERE run IN (SELECT id FROM run WHERE unit=?1)",
    [ST_AGAIN_UNIT] =
        "INSERT INTO run_again(run, previous) SELECT id, previous FROM (SELECT id, lag(id) OVER"
        " (ORDER BY id) AS previous FROM run WHERE unit=?1 AND mode = 'production' AND"
        " verdict BETWEEN 1 AND 4) q"
        " WHERE previous IS NOT NULL",
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
    [ST_RUN_WHO] = "SELECT unit, serial, started_ms FROM run WHERE id=?1",
    [ST_IDENTITY_THERE] = "SELECT id FROM store_identity",
    [ST_IDENTITY_ADD] = "INSERT INTO store_identity VALUES (1, ?1) ON CONFLICT DO NOTHING",
    [ST_OPERATOR_FIND] = "SELECT id FROM operator WHERE name=?1",
    [ST_OPERATOR_ADD] =
        "INSERT INTO operator(name, first_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    [ST_INSTRUMENT_FIND] = "SELECT id FROM instrument WHERE class=?1 AND name=?2 AND serial=?3",
    [ST_INSTRUMENT_ADD] = "INSERT INTO instrument(class, name, serial) VALUES (?1, ?2, ?3)"
                          " ON CONFLICT DO NOTHING RETURNING id",
    [ST_CALIBRATION_FIND] = "SELECT id FROM calibration WHERE instrument=?1 AND certificate=?2 AND"
                            " calibrated_on=?3 AND due_on=?4",
    [ST_CALIBRATION_ADD] = "INSERT INTO calibration(instrument, certificate, calibrated_on, due_on)"
                           " VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING RETURNING id",
    [ST_TOOLING_FIND] = "SELECT id FROM tooling WHERE sha256=?1",
    [ST_TOOLING_ADD] =
        "INSERT INTO tooling(sha256) VALUES (?1) ON CONFLICT DO NOTHING RETURNING id",
    [ST_TOOLING_PART_ADD] = "INSERT INTO tooling_part(tooling, calibration) VALUES (?1, ?2)"
                            " ON CONFLICT DO NOTHING",
    [ST_DEFECT_ADD] = "INSERT INTO defect(unit, run, code, place, text, operator, found_ms)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id",
    [ST_REPAIR_ADD] = "INSERT INTO repair(defect, action, part, text, operator, done_ms)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
    [ST_RECEIVED_FIND] = "SELECT run FROM received WHERE message=?1",
    [ST_RECEIVED_ADD] = "INSERT INTO received(message, run) VALUES (?1, ?2)",
    [ST_OUTBOX_QUEUE] = "INSERT INTO outbox(destination, run, queued_ms)"
                        " SELECT id, CAST(?1 AS BIGINT), CAST(?2 AS BIGINT) FROM destination"
                        " WHERE active=1 ORDER BY id",
    [ST_OUTBOX_STATE] = "SELECT state FROM outbox WHERE id=?1",
    [ST_OUTBOX_SETTLE] = "UPDATE outbox SET state=?2, attempts=attempts + 1, settled_ms=?3,"
                         " reason=?4 WHERE id=?1",
    [ST_OUTBOX_TROUBLE] = "UPDATE outbox SET attempts=attempts + 1, reason=?2"
                          " WHERE id=?1 AND state=0",
    [ST_OUTBOX_RETRY] = "UPDATE outbox SET state=0, settled_ms=NULL, reason=NULL"
                        " WHERE id=?1 AND state=2 RETURNING id",
    [ST_DESTINATION_PUT] =
        "INSERT INTO destination(name, connector, active) VALUES (?1, ?2, 1)"
        " ON CONFLICT(name) DO UPDATE SET connector=excluded.connector, active=1",
    [ST_DESTINATION_OFF] = "UPDATE destination SET active=0 WHERE active=1",
    [ST_STEP_NAME_FIND] = "SELECT id FROM step_name WHERE name=?1 AND kind=?2",
    [ST_STEP_NAME_ADD] = "INSERT INTO step_name(name, kind) VALUES (?1, ?2)"
                         " ON CONFLICT DO NOTHING RETURNING id",
    [ST_STEP_ADD] =
        "INSERT INTO step(run, step, attempt, name, verdict, message, started_ms, duration_ms)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [ST_FIGURE_FIND] = "SELECT id FROM figure WHERE name=?1 AND unit=?2 AND low=?3 AND high=?4",
    [ST_FIGURE_ADD] = "INSERT INTO figure(name, unit, low, high) VALUES (?1, ?2, ?3, ?4)"
                      " ON CONFLICT DO NOTHING RETURNING id",
    [ST_MEASUREMENT_ADD] = "INSERT INTO measurement(run, step, attempt, n, figure, value, verdict)"
                           " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [ST_NOTE_ADD] = "INSERT INTO note(run, step, attempt, n, name, text)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [ST_CONTENT_FIND] = "SELECT id FROM content WHERE sha256=?1 AND bytes=?2",
    [ST_CONTENT_ADD] = "INSERT INTO content(sha256, bytes) VALUES (?1, ?2)"
                       " ON CONFLICT DO NOTHING RETURNING id",
    [ST_ATTACHMENT_ADD] = "INSERT INTO attachment(run, step, attempt, n, name, mime, content)"
                          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [ST_CAMPAIGN_OPEN] =
        "SELECT id FROM campaign WHERE state NOT IN ('finished', 'stopped') LIMIT 1",
    [ST_CAMPAIGN_ADD] = "INSERT INTO campaign(name, file, sha256, plan, plan_sha256, limits_sha256,"
                        " lot, operator, station, program_version, clock, seed, started_ms, at_ms)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13)"
                        " RETURNING id",
    [ST_CAMPAIGN_REPORT] =
        "UPDATE campaign SET confidence=?2, activation_ev=?3, use_c=?4 WHERE id=?1",
    [ST_CAMPAIGN_FIGURE_ADD] =
        "INSERT INTO campaign_figure(campaign, number, name, unit, low, high, min_percent,"
        " max_percent, min_change, max_change) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [ST_CAMPAIGN_INSTRUMENT_ADD] =
        "INSERT INTO campaign_instrument(campaign, class, name, serial, certificate,"
        " calibrated_on, due_on) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
    [ST_CAMPAIGN_UNIT_PUT] =
        "INSERT INTO campaign_unit(campaign, number, place, port, chip_id, serial, state, cause,"
        " cause_figure, joined_ms, watched_ms, watch)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT(campaign, number)"
        " DO UPDATE SET place=excluded.place, port=excluded.port, chip_id=excluded.chip_id,"
        " serial=excluded.serial, state=excluded.state, cause=excluded.cause,"
        " cause_figure=excluded.cause_figure, joined_ms=excluded.joined_ms,"
        " watched_ms=excluded.watched_ms, watch=excluded.watch",
    [ST_CAMPAIGN_EVENT_ADD] =
        "INSERT INTO campaign_event(campaign, n, unit, elapsed_ms, at_ms, kind, text) VALUES (?1,"
        " (SELECT coalesce(max(n), 0) + 1 FROM campaign_event WHERE campaign=?1),"
        " ?2, ?3, ?4, ?5, ?6)",
    [ST_CAMPAIGN_ROW_ADD] =
        "INSERT INTO campaign_row(campaign, unit, figure, from_ms, samples, lowest, highest, mean,"
        " deviation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [ST_CAMPAIGN_PROGRESS] =
        "UPDATE campaign SET state=?2, reason=?3, elapsed_ms=?4, at_ms=?5, progress=?6"
        " WHERE id=?1 AND state NOT IN ('finished', 'stopped') RETURNING id",
};

/* ---- values ---------------------------------------------------------------------------------- */

static int prepared(struct store *s, enum store_statement_id id, struct store_statement **out,
                    struct error *err)
{
    int rc = 0;
    if (!s->statements[id])
        rc = s->engine->prepare(s->connection, sql[id], &s->statements[id], err);
    *out = s->statements[id];
    return rc;
}

size_t store_values(struct store_value values[STATEMENT_VALUES_MAX], const char *types,
                    va_list given)
{
    size_t n = 0;
    for (; *types && n < STATEMENT_VALUES_MAX; types++) {
        struct store_value *v = &values[n++];
        *v = (struct store_value){.kind = VALUE_TEXT};
        switch (*types) {
        case 'i':
        case 'z':
            v->integer = va_arg(given, int64_t);
            v->kind = *types == 'z' && v->integer == 0 ? VALUE_NULL : VALUE_INTEGER;
            break;
        case 'r':
            v->real = va_arg(given, double);
            v->kind = isnan(v->real) ? VALUE_NULL : VALUE_REAL;
            break;
        default:
            v->text = va_arg(given, const char *);
            if (!v->text)
                v->text = "";
            if (*types == 'n' && !*v->text)
                v->kind = VALUE_NULL;
        }
    }
    return n;
}

/* 1 with *number from the first row, 0 without a row; negative on failure. */
static int execute(struct store *s, enum store_statement_id id, int64_t *number, struct error *err,
                   const struct store_value *values, size_t count)
{
    struct store_statement *st;
    int rc = prepared(s, id, &st, err);
    if (!rc)
        rc = s->engine->start(st, values, count, err);
    if (rc)
        return rc;
    rc = s->engine->next(st, err);
    if (rc == 1 && number)
        *number = s->engine->integer(st, 0);
    s->engine->finish(st);
    return rc;
}

int store_run(struct store *s, enum store_statement_id id, struct error *err, const char *types,
              ...)
{
    struct store_value values[STATEMENT_VALUES_MAX];
    va_list given;
    va_start(given, types);
    size_t count = store_values(values, types, given);
    va_end(given);
    int rc = execute(s, id, NULL, err, values, count);
    return rc > 0 ? 0 : rc;
}

int store_number(struct store *s, enum store_statement_id id, int64_t *out, struct error *err,
                 const char *types, ...)
{
    struct store_value values[STATEMENT_VALUES_MAX];
    va_list given;
    va_start(given, types);
    size_t count = store_values(values, types, given);
    va_end(given);
    return execute(s, id, out, err, values, count);
}

int store_rows(struct store *s, enum store_statement_id id, struct store_statement **out,
               struct error *err, const char *types, ...)
{
    struct store_value values[STATEMENT_VALUES_MAX];
    va_list given;
    va_start(given, types);
    size_t count = store_values(values, types, given);
    va_end(given);
    int rc = prepared(s, id, out, err);
    return rc ? rc : s->engine->start(*out, values, count, err);
}

/* ---- names kept once ------------------------------------------------------------------------- */

/* A name's number never changes once it is committed, so it is asked for once. Whatever takes rows
 * back empties all: which of the names went with them is not worth knowing. */
enum { NAMES_MAX = 4096 }; /* a power of two; a place is simply taken over */

struct store_name {
    uint64_t hash;
    int64_t id;
};

/* From a start that nobody outside knows, so that no two names can be made to look the same. */
static uint64_t name_hash(const struct store *s, enum store_statement_id id,
                          const struct store_value *values, size_t count)
{
    uint64_t h = splitmix_mix(s->name_seed + (uint64_t)id);
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = (uint64_t)values[i].integer ^ h;
        if (values[i].kind == VALUE_REAL)
            memcpy(&bits, &values[i].real, sizeof bits);
        if (values[i].kind == VALUE_TEXT)
            for (const char *p = values[i].text; *p; p++)
                bits = (bits ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
        h = splitmix_mix(h + SPLITMIX_STEP + bits);
    }
    return h ? h : 1;
}

void store_forget_names(struct store *s)
{
    free(s->names);
    s->names = NULL;
}

int store_intern(struct store *s, enum store_statement_id find, enum store_statement_id add,
                 int64_t *out, struct error *err, const char *types, ...)
{
    struct store_value values[STATEMENT_VALUES_MAX];
    va_list given;
    va_start(given, types);
    size_t count = store_values(values, types, given);
    va_end(given);
    if (!s->names)
        s->names = calloc(NAMES_MAX, sizeof *s->names);
    uint64_t hash = name_hash(s, find, values, count);
    struct store_name *place = s->names ? &s->names[hash & (NAMES_MAX - 1)] : NULL;
    if (place && place->hash == hash) {
        *out = place->id;
        return 0;
    }
    int rc = execute(s, find, out, err, values, count);
    if (rc == 0)
        rc = execute(s, add, out, err, values, count);
    if (rc == 0) /* another writer was quicker */
        rc = execute(s, find, out, err, values, count);
    if (rc == 1 && place)
        *place = (struct store_name){hash, *out};
    if (rc == 0)
        rc = error_set(err, ERROR_STATE, "a name was neither there nor could be added");
    return rc > 0 ? 0 : rc;
}

int store_save(struct store *s, struct error *err)
{
    return s->engine->save(s->connection, err);
}

int store_keep(struct store *s, int rc, struct error *err)
{
    rc = s->engine->keep(s->connection, rc, err);
    if (rc)
        store_forget_names(s);
    return rc;
}
