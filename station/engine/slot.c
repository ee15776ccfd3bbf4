#include "station/engine/slot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "station/engine/admission.h"
#include "station/engine/core.h"
#include "station/engine/usual.h"

enum { ABORT_GRACE_MS = 1500, USUAL_MS = 60000 };

const struct step_kind *slot_kind(const struct slot *s, int step)
{
    return vocabulary_kind(&s->engine->vocabulary, s->run.plan->steps[step].kind);
}

static struct schedule_slot *scheduled(struct slot *s)
{
    return &s->engine->schedule.slots[s->index];
}

/* ---- the run's way --------------------------------------------------------------------------- */

static int resource_of(const void *context, const char *class_name)
{
    const struct station_file_slot *place = context;
    for (size_t w = 0; w < place->wire_count; w++)
        if (strcmp(place->wires[w].class_name, class_name) == 0)
            return place->wires[w].resource;
    return -1;
}

/* One line carries one session. */
static int lanes_of(const struct station_file_slot *place)
{
    bool several = strncmp(place->port, "tcp:", 4) == 0 || strncmp(place->port, "unix:", 5) == 0;
    return several ? SCHEDULE_LANES_MAX : 1;
}

/* The same for all slots of one start. */
static int look_up_usual(struct engine *e, const struct plan *plan, struct error *err)
{
    if (e->usual.ms && clock_mono_ms() < e->usual.until_ms &&
        strcmp(e->usual.plan_sha256, plan->plan_sha256) == 0)
        return 0;
    free(e->usual.ms);
    e->usual.ms = NULL;
    int rc = usual_times(store_handle(e->store), plan, &e->usual.ms, NULL, err);
    snprintf(e->usual.plan_sha256, sizeof e->usual.plan_sha256, "%s", plan->plan_sha256);
    e->usual.until_ms = clock_mono_ms() + USUAL_MS;
    return rc;
}

int slot_prepare(struct slot *s, struct error *err)
{
    struct engine *e = s->engine;
    struct schedule_slot *sc = scheduled(s);
    int rc = progress_init(&s->progress, s->run.plan, s->run.mode,
                           s->run.id ? admission_ordinal(e, &s->run) : 0, err);
    if (!rc)
        rc = look_up_usual(e, s->run.plan, err);
    if (!rc)
        rc = schedule_needs_init(&sc->needs, s->run.plan, e->usual.ms, resource_of, s->place, err);
    sc->plan_sha256 = s->run.plan->plan_sha256;
    sc->fixture = s->place->fixture;
    sc->lanes = lanes_of(s->place);
    return rc;
}

void slot_begin(struct slot *s)
{
    s->state = SLOT_STEPS;
    s->progress.ordinal = admission_ordinal(s->engine, &s->run);
    s->engine->changed = true;
    scheduled(s)->progress = &s->progress;
    if (s->aborting) {
        s->aborting = false;
        slot_abort(s, s->abort_reason);
    }
    slot_queue_write(s);
}

void slot_start_step(struct slot *s, int step)
{
    struct lane *lane = NULL;
    for (int i = 0; i < SCHEDULE_LANES_MAX; i++) {
        struct lane *l = &s->lanes[i];
        if (l->state == LANE_FREE && (!lane || (!lane->worker.pid && l->worker.pid)))
            lane = l;
    }
    /* The teardown is alone with the unit. */
    for (int i = 0; step >= (int)s->run.plan->step_count && i < SCHEDULE_LANES_MAX; i++)
        if (&s->lanes[i] != lane)
            lane_end_worker(&s->lanes[i]);
    lane->state = LANE_BEGINNING;
    lane->due = false;
    lane->step = step;
    lane->attempt = s->progress.steps[step].attempt;
    slot_queue_write(s);
}

