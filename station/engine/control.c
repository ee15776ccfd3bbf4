#include "station/engine/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "protocol/base/version.h"
#include "reports/outbox.h"
#include "station/engine/acceptance.h"
#include "station/engine/admission.h"
#include "station/engine/campaign_process.h"
#include "station/engine/channel.h"
#include "station/engine/control_defect.h"
#include "station/engine/control_label.h"
#include "station/engine/control_operator.h"
#include "station/engine/control_pool.h"
#include "station/engine/control_run.h"
#include "station/engine/fixture_process.h"
#include "station/engine/operators.h"
#include "station/engine/outbox_process.h"
#include "station/engine/socket_path.h"

enum { CLIENTS_MAX = 64, EVENT_MS = 100 };

struct control_client {
    struct control_client *next;
    struct engine *engine;
    struct channel *channel;
    struct watch watch;
    long long number; /* never used twice: an answer finds its client by it */
    bool subscribed, stale, gone;
};

struct control {
    int listen_fd;
    struct watch watch;
    struct control_client *clients;
    size_t client_count;
    long long last_number;
    int64_t last_event_ns;
};

/* ---- answering ------------------------------------------------------------------------------ */

static void send_to(struct control_client *c, const cJSON *message)
{
    struct error err;
    if (c->gone)
        return;
    if (channel_send(c->channel, message, &err)) {
        c->gone = true; /* it went, or reads nothing: nobody waits for it */
        return;
    }
    loop_want_write(&c->engine->loop, &c->watch, channel_unsent(c->channel) > 0);
}

static struct control_client *find_client(struct engine *e, long long number)
{
    for (struct control_client *c = e->control->clients; c; c = c->next)
        if (c->number == number && !c->gone)
            return c;
    return NULL;
}

void control_answer(struct engine *e, const struct control_request *r, cJSON *result, int rc,
                    const struct error *why)
{
    struct control_client *c = find_client(e, r->client);
    cJSON *message = cJSON_CreateObject();
    cJSON_AddStringToObject(message, "jsonrpc", "2.0");
    if (rc) {
        cJSON *error = cJSON_AddObjectToObject(message, "error");
        cJSON_AddNumberToObject(error, "code", rc);
        cJSON_AddStringToObject(error, "message", why->text);
        cJSON_Delete(result);
    } else {
        cJSON_AddItemToObject(message, "result", result ? result : cJSON_CreateObject());
    }
    cJSON_AddItemToObject(message, "id", r->id ? cJSON_Duplicate(r->id, true) : cJSON_CreateNull());
    if (c)
        send_to(c, message);
    cJSON_Delete(message);
}

static void describe_instruments(const struct engine *e, cJSON *into)
{
    const cJSON *given =
        cJSON_GetObjectItemCaseSensitive(json_root(e->station->document), "instruments");
    cJSON *list = cJSON_AddArrayToObject(into, "instruments");
    for (const cJSON *i = given->child; i; i = i->next) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", i->string);
        cJSON_AddStringToObject(o, "class", json_string(i, "class", ""));
        cJSON_AddStringToObject(o, "driver", json_string(i, "driver", ""));
        cJSON_AddItemToArray(list, o);
    }
    cJSON_AddBoolToObject(into, "fixture", fixture_process_alive(e));
    cJSON_AddBoolToObject(into, "outbox", outbox_process_alive(e));
    cJSON_AddItemToObject(into, "destinations", outbox_process_describe(e));
}

static cJSON *describe(struct engine *e)
{
    cJSON *o = cJSON_CreateObject(), *slots;
    cJSON_AddStringToObject(o, "station", e->station->station);
    cJSON_AddStringToObject(o, "version", takt_version);
    cJSON_AddNumberToObject(o, "pid", getpid());
    cJSON_AddStringToObject(o, "paused", e->paused);
    cJSON_AddStringToObject(o, "recovered", e->recovered);
    cJSON_AddNumberToObject(o, "operators", (double)operators_count(e->operators));
    describe_instruments(e, o);
    cJSON *pool = control_pool_describe(e);
    if (pool)
        cJSON_AddItemToObject(o, "pool", pool);
    const struct plan *golden = e->golden_plan;
    if (golden)
        cJSON_AddItemToObject(o, "golden",
                              admission_golden(e, golden->product, golden->name, &golden->policy));
    cJSON_AddItemToObject(o, "campaign", campaign_process_describe(e));
    slots = cJSON_AddArrayToObject(o, "slots");
    for (size_t i = 0; i < e->slot_count; i++)
        cJSON_AddItemToArray(slots, slot_describe(&e->slots[i]));
    return o;
}

