#include "station/engine/pool_process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/digest.h"
#include "protocol/base/json.h"
#include "station/engine/channel.h"
#include "station/engine/child.h"
#include "station/engine/pool_server.h"

enum {
    AGAIN_MS = 500,
    RETRY_MS = 1000,   /* what could not be told or taken is tried again */
    WATCH_MS = 2000,   /* between looks at how many are free */
    RESERVE_MS = 8000, /* connecting takes 4 s at most, and one may be ahead */
    REPORTS = 64,      /* in one message */
    YOUNG_MS = 60000,  /* a lease that is used up sooner is not made anew */
};

struct pending {
    struct pending *next;
    double n;
    int64_t deadline_ns;
    void (*answered)(void *context, const struct pool_answer *a);
    void *context;
};

struct pool_process {
    pid_t pid;
    struct channel *channel; /* closing it ends the process */
    struct watch watch;
    int64_t again_ns; /* 0 = it runs */
    struct pending *pending;
    double last_n;
    bool reporting, leasing, watching; /* asked, not yet answered and committed */
    int64_t retry_ns, watch_ns;
    bool reachable, proved; /* proved: the custody opens what it holds */
    char reason[480];
    int64_t free;           /* negative: not known */
    struct pool_lease held; /* as last read; .token "" none */
};

static int64_t later(int64_t ms)
{
    return clock_mono_ns() + ms * 1000000;
}

/* ---- what is committed ------------------------------------------------------------------------
 */

struct change {
    struct op op;
    struct engine *engine;
    int (*write)(struct change *c, struct error *err);
    char token[POOL_LEASE_TOKEN];
    cJSON *said; /* the answer that it comes from; may be NULL */
};

static int write_change(struct op *op, struct error *err)
{
    struct change *c = op->context;
    return c->write(c, err);
}

static void change_written(struct op *op, int rc, const struct error *why)
{
    struct change *c = op->context;
    struct pool_process *p = c->engine->shared;
    if (rc)
        fprintf(stderr, "shared pool: %s\n", why->text);
    if (p && rc)
        p->retry_ns = later(RETRY_MS);
    if (p && c->token[0])
        p->leasing = false;
    else if (p)
        p->reporting = false;
    c->engine->changed = true;
    cJSON_Delete(c->said);
    free(c);
}

/* Takes `said`. token "": not about a lease. */
static void commit(struct engine *e, const char *token,
                   int (*write)(struct change *c, struct error *err), cJSON *said)
{
    struct change *c = calloc(1, sizeof *c);
    if (!c) {
        e->shared->retry_ns = later(RETRY_MS);
        e->shared->leasing = *token ? false : e->shared->leasing;
        e->shared->reporting = *token ? e->shared->reporting : false;
        cJSON_Delete(said);
        return;
    }
    c->engine = e;
    c->write = write;
    c->said = said;
    snprintf(c->token, sizeof c->token, "%s", token);
    c->op =
        (struct op){.write = write_change, .done = change_written, .single = true, .context = c};
    engine_queue(e, &c->op);
}

static int write_reported(struct change *c, struct error *err)
{
    const cJSON *row;
    int rc = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(c->said, "reported")) if (!rc) rc =
        pool_reported(c->engine->pool, (int64_t)json_number(row, "id", 0),
                      (enum identity_state)json_number(row, "state", 0),
                      json_bool(row, "conflict", false), clock_wall_ms(), err);
    return rc;
}

static int write_hold(struct change *c, struct error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(c->said, "identities"), *said;
    struct shared_identity *identities =
        calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *identities);
    size_t count = 0;
    int rc = identities ? 0 : error_set(err, ERROR_MEMORY, "taking a lease: out of memory");
    cJSON_ArrayForEach(said, list) if (!rc) rc =
        pool_server_take_identity(said, &identities[count++], err);
    if (!rc)
        rc = pool_lease_hold(c->engine->pool, c->token, identities, count, clock_wall_ms(), err);
    free(identities);
    return rc;
}

static int write_end(struct change *c, struct error *err)
{
    return pool_lease_end(c->engine->pool, c->token, clock_wall_ms(), err);
}

static int write_close(struct change *c, struct error *err)
{
    return pool_lease_close(c->engine->pool, c->token, clock_wall_ms(), err);
}

