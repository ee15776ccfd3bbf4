#include "station/engine/slot.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "station/engine/core.h"
#include "station/engine/journal.h"

enum { ABORT_GRACE_MS = 1500, SAFE_MS = 20000, LAST_READS = 128 };

const struct plan_step *slot_step(const struct slot *s)
{
    return &s->run.plan->steps[s->current];
}

static const struct step_kind *kind_of(const struct slot *s)
{
    return vocabulary_kind(&s->engine->vocabulary, slot_step(s)->kind);
}

static void queue_write(struct slot *s)
{
    s->state = SLOT_WRITING;
    s->engine->changed = true;
    engine_queue(s->engine, s->write);
}

static int write_skipped(struct slot *s, struct error *err)
{
    int rc = 0;
    for (int i = s->skip_from; !rc && i < s->skip_to; i++) {
        const struct plan_step *step = &s->run.plan->steps[i];
        const struct step_record record = {.run = s->run.id,
                                           .index = i,
                                           .attempt = i == s->skip_from ? s->skip_attempt : 1,
                                           .id = step->id,
                                           .kind = step->kind,
                                           .verdict = VERDICT_SKIPPED,
                                           .message = "not reached",
                                           .started_wall_ms = clock_wall_ms()};
        rc = store_step(s->engine->store, &record, err);
    }
    return rc;
}

static int write_slot(struct op *op, struct error *err)
{
    struct slot *s = op->context;
    int rc = s->result.there ? slot_write_result(s, err) : 0;
    if (!rc)
        rc = write_skipped(s, err);
    if (rc)
        return rc;
    if (s->closing) {
        rc = store_run_close(s->engine->store, s->run.id, s->worst, s->message, clock_wall_ms(),
                             err);
        return rc ? rc : journal_remove(s->engine->journal, s->run.id, err);
    }
    struct journal_entry entry = {.run = s->run.id,
                                  .slot = s->place->number,
                                  .at = s->at,
                                  .current = s->current,
                                  .attempt = s->attempt,
                                  .tries = s->tries,
                                  .resumes = s->resumes,
                                  .begun = s->begun,
                                  .ending = s->ending,
                                  .worst = s->aborting ? VERDICT_ABORTED : s->worst};
    snprintf(entry.message, sizeof entry.message, "%s", s->aborting ? s->abort_reason : s->message);
    return journal_put(s->engine->journal, &entry, err);
}

/* ---- worker --------------------------------------------------------------------------------- */

static void step_over(struct slot *s, enum verdict verdict, const char *message, cJSON *said);
static void safe_over(struct slot *s, int rc, const char *text);

static void take_done(struct slot *s, cJSON *said)
{
    int rc = (int)json_number(said, "rc", ERROR_PROTOCOL);
    enum verdict verdict = VERDICT_NONE; /* left to the values */
    if (rc && s->aborting && !s->ending)
        verdict = VERDICT_ABORTED;
    else if (rc)
        verdict = VERDICT_ERROR;
    s->result.duration_ms = json_number(said, "duration_ms", 0);
    step_over(s, verdict, rc ? json_string(said, "text", "") : "", said);
}

static void take_message(struct slot *s, cJSON *message)
{
    const char *said = json_string(message, "say", "");
    s->engine->changed = true;
    if (cJSON_HasObjectItem(message, "ask") && s->state == SLOT_RUNNING) {
        slot_take_question(s, message);
        return;
    }
    if (strcmp(said, "done") == 0 && s->state == SLOT_RUNNING) {
        take_done(s, message);
        return;
    }
    if (strcmp(said, "safe") == 0 && s->state == SLOT_SAFING)
        safe_over(s, (int)json_number(message, "rc", 0), json_string(message, "text", ""));
    else if (strcmp(said, "progress") == 0) {
        s->fraction = json_number(message, "fraction", 0);
        snprintf(s->progress, sizeof s->progress, "%s", json_string(message, "text", ""));
    } else if (strcmp(said, "log") == 0) {
        fprintf(stderr, "slot %d: %s\n", s->place->number, json_string(message, "text", ""));
    }
    cJSON_Delete(message);
}

/* Takes whatever complete messages are there. */
static void read_worker(struct slot *s)
{
    struct error err;
    pid_t pid = s->worker.pid;
    int filled = channel_fill(s->worker.channel, &err);
    for (;;) {
        cJSON *message;
        if (!s->worker.pid || s->worker.pid != pid)
            return;
        if (channel_next(s->worker.channel, &message, &err)) {
            worker_kill(&s->worker); /* it talks nonsense; its death is recorded */
            break;
        }
        if (!message)
            break;
        take_message(s, message);
    }
    if (filled && s->worker.pid == pid)
        loop_remove(&s->engine->loop, &s->channel_watch); /* its death follows */
}

