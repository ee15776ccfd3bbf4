/* What is written into the store: runs, units, steps and their figures. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/store.h"
#include "reports/store_schema.h"
#include "reports/store_statements.h"

static const char *text_of(const char *text)
{
    return text ? text : "";
}

static int file_version(struct store *s, const char *kind, const char *sha256, const char *name,
                        int64_t *out, struct error *err)
{
    return store_intern(s, ST_FILE_FIND, ST_FILE_ADD, out, err, "ttt", kind, text_of(sha256), name);
}

static int station_of(struct store *s, const struct run_record *run, int64_t *out,
                      struct error *err)
{
    int64_t site = 0, line = 0;
    int rc = store_intern(s, ST_SITE_FIND, ST_SITE_ADD, &site, err, "t", text_of(run->site));
    if (!rc)
        rc = store_intern(s, ST_LINE_FIND, ST_LINE_ADD, &line, err, "it", site, text_of(run->line));
    if (!rc)
        rc = store_intern(s, ST_STATION_FIND, ST_STATION_ADD, out, err, "it", line,
                          text_of(run->station));
    return rc;
}

static int order_of(struct store *s, const struct run_record *run, int64_t product, int64_t *out,
                    struct error *err)
{
    int rc = store_number(s, ST_ORDER_FIND, out, err, "t", text_of(run->order));
    if (rc != 0)
        return rc > 0 ? 0 : rc;
    rc = store_run(s, ST_ORDER_ADD, err, "tii", text_of(run->order), product, run->started_wall_ms);
    if (!rc)
        *out = sqlite3_last_insert_rowid(s->db);
    return rc;
}

static int unit_add(struct store *s, const char *chip_id, const char *serial, int64_t wall_ms,
                    int64_t *out, struct error *err)
{
    int rc = store_run(s, ST_UNIT_ADD, err, "nni", chip_id, serial, wall_ms);
    if (!rc)
        *out = sqlite3_last_insert_rowid(s->db);
    return rc;
}

static int write_run(struct store *s, struct run_record *run, struct error *err)
{
    int64_t station = 0, product = 0, order = 0, plan = 0, limits = 0, file = 0, bundle = 0;
    int64_t unit = 0;
    const char *name = text_of(run->product), *serial = text_of(run->serial);
    int rc = 0;
    if ((rc = station_of(s, run, &station, err)) ||
        (rc = store_intern(s, ST_PRODUCT_FIND, ST_PRODUCT_ADD, &product, err, "t", name)) ||
        (rc = order_of(s, run, product, &order, err)) ||
        (rc = file_version(s, "plan", run->plan_sha256, text_of(run->plan), &plan, err)) ||
        (rc = file_version(s, "limits", run->limits_sha256, name, &limits, err)) ||
        (rc = file_version(s, "product", run->product_sha256, name, &file, err)) ||
        (rc = file_version(s, "bundle", run->bundle_sha256, "", &bundle, err)))
        return rc;
    if (*serial) {
        rc = store_number(s, ST_UNIT_BY_SERIAL, &unit, err, "t", serial);
        if (rc == 0)
            rc = unit_add(s, "", serial, run->started_wall_ms, &unit, err);
        if (rc < 0)
            return rc;
    }
    rc = store_run(s, ST_RUN_ADD, err, "iiiiiiitiittti", unit, order, product, plan, limits, file,
                   bundle, text_of(run->program_version), station, (int64_t)run->slot, serial,
                   text_of(run->operator_name), text_of(run->mode), run->started_wall_ms);
    if (!rc)
        run->id = sqlite3_last_insert_rowid(s->db);
    return rc;
}

int store_run_open(struct store *s, struct run_record *run, struct error *err)
{
    int rc = store_save(s, err);
    if (rc)
        return rc;
    return store_keep(s, write_run(s, run, err), err);
}

/* Which unit is run R's, now that its chip has spoken? The unit of that chip; else the run's own
 * unit, known until now by its label alone; else a new one. */