static int write_ask(struct change *c, struct error *err)
{
    const struct station_identities *i = &c->engine->station->identities;
    const int64_t now = clock_wall_ms();
    return pool_lease_ask(c->engine->pool, i->lease_identities, now,
                          now + i->lease_hours * INT64_C(3600000), err);
}

/* ---- what the process says --------------------------------------------------------------------
 */

static struct pending *take_pending(struct pool_process *p, double n)
{
    for (struct pending **at = &p->pending; *at; at = &(*at)->next)
        if ((*at)->n == n) {
            struct pending *found = *at;
            *at = found->next;
            return found;
        }
    return NULL;
}

static void settle(struct pending *w, const struct pool_answer *a)
{
    w->answered(w->context, a);
    free(w);
}

static void unreached(struct pool_answer *a, const char *why)
{
    a->rc = error_set(&a->error, ERROR_CLOSED, "%s", why);
}

static void take_reservation(struct pool_process *p, const cJSON *said, int rc, const char *text)
{
    struct pool_answer a = {.rc = rc};
    struct pending *w = take_pending(p, json_number(said, "n", -1));
    if (!w)
        return; /* it went on without; the next report puts this right */
    if (!rc)
        a.rc = pool_server_take_identity(cJSON_GetObjectItemCaseSensitive(said, "identity"),
                                         &a.identity, &a.error);
    else
        error_set(&a.error, rc, "%s", text);
    settle(w, &a);
}

/* A station with another custody key would take identities whose keys it cannot open. */
static void prove(struct engine *e, const char *hex)
{
    struct pool_process *p = e->shared;
    struct error err = {0};
    uint8_t proof[SHARED_PROOF_MAX];
    const int size = hex_decode_some(hex, proof, sizeof proof);
    if (size < 0)
        error_set(&err, ERROR_PROTOCOL, "its proof of custody is damaged");
    else if (size)
        shared_pool_prove(e->custody, proof, (size_t)size, &err);
    p->proved = size > 0 && !err.code;
    if (err.code) {
        p->reachable = false;
        p->free = -1;
        snprintf(p->reason, sizeof p->reason, "%s", err.text);
    }
}

/* Takes `said`. */
static void take_answer(void *context, cJSON *said)
{
    struct engine *e = context;
    struct pool_process *p = e->shared;
    const int rc = (int)json_number(said, "rc", ERROR_PROTOCOL);
    const char *text = json_string(said, "text", "");
    const char *lease = json_string(said, "lease", ""), *back = json_string(said, "given_back", "");
    const bool was = p->reachable;
    if (rc == ERROR_CLOSED) {
        p->reachable = false;
        snprintf(p->reason, sizeof p->reason, "%s", text);
    } else if (p->proved || cJSON_GetObjectItemCaseSensitive(said, "proof")) {
        p->reachable = true;
        p->reason[0] = '\0';
    } else {
        p->watch_ns = 0; /* it is there again: whether it is the right one is looked at now */
    }
    e->changed = e->changed || was != p->reachable;
    if (cJSON_GetObjectItemCaseSensitive(said, "n")) {
        take_reservation(p, said, rc, text);
    } else if (cJSON_GetObjectItemCaseSensitive(said, "free")) {
        p->watching = false;
        p->free = (int64_t)json_number(said, "free", -1);
        if (!rc && !p->proved)
            prove(e, json_string(said, "proof", ""));
    } else if (cJSON_GetObjectItemCaseSensitive(said, "reported")) {
        /* What did arrive is told, whatever came after it. */
        if (rc)
            p->retry_ns = later(RETRY_MS);
        if (rc && rc != ERROR_CLOSED)
            fprintf(stderr, "shared pool, telling it: %s\n", text);
        commit(e, "", write_reported, said);
        return;
    } else if (rc) {
        p->leasing = false;
        p->retry_ns = later(RETRY_MS);
    } else if (*lease || *back) {
        commit(e, *lease ? lease : back, *lease ? write_hold : write_close, said);
        return;
    }
    cJSON_Delete(said);
}

