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
                      const struct journal_run *at, struct error *err)
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
    if (rc) {
        plan_free(p);
        return rc;
    }
    s->run.plan = p;
    return 0;
}

static int take_step(void *context, const struct journal_step *e)
{
    struct progress *p = context;
    if (e->step < 0 || e->step >= p->count || e->state < STEP_WAITING || e->state > STEP_SKIPPED ||
        e->attempt < 0 || e->verdict < VERDICT_NONE || e->verdict > VERDICT_SKIPPED)
        return ERROR_STATE;
    struct progress_step *s = &p->steps[e->step];
    s->state = (enum progress_state)e->state;
    s->verdict = (enum verdict)e->verdict;
    s->first = (enum verdict)e->first;
    s->attempt = e->attempt;
    s->tries = e->tries;
    s->why = e->why[0] ? strdup(e->why) : NULL;
    if (s->state == STEP_RUNNING)
        p->running++;
    s->again = s->state == STEP_RUNNING && e->again;
    p->agains += s->again;
    return 0;
}

/* Where the run stood, as the journal has it. */
static int read_place(struct engine *e, struct slot *s, const struct journal_run *at,
                      struct error *err)
{
    struct progress *p = &s->progress;
    int rc = journal_steps(e->journal, s->run.id, take_step, p, err);
    for (size_t g = 0; !rc && g < s->run.plan->group_count; g++)
        rc = journal_get_rounds(e->journal, s->run.id, (int)g, &p->rounds[g], &p->repeats[g], err);
    p->open = 0;
    p->ending = at->ending;
    snprintf(p->stopped, sizeof p->stopped, "%s", at->message);
    return rc;
}

/* The attempt nobody will ever hear the end of. */
static int record_unfinished(struct engine *e, struct slot *s, int step, struct error *err)
{
    const struct step_record record = {
        .run = s->run.id,
        .index = step,
        .attempt = s->progress.steps[step].attempt,
        .id = s->run.plan->steps[step].id,
        .kind = s->run.plan->steps[step].kind,
        .verdict = VERDICT_ABORTED,
        .message = "the station stopped while this attempt was under way",
        .started_wall_ms = clock_wall_ms(),
    };
    int rc = store_step(e->store, &record, err);
    if (!rc && s->progress.steps[step].first == VERDICT_NONE)
        s->progress.steps[step].first = VERDICT_ABORTED;
    progress_drop(&s->progress, step, true);
    return rc;
}

/* Steps that bring the slot to where later ones need it. */
static void restore_first(struct slot *s)
{
    for (int i = 0; i < (int)s->run.plan->step_count; i++) {
        const struct step_kind *kind = slot_kind(s, i);
        if (kind && kind->restores)
            progress_again(&s->progress, i);
    }
}

/* The run into its slot as it stood; nothing is written yet. */
static int take_over(struct engine *e, const struct found *f, struct slot *s,
                     const struct journal_run *at, struct error *err)
{
    struct plan *plan = s->run.plan;
    struct board board = s->run.board;
    s->run = f->run;
    s->run.plan = plan;
    s->run.board = board;
    s->resumes = at->resumes + 1;
    s->aborting = at->aborting;
    if (s->aborting)
        snprintf(s->abort_reason, sizeof s->abort_reason, "%.190s", at->message);
    int rc = slot_prepare(s, err);
    return rc ? rc : read_place(e, s, at, err);
}

static int go_on(struct engine *e, struct slot *s, struct journal_run *at, struct error *err)
{
    int rc = 0;
    for (int i = 0; !rc && i < s->progress.count; i++)
        if (s->progress.steps[i].state == STEP_RUNNING)
            rc = record_unfinished(e, s, i, err);
    restore_first(s);
    progress_settle(&s->progress);
    at->resumes = s->resumes;
    if (!rc)
        rc = journal_put_run(e->journal, at, err);
    for (int i = 0; !rc && i < s->progress.count; i++)
        if (s->progress.steps[i].attempt)
            rc = slot_write_step(s, i, err);
    return rc;
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
    struct journal_run at;
    struct error why = {0};
    int rc = store_begin(e->store, err);
    if (rc)
        return rc;
    int cannot = journal_get_run(e->journal, f->run.id, &at, &why);
    if (!cannot)
        cannot = check_same(e, f, s, &at, &why);
    if (!cannot && (cannot = take_over(e, f, s, &at, &why)))
        slot_forget_run(s);
    rc = cannot ? close_aborted(e, f, why.text, err) : go_on(e, s, &at, err);
    if (!rc)
        rc = store_commit(e->store, err);
    else
        store_rollback(e->store);
    if (rc)
        return rc;
    if (!cannot)
        slot_begin(s);
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
