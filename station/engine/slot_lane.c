/* A lane: the worker process that does the steps of one run, one at a time. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "station/engine/core.h"

enum {
    SAFE_MS = 20000,
    LAST_READS = 128,
    SECTION_LOOK_MS = 5,    /* how often a section that is awaited is looked at */
    SECTION_MAX_MS = 30000, /* what lasts longer has hung in it */
};

static void take_done(struct lane *l, cJSON *said)
{
    int rc = (int)json_number(said, "rc", ERROR_PROTOCOL);
    const struct slot *s = l->slot;
    enum verdict verdict = VERDICT_NONE; /* left to the values */
    if (rc && s->aborting && l->step < (int)s->run.plan->step_count)
        verdict = VERDICT_ABORTED;
    else if (rc)
        verdict = VERDICT_ERROR;
    slot_step_over(l, verdict, rc ? json_string(said, "text", "") : "",
                   json_number(said, "duration_ms", 0), said);
}

static void take_message(struct lane *l, cJSON *message)
{
    struct slot *s = l->slot;
    const char *said = json_string(message, "say", "");
    s->engine->changed = true;
    if (cJSON_HasObjectItem(message, "ask") && l->state == LANE_RUNNING) {
        slot_take_question(l, message);
        return;
    }
    if (strcmp(said, "done") == 0 && l->state == LANE_RUNNING) {
        take_done(l, message);
        return;
    }
    if (strcmp(said, "safe") == 0 && l->state == LANE_SAFING) {
        l->state = LANE_FREE;
        slot_safe_over(s, (int)json_number(message, "rc", 0), json_string(message, "text", ""));
    } else if (strcmp(said, "progress") == 0) {
        l->fraction = json_number(message, "fraction", 0);
        snprintf(l->progress, sizeof l->progress, "%s", json_string(message, "text", ""));
    } else if (strcmp(said, "log") == 0) {
        fprintf(stderr, "slot %d: %s\n", s->place->number, json_string(message, "text", ""));
    }
    cJSON_Delete(message);
}

/* Takes whatever complete messages are there. */
static void read_worker(struct lane *l)
{
    struct error err;
    pid_t pid = l->worker.pid;
    int filled = channel_fill(l->worker.channel, &err);
    for (;;) {
        cJSON *message;
        if (!l->worker.pid || l->worker.pid != pid)
            return;
        if (channel_next(l->worker.channel, &message, &err)) {
            worker_kill(&l->worker); /* it talks nonsense; its death is recorded */
            break;
        }
        if (!message)
            break;
        take_message(l, message);
    }
    if (filled && l->worker.pid == pid)
        loop_remove(&l->slot->engine->loop, &l->channel_watch); /* its death follows */
}

static void channel_ready(struct watch *w)
{
    struct lane *l = w->context;
    struct error err;
    if (w->writing && !channel_flush(l->worker.channel, &err))
        loop_want_write(&l->slot->engine->loop, w, channel_unsent(l->worker.channel) > 0);
    read_worker(l);
}

static void forget_worker(struct lane *l, char *how, size_t how_size)
{
    loop_remove(&l->slot->engine->loop, &l->channel_watch);
    loop_remove(&l->slot->engine->loop, &l->death_watch);
    worker_reap(&l->worker, how, how_size);
}

void lane_end_worker(struct lane *l)
{
    char how[64];
    if (!l->worker.pid)
        return;
    worker_kill(&l->worker);
    forget_worker(l, how, sizeof how);
}

static void worker_died(struct lane *l, const char *how)
{
    struct slot *s = l->slot;
    char message[480];
    if (l->state == LANE_SAFING) {
        l->state = LANE_FREE;
        snprintf(message, sizeof message, "slot worker %s while switching off", how);
        slot_safe_over(s, ERROR_CLOSED, message);
        return;
    }
    if (l->state != LANE_RUNNING)
        return; /* between steps: the next one gets a fresh worker */
    const struct plan_step *step = &s->run.plan->steps[l->step];
    double duration_ms = (double)(clock_mono_ns() - l->step_started_ns) / 1e6;
    /* It ends itself where taktd could not in time. */
    if (l->killed_for == KILL_NONE && clock_mono_ns() >= l->deadline_ns)
        l->killed_for = KILL_DEADLINE;
    if (l->killed_for == KILL_DEADLINE) {
        snprintf(message, sizeof message, "past its deadline of %g s, ended with all it started",
                 step->deadline_ms / 1000.0);
        slot_step_over(l, VERDICT_TIMEOUT, message, duration_ms, NULL);
    } else if (l->killed_for == KILL_ABORT) {
        slot_step_over(l, VERDICT_ABORTED, s->abort_reason, duration_ms, NULL);
    } else {
        snprintf(message, sizeof message, "slot worker %s during step %s", how, step->id);
        slot_step_over(l, VERDICT_ERROR, message, duration_ms, NULL);
    }
}