/* ---- methods -------------------------------------------------------------------------------- */

static int status(struct engine *e, const struct control_request *r, const cJSON *params,
                  cJSON **result, struct error *err)
{
    *result = describe(e);
    return 0;
}

static int subscribe(struct engine *e, const struct control_request *r, const cJSON *params,
                     cJSON **result, struct error *err)
{
    struct control_client *c = find_client(e, r->client);
    if (c)
        c->subscribed = c->stale = true;
    *result = describe(e);
    return 0;
}

static int stop(struct engine *e, const struct control_request *r, const cJSON *params,
                cJSON **result, struct error *err)
{
    char who[OPERATOR_NAME_MAX + 1];
    int rc = operators_allow(e->operators, ACT_STOP, params, who, err);
    if (rc)
        return rc;
    for (size_t i = 0; !json_bool(params, "force", false) && i < e->slot_count; i++)
        if (e->slots[i].state != SLOT_IDLE)
            return error_set(err, ERROR_BUSY, "slot %d has a run under way: abort it first",
                             e->slots[i].place->number);
    e->stopping = true;
    *result = cJSON_CreateObject();
    return 0;
}

/* In a transaction of its own, as pool_import() is. */
static int outbox_again(struct engine *e, const struct control_request *r, const cJSON *params,
                        cJSON **result, struct error *err)
{
    char who[OPERATOR_NAME_MAX + 1];
    int rc = operators_allow(e->operators, ACT_OUTBOX, params, who, err);
    if (!rc)
        rc = outbox_retry(e->store, (int64_t)json_number(params, "message", 0), err);
    if (rc)
        return rc;
    *result = cJSON_CreateObject();
    return 0;
}

/* CONTROL_LATER: the answer comes once something is committed. */
static const struct {
    const char *name;
    int (*serve)(struct engine *e, const struct control_request *r, const cJSON *params,
                 cJSON **result, struct error *err);
} methods[] = {
    {"status", status},
    {"subscribe", subscribe},
    {"run.start", control_run_start},
    {"run.abort", control_run_abort},
    {"plan.accept", control_plan_accept},
    {"pool.import", control_pool_import},
    {"pool.status", control_pool_status},
    {"pool.quota", control_pool_quota},
    {"pool.scrap", control_pool_scrap},
    {"pool.reconcile", control_pool_reconcile},
    {"pool.record", control_pool_record},
    {"label.reprint", control_label_reprint},
    {"outbox.retry", outbox_again},
    {"defect.add", control_defect_add},
    {"defect.repair", control_defect_repair},
    {"operator.first", control_operator_first},
    {"operator.sign_in", control_operator_sign_in},
    {"operator.sign_out", control_operator_sign_out},
    {"operator.who", control_operator_who},
    {"operator.list", control_operator_list},
    {"operator.put", control_operator_put},
    {"operator.pin", control_operator_pin},
    {"operator.remove", control_operator_remove},
    {"qa.run", campaign_process_run},
    {"qa.pause", campaign_process_pause},
    {"qa.resume", campaign_process_resume},
    {"qa.stop", campaign_process_end},
    {"qa.leave", campaign_process_leave},
    {"qa.join", campaign_process_join},
    {"stop", stop},
};

static void serve(struct control_client *c, const cJSON *message)
{
    struct error err = {0};
    cJSON *result = NULL;
    struct control_request r = {c->number, cJSON_GetObjectItemCaseSensitive(message, "id")};
    const char *method = json_string(message, "method", "");
    const cJSON *params = cJSON_GetObjectItemCaseSensitive(message, "params");
    const char *names[sizeof methods / sizeof *methods + 1] = {NULL};
    int rc = CONTROL_LATER;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        names[i] = methods[i].name;
        if (strcmp(method, methods[i].name) == 0) {
            rc = methods[i].serve(c->engine, &r, params, &result, &err);
            if (rc != CONTROL_LATER)
                control_answer(c->engine, &r, result, rc, &err);
            return;
        }
    }
    const char *nearest = json_nearest(method, names);
    rc = error_set(&err, ERROR_INPUT, "unknown method '%.60s'%s%s%s", method,
                   nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    control_answer(c->engine, &r, NULL, rc, &err);
}