static void channel_ready(struct watch *w)
{
    struct slot *s = w->context;
    struct error err;
    if (w->writing && !channel_flush(s->worker.channel, &err))
        loop_want_write(&s->engine->loop, w, channel_unsent(s->worker.channel) > 0);
    read_worker(s);
}

static void forget_worker(struct slot *s, char *how, size_t how_size)
{
    loop_remove(&s->engine->loop, &s->channel_watch);
    loop_remove(&s->engine->loop, &s->death_watch);
    worker_reap(&s->worker, how, how_size);
}

static void end_worker(struct slot *s)
{
    char how[64];
    if (!s->worker.pid)
        return;
    worker_kill(&s->worker);
    forget_worker(s, how, sizeof how);
}

static void worker_died(struct slot *s, const char *how)
{
    char message[480];
    if (s->state == SLOT_SAFING) {
        snprintf(message, sizeof message, "slot worker %s while switching off", how);
        safe_over(s, ERROR_CLOSED, message);
        return;
    }
    if (s->state != SLOT_RUNNING)
        return; /* between steps: the next one gets a fresh worker */
    const struct plan_step *step = slot_step(s);
    s->result.duration_ms = (double)(clock_mono_ns() - s->step_started_ns) / 1e6;
    if (s->killed_for == KILL_DEADLINE) {
        snprintf(message, sizeof message, "past its deadline of %g s, ended with all it started",
                 step->deadline_ms / 1000.0);
        step_over(s, VERDICT_TIMEOUT, message, NULL);
    } else if (s->killed_for == KILL_ABORT) {
        step_over(s, VERDICT_ABORTED, s->abort_reason, NULL);
    } else {
        snprintf(message, sizeof message, "slot worker %s during step %s", how, step->id);
        step_over(s, VERDICT_ERROR, message, NULL);
    }
}

static void death_ready(struct watch *w)
{
    struct slot *s = w->context;
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    char how[64];
    if (poll(&p, 1, 0) != 1)
        return; /* of the worker before this one */
    pid_t pid = s->worker.pid;
    /* What it said last still counts; bounded, should a child of its hold the socket open. */
    for (int i = 0; i < LAST_READS && s->channel_watch.fd >= 0 && s->worker.pid == pid; i++)
        read_worker(s);
    if (s->worker.pid != pid)
        return;
    forget_worker(s, how, sizeof how);
    worker_died(s, how);
}

static int start_worker(struct slot *s, struct error *err)
{
    struct engine *e = s->engine;
    const struct worker_job job = {
        .slot = s->place->number,
        .plan = s->run.plan,
        .vocabulary = &e->vocabulary,
        .board = &s->run.board,
        .order = s->run.order,
        .serial = s->run.serial,
        .chip_id = s->run.chip_id,
        .bundle_path = e->station->bundle,
        .unit_port = s->place->port,
        .fixture_socket = e->fixture_socket,
        .attachments_dir = e->attachments_dir,
        .guard_fd = e->guard_fd,
        .bundle_key_pem = e->station->bundle_key_pem,
        .credentials = e->station->credentials.certificate_pem ? &e->station->credentials : NULL,
    };
    int rc = worker_spawn(&job, &s->worker, err);
    if (!rc)
        rc = loop_add(&e->loop, &s->channel_watch, channel_fd(s->worker.channel), err);
    if (!rc)
        rc = loop_add(&e->loop, &s->death_watch, s->worker.pidfd, err);
    if (rc)
        end_worker(s);
    return rc;
}

static int tell_worker(struct slot *s, const char *what, int index, struct error *err)
{
    int rc = s->worker.pid ? 0 : start_worker(s, err);
    cJSON *order = rc ? NULL : cJSON_CreateObject();
    if (!rc) {
        cJSON_AddStringToObject(order, "do", what);
        cJSON_AddNumberToObject(order, "index", index);
        rc = channel_send(s->worker.channel, order, err);
        loop_want_write(&s->engine->loop, &s->channel_watch, channel_unsent(s->worker.channel) > 0);
    }
    cJSON_Delete(order);
    return rc == ERROR_CLOSED ? 0 : rc; /* it just died: that is told by its descriptor */
}

