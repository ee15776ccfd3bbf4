#include "station/engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "provisioning/audit.h"
#include "station/engine/acceptance.h"
#include "station/engine/campaign_process.h"
#include "station/engine/control.h"
#include "station/engine/control_operator.h"
#include "station/engine/core.h"
#include "station/engine/fixture_process.h"
#include "station/engine/guard.h"
#include "station/engine/journal.h"
#include "station/engine/open_store.h"
#include "station/engine/operators.h"
#include "station/engine/outbox_process.h"
#include "station/engine/pool_process.h"

enum { RETRY_MS = 1000 };

struct slot *engine_slot(struct engine *e, int number)
{
    for (size_t i = 0; i < e->slot_count; i++)
        if (e->slots[i].place->number == number)
            return &e->slots[i];
    return NULL;
}

/* ---- one transaction a round ---------------------------------------------------------------- */

void engine_queue(struct engine *e, struct op *op)
{
    if (op->queued)
        return;
    op->queued = true;
    op->next = NULL;
    *e->ops_end = op;
    e->ops_end = &op->next;
}

bool engine_storage_failed(int rc)
{
    return rc == ERROR_IO || rc == ERROR_BUSY || rc == ERROR_MEMORY;
}

/* An empty pool and a full disk are both ERROR_FULL; only the first leaves the transaction. */
static bool storage_failed(struct engine *e, int rc)
{
    return engine_storage_failed(rc) ||
           (rc == ERROR_FULL && sqlite3_get_autocommit(store_handle(e->store)));
}

static void between(const struct engine *e)
{
    if (e->config->between)
        e->config->between(e->config->between_context);
}

/* Writes all; `bad` is an operation that was refused with its rows half written, if any. */
static int write_all(struct engine *e, struct op *ops, struct op **bad, struct error *err)
{
    *bad = NULL;
    int rc = store_begin(e->store, err);
    if (rc)
        return rc;
    for (struct op *op = ops; op; op = op->next) {
        memset(&op->error, 0, sizeof op->error);
        op->rc = op->write(op, &op->error);
        if (!op->rc)
            continue;
        bool storage = storage_failed(e, op->rc) || (op->rc == ERROR_FULL && !op->single);
        if (!storage && op->single)
            continue;
        rc = op->rc;
        *err = op->error;
        *bad = storage ? NULL : op;
        break;
    }
    between(e);
    if (!rc)
        rc = store_commit(e->store, err);
    if (rc)
        store_rollback(e->store);
    between(e);
    return rc;
}

static void finish(struct op *op, int rc, const struct error *err)
{
    struct error copy = *err;
    op->queued = false;
    op->done(op, rc, &copy);
}

/* Takes `gone` out of the list and finishes it. */
static void refuse(struct op **list, struct op *gone, int rc, const struct error *err)
{
    for (struct op **p = list; *p; p = &(*p)->next)
        if (*p == gone) {
            *p = gone->next;
            break;
        }
    finish(gone, rc, err);
}

static void put_back(struct engine *e, struct op *ops)
{
    struct op *newer = e->ops, **newer_end = e->ops_end;
    e->ops = NULL;
    e->ops_end = &e->ops;
    while (ops) {
        struct op *op = ops;
        ops = op->next;
        op->queued = false;
        engine_queue(e, op);
    }
    if (newer) {
        *e->ops_end = newer;
        e->ops_end = newer_end;
    }
}

static void pause_commits(struct engine *e, struct op *ops, const struct error *why)
{
    if (!e->paused[0])
        fprintf(stderr, "nothing can be recorded, runs wait: %s\n", why->text);
    snprintf(e->paused, sizeof e->paused, "%s", why->text);
    e->retry_at_ms = clock_mono_ms() + RETRY_MS;
    e->changed = true;
    /* Who waits for an answer gets this one. */
    for (struct op **p = &ops; *p;) {
        struct op *op = *p;
        if (!op->once) {
            p = &op->next;
            continue;
        }
        *p = op->next;
        finish(op, why->code ? why->code : ERROR_IO, why);
    }
    put_back(e, ops);
}

