/* What is written into the store: runs, units, steps and their figures. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/digest.h"
#include "reports/store.h"
#include "reports/store/statements.h"

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
    const char *name = text_of(run->order);
    int rc = store_number(s, ST_ORDER_FIND, out, err, "t", name);
    if (rc == 0)
        rc = store_number(s, ST_ORDER_ADD, out, err, "tii", name, product, run->started_wall_ms);
    if (rc == 0) /* another writer was quicker */
        rc = store_number(s, ST_ORDER_FIND, out, err, "t", name);
    return rc < 0 ? rc : 0;
}

static int note_operator(struct store *s, const char *name, int64_t wall_ms, struct error *err)
{
    int64_t id = 0;
    int rc = *name ? store_number(s, ST_OPERATOR_FIND, &id, err, "t", name) : 1;
    if (rc == 0)
        rc = store_run(s, ST_OPERATOR_ADD, err, "ti", name, wall_ms);
    return rc < 0 ? rc : 0;
}

static int unit_add(struct store *s, const char *chip_id, const char *serial, int64_t wall_ms,
                    int64_t *out, struct error *err)
{
    int rc = store_number(s, ST_UNIT_ADD, out, err, "nni", chip_id, serial, wall_ms);
    return rc < 0 ? rc : 0;
}

/* ---- what touched a unit --------------------------------------------------------------------- */

/* The set's name is the hash of its members, in the order given: a slot's wiring gives the same
 * order every time. */
static int tooling_hash(const struct run_record *run, char hex[DIGEST_TEXT], struct error *err)
{
    uint8_t hash[DIGEST_BYTES];
    struct digest *d = digest_start();
    if (!d)
        return error_set(err, ERROR_MEMORY, "a run's instruments: out of memory");
    for (size_t i = 0; i < run->instrument_count; i++) {
        const struct instrument_record *t = &run->instruments[i];
        const char *texts[] = {t->class_name,  t->name,          t->serial,
                               t->certificate, t->calibrated_on, t->due_on};
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
            digest_update(d, text_of(texts[k]), strlen(text_of(texts[k])) + 1);
    }
    digest_finish(d, hash);
    hex_encode(hash, sizeof hash, hex);
    return 0;
}

/* 0 in *out for a run that no instrument touched. */
static int tooling_of(struct store *s, const struct run_record *run, int64_t *out,
                      struct error *err)
{
    char hex[DIGEST_TEXT];
    *out = 0;
    if (!run->instrument_count)
        return 0;
    int rc = tooling_hash(run, hex, err);
    if (rc || (rc = store_number(s, ST_TOOLING_FIND, out, err, "t", hex)) != 0)
        return rc < 0 ? rc : 0;
    rc = store_intern(s, ST_TOOLING_FIND, ST_TOOLING_ADD, out, err, "t", hex);
    for (size_t i = 0; !rc && i < run->instrument_count; i++) {
        const struct instrument_record *t = &run->instruments[i];
        int64_t instrument = 0, calibration = 0;
        rc = store_intern(s, ST_INSTRUMENT_FIND, ST_INSTRUMENT_ADD, &instrument, err, "ttt",
                          t->class_name, t->name, t->serial);
        if (!rc)
            rc = store_intern(s, ST_CALIBRATION_FIND, ST_CALIBRATION_ADD, &calibration, err, "ittt",
                              instrument, t->certificate, t->calibrated_on, t->due_on);
        if (!rc)
            rc = store_run(s, ST_TOOLING_PART_ADD, err, "ii", *out, calibration);
    }
    return rc;
}

