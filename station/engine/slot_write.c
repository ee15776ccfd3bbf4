/* What moves a run on: results, skipped steps and beginnings, written together, then acted on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "station/engine/core.h"
#include "station/engine/journal.h"

int slot_write_step(struct slot *s, int step, struct error *err)
{
    const struct progress_step *at = &s->progress.steps[step];
    const int group = s->run.plan->steps[step].group;
    const struct journal_step entry = {.run = s->run.id,
                                       .step = step,
                                       .state = (int)at->state,
                                       .attempt = at->attempt,
                                       .tries = at->tries,
                                       .verdict = (int)at->verdict,
                                       .first = (int)at->first,
                                       .again = at->again,
                                       .why = at->why ? at->why : ""};
    int rc = journal_put_step(s->engine->journal, &entry, err);
    if (rc || group < 0)
        return rc;
    return journal_put_rounds(s->engine->journal, s->run.id, group, s->progress.rounds[group],
                              s->progress.repeats[group], err);
}

/* A group that begins its next round, or a run that ends early, changes steps that were over. */
static int write_places(struct slot *s, int step, struct error *err)
{
    const int group = s->run.plan->steps[step].group;
    int rc = slot_write_step(s, step, err);
    for (int i = 0; !rc && group >= 0 && i < (int)s->run.plan->step_count; i++)
        if (i != step && s->run.plan->steps[i].group == group && s->progress.steps[i].attempt)
            rc = slot_write_step(s, i, err);
    return rc;
}

static int write_skipped(struct slot *s, struct error *err)
{
    int rc = 0;
    for (int i = 0; !rc && s->progress.unsaid && i < s->progress.count; i++) {
        const struct progress_step *at = &s->progress.steps[i];
        if (!at->unsaid)
            continue;
        const struct step_record record = {.run = s->run.id,
                                           .index = i,
                                           .attempt = at->attempt,
                                           .id = s->run.plan->steps[i].id,
                                           .kind = s->run.plan->steps[i].kind,
                                           .verdict = VERDICT_SKIPPED,
                                           .message = at->why,
                                           .started_wall_ms = clock_wall_ms()};
        rc = store_step(s->engine->store, &record, err);
        if (!rc)
            rc = slot_write_step(s, i, err);
    }
    return rc;
}

static int write_run_place(struct slot *s, struct error *err)
{
    struct journal_run entry = {.run = s->run.id,
                                .slot = s->place->number,
                                .resumes = s->resumes,
                                .aborting = s->aborting,
                                .ending = s->progress.ending};
    snprintf(entry.message, sizeof entry.message, "%s",
             s->aborting ? s->abort_reason : s->progress.stopped);
    return journal_put_run(s->engine->journal, &entry, err);
}

static int write_slot(struct op *op, struct error *err)
{
    struct slot *s = op->context;
    int rc = 0;
    for (struct slot_result *r = s->results; !rc && r; r = r->next) {
        r->writing = true;
        rc = slot_write_result(s, r, err);
        if (!rc)
            rc = write_places(s, r->index, err);
    }
    if (!rc)
        rc = write_skipped(s, err);
    for (int i = 0; !rc && i < SCHEDULE_LANES_MAX; i++)
        if (s->lanes[i].state == LANE_BEGINNING && !s->lanes[i].due) {
            s->lanes[i].writing = true;
            rc = slot_write_step(s, s->lanes[i].step, err);
        }
    if (rc)
        return rc;
    if (s->state == SLOT_CLOSING) {
        rc = store_run_close(s->engine->store, s->run.id, s->worst, s->message, clock_wall_ms(),
                             err);
        return rc ? rc : journal_remove(s->engine->journal, s->run.id, err);
    }
    if (s->place_written && s->ending_written == s->progress.ending)
        return 0;
    s->ending_written = s->progress.ending;
    return write_run_place(s, err);
}