/* Everything gathered so far, committed, then acted on. */
static void commit_round(struct engine *e)
{
    struct error err = {0};
    struct op *ops = e->ops, *bad;
    if (!ops || (e->paused[0] && clock_mono_ms() < e->retry_at_ms))
        return;
    e->ops = NULL;
    e->ops_end = &e->ops;
    int rc;
    while (ops && (rc = write_all(e, ops, &bad, &err))) {
        if (!bad) {
            pause_commits(e, ops, &err);
            return;
        }
        refuse(&ops, bad, rc, &err);
    }
    if (e->paused[0]) {
        fprintf(stderr, "recording again\n");
        e->paused[0] = '\0';
        e->changed = true;
    }
    while (ops) {
        struct op *op = ops;
        ops = op->next;
        finish(op, op->rc, &op->error);
    }
    between(e);
}

/* At the end: who waits is told; what moves runs on is left to the next start. */
static void drop_ops(struct engine *e)
{
    const struct error stopping = {ERROR_CLOSED, "the station is being stopped"};
    while (e->ops) {
        struct op *op = e->ops;
        e->ops = op->next;
        op->queued = false;
        if (op->once || op->single)
            finish(op, ERROR_CLOSED, &stopping);
    }
    e->ops_end = &e->ops;
}

/* ---- the loop ------------------------------------------------------------------------------- */