static int write_run_unit(struct store *s, int64_t run, const char *chip_id, const char *given,
                          struct error *err)
{
    char serial[256] = "";
    int64_t own = 0, started = 0, chip = 0, found = 0;
    sqlite3_stmt *st = NULL;
    int rc = 0;
    if (sqlite3_prepare_v2(s->db, "SELECT unit, serial, started_ms FROM run WHERE id=?1", -1, &st,
                           NULL) != SQLITE_OK)
        return store_fail(s->db, err, "cannot read a run");
    sqlite3_bind_int64(st, 1, run);
    if (sqlite3_step(st) == SQLITE_ROW) {
        own = sqlite3_column_int64(st, 0);
        const char *text = *given ? given : (const char *)sqlite3_column_text(st, 1);
        if (strlen(text_of(text)) >= sizeof serial)
            rc = error_set(err, ERROR_INPUT, "a serial of %zu bytes is too long", strlen(text));
        else
            strcpy(serial, text_of(text));
        started = sqlite3_column_int64(st, 2);
    } else {
        rc = error_set(err, ERROR_MISSING, "the store has no run %lld", (long long)run);
    }
    sqlite3_finalize(st);
    if (rc)
        return rc;

    if (*chip_id && (rc = store_number(s, ST_UNIT_BY_CHIP, &chip, err, "t", chip_id)) < 0)
        return rc;
    int64_t label_only = 0; /* the unit that stood for the label until now */
    if (own) {
        if ((rc = store_number(s, ST_UNIT_CHIP, &found, err, "i", own)) < 0)
            return rc;
        label_only = rc == 0 ? own : 0;
    }
    int64_t unit = chip;
    rc = 0;
    if (!unit && label_only) {
        unit = label_only;
        if (*chip_id)
            rc = store_run(s, ST_UNIT_SET_CHIP, err, "it", unit, chip_id);
    } else if (!unit && (*chip_id || *serial)) {
        rc = unit_add(s, chip_id, serial, started, &unit, err);
    }
    if (!rc && unit && *serial)
        rc = store_run(s, ST_UNIT_SET_SERIAL, err, "it", unit, serial);
    if (!rc && unit && label_only && label_only != unit && *serial)
        rc = store_run(s, ST_UNIT_MOVE_RUNS, err, "iit", label_only, unit, serial);
    if (!rc && unit)
        rc = store_run(s, ST_RUN_SET_UNIT, err, "iit", run, unit, serial);
    if (!rc && label_only && label_only != unit)
        rc = store_run(s, ST_UNIT_REMOVE, err, "i", label_only);
    return rc;
}

int store_run_unit(struct store *s, int64_t run, const char *chip_id, const char *serial,
                   struct error *err)
{
    int rc = store_save(s, err);
    if (rc)
        return rc;
    return store_keep(s, write_run_unit(s, run, text_of(chip_id), text_of(serial), err), err);
}

static int open_run_needed(struct store *s, int64_t run, struct error *err)
{
    int64_t verdict = 0;
    int rc = store_number(s, ST_RUN_STATE, &verdict, err, "i", run);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return error_set(err, ERROR_MISSING, "the store has no run %lld", (long long)run);
    if (verdict != VERDICT_NONE)
        return error_set(err, ERROR_STATE, "run %lld is closed already: %s", (long long)run,
                         verdict_name((enum verdict)verdict));
    return 0;
}

static int write_measurements(struct store *s, const struct step_record *step, struct error *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < step->measurement_count; i++) {
        const struct measurement_record *m = &step->measurements[i];
        int64_t figure = 0;
        double low = m->has_low ? m->low : -INFINITY, high = m->has_high ? m->high : INFINITY;
        if (isnan(low) || isnan(high))
            return error_set(err, ERROR_INPUT, "step %s: a limit of %s is not a number", step->id,
                             m->name);
        rc = store_intern(s, ST_FIGURE_FIND, ST_FIGURE_ADD, &figure, err, "ttrr", m->name,
                          text_of(m->unit), low, high);
        if (!rc)
            rc = store_run(s, ST_MEASUREMENT_ADD, err, "iiiiiri", step->run, (int64_t)step->index,
                           (int64_t)step->attempt, (int64_t)i, figure, m->value,
                           (int64_t)m->verdict);
    }
    return rc;
}

