/* Runs that were open when taktd ended: gone on with, or closed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "station/engine/core.h"
#include "station/engine/journal.h"

/* A step that takes the whole station down with it must end some time. */
enum { RESUMES_MAX = 10 };

/* Read first, acted on after: store_open_runs() is still reading while it calls back. */
struct found {
    struct found *next;
    struct run run;
    char plan[65], product[65], plan_sha256[65], limits_sha256[65], product_sha256[65];
    int slot;
};

static int note_open_run(void *context, const struct open_run *o)
{
    struct found ***end = context, *f = calloc(1, sizeof *f);
    if (!f)
        return ERROR_MEMORY;
    const struct run_record *r = &o->run;
    f->run.id = r->id;
    f->run.started_wall_ms = r->started_wall_ms;
    f->slot = r->slot;
    snprintf(f->run.order, sizeof f->run.order, "%s", r->order);
    snprintf(f->run.operator_name, sizeof f->run.operator_name, "%s", r->operator_name);
    snprintf(f->run.mode, sizeof f->run.mode, "%s", r->mode);
    snprintf(f->run.serial, sizeof f->run.serial, "%s", r->serial);
    snprintf(f->run.chip_id, sizeof f->run.chip_id, "%s", o->chip_id ? o->chip_id : "");
    snprintf(f->run.bundle_sha256, sizeof f->run.bundle_sha256, "%s", r->bundle_sha256);
    snprintf(f->plan, sizeof f->plan, "%s", r->plan);
    snprintf(f->product, sizeof f->product, "%s", r->product);
    snprintf(f->plan_sha256, sizeof f->plan_sha256, "%s", r->plan_sha256);
    snprintf(f->limits_sha256, sizeof f->limits_sha256, "%s", r->limits_sha256);
    snprintf(f->product_sha256, sizeof f->product_sha256, "%s", r->product_sha256);
    **end = f;
    *end = &f->next;
    return 0;
}

/* Whether the run may go on as it began; the reason why not in err. */
static int check_same(struct engine *e, const struct found *f, struct slot *s,
                      const struct journal_entry *at, struct error *err)
{
    char reference[140], bundle[65];
    struct plan *p = NULL;
    if (!s)
        return error_set(err, ERROR_MISSING, "the station has no slot %d any more", f->slot);
    if (s->state != SLOT_IDLE)
        return error_set(err, ERROR_STATE, "slot %d has a later run", f->slot);
    if (at->resumes >= RESUMES_MAX)
        return error_set(err, ERROR_STATE, "the station was restarted %d times in the same step",
                         at->resumes);
    snprintf(reference, sizeof reference, "%s/%s", f->product, f->plan);
    const struct start start = {.plan = reference};
    int rc = engine_prepare(e, &start, &s, 0, &p, &s->run.board, bundle, err);
    if (rc)
        return rc;
    if (strcmp(p->plan_sha256, f->plan_sha256) != 0 ||
        strcmp(p->limits_sha256, f->limits_sha256) != 0 ||
        strcmp(p->product_sha256, f->product_sha256) != 0)
        rc = error_set(err, ERROR_MISMATCH, "plan %s, its limits or its product were changed",
                       reference);
    else if (strcmp(bundle, f->run.bundle_sha256) != 0)
        rc = error_set(err, ERROR_MISMATCH, "the station's bundle was changed");
    else if (at->at < 0 || at->current < 0 || at->attempt < 1 ||
             (size_t)at->at > p->step_count + p->teardown_count ||
             (size_t)at->current >= p->step_count + p->teardown_count)
        rc = error_set(err, ERROR_STATE, "the journal points outside the plan");
    if (rc) {
        plan_free(p);
        return rc;
    }
    s->run.plan = p;
    return 0;
}

/* The attempt nobody will ever hear the end of. */
static int record_unfinished(struct engine *e, struct slot *s, const struct journal_entry *at,
                             struct error *err)
{
    const struct plan_step *step = &s->run.plan->steps[at->current];
    int attempt = at->attempt;
    if (at->current != at->at) {
        int rc = journal_get_attempt(e->journal, s->run.id, at->current, &attempt, err);
        if (rc)
            return rc;
        attempt++;
    }
    const struct step_record record = {
        .run = s->run.id,
        .index = at->current,
        .attempt = attempt,
        .id = step->id,
        .kind = step->kind,
        .verdict = VERDICT_ABORTED,
        .message = "the station stopped while this attempt was under way",
        .started_wall_ms = clock_wall_ms(),
    };
    int rc = store_step(e->store, &record, err);
    if (!rc && at->current != at->at)
        return journal_put_attempt(e->journal, s->run.id, at->current, attempt, err);
    s->attempt = attempt + 1;
    return rc;
}

static int go_on(struct engine *e, struct found *f, struct slot *s, struct journal_entry *at,
                 struct error *err)
{
    struct plan *plan = s->run.plan;
    struct board board = s->run.board;
    s->run = f->run;
    s->run.plan = plan;
    s->run.board = board;
    s->at = at->at;
    s->attempt = at->attempt;
    s->tries = at->tries;
    s->worst = (enum verdict)at->worst;
    s->resumes = at->resumes + 1;
    s->ending = at->ending;
    snprintf(s->message, sizeof s->message, "%s", at->message);
    if (s->worst == VERDICT_ABORTED) {
        s->aborting = true;
        snprintf(s->abort_reason, sizeof s->abort_reason, "%.190s", at->message);
    }
    int rc = at->begun ? record_unfinished(e, s, at, err) : 0;
    s->restore = 0;
    at->begun = false;
    at->attempt = s->attempt;
    at->resumes = s->resumes;
    return rc ? rc : journal_put(e->journal, at, err);
}

static int close_aborted(struct engine *e, const struct found *f, const char *why,
                         struct error *err)
{
    char message[560];
    struct error none;
    snprintf(message, sizeof message, "aborted when the station started again: %s", why);
    int rc = store_run_close(e->store, f->run.id, VERDICT_ABORTED, message, clock_wall_ms(), err);
    journal_remove(e->journal, f->run.id, &none);
    fprintf(stderr, "run %lld on slot %d: %s\n", (long long)f->run.id, f->slot, message);
    return rc;
}

static int recover_one(struct engine *e, struct found *f, struct error *err)
{
    struct slot *s = engine_slot(e, f->slot);
    struct journal_entry at;
    struct error why = {0};
    int rc = store_begin(e->store, err);
    if (rc)
        return rc;
    int cannot = journal_get(e->journal, f->run.id, &at, &why);
    if (!cannot)
        cannot = check_same(e, f, s, &at, &why);
    rc = cannot ? close_aborted(e, f, why.text, err) : go_on(e, f, s, &at, err);
    if (!rc)
        rc = store_commit(e->store, err);
    else
        store_rollback(e->store);
    if (rc)
        return rc;
    if (!cannot)
        slot_resume(s);
    else if (s && s->state == SLOT_IDLE)
        slot_make_safe(s);
    return 0;
}

int engine_recover(struct engine *e, struct error *err)
{
    struct found *all = NULL, **end = &all;
    int rc = store_open_runs(e->store, note_open_run, &end, err);
    while (all) {
        struct found *f = all;
        all = f->next;
        if (!rc)
            rc = recover_one(e, f, err);
        free(f);
    }
    return rc;
}