/* Whatever may begin now does, and runs with nothing left to do end. */
static void dispatch(struct engine *e)
{
    int slot, step;
    if (e->paused[0])
        return; /* a beginning could not be recorded */
    while (schedule_next(&e->schedule, clock_mono_ms(), &slot, &step))
        slot_start_step(&e->slots[slot], step);
    for (size_t i = 0; i < e->slot_count; i++)
        slot_finish_if_over(&e->slots[i]);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Workers are started one a round: whoever asks something is answered while 64 slots begin. */
static struct lane *next_due(struct engine *e)
{
    struct lane *due = NULL;
    for (size_t i = 0; !due && i < e->slot_count; i++)
        due = slot_lane_due(&e->slots[i]);
    return due;
}

static int tick(struct engine *e)
{
    int64_t now = clock_mono_ns(), next = fixture_process_tick(e, now);
    next = sooner(next, outbox_process_tick(e, now));
    next = sooner(next, pool_process_tick(e, now));
    next = sooner(next, campaign_process_tick(e, now));
    for (size_t i = 0; i < e->slot_count; i++)
        next = sooner(next, slot_tick(&e->slots[i], now));
    next = sooner(next, control_tick(e, now));
    next = sooner(next, notify_alive(&e->notify, now));
    if (e->paused[0] && e->ops)
        next = sooner(next, e->retry_at_ms * 1000000);
    else if (e->ops)
        return 0;
    if (next_due(e))
        return 0;
    if (next < 0)
        return -1;
    now = clock_mono_ns();
    return next <= now ? 0 : (int)((next - now + 999999) / 1000000);
}

static void stop_asked(struct watch *w)
{
    ((struct engine *)w->context)->stopping = true;
}

static int run_loop(struct engine *e, struct error *err)
{
    int rc = 0;
    while (!e->stopping && !rc) {
        int timeout_ms = tick(e);
        if (timeout_ms > 60000)
            timeout_ms = 60000;
        rc = loop_wait(&e->loop, timeout_ms, err);
        control_sweep(e);
        dispatch(e);
        commit_round(e);
        dispatch(e);
        struct lane *due = next_due(e);
        if (due)
            slot_lane_begin(due);
        outbox_process_serve(e);
        pool_process_serve(e);
    }
    return rc;
}

static int open_state(struct engine *e, struct error *err)
{
    const struct station_file *st = e->station;
    int rc = file_make_folders(st->state_dir, 0755, err);
    if (!rc)
        rc = file_join(e->store_path, sizeof e->store_path, st->state_dir, STORE_FILE, err);
    if (!rc)
        rc = file_join(e->attachments_dir, sizeof e->attachments_dir, st->state_dir,
                       STORE_ATTACHMENTS, err);
    if (!rc)
        rc = file_join(e->socket_path, sizeof e->socket_path, st->state_dir, "taktd.sock", err);
    if (!rc && st->has_instruments)
        rc = file_join(e->fixture_socket, sizeof e->fixture_socket, st->state_dir, "fixture.sock",
                       err);
    if (!rc && strlen(e->fixture_socket) >= sizeof((struct sockaddr_un *)0)->sun_path)
        rc = error_set(
            err, ERROR_INPUT,
            "%s: its state_dir is too deep: %s has %zu bytes, a socket's path at most %zu",
            st->path, e->fixture_socket, strlen(e->fixture_socket),
            sizeof((struct sockaddr_un *)0)->sun_path - 1);
    if (!rc)
        rc = open_store(e, err);
    if (!rc)
        rc = audit_open(store_handle(e->store), err);
    if (!rc)
        rc = journal_open(store_handle(e->store), &e->journal, err);
    if (!rc)
        rc = operators_open(store_handle(e->store), &e->operators, err);
    if (!rc)
        rc = acceptance_open(store_handle(e->store), err);
    if (!rc && st->identities.custody[0])
        rc = custody_open(st->identities.custody, &e->custody, err);
    if (!rc && e->custody)
        rc = pool_open(store_handle(e->store), e->custody, &e->pool, err);
    if (!rc && st->token_key[0])
        rc = signer_open(st->token_key, &e->signer, err);
    if (!rc && st->identities.device_ca.certificate[0])
        rc = device_ca_open(st->identities.device_ca.certificate, st->identities.device_ca.key,
                            (int)st->identities.device_ca.years, &e->device_ca, err);
    return rc;
}

static void tell_ready(const struct engine *e)
{
    notify_tell(&e->notify, "READY=1");
    if (e->config->ready_fd < 0)
        return;
    ssize_t n = write(e->config->ready_fd, "ready\n", 6);
    (void)n; /* who started us may be gone already */
}

int engine_run(const struct engine_config *config, struct error *err)
{
    struct engine *e = calloc(1, sizeof *e);
    struct watch stop = {.fd = -1, .ready = stop_asked};
    if (!e)
        return error_set(err, ERROR_MEMORY, "starting: out of memory");
    e->config = config;
    e->loop.epoll_fd = e->guard_fd = -1;
    notify_open(&e->notify);
    e->ops_end = &e->ops;
    stop.context = e;
    vocabulary_fill(&e->vocabulary, config->step_kinds ? config->step_kinds : step_kinds());

    int rc = station_file_load(config->station_path, &e->station, err);
    if (!rc)
        rc = open_state(e, err);
    if (!rc)
        rc = loop_open(&e->loop, err);
    if (!rc && config->stop_fd >= 0)
        rc = loop_add(&e->loop, &stop, config->stop_fd, err);
    if (!rc)
        rc = guard_start(&e->guard_fd, err);
    if (!rc)
        rc = fixture_process_start(e, err);
    if (!rc)
        rc = outbox_process_start(e, err);
    if (!rc)
        rc = pool_process_start(e, err);
    for (size_t i = 0; !rc && i < e->station->slot_count; i++) {
        rc = slot_init(&e->slots[i], e, i, err);
        e->slot_count = i + 1;
    }
    if (!rc) {
        memcpy(e->schedule.capacity, e->station->capacity, sizeof e->station->capacity);
        e->schedule.slot_count = (int)e->slot_count;
        rc = control_open(e, err);
    }
    if (!rc)
        rc = engine_recover(e, err);
    if (!rc)
        rc = campaign_process_recover(e, err);
    if (!rc) {
        tell_ready(e);
        rc = run_loop(e, err);
    }

    e->stopping = true;
    notify_tell(&e->notify, "STOPPING=1");
    pool_process_stop(e); /* who still waits for it is among those that are told */
    drop_ops(e);
    for (size_t i = 0; i < e->slot_count; i++)
        slot_free(&e->slots[i]);
    campaign_process_stop(e);
    fixture_process_stop(e);
    outbox_process_stop(e);
    control_operator_stop(e);
    control_close(e);
    operators_close(e->operators);
    pool_close(e->pool);
    custody_close(e->custody);
    signer_close(e->signer);
    device_ca_close(e->device_ca);
    journal_close(e->journal);
    store_close(e->store);
    if (e->guard_fd >= 0)
        close(e->guard_fd);
    loop_close(&e->loop);
    notify_close(&e->notify);
    free(e->usual.ms);
    plan_free(e->golden_plan);
    station_file_free(e->station);
    free(e);
    return rc;
}