static int write_run(struct store *s, struct run_record *run, struct error *err)
{
    int64_t station = 0, product = 0, order = 0, plan = 0, limits = 0, file = 0, bundle = 0;
    int64_t unit = 0, tooling = 0;
    const char *name = text_of(run->product), *serial = text_of(run->serial);
    int rc = 0;
    if ((rc = station_of(s, run, &station, err)) ||
        (rc = store_intern(s, ST_PRODUCT_FIND, ST_PRODUCT_ADD, &product, err, "t", name)) ||
        (rc = order_of(s, run, product, &order, err)) ||
        (rc = file_version(s, "plan", run->plan_sha256, text_of(run->plan), &plan, err)) ||
        (rc = file_version(s, "limits", run->limits_sha256, name, &limits, err)) ||
        (rc = file_version(s, "product", run->product_sha256, name, &file, err)) ||
        (rc = file_version(s, "bundle", run->bundle_sha256, "", &bundle, err)) ||
        (rc = tooling_of(s, run, &tooling, err)) ||
        (rc = note_operator(s, text_of(run->operator_name), run->started_wall_ms, err)))
        return rc;
    if (*serial) {
        rc = store_number(s, ST_UNIT_BY_SERIAL, &unit, err, "t", serial);
        if (rc == 0)
            rc = unit_add(s, "", serial, run->started_wall_ms, &unit, err);
        if (rc < 0)
            return rc;
    }
    rc = store_number(s, ST_RUN_ADD, &run->id, err, "ziiiiiitiitttizn", unit, order, product, plan,
                      limits, file, bundle, run->program_version, station, (int64_t)run->slot,
                      serial, run->operator_name, run->mode, run->started_wall_ms, tooling,
                      text_of(run->plan_signer));
    return rc < 0 ? rc : 0;
}

int store_run_open(struct store *s, struct run_record *run, struct error *err)
{
    int rc = store_save(s, err);
    if (rc)
        return rc;
    return store_keep(s, write_run(s, run, err), err);
}

/* Runs change their unit, and so which of them came after which. */
static int move_runs(struct store *s, int64_t from, int64_t to, const char *serial,
                     struct error *err)
{
    const int64_t both[] = {from, to};
    int rc = 0;
    for (int i = 0; !rc && i < 2; i++)
        rc = store_run(s, ST_AGAIN_FORGET, err, "i", both[i]);
    if (!rc)
        rc = store_run(s, ST_UNIT_MOVE_RUNS, err, "iit", from, to, serial);
    for (int i = 0; !rc && i < 2; i++)
        rc = store_run(s, ST_AGAIN_UNIT, err, "i", both[i]);
    return rc;
}

/* Which unit is run R's, now that its chip has spoken? The unit of that chip; else the run's own
 * unit, known until now by its label alone; else a new one. */
static int write_run_unit(struct store *s, int64_t run, const char *chip_id, const char *given,
                          struct error *err)
{
    char serial[256] = "";
    int64_t own = 0, started = 0, chip = 0, found = 0;
    struct store_statement *st = NULL;
    const struct store_engine *e = s->engine;
    int rc = store_rows(s, ST_RUN_WHO, &st, err, "i", run);
    if (rc)
        return rc;
    if ((rc = e->next(st, err)) == 1) {
        own = e->integer(st, 0);
        const char *text = *given ? given : e->text(st, 1);
        rc = 0;
        if (strlen(text) >= sizeof serial)
            rc = error_set(err, ERROR_INPUT, "a serial of %zu bytes is too long", strlen(text));
        else
            strcpy(serial, text);
        started = e->integer(st, 2);
    } else if (rc == 0) {
        rc = error_set(err, ERROR_MISSING, "the store has no run %lld", (long long)run);
    }
    e->finish(st);
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
        rc = move_runs(s, label_only, unit, serial, err);
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

/* What a day's screen adds up, in the transaction of the run itself. */
static int tally_run(struct store *s, int64_t run, struct error *err)
{
    static const enum store_statement_id parts[] = {ST_TALLY_RUN, ST_TALLY_FAILURES, ST_AGAIN_AFTER,
                                                    ST_AGAIN_BEFORE};
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof parts / sizeof parts[0]; i++)
        rc = store_run(s, parts[i], err, "i", run);
    return rc;
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
    if (!rc)
        rc = tally_run(s, run, err);
    if (!rc)
        rc = store_run(s, ST_OUTBOX_QUEUE, err, "ii", run, ended_wall_ms);
    return store_keep(s, rc, err);
}