/* ---- clients -------------------------------------------------------------------------------- */

static void client_ready(struct watch *w)
{
    struct control_client *c = w->context;
    struct error err = {0};
    int flushed = channel_flush(c->channel, &err);
    loop_want_write(&c->engine->loop, w, channel_unsent(c->channel) > 0);
    int filled = channel_fill(c->channel, &err);
    for (cJSON *message;;) {
        int rc = channel_next(c->channel, &message, &err);
        if (rc) {
            /* Rubbish: say so, and let it go, since where the next message starts is not known. */
            struct control_request r = {c->number, NULL};
            control_answer(c->engine, &r, NULL, rc, &err);
            c->gone = true;
            return;
        }
        if (!message)
            break;
        serve(c, message);
        cJSON_Delete(message);
        if (c->gone)
            return; /* it reads no answers: its other requests would only hold up the slots */
    }
    if (flushed || filled)
        c->gone = true;
}

static void listen_ready(struct watch *w)
{
    struct engine *e = w->context;
    struct control *control = e->control;
    struct error err = {0};
    int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct control_client *c = calloc(1, sizeof *c);
    if (!c || control->client_count == CLIENTS_MAX) {
        free(c);
        close(fd);
        return;
    }
    if (channel_create(fd, &c->channel, &err)) {
        free(c);
        return;
    }
    c->engine = e;
    c->number = ++control->last_number;
    c->watch = (struct watch){.fd = -1, .ready = client_ready, .context = c};
    if (loop_add(&e->loop, &c->watch, fd, &err)) {
        channel_free(c->channel);
        free(c);
        return;
    }
    c->next = control->clients;
    control->clients = c;
    control->client_count++;
}

void control_sweep(struct engine *e)
{
    for (struct control_client **p = &e->control->clients; *p;) {
        struct control_client *c = *p;
        if (!c->gone) {
            p = &c->next;
            continue;
        }
        *p = c->next;
        loop_remove(&e->loop, &c->watch);
        channel_free(c->channel);
        free(c);
        e->control->client_count--;
    }
}

int64_t control_tick(struct engine *e, int64_t now_ns)
{
    struct control *control = e->control;
    bool wanted = false;
    for (struct control_client *c = control->clients; c; c = c->next) {
        c->stale = c->stale || e->changed;
        /* A slow reader gets the newest state when it has read the one before. */
        wanted = wanted || (c->subscribed && c->stale && !c->gone && !channel_unsent(c->channel));
    }
    e->changed = false;
    if (!wanted)
        return -1;
    int64_t due = control->last_event_ns + (int64_t)EVENT_MS * 1000000;
    if (now_ns < due)
        return due;
    control->last_event_ns = now_ns;
    cJSON *event = cJSON_CreateObject();
    cJSON_AddStringToObject(event, "jsonrpc", "2.0");
    cJSON_AddStringToObject(event, "method", "status");
    cJSON_AddItemToObject(event, "params", describe(e));
    for (struct control_client *c = control->clients; c; c = c->next)
        if (c->subscribed && c->stale && !c->gone && !channel_unsent(c->channel)) {
            c->stale = false;
            send_to(c, event);
        }
    cJSON_Delete(event);
    return -1;
}

int control_open(struct engine *e, struct error *err)
{
    e->control = calloc(1, sizeof *e->control);
    if (!e->control)
        return error_set(err, ERROR_MEMORY, "the control socket: out of memory");
    e->control->listen_fd = -1;
    e->control->watch = (struct watch){.fd = -1, .ready = listen_ready, .context = e};
    int rc = socket_listen(e->socket_path, &e->control->listen_fd, err);
    return rc ? rc : loop_add(&e->loop, &e->control->watch, e->control->listen_fd, err);
}

void control_close(struct engine *e)
{
    if (!e->control)
        return;
    for (struct control_client *c = e->control->clients; c; c = c->next)
        c->gone = true;
    control_sweep(e);
    loop_remove(&e->loop, &e->control->watch);
    if (e->control->listen_fd >= 0) {
        close(e->control->listen_fd);
        unlink(e->socket_path);
    }
    free(e->control);
    e->control = NULL;
}