/* ---- the run's way -------------------------------------------------------------------------- */

static void start_step(struct slot *s)
{
    struct error err = {0};
    s->step_started_ns = clock_mono_ns();
    s->step_started_wall_ms = clock_wall_ms();
    s->deadline_ns = s->step_started_ns + (int64_t)slot_step(s)->deadline_ms * 1000000;
    s->abort_ns = 0;
    s->killed_for = KILL_NONE;
    s->fraction = 0;
    s->progress[0] = '\0';
    s->state = SLOT_RUNNING;
    if (tell_worker(s, "step", s->current, &err))
        step_over(s, VERDICT_ERROR, err.text, NULL);
}

/* One attempt is over: to be recorded together with the decision what follows. */
static void step_over(struct slot *s, enum verdict verdict, const char *message, cJSON *said)
{
    const struct plan_step *step = slot_step(s);
    double duration_ms = s->result.duration_ms;
    slot_result_clear(&s->result);
    s->result.duration_ms = duration_ms;
    s->result.verdict = verdict;
    snprintf(s->result.message, sizeof s->result.message, "%s", message);
    slot_result_take(s, said);
    verdict = s->result.verdict;
    lease_end(&s->engine->leases, s->index);
    s->resumes = 0;

    bool again = s->current != s->at; /* after a restart: step `at` is still to come */
    if (again) {
        s->restore++;
        if (verdict != VERDICT_PASS) {
            slot_count_verdict(s, verdict, s->result.message);
            slot_end_main(s);
        }
    } else if (++s->tries, verdict != VERDICT_PASS && verdict != VERDICT_ABORTED && !s->aborting &&
                               s->tries < step->attempts) {
        s->attempt++;
    } else {
        bool stops = verdict == VERDICT_ERROR || verdict == VERDICT_TIMEOUT ||
                     verdict == VERDICT_ABORTED ||
                     (verdict == VERDICT_FAIL && !step->continue_on_fail);
        slot_count_verdict(s, verdict, s->result.message);
        s->at++;
        s->attempt = 1;
        s->tries = 0;
        if (stops && !s->ending)
            slot_end_main(s);
    }
    slot_choose(s);
    queue_write(s);
}

static void close_run(struct slot *s)
{
    if (!s->run.plan) { /* slot_make_safe() */
        end_worker(s);
        slot_forget_run(s);
        return;
    }
    if (s->aborting) {
        s->worst = VERDICT_ABORTED;
        snprintf(s->message, sizeof s->message, "%s", s->abort_reason);
    } else if (s->worst == VERDICT_NONE) {
        s->worst = VERDICT_PASS;
    }
    s->closing = true;
    s->next = NEXT_IDLE;
    end_worker(s);
    queue_write(s);
}

static void safe_over(struct slot *s, int rc, const char *text)
{
    if (rc && slot_rank(s->worst) < slot_rank(VERDICT_ERROR)) {
        s->worst = VERDICT_ERROR;
        snprintf(s->message, sizeof s->message, "the slot could not be made safe: %.400s", text);
    }
    close_run(s);
}

static void start_safe(struct slot *s)
{
    struct error err = {0};
    if (!s->worker.pid && !s->engine->fixture_socket[0]) {
        close_run(s);
        return;
    }
    s->state = SLOT_SAFING;
    s->killed_for = KILL_NONE;
    s->abort_ns = 0;
    s->deadline_ns = clock_mono_ns() + (int64_t)SAFE_MS * 1000000;
    if (tell_worker(s, "safe", 0, &err))
        safe_over(s, ERROR_IO, err.text);
}

/* What was decided is in the store: act on it. */
static void written(struct op *op, int rc, const struct error *why)
{
    struct slot *s = op->context;
    s->unit_known = s->unit_known || (s->result.there && s->run.chip_id[0] && !rc);
    s->result.there = false;
    slot_result_clear(&s->result);
    s->skip_from = s->skip_to = 0;
    s->engine->changed = true;
    if (rc && !s->closing) {
        /* The store refuses this record (not: has no room). No later one can be trusted. */
        fprintf(stderr, "slot %d: %s\n", s->place->number, why->text);
        lease_end(&s->engine->leases, s->index);
        s->worst = VERDICT_ERROR;
        snprintf(s->message, sizeof s->message, "the store refused a record: %.400s", why->text);
        start_safe(s);
        return;
    }
    if (s->next == NEXT_STEP && s->aborting && !s->ending) {
        lease_end(&s->engine->leases, s->index);
        slot_choose(s);
        queue_write(s);
        return;
    }
    switch (s->next) {
    case NEXT_STEP:
        start_step(s);
        break;
    case NEXT_WAIT:
        if (s->engine->leases.of[s->index].state == LEASE_HELD)
            slot_granted(s);
        else if (s->aborting && !s->ending) {
            lease_end(&s->engine->leases, s->index);
            slot_choose(s);
            queue_write(s);
        } else
            s->state = SLOT_WAITING;
        break;
    case NEXT_SAFE:
        start_safe(s);
        break;
    case NEXT_IDLE:
        s->last_verdict = s->worst;
        if (s->worst == VERDICT_PASS) /* an attempt before the one that passed is no failure */
            memset(&s->failure, 0, sizeof s->failure);
        s->last_run = s->run.id;
        strcpy(s->last_serial, s->run.serial);
        slot_forget_run(s);
        break;
    }
}