int store_open_runs(struct store *s, int (*each)(void *context, const struct open_run *r),
                    void *context, struct error *err)
{
    /* One run at a time by number: the callback may close it, or write to it. */
    const struct store_engine *e = s->engine;
    int64_t run = 0;
    int rc = 0;
    while (!rc && (rc = store_number(s, ST_RUN_OPEN_IDS, &run, err, "i", run)) == 1) {
        struct store_statement *st = NULL;
        if ((rc = store_rows(s, ST_RUN_OPEN_ONE, &st, err, "i", run)))
            break;
        if ((rc = e->next(st, err)) == 1) {
            struct open_run r = {
                .run = {.id = e->integer(st, 0),
                        .order = e->text(st, 1),
                        .product = e->text(st, 2),
                        .plan = e->text(st, 3),
                        .plan_sha256 = e->text(st, 4),
                        .limits_sha256 = e->text(st, 5),
                        .product_sha256 = e->text(st, 6),
                        .bundle_sha256 = e->text(st, 7),
                        .program_version = e->text(st, 8),
                        .site = e->text(st, 9),
                        .line = e->text(st, 10),
                        .station = e->text(st, 11),
                        .slot = (int)e->integer(st, 12),
                        .serial = e->text(st, 13),
                        .operator_name = e->text(st, 14),
                        .mode = e->text(st, 15),
                        .started_wall_ms = e->integer(st, 16)},
                .chip_id = e->text(st, 17),
                .steps_committed = (int)e->integer(st, 18),
            };
            rc = each(context, &r);
        } else if (rc == 0) {
            rc = error_set(err, ERROR_IO, "run %lld is open, but not there", (long long)run);
        }
        e->finish(st);
    }
    return rc;
}

/* ---- defects and repairs --------------------------------------------------------------------- */

static int write_defect(struct store *s, struct defect_record *d, struct error *err)
{
    int64_t unit = 0;
    int rc = store_number(s, ST_UNIT_BY_CHIP, &unit, err, "t", text_of(d->unit));
    if (rc == 0)
        rc = store_number(s, ST_UNIT_BY_SERIAL, &unit, err, "t", text_of(d->unit));
    if (rc == 0)
        return error_set(err, ERROR_MISSING, "the store has no unit of chip id or serial '%s'",
                         text_of(d->unit));
    if (rc > 0)
        rc = note_operator(s, text_of(d->operator_name), d->found_wall_ms, err);
    if (!rc)
        rc = store_number(s, ST_DEFECT_ADD, &d->id, err, "iztttti", unit, d->run, d->code, d->place,
                          d->text, d->operator_name, d->found_wall_ms);
    if (rc == ERROR_STATE && d->run)
        return error_set(err, ERROR_MISSING, "the store has no run %lld, or no code is given",
                         (long long)d->run);
    return rc < 0 ? rc : 0;
}

int store_defect(struct store *s, struct defect_record *d, struct error *err)
{
    int rc = store_save(s, err);
    return rc ? rc : store_keep(s, write_defect(s, d, err), err);
}

static int write_repair(struct store *s, struct repair_record *r, struct error *err)
{
    int rc = note_operator(s, text_of(r->operator_name), r->done_wall_ms, err);
    if (!rc)
        rc = store_number(s, ST_REPAIR_ADD, &r->id, err, "itttti", r->defect, r->action, r->part,
                          r->text, r->operator_name, r->done_wall_ms);
    if (rc == ERROR_STATE)
        return error_set(err, ERROR_MISSING, "the store has no defect %lld, or no action is given",
                         (long long)r->defect);
    return rc < 0 ? rc : 0;
}

int store_repair(struct store *s, struct repair_record *r, struct error *err)
{
    int rc = store_save(s, err);
    return rc ? rc : store_keep(s, write_repair(s, r, err), err);
}
