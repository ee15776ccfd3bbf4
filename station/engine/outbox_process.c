#include "station/engine/outbox_process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "reports/outbox.h"
#include "station/engine/channel.h"
#include "station/engine/child.h"

enum { AGAIN_MS = 500, DESCRIBED_MS = 1000, LEAVE_MS = 1500 };

/* What came of one message, on its way into the store. */
struct outcome {
    struct op op;
    struct engine *engine;
    int64_t id;
    enum outbox_outcome outcome;
    char reason[480];
};

struct outbox_process {
    pid_t pid;
    struct channel *channel; /* closing it ends the process */
    struct watch watch;
    bool wanted[OUTBOX_DESTINATIONS_MAX]; /* destinations, in the station file's order, that wait */
    int64_t again_ns;                     /* 0 = it runs */
    cJSON *unsettled;                     /* as last described, and when */
    int64_t described_ms;
};

static int write_outcome(struct op *op, struct error *err)
{
    struct outcome *o = op->context;
    return outbox_settle(o->engine->store, o->id, o->outcome, o->reason, clock_wall_ms(), err);
}

static void outcome_written(struct op *op, int rc, const struct error *why)
{
    struct outcome *o = op->context;
    o->engine->changed = true;
    if (rc)
        fprintf(stderr, "outbox, message %lld: %s\n", (long long)o->id, why->text);
    free(o);
}

static const cJSON *destinations_of(const struct engine *e)
{
    return cJSON_GetObjectItemCaseSensitive(json_root(e->station->document), "outbox");
}

static void take_want(struct engine *e, const char *name)
{
    const cJSON *d;
    int n = 0;
    cJSON_ArrayForEach(d, destinations_of(e))
    {
        if (n < OUTBOX_DESTINATIONS_MAX && strcmp(d->string, name) == 0)
            e->outbox->wanted[n] = true;
        n++;
    }
}

static void take_outcome(struct engine *e, const cJSON *said)
{
    static const char *const names[] = {
        [OUTBOX_SENT] = "sent", [OUTBOX_PARKED] = "parked", [OUTBOX_TROUBLE] = "trouble"};
    const char *outcome = json_string(said, "outcome", "");
    struct outcome *o = calloc(1, sizeof *o);
    int n = 0;
    if (!o)
        return; /* not on record: it will be sent again, under the same key */
    while (n < OUTBOX_TROUBLE && strcmp(names[n], outcome) != 0)
        n++;
    o->engine = e;
    o->id = (int64_t)json_number(said, "id", 0);
    o->outcome = (enum outbox_outcome)n;
    snprintf(o->reason, sizeof o->reason, "%s", json_string(said, "reason", ""));
    o->op =
        (struct op){.write = write_outcome, .done = outcome_written, .single = true, .context = o};
    engine_queue(e, &o->op);
}

static void forget(struct engine *e)
{
    struct outbox_process *o = e->outbox;
    int status = 0;
    loop_remove(&e->loop, &o->watch);
    channel_free(o->channel);
    o->channel = NULL;
    /* It takes leave of its receivers, for a second at most. */
    const int64_t until_ms = clock_mono_ms() + LEAVE_MS;
    while (e->stopping && clock_mono_ms() < until_ms && waitpid(o->pid, &status, WNOHANG) == 0)
        clock_sleep_until_ns(clock_mono_ns() + 5000000);
    kill(-o->pid, SIGKILL);
    kill(o->pid, SIGKILL); /* before it has a group of its own */
    waitpid(o->pid, &status, 0);
    memset(o->wanted, 0, sizeof o->wanted);
    if (!e->stopping)
        fprintf(stderr, "the outbox process ended, starting it again\n");
    o->pid = 0;
    o->again_ns = clock_mono_ns() + (int64_t)AGAIN_MS * 1000000;
}

static void take(void *context, cJSON *said)
{
    struct engine *e = context;
    const char *name = json_string(said, "want", "");
    if (*name)
        take_want(e, name);
    else
        take_outcome(e, said);
    cJSON_Delete(said);
}

static void said_something(struct watch *w)
{
    struct engine *e = w->context;
    struct outbox_process *o = e->outbox;
    struct error err = {0};
    int rc = channel_exchange(o->channel, take, e, &err);
    if (rc)
        forget(e);
    else
        loop_want_write(&e->loop, w, channel_unsent(o->channel) > 0);
}