static void death_ready(struct watch *w)
{
    struct lane *l = w->context;
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    char how[64];
    if (poll(&p, 1, 0) != 1)
        return; /* of the worker before this one */
    pid_t pid = l->worker.pid;
    /* What it said last still counts; bounded, should a child of its hold the socket open. */
    for (int i = 0; i < LAST_READS && l->channel_watch.fd >= 0 && l->worker.pid == pid; i++)
        read_worker(l);
    if (l->worker.pid != pid)
        return;
    forget_worker(l, how, sizeof how);
    worker_died(l, how);
}

static int start_worker(struct lane *l, struct error *err)
{
    struct slot *s = l->slot;
    struct engine *e = s->engine;
    const struct worker_job job = {
        .slot = s->place->number,
        .plan = s->run.plan,
        .vocabulary = &e->vocabulary,
        .board = &s->run.board,
        .station = e->station->station,
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
    int rc = worker_spawn(&job, &l->worker, err);
    if (!rc)
        rc = loop_add(&e->loop, &l->channel_watch, channel_fd(l->worker.channel), err);
    if (!rc)
        rc = loop_add(&e->loop, &l->death_watch, l->worker.pidfd, err);
    if (rc)
        lane_end_worker(l);
    return rc;
}

static int tell_worker(struct lane *l, const char *what, int index, struct error *err)
{
    int rc = l->worker.pid ? 0 : start_worker(l, err);
    cJSON *order = rc ? NULL : cJSON_CreateObject();
    if (!rc) {
        cJSON_AddStringToObject(order, "do", what);
        cJSON_AddNumberToObject(order, "index", index);
        rc = channel_send(l->worker.channel, order, err);
        loop_want_write(&l->slot->engine->loop, &l->channel_watch,
                        channel_unsent(l->worker.channel) > 0);
    }
    cJSON_Delete(order);
    return rc == ERROR_CLOSED ? 0 : rc; /* it just died: that is told by its descriptor */
}

void lane_start_step(struct lane *l)
{
    struct error err = {0};
    const struct plan_step *step = &l->slot->run.plan->steps[l->step];
    l->step_started_ns = clock_mono_ns();
    l->step_started_wall_ms = clock_wall_ms();
    l->deadline_ns = l->step_started_ns + (int64_t)step->deadline_ms * 1000000;
    l->abort_ns = 0;
    l->killed_for = KILL_NONE;
    l->fraction = 0;
    l->progress[0] = '\0';
    l->state = LANE_RUNNING;
    if (tell_worker(l, "step", l->step, &err))
        slot_step_over(l, VERDICT_ERROR, err.text, 0, NULL);
}

void lane_start_safe(struct lane *l)
{
    struct error err = {0};
    l->state = LANE_SAFING;
    l->killed_for = KILL_NONE;
    l->abort_ns = 0;
    l->deadline_ns = clock_mono_ns() + (int64_t)SAFE_MS * 1000000;
    if (tell_worker(l, "safe", 0, &err)) {
        l->state = LANE_FREE;
        slot_safe_over(l->slot, ERROR_IO, err.text);
    }
}

int64_t lane_tick(struct lane *l, int64_t now_ns)
{
    if ((l->state != LANE_RUNNING && l->state != LANE_SAFING) || l->killed_for != KILL_NONE)
        return -1;
    const bool aborted = l->abort_ns && l->abort_ns < l->deadline_ns;
    const int64_t due = aborted ? l->abort_ns : l->deadline_ns;
    if (now_ns < due)
        return due;
    /* An erase, a write, a key: awaited, unless it hangs itself. */
    if (l->worker.pid && __atomic_load_n(&l->worker.shared->section, __ATOMIC_SEQ_CST) &&
        now_ns < due + (int64_t)SECTION_MAX_MS * 1000000)
        return now_ns + (int64_t)SECTION_LOOK_MS * 1000000;
    l->killed_for = aborted ? KILL_ABORT : KILL_DEADLINE;
    worker_kill(&l->worker);
    return -1;
}

void lane_init(struct lane *l, struct slot *s)
{
    memset(l, 0, sizeof *l);
    l->slot = s;
    l->worker.pidfd = -1;
    l->channel_watch = (struct watch){.fd = -1, .ready = channel_ready, .context = l};
    l->death_watch = (struct watch){.fd = -1, .ready = death_ready, .context = l};
}