static int write_attachments(struct store *s, const struct step_record *step, struct error *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < step->attachment_count; i++) {
        const struct attachment_record *a = &step->attachments[i];
        int64_t content = 0;
        rc = store_intern(s, ST_CONTENT_FIND, ST_CONTENT_ADD, &content, err, "ti",
                          text_of(a->sha256), a->bytes);
        if (!rc)
            rc = store_run(s, ST_ATTACHMENT_ADD, err, "iiiitti", step->run, (int64_t)step->index,
                           (int64_t)step->attempt, (int64_t)i, text_of(a->name), text_of(a->mime),
                           content);
    }
    return rc;
}

static int write_step(struct store *s, const struct step_record *step, struct error *err)
{
    int64_t name = 0;
    int rc = open_run_needed(s, step->run, err);
    if (!rc)
        rc = store_intern(s, ST_STEP_NAME_FIND, ST_STEP_NAME_ADD, &name, err, "tt", step->id,
                          text_of(step->kind));
    if (rc)
        return rc;
    rc = store_run(s, ST_STEP_ADD, err, "iiiiinir", step->run, (int64_t)step->index,
                   (int64_t)step->attempt, name, (int64_t)step->verdict, step->message,
                   step->started_wall_ms, step->duration_ms);
    if (rc == ERROR_STATE)
        return error_set(err, ERROR_STATE,
                         "run %lld: step %s (%d), attempt %d is recorded already or not possible",
                         (long long)step->run, step->id, step->index, step->attempt);
    if (!rc)
        rc = write_measurements(s, step, err);
    for (size_t i = 0; !rc && i < step->note_count; i++)
        rc = store_run(s, ST_NOTE_ADD, err, "iiiitt", step->run, (int64_t)step->index,
                       (int64_t)step->attempt, (int64_t)i, text_of(step->notes[i].name),
                       text_of(step->notes[i].text));
    if (!rc)
        rc = write_attachments(s, step, err);
    return rc;
}

int store_step(struct store *s, const struct step_record *step, struct error *err)
{
    int rc = store_save(s, err);
    if (rc)
        return rc;
    return store_keep(s, write_step(s, step, err), err);
}

int store_run_close(struct store *s, int64_t run, enum verdict verdict, const char *message,
                    int64_t ended_wall_ms, struct error *err)
{
    if (verdict == VERDICT_NONE)
        return error_set(err, ERROR_INPUT, "run %lld cannot be closed without a verdict",
                         (long long)run);
    int rc = store_save(s, err);
    if (rc)
        return rc;
    rc = open_run_needed(s, run, err);
    if (!rc)
        rc = store_run(s, ST_RUN_CLOSE, err, "iini", run, (int64_t)verdict, message, ended_wall_ms);
    return store_keep(s, rc, err);
}

static const char *column(sqlite3_stmt *st, int i)
{
    return text_of((const char *)sqlite3_column_text(st, i));
}

int store_open_runs(struct store *s, int (*each)(void *context, const struct open_run *r),
                    void *context, struct error *err)
{
    /* One run at a time by number: the callback may close it, or write to it. */
    int64_t run = 0;
    int rc = 0;
    while (!rc && (rc = store_number(s, ST_RUN_OPEN_IDS, &run, err, "i", run)) == 1) {
        sqlite3_stmt *st = NULL;
        if ((rc = store_rows(s, ST_RUN_OPEN_ONE, run, &st, err)))
            break;
        if (sqlite3_step(st) == SQLITE_ROW) {
            struct open_run r = {
                .run = {.id = sqlite3_column_int64(st, 0),
                        .order = column(st, 1),
                        .product = column(st, 2),
                        .plan = column(st, 3),
                        .plan_sha256 = column(st, 4),
                        .limits_sha256 = column(st, 5),
                        .product_sha256 = column(st, 6),
                        .bundle_sha256 = column(st, 7),
                        .program_version = column(st, 8),
                        .site = column(st, 9),
                        .line = column(st, 10),
                        .station = column(st, 11),
                        .slot = sqlite3_column_int(st, 12),
                        .serial = column(st, 13),
                        .operator_name = column(st, 14),
                        .mode = column(st, 15),
                        .started_wall_ms = sqlite3_column_int64(st, 16)},
                .chip_id = column(st, 17),
                .steps_committed = sqlite3_column_int(st, 18),
            };
            rc = each(context, &r);
        } else {
            rc = store_fail(s->db, err, "cannot read the open runs");
        }
        sqlite3_reset(st);
    }
    return rc;
}