/* Forked from taktd, it must never open the store: SQLite's locks would be thought taktd's. */
static int launch(struct engine *e, struct error *err)
{
    struct outbox_process *o = e->outbox;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return error_errno(err, ERROR_IO, "a socket pair for the outbox process");
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        struct error why = {0};
        prctl(PR_SET_NAME, "taktd-outbox");
        int fd = child_begin(parent, pair[1]);
        signal(SIGTERM, SIG_IGN); /* sent to all at once: it ends behind taktd, not before */
        int rc = outbox_serve(e->station->document, fd, &why);
        if (rc)
            fprintf(stderr, "outbox: %s\n", why.text);
        _exit(rc ? 1 : 0);
    }
    close(pair[1]);
    int rc = pid < 0 ? error_errno(err, ERROR_IO, "cannot start the outbox process") : 0;
    if (rc)
        close(pair[0]);
    else
        rc = channel_create(pair[0], &o->channel, err);
    if (!rc)
        rc = loop_add(&e->loop, &o->watch, channel_fd(o->channel), err);
    if (rc) {
        channel_free(o->channel);
        o->channel = NULL;
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        return rc;
    }
    o->pid = pid;
    o->again_ns = 0;
    return 0;
}

int outbox_process_start(struct engine *e, struct error *err)
{
    int rc = outbox_configure(e->store, e->station->document, err);
    if (rc || !cJSON_GetArraySize(destinations_of(e)))
        return rc;
    e->outbox = calloc(1, sizeof *e->outbox);
    if (!e->outbox)
        return error_set(err, ERROR_MEMORY, "the outbox process: out of memory");
    e->outbox->watch = (struct watch){.fd = -1, .ready = said_something, .context = e};
    return launch(e, err);
}

int64_t outbox_process_tick(struct engine *e, int64_t now_ns)
{
    struct outbox_process *o = e->outbox;
    struct error err = {0};
    if (!o || !o->again_ns)
        return -1;
    if (now_ns < o->again_ns)
        return o->again_ns;
    if (launch(e, &err) == 0)
        return -1;
    fprintf(stderr, "%s\n", err.text);
    return o->again_ns = now_ns + (int64_t)AGAIN_MS * 1000000;
}

bool outbox_process_alive(const struct engine *e)
{
    return e->outbox && e->outbox->pid;
}

cJSON *outbox_process_describe(const struct engine *e)
{
    struct outbox_process *o = e->outbox;
    struct error ignored; /* the store's trouble is told in `paused` */
    cJSON *list = NULL;
    if (o && (!o->unsettled || clock_mono_ms() - o->described_ms >= DESCRIBED_MS) &&
        outbox_unsettled(e->store, &list, &ignored) == 0) {
        cJSON_Delete(o->unsettled);
        o->unsettled = list;
        o->described_ms = clock_mono_ms();
    }
    return o && o->unsettled ? cJSON_Duplicate(o->unsettled, true) : cJSON_CreateArray();
}

/* Larger than the channel takes: that does not mend. */
static void park_too_large(struct engine *e, cJSON *message)
{
    cJSON *said = cJSON_CreateObject();
    cJSON_AddNumberToObject(said, "id", json_number(message, "id", 0));
    cJSON_AddStringToObject(said, "outcome", "parked");
    cJSON_AddStringToObject(said, "reason", "the record is larger than a message may be (4 MiB)");
    take_outcome(e, said);
    cJSON_Delete(said);
}

/* Only between transactions, with every outcome that was said before the wish committed: else the
 * message before would be handed out once more. */
void outbox_process_serve(struct engine *e)
{
    struct outbox_process *o = e->outbox;
    const cJSON *d;
    int n = 0;
    if (!outbox_process_alive(e) || e->ops)
        return;
    cJSON_ArrayForEach(d, destinations_of(e))
    {
        struct error err = {0};
        cJSON *message = NULL;
        if (n < OUTBOX_DESTINATIONS_MAX && o->wanted[n]) {
            int rc = outbox_next(e->store, d->string, &message, &err);
            if (!rc && message) {
                rc = channel_send(o->channel, message, &err);
                o->wanted[n] = rc != 0;
                if (rc == ERROR_FULL)
                    park_too_large(e, message);
            }
            if (rc)
                fprintf(stderr, "outbox, %s: %s\n", d->string, err.text);
        }
        cJSON_Delete(message);
        n++;
    }
    loop_want_write(&e->loop, &o->watch, channel_unsent(o->channel) > 0);
}

void outbox_process_stop(struct engine *e)
{
    if (!e->outbox)
        return;
    if (e->outbox->pid)
        forget(e);
    cJSON_Delete(e->outbox->unsettled);
    free(e->outbox);
    e->outbox = NULL;
}