static void forget(struct engine *e)
{
    struct pool_process *p = e->shared;
    struct pool_answer a = {0};
    loop_remove(&e->loop, &p->watch);
    channel_free(p->channel);
    p->channel = NULL;
    kill(-p->pid, SIGKILL);
    kill(p->pid, SIGKILL); /* before it has a group of its own */
    waitpid(p->pid, NULL, 0);
    p->pid = 0;
    p->reporting = p->leasing = p->watching = p->reachable = false;
    p->free = -1;
    snprintf(p->reason, sizeof p->reason, "the process that speaks with it ended");
    unreached(&a, p->reason);
    while (p->pending) {
        struct pending *w = p->pending;
        p->pending = w->next;
        settle(w, &a);
    }
    if (!e->stopping)
        fprintf(stderr, "the shared pool's process ended, starting it again\n");
    p->again_ns = later(AGAIN_MS);
}

static void said_something(struct watch *w)
{
    struct engine *e = w->context;
    struct pool_process *p = e->shared;
    struct error err = {0};
    int rc = channel_exchange(p->channel, take_answer, e, &err);
    if (rc)
        forget(e);
    else
        loop_want_write(&e->loop, w, channel_unsent(p->channel) > 0);
}

/* Forked from taktd, it must never open the store: SQLite's locks would be thought taktd's. */
static int launch(struct engine *e, struct error *err)
{
    struct pool_process *p = e->shared;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return error_errno(err, ERROR_IO, "a socket pair for the shared pool's process");
    const pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        struct error why = {0};
        prctl(PR_SET_NAME, "taktd-pool");
        int rc = pool_serve(e->station->identities.shared, child_begin(parent, pair[1]), &why);
        if (rc)
            fprintf(stderr, "shared pool: %s\n", why.text);
        _exit(rc ? 1 : 0);
    }
    close(pair[1]);
    int rc = pid < 0 ? error_errno(err, ERROR_IO, "cannot start the shared pool's process") : 0;
    if (rc)
        close(pair[0]);
    else
        rc = channel_create(pair[0], &p->channel, err);
    if (!rc)
        rc = loop_add(&e->loop, &p->watch, channel_fd(p->channel), err);
    if (rc) {
        channel_free(p->channel);
        p->channel = NULL;
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        return rc;
    }
    p->pid = pid;
    p->again_ns = 0;
    return 0;
}

/* ---- what it is asked -------------------------------------------------------------------------
 */

static int ask(struct engine *e, cJSON *message, struct error *err)
{
    struct pool_process *p = e->shared;
    const int rc = p->channel ? channel_send(p->channel, message, err)
                              : error_set(err, ERROR_CLOSED, "%s", p->reason);
    cJSON_Delete(message);
    if (!rc)
        loop_want_write(&e->loop, &p->watch, channel_unsent(p->channel) > 0);
    return rc;
}

static cJSON *asking(const char *what)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "ask", what);
    return o;
}

int pool_process_reserve(struct engine *e, const struct pool_request *r,
                         void (*answered)(void *context, const struct pool_answer *a),
                         void *context, struct error *err)
{
    struct pool_process *p = e->shared;
    struct pending *w = calloc(1, sizeof *w);
    if (!w)
        return error_set(err, ERROR_MEMORY, "asking the shared pool: out of memory");
    *w = (struct pending){.next = p->pending,
                          .n = ++p->last_n,
                          .deadline_ns = later(RESERVE_MS),
                          .answered = answered,
                          .context = context};
    cJSON *o = asking("reserve");
    cJSON_AddNumberToObject(o, "n", w->n);
    cJSON_AddStringToObject(o, "chip_id", r->chip_id);
    cJSON_AddStringToObject(o, "serial", r->serial);
    cJSON_AddStringToObject(o, "order", r->order);
    cJSON_AddStringToObject(o, "station", r->station);
    cJSON_AddStringToObject(o, "operator", r->operator_name);
    cJSON_AddNumberToObject(o, "wall_ms", (double)r->wall_ms);
    /* With a lease at hand, nobody waits for a server that was not there a moment ago. */
    struct pool_answer a = {0};
    if (!p->reachable && (p->reason[0] || (p->held.token[0] && p->held.free > 0)))
        unreached(&a, p->reason[0] ? p->reason : "the shared pool was not reached yet");
    if (a.rc)
        cJSON_Delete(o);
    else
        a.rc = ask(e, o, &a.error);
    if (a.rc) {
        a.rc = ERROR_CLOSED;
        settle(w, &a);
    } else {
        p->pending = w;
    }
    return 0;
}