static void drop_results(struct slot *s, bool all)
{
    while (s->results && (all || s->results->writing)) {
        struct slot_result *r = s->results;
        s->results = r->next;
        slot_result_free(r);
    }
    if (!s->results)
        s->results_end = &s->results;
}

static void forget_unsaid(struct slot *s)
{
    for (int i = 0; s->progress.unsaid && i < s->progress.count; i++) {
        s->progress.unsaid -= s->progress.steps[i].unsaid;
        s->progress.steps[i].unsaid = false;
    }
}

/* The store refuses a record (not: has no room). No later one can be trusted: the run ends, safely,
 * with what there is. */
static void refused(struct slot *s, const struct error *why)
{
    fprintf(stderr, "slot %d: %s\n", s->place->number, why->text);
    for (int i = 0; i < SCHEDULE_LANES_MAX; i++) {
        struct lane *l = &s->lanes[i];
        if (l->state == LANE_BEGINNING || l->state == LANE_RUNNING)
            schedule_release(&s->engine->schedule, (int)s->index, l->step);
        l->state = LANE_FREE;
        lane_end_worker(l);
    }
    s->engine->schedule.slots[s->index].progress = NULL;
    drop_results(s, true);
    forget_unsaid(s);
    s->worst = VERDICT_ERROR;
    snprintf(s->message, sizeof s->message, "the store refused a record: %.400s", why->text);
    s->state = SLOT_SAFING;
    if (s->engine->fixture_socket[0])
        lane_start_safe(&s->lanes[0]);
    else
        slot_safe_over(s, 0, "");
}

static void closed(struct slot *s)
{
    s->last_verdict = s->worst;
    s->last_first_pass = s->worst == VERDICT_PASS && progress_first_pass(&s->progress);
    if (s->worst == VERDICT_PASS) /* an attempt before the one that passed is no failure */
        memset(&s->failure, 0, sizeof s->failure);
    s->last_run = s->run.id;
    strcpy(s->last_serial, s->run.serial);
    slot_forget_run(s);
}

struct lane *slot_lane_due(struct slot *s)
{
    for (int i = 0; i < SCHEDULE_LANES_MAX; i++)
        if (s->lanes[i].state == LANE_BEGINNING && s->lanes[i].due)
            return &s->lanes[i];
    return NULL;
}

void slot_lane_begin(struct lane *l)
{
    struct slot *s = l->slot;
    if (!s->aborting || l->step >= (int)s->run.plan->step_count) {
        lane_start_step(l);
        return;
    }
    l->state = LANE_FREE;
    schedule_release(&s->engine->schedule, (int)s->index, l->step);
    progress_drop(&s->progress, l->step, false);
    slot_queue_write(s);
}

/* What was decided is in the store: act on it. */
static void written(struct op *op, int rc, const struct error *why)
{
    struct slot *s = op->context;
    s->engine->changed = true;
    if (rc && s->state != SLOT_CLOSING) {
        refused(s, why);
        return;
    }
    if (s->state == SLOT_CLOSING) {
        closed(s);
        return;
    }
    s->place_written = true;
    s->unit_known = s->unit_known || (s->results && s->run.chip_id[0]);
    drop_results(s, false);
    forget_unsaid(s);
    for (int i = 0; i < SCHEDULE_LANES_MAX; i++) {
        struct lane *l = &s->lanes[i];
        if (!l->writing)
            continue;
        l->writing = false;
        if (l->state != LANE_BEGINNING)
            continue;
        l->due = true;
        if (l->worker.pid)
            slot_lane_begin(l);
    }
}

int slot_write_init(struct slot *s, struct error *err)
{
    s->write = calloc(1, sizeof *s->write);
    if (!s->write)
        return error_set(err, ERROR_MEMORY, "slot %d: out of memory", s->place->number);
    s->write->write = write_slot;
    s->write->done = written;
    s->write->context = s;
    return 0;
}

void slot_queue_write(struct slot *s)
{
    s->engine->changed = true;
    engine_queue(s->engine, s->write);
}