void slot_granted(struct slot *s)
{
    if (s->state == SLOT_WRITING && s->write->queued)
        return; /* written() finds that it holds them */
    s->begun = true;
    s->next = NEXT_STEP;
    queue_write(s);
}

void slot_begin(struct slot *s)
{
    slot_choose(s);
    queue_write(s);
}

void slot_make_safe(struct slot *s)
{
    if (s->engine->fixture_socket[0])
        start_safe(s);
}

void slot_resume(struct slot *s)
{
    if (s->ending)
        s->restore = -1;
    slot_choose(s);
    queue_write(s);
}

void slot_abort(struct slot *s, const char *reason)
{
    if (s->state == SLOT_IDLE || s->aborting)
        return;
    s->engine->changed = true;
    s->aborting = true;
    snprintf(s->abort_reason, sizeof s->abort_reason, "%s", reason);
    if (s->ending)
        return; /* the teardown goes its way */
    if (s->state == SLOT_WAITING) {
        lease_end(&s->engine->leases, s->index);
        slot_choose(s);
        queue_write(s);
    } else if (s->state == SLOT_RUNNING) {
        const struct step_kind *kind = kind_of(s);
        if (kind && kind->uninterruptible)
            return;
        __atomic_store_n(s->worker.cancel, true, __ATOMIC_RELAXED);
        s->abort_ns = clock_mono_ns() + (int64_t)ABORT_GRACE_MS * 1000000;
    }
}

int64_t slot_tick(struct slot *s, int64_t now_ns)
{
    if (s->state != SLOT_RUNNING && s->state != SLOT_SAFING)
        return -1;
    if (s->killed_for != KILL_NONE)
        return -1;
    bool aborted = s->state == SLOT_RUNNING && s->abort_ns && now_ns >= s->abort_ns;
    if (now_ns >= s->deadline_ns || aborted) {
        s->killed_for = aborted ? KILL_ABORT : KILL_DEADLINE;
        worker_kill(&s->worker);
        return -1;
    }
    return s->abort_ns && s->abort_ns < s->deadline_ns ? s->abort_ns : s->deadline_ns;
}

/* ---- making and telling --------------------------------------------------------------------- */

int slot_init(struct slot *s, struct engine *e, size_t index, struct error *err)
{
    memset(s, 0, sizeof *s);
    s->engine = e;
    s->index = index;
    s->place = &e->station->slots[index];
    s->worker.pidfd = -1;
    s->restore = -1;
    s->channel_watch = (struct watch){.fd = -1, .ready = channel_ready, .context = s};
    s->death_watch = (struct watch){.fd = -1, .ready = death_ready, .context = s};
    s->write = calloc(1, sizeof *s->write);
    if (!s->write)
        return error_set(err, ERROR_MEMORY, "slot %d: out of memory", s->place->number);
    s->write->write = write_slot;
    s->write->done = written;
    s->write->context = s;
    return 0;
}

void slot_forget_run(struct slot *s)
{
    slot_result_clear(&s->result);
    plan_free(s->run.plan);
    memset(&s->run, 0, sizeof s->run);
    s->state = SLOT_IDLE;
    s->restore = -1;
    s->at = s->current = s->tries = s->resumes = s->skip_from = s->skip_to = 0;
    s->attempt = s->current_attempt = 1;
    s->begun = s->aborting = s->ending = s->closing = s->unit_known = false;
    s->worst = VERDICT_NONE;
    s->message[0] = '\0';
}

void slot_free(struct slot *s)
{
    if (!s->engine)
        return;
    end_worker(s);
    slot_forget_run(s);
    free(s->write);
}