static int add_report(void *context, const struct shared_report *r, struct error *err)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "id", (double)r->id);
    cJSON_AddNumberToObject(o, "state", r->state);
    cJSON_AddStringToObject(o, "chip_id", r->chip_id);
    cJSON_AddStringToObject(o, "serial", r->serial);
    cJSON_AddStringToObject(o, "order", r->order);
    cJSON_AddStringToObject(o, "station", r->station);
    cJSON_AddStringToObject(o, "operator", r->operator_name);
    cJSON_AddStringToObject(o, "reason", r->reason);
    cJSON_AddNumberToObject(o, "reserved", (double)r->reserved_ms);
    cJSON_AddNumberToObject(o, "injected", (double)r->injected_ms);
    cJSON_AddNumberToObject(o, "confirmed", (double)r->confirmed_ms);
    cJSON_AddNumberToObject(o, "quarantined", (double)r->quarantined_ms);
    cJSON_AddNumberToObject(o, "scrapped", (double)r->scrapped_ms);
    cJSON_AddItemToArray(context, o);
    return err && err->code ? err->code : 0;
}

static int serve_reports(struct engine *e, struct error *err)
{
    cJSON *message = asking("report"), *rows = cJSON_AddArrayToObject(message, "rows");
    int rc = pool_unreported(e->pool, REPORTS, add_report, rows, err);
    if (rc || cJSON_GetArraySize(rows) == 0) {
        cJSON_Delete(message);
        return rc;
    }
    rc = ask(e, message, err);
    e->shared->reporting = rc == 0;
    return rc;
}

static int send_lease(struct engine *e, const struct pool_lease *l, struct error *err)
{
    cJSON *message = asking("lease");
    cJSON_AddStringToObject(message, "token", l->token);
    cJSON_AddStringToObject(message, "station", e->station->station);
    cJSON_AddNumberToObject(message, "wanted", (double)l->wanted);
    cJSON_AddNumberToObject(message, "wall_ms", (double)l->asked_ms);
    cJSON_AddNumberToObject(message, "ends_ms", (double)l->ends_ms);
    const int rc = ask(e, message, err);
    e->shared->leasing = rc == 0;
    return rc;
}

static int send_back(struct engine *e, const struct pool_lease *l, struct error *err)
{
    int64_t *ids = NULL;
    size_t count = 0;
    int rc = pool_lease_unused(e->pool, l->token, &ids, &count, err);
    if (rc)
        return rc;
    cJSON *message = asking("give_back"), *list = cJSON_AddArrayToObject(message, "ids");
    cJSON_AddStringToObject(message, "token", l->token);
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateNumber((double)ids[i]));
    free(ids);
    rc = ask(e, message, err);
    e->shared->leasing = rc == 0;
    return rc;
}

/* A lease in hand is given back at its end; and, where the network allows, when half its time or
 * half of it is gone, for a whole one: whoever loses the network then has one that lasts. */
static bool is_due(const struct engine *e, const struct pool_lease *l, int64_t now_ms)
{
    const int64_t wanted = e->station->identities.lease_identities;
    if (now_ms >= l->ends_ms)
        return true;
    if (!e->shared->reachable)
        return false;
    return wanted == 0 || now_ms > l->asked_ms + (l->ends_ms - l->asked_ms) / 2 ||
           (l->free < wanted / 2 && now_ms > l->asked_ms + YOUNG_MS);
}

static int serve_lease(struct engine *e, struct error *err)
{
    struct pool_process *p = e->shared;
    struct pool_lease l;
    int rc = pool_lease_find(e->pool, POOL_LEASE_RETURNING, &l, err);
    if (!rc)
        return send_back(e, &l, err);
    if (rc == ERROR_MISSING)
        rc = pool_lease_find(e->pool, POOL_LEASE_ASKED, &l, err);
    if (!rc)
        return send_lease(e, &l, err);
    if (rc == ERROR_MISSING)
        rc = pool_lease_find(e->pool, POOL_LEASE_HELD, &l, err);
    p->held = rc ? (struct pool_lease){0} : l;
    if (!rc && is_due(e, &l, clock_wall_ms())) {
        p->leasing = true;
        commit(e, l.token, write_end, NULL);
    } else if (rc == ERROR_MISSING && p->reachable && e->station->identities.lease_identities) {
        p->leasing = true;
        commit(e, "new", write_ask, NULL);
    }
    return rc == ERROR_MISSING ? 0 : rc;
}