void slot_step_over(struct lane *l, enum verdict verdict, const char *message, double duration_ms,
                    cJSON *said)
{
    struct slot *s = l->slot;
    struct slot_result *r = calloc(1, sizeof *r);
    const int step = l->step;
    l->state = LANE_FREE;
    s->place_written = s->place_written && !s->resumes;
    s->resumes = 0;
    schedule_release(&s->engine->schedule, (int)s->index, step);
    if (!r) {
        /* Without its result the run cannot be judged. */
        cJSON_Delete(said);
        progress_drop(&s->progress, step, false);
        slot_abort(s, "out of memory for a step's result");
        return;
    }
    r->verdict = verdict;
    r->duration_ms = duration_ms;
    snprintf(r->message, sizeof r->message, "%s", message);
    slot_result_take(l, r, said);
    *s->results_end = r;
    s->results_end = &r->next;
    progress_end(&s->progress, step, r->verdict, r->message);
    slot_queue_write(s);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void close_run(struct slot *s)
{
    for (int i = 0; i < SCHEDULE_LANES_MAX; i++)
        lane_end_worker(&s->lanes[i]);
    scheduled(s)->progress = NULL;
    if (!s->run.plan) { /* slot_make_safe() */
        slot_forget_run(s);
        return;
    }
    int step;
    enum verdict steps = progress_worst(&s->progress, &step);
    if (s->aborting) {
        s->worst = VERDICT_ABORTED;
        snprintf(s->message, sizeof s->message, "%s", s->abort_reason);
    } else if (progress_rank(steps) >= progress_rank(s->worst)) {
        s->worst = steps == VERDICT_NONE ? VERDICT_PASS : steps;
        s->message[0] = '\0';
        if (s->worst != VERDICT_PASS)
            snprintf(s->message, sizeof s->message, "%.64s: %.400s", s->run.plan->steps[step].id,
                     s->progress.steps[step].why ? s->progress.steps[step].why : "");
    }
    s->state = SLOT_CLOSING;
    slot_queue_write(s);
}

void slot_safe_over(struct slot *s, int rc, const char *text)
{
    if (rc && progress_rank(s->worst) < progress_rank(VERDICT_ERROR)) {
        s->worst = VERDICT_ERROR;
        snprintf(s->message, sizeof s->message, "the slot could not be made safe: %.400s", text);
    }
    close_run(s);
}

static void start_safe(struct slot *s)
{
    s->state = SLOT_SAFING;
    scheduled(s)->progress = NULL;
    if (!s->lanes[0].worker.pid && !s->engine->fixture_socket[0])
        close_run(s);
    else
        lane_start_safe(&s->lanes[0]);
}

void slot_finish_if_over(struct slot *s)
{
    if (s->state != SLOT_STEPS || s->results || s->progress.unsaid)
        return;
    for (int i = 0; i < SCHEDULE_LANES_MAX; i++)
        if (s->lanes[i].state != LANE_FREE)
            return;
    if (progress_over(&s->progress))
        start_safe(s);
}

void slot_make_safe(struct slot *s)
{
    if (s->engine->fixture_socket[0])
        start_safe(s);
}

void slot_abort(struct slot *s, const char *reason)
{
    char why[240];
    if (s->state == SLOT_IDLE || s->aborting)
        return;
    s->engine->changed = true;
    s->aborting = true;
    s->place_written = false;
    snprintf(s->abort_reason, sizeof s->abort_reason, "%s", reason);
    if (s->state != SLOT_STEPS || s->progress.ending)
        return; /* the teardown goes its way; a start that is just written sees it in slot_begin()
                 */
    snprintf(why, sizeof why, "not reached: %s", reason);
    progress_stop(&s->progress, why);
    for (int i = 0; i < SCHEDULE_LANES_MAX; i++) {
        struct lane *l = &s->lanes[i];
        if (l->state != LANE_RUNNING)
            continue; /* one that is just beginning does not begin: slot_write.c */
        const struct step_kind *kind = slot_kind(s, l->step);
        if (kind && kind->uninterruptible)
            continue;
        __atomic_store_n(&l->worker.shared->cancel, true, __ATOMIC_RELAXED);
        l->abort_ns = clock_mono_ns() + (int64_t)ABORT_GRACE_MS * 1000000;
    }
    slot_queue_write(s);
}

int64_t slot_tick(struct slot *s, int64_t now_ns)
{
    int64_t next = -1;
    for (int i = 0; i < SCHEDULE_LANES_MAX; i++) {
        int64_t at = lane_tick(&s->lanes[i], now_ns);
        next = next < 0 || (at >= 0 && at < next) ? at : next;
    }
    return next;
}

/* ---- making and telling ---------------------------------------------------------------------- */

int slot_init(struct slot *s, struct engine *e, size_t index, struct error *err)
{
    memset(s, 0, sizeof *s);
    s->engine = e;
    s->index = index;
    s->place = &e->station->slots[index];
    s->results_end = &s->results;
    for (int i = 0; i < SCHEDULE_LANES_MAX; i++)
        lane_init(&s->lanes[i], s);
    return slot_write_init(s, err);
}

void slot_forget_run(struct slot *s)
{
    while (s->results) {
        struct slot_result *r = s->results;
        s->results = r->next;
        slot_result_free(r);
    }
    s->results_end = &s->results;
    scheduled(s)->progress = NULL;
    schedule_needs_free(&scheduled(s)->needs);
    progress_free(&s->progress);
    plan_free(s->run.plan);
    memset(&s->run, 0, sizeof s->run);
    s->state = SLOT_IDLE;
    s->resumes = 0;
    s->aborting = s->unit_known = s->place_written = s->ending_written = false;
    s->worst = VERDICT_NONE;
    s->message[0] = '\0';
}

void slot_free(struct slot *s)
{
    if (!s->engine)
        return;
    for (int i = 0; i < SCHEDULE_LANES_MAX; i++)
        lane_end_worker(&s->lanes[i]);
    slot_forget_run(s);
    free(s->write);
}