void pool_process_serve(struct engine *e)
{
    struct pool_process *p = e->shared;
    struct error err = {0};
    int rc = 0;
    if (!p || !p->pid || e->ops || clock_mono_ns() < p->retry_ns)
        return;
    if (!p->reporting)
        rc = serve_reports(e, &err);
    if (!rc && !p->leasing)
        rc = serve_lease(e, &err);
    if (!rc && !p->watching && clock_mono_ns() >= p->watch_ns) {
        cJSON *message = asking("watch");
        const long long below = e->station->identities.warn_below;
        cJSON_AddNumberToObject(message, "at_most",
                                (double)(below > STATION_SLOTS_MAX ? below : STATION_SLOTS_MAX));
        p->watch_ns = later(WATCH_MS);
        rc = ask(e, message, &err);
        p->watching = rc == 0;
    }
    if (rc) {
        p->retry_ns = later(RETRY_MS);
        fprintf(stderr, "shared pool: %s\n", err.text);
    }
}

/* ---- its life ---------------------------------------------------------------------------------
 */

bool pool_process_wanted(const struct engine *e)
{
    return e->shared != NULL;
}

bool pool_process_unknown(const struct engine *e)
{
    return e->shared && !e->shared->reachable && !e->shared->reason[0];
}

int pool_process_start(struct engine *e, struct error *err)
{
    if (!e->pool || !e->station->identities.shared[0])
        return 0;
    e->shared = calloc(1, sizeof *e->shared);
    if (!e->shared)
        return error_set(err, ERROR_MEMORY, "the shared pool's process: out of memory");
    e->shared->watch = (struct watch){.fd = -1, .ready = said_something, .context = e};
    e->shared->free = -1;
    /* What a lease holds is known before anybody asks. */
    struct error none;
    if (pool_lease_find(e->pool, POOL_LEASE_HELD, &e->shared->held, &none))
        e->shared->held = (struct pool_lease){0};
    return launch(e, err);
}

int64_t pool_process_tick(struct engine *e, int64_t now_ns)
{
    struct pool_process *p = e->shared;
    struct error err = {0};
    if (!p)
        return -1;
    int64_t next = p->again_ns                 ? p->again_ns
                   : p->watch_ns > p->retry_ns ? p->watch_ns
                                               : p->retry_ns;
    for (struct pending **at = &p->pending; *at;) {
        struct pending *w = *at;
        if (now_ns >= w->deadline_ns) {
            struct pool_answer a = {0};
            *at = w->next;
            unreached(&a, "the shared pool does not answer");
            settle(w, &a);
            continue;
        }
        next = w->deadline_ns < next ? w->deadline_ns : next;
        at = &w->next;
    }
    if (p->again_ns && now_ns >= p->again_ns && launch(e, &err)) {
        fprintf(stderr, "%s\n", err.text);
        p->again_ns = now_ns + (int64_t)AGAIN_MS * 1000000;
    }
    /* While an answer is out there is nothing to wake up for. */
    return next > now_ns ? next : now_ns + (int64_t)WATCH_MS * 1000000;
}

int64_t pool_process_free(const struct engine *e)
{
    return e->shared ? e->shared->free : -1;
}

cJSON *pool_process_describe(const struct engine *e)
{
    char at[25] = "";
    const struct pool_process *p = e->shared;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddBoolToObject(o, "reachable", p->reachable);
    cJSON_AddStringToObject(o, "reason", p->reason);
    cJSON_AddNumberToObject(o, "lease_free", p->held.token[0] ? (double)p->held.free : 0);
    if (p->held.token[0])
        clock_format_utc(p->held.ends_ms, at);
    cJSON_AddStringToObject(o, "lease_ends", at);
    return o;
}

void pool_process_stop(struct engine *e)
{
    if (!e->shared)
        return;
    if (e->shared->pid)
        forget(e);
    free(e->shared);
    e->shared = NULL;
}
