#include <math.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "reports/store.h"
#include "station/engine/worker.h"
#include "station/steps/unit_link.h"

enum { FIXTURE_WAIT_MS = 15000, ASK_FOR_EVER = -1, DEADLINE_LOOK_US = 5000 };

/* The worker's own state: what its steps share. */
struct child {
    const struct worker_job *job;
    struct channel *channel;
    struct worker_shared *shared;
    const struct step_kind *kind;
    const struct plan_step *step;
    cJSON *measurements, *notes, *attachments; /* of the step under way */
    struct unit_link *unit;
    struct fixture *fixture;
    char serial[128]; /* as given, or as a step found out */
};

/* taktd is gone or talks nonsense: nothing sensible is left to do here. */
static _Noreturn void leave(int status)
{
    _exit(status);
}

static void say(struct child *w, cJSON *message)
{
    struct error err;
    if (!message || channel_send(w->channel, message, &err) ||
        channel_drain(w->channel, ASK_FOR_EVER, &err))
        leave(1);
    cJSON_Delete(message);
}

static cJSON *saying(const char *what)
{
    cJSON *message = cJSON_CreateObject();
    cJSON_AddStringToObject(message, "say", what);
    return message;
}

static cJSON *asking(const char *what)
{
    cJSON *message = cJSON_CreateObject();
    cJSON_AddStringToObject(message, "ask", what);
    return message;
}

/* Waits for the answer as long as it takes: the step's deadline bounds it from outside. */
static int ask(struct child *w, cJSON *question, cJSON **answer, struct error *err)
{
    struct error broken;
    *answer = NULL;
    say(w, question);
    if (channel_wait(w->channel, ASK_FOR_EVER, answer, &broken))
        leave(1);
    int rc = (int)json_number(*answer, "rc", ERROR_PROTOCOL);
    if (rc) {
        error_set(err, rc, "%s", json_string(*answer, "text", "taktd gave no reason"));
        cJSON_Delete(*answer);
        *answer = NULL;
    }
    return rc;
}

static int identity_reserve(void *engine, const char *chip_id, struct step_identity *out,
                            struct error *err)
{
    cJSON *question = asking("reserve"), *answer;
    cJSON_AddStringToObject(question, "chip_id", chip_id);
    int rc = ask(engine, question, &answer, err);
    if (rc)
        return rc;
    snprintf(out->did, sizeof out->did, "%s", json_string(answer, "did", ""));
    snprintf(out->mac, sizeof out->mac, "%s", json_string(answer, "mac", ""));
    snprintf(out->state, sizeof out->state, "%s", json_string(answer, "state", ""));
    cJSON *key = cJSON_GetObjectItemCaseSensitive(answer, "key");
    if (cJSON_IsString(key)) {
        snprintf(out->key_hex, sizeof out->key_hex, "%s", key->valuestring);
        OPENSSL_cleanse(key->valuestring, strlen(key->valuestring));
    }
    cJSON_Delete(answer);
    return 0;
}

static int identity_advance(void *engine, const char *chip_id, const char *state, struct error *err)
{
    cJSON *question = asking("advance"), *answer;
    cJSON_AddStringToObject(question, "chip_id", chip_id);
    cJSON_AddStringToObject(question, "state", state);
    int rc = ask(engine, question, &answer, err);
    cJSON_Delete(answer);
    return rc;
}

static int identity_certify(void *engine, const char *chip_id, const char *request_hex,
                            char certificate_hex[2 * UNIT_CERTIFICATE_MAX + 1], struct error *err)
{
    cJSON *question = asking("certify"), *answer;
    cJSON_AddStringToObject(question, "chip_id", chip_id);
    cJSON_AddStringToObject(question, "request", request_hex);
    int rc = ask(engine, question, &answer, err);
    if (rc)
        return rc;
    snprintf(certificate_hex, 2 * UNIT_CERTIFICATE_MAX + 1, "%s",
             json_string(answer, "certificate", ""));
    cJSON_Delete(answer);
    return 0;
}

static int token(void *engine, const char *chip_id, const char *nonce, struct unit_token *out,
                 struct error *err)
{
    cJSON *question = asking("token"), *answer;
    cJSON_AddStringToObject(question, "chip_id", chip_id);
    cJSON_AddStringToObject(question, "nonce", nonce);
    int rc = ask(engine, question, &answer, err);
    if (rc)
        return rc;
    snprintf(out->text, sizeof out->text, "%s", json_string(answer, "token", ""));
    snprintf(out->signature_hex, sizeof out->signature_hex, "%s",
             json_string(answer, "signature", ""));
    cJSON_Delete(answer);
    return 0;
}

/* Whether or not it can be put on record, the step says why it ended. */
static void refused(void *engine, const char *chip_id, const char *gate, const char *why)
{
    cJSON *question = asking("refused"), *answer;
    struct error ignored;
    cJSON_AddStringToObject(question, "chip_id", chip_id);
    cJSON_AddStringToObject(question, "gate", gate);
    cJSON_AddStringToObject(question, "why", why);
    ask(engine, question, &answer, &ignored);
    cJSON_Delete(answer);
}

static int committed(void *engine, const char *step_id, cJSON **out, struct error *err)
{
    cJSON *question = asking("committed"), *answer;
    *out = NULL;
    cJSON_AddStringToObject(question, "step", step_id);
    int rc = ask(engine, question, &answer, err);
    if (rc)
        return rc;
    *out = cJSON_DetachItemFromObjectCaseSensitive(answer, "figures");
    cJSON_Delete(answer);
    return *out ? 0 : error_set(err, ERROR_PROTOCOL, "taktd answered without figures");
}

static void progress(void *engine, double fraction, const char *text)
{
    cJSON *message = saying("progress");
    cJSON_AddNumberToObject(message, "fraction", isfinite(fraction) ? fraction : 0);
    cJSON_AddStringToObject(message, "text", text ? text : "");
    say(engine, message);
}

static void log_text(void *engine, const char *text)
{
    cJSON *message = saying("log");
    cJSON_AddStringToObject(message, "text", text ? text : "");
    say(engine, message);
}

/* Rows are short arrays; numbers first where there are any. */
static cJSON *row(cJSON *into, const char *a, const char *b, const char *c)
{
    cJSON *r = cJSON_CreateArray();
    const char *texts[] = {a, b, c};
    for (size_t i = 0; i < 3; i++)
        if (texts[i])
            cJSON_AddItemToArray(r, cJSON_CreateString(texts[i]));
    cJSON_AddItemToArray(into, r);
    return r;
}

/* A limit is held against the one value of its name in the unit the kind promised; so there must
 * be one, in that unit. */
static int measured(void *engine, const char *name, double value, const char *unit,
                    struct error *err)
{
    struct child *w = engine;
    if (!isfinite(value))
        return error_set(err, ERROR_INPUT, "'%s' came out as %g, which is no measurement", name,
                         value);
    const struct step_measurement *m = w->kind->measurements;
    while (m && m->name && strcmp(m->name, name) != 0)
        m++;
    if (!m || !m->name)
        return error_set(err, ERROR_STATE, "a step '%s' does not list the measurement '%s'",
                         w->kind->name, name);
    if (strcmp(m->unit, unit) != 0)
        return error_set(err, ERROR_STATE, "'%s' was given in '%s', expected '%s'", name, unit,
                         m->unit);
    for (const cJSON *r = w->measurements->child; r; r = r->next)
        if (strcmp(r->child->valuestring, name) == 0)
            return error_set(err, ERROR_STATE, "'%s' was measured twice in one step", name);
    cJSON_AddItemToArray(row(w->measurements, name, unit, NULL), cJSON_CreateNumber(value));
    return 0;
}

static int noted(void *engine, const char *name, const char *text, struct error *err)
{
    struct child *w = engine;
    row(w->notes, name, text, NULL);
    if (strcmp(name, "serial") == 0)
        snprintf(w->serial, sizeof w->serial, "%s", text);
    return 0;
}

static void limits(void *engine, const char *measurement, double *low, double *high)
{
    const struct plan_step *step = ((struct child *)engine)->step;
    for (size_t i = 0; i < step->limit_count; i++) {
        const struct limit *l = &step->limits[i];
        if (strcmp(l->measurement, measurement) != 0)
            continue;
        *low = l->has_min ? l->min : *low;
        *high = l->has_max ? l->max : *high;
    }
}

static int attached(void *engine, const char *name, const char *mime, const void *data, size_t size,
                    struct error *err)
{
    struct child *w = engine;
    char sha256[65];
    int rc = store_attachment_write(w->job->attachments_dir, data, size, sha256, err);
    if (!rc)
        cJSON_AddItemToArray(row(w->attachments, name, mime, sha256),
                             cJSON_CreateNumber((double)size));
    return rc;
}

static void section(void *engine, bool inside)
{
    struct child *w = engine;
    __atomic_store_n(&w->shared->section, inside, __ATOMIC_SEQ_CST);
}

static const struct step_services services = {
    .identity_reserve = identity_reserve,
    .identity_advance = identity_advance,
    .identity_certify = identity_certify,
    .committed = committed,
    .progress = progress,
    .log = log_text,
    .measured = measured,
    .noted = noted,
    .limits = limits,
    .attached = attached,
    .section = section,
};

/* The fixture process may just be starting again. */
static int reach_fixture(struct child *w, struct error *err)
{
    int64_t until = clock_mono_ms() + FIXTURE_WAIT_MS;
    if (w->fixture || !w->job->fixture_socket[0])
        return 0;
    for (;;) {
        int rc = fixture_connect(w->job->fixture_socket, w->job->slot, &w->fixture, err);
        if (!rc)
            return 0;
        if (clock_mono_ms() >= until)
            return error_context(err, "reaching the fixture");
        clock_sleep_until_ns(clock_mono_ns() + 20000000);
    }
}

static int prepare(struct child *w, struct error *err)
{
    int rc = reach_fixture(w, err);
    if (!rc && !w->unit) {
        const struct unit_link_config config = {.port = w->job->unit_port,
                                                .station = w->job->station,
                                                .credentials = w->job->credentials,
                                                .cancel = &w->shared->cancel,
                                                .token = token,
                                                .refused = refused,
                                                .context = w};
        rc = unit_link_create(&config, &w->unit, err);
        if (!rc && w->job->chip_id[0])
            unit_link_expect(w->unit, w->job->chip_id);
    }
    return rc;
}

/* taktd ends a step at its deadline; while it waits for a slow disk, the worker does so itself.
 * Only what may be called from a signal is: the flag is plain memory, and kill() is allowed. */
static struct worker_shared *watched;

static void past_deadline(int signal_number)
{
    if (!__atomic_load_n(&watched->section, __ATOMIC_SEQ_CST))
        kill(0, SIGKILL);
}

/* Monotonic; looks again every few ms, for a section to end. 0 takes it back. */
static void watch_deadline(struct child *w, int deadline_ms)
{
    const struct itimerval when = {
        .it_value = {deadline_ms / 1000, deadline_ms % 1000 * 1000},
        .it_interval = {0, deadline_ms ? DEADLINE_LOOK_US : 0},
    };
    watched = w->shared;
    signal(SIGALRM, deadline_ms ? past_deadline : SIG_IGN);
    setitimer(ITIMER_REAL, &when, NULL);
}

static void do_step(struct child *w, int index)
{
    const struct plan_step *step = &w->job->plan->steps[index];
    struct error err = {0};
    w->step = step;
    w->kind = vocabulary_kind(w->job->vocabulary, step->kind);
    w->measurements = cJSON_CreateArray();
    w->notes = cJSON_CreateArray();
    w->attachments = cJSON_CreateArray();
    int64_t began = clock_mono_ns();
    watch_deadline(w, step->deadline_ms);
    int rc = prepare(w, &err);
    if (!rc) {
        struct step_context c = {
            .params = step->params,
            .board = w->job->board,
            .product = w->job->plan->product,
            .order = w->job->order,
            .station = w->job->station,
            .serial = w->serial,
            .bundle_path = w->job->bundle_path,
            .bundle_key_pem = w->job->bundle_key_pem,
            .unit_port = w->job->unit_port,
            .credentials = w->job->credentials,
            .unit = w->unit,
            .fixture = w->fixture,
            .cancel = &w->shared->cancel,
            .services = &services,
            .engine = w,
        };
        rc = step_run(w->kind, &c, &err);
    }
    section(w, false);
    watch_deadline(w, 0);
    cJSON *message = saying("done");
    cJSON_AddNumberToObject(message, "index", index);
    cJSON_AddNumberToObject(message, "rc", rc < 0 ? rc : 0);
    if (rc < 0)
        cJSON_AddStringToObject(message, "text", err.text[0] ? err.text : error_name(rc));
    cJSON_AddNumberToObject(message, "duration_ms", (double)(clock_mono_ns() - began) / 1e6);
    cJSON_AddItemToObject(message, "measurements", w->measurements);
    cJSON_AddItemToObject(message, "notes", w->notes);
    cJSON_AddItemToObject(message, "attachments", w->attachments);
    if (w->unit && unit_link_facts(w->unit)->chip_id[0])
        cJSON_AddStringToObject(message, "chip_id", unit_link_facts(w->unit)->chip_id);
    say(w, message);
}

/* The end of a run: the session ended in good order, every output of the slot off. */
static void do_safe(struct child *w)
{
    struct error err = {0};
    unit_link_free(w->unit);
    w->unit = NULL;
    int rc = reach_fixture(w, &err);
    if (!rc && w->fixture)
        rc = fixture_safe(w->fixture, &err);
    fixture_disconnect(w->fixture);
    w->fixture = NULL;
    cJSON *message = saying("safe");
    cJSON_AddNumberToObject(message, "rc", rc);
    cJSON_AddStringToObject(message, "text", err.text);
    say(w, message);
}

_Noreturn void worker_run(const struct worker_job *job, int fd, struct worker_shared *shared)
{
    struct child w = {.job = job, .shared = shared};
    struct error err;
    if (channel_create(fd, &w.channel, &err))
        leave(1);
    snprintf(w.serial, sizeof w.serial, "%s", job->serial);
    for (;;) {
        cJSON *order;
        if (channel_wait(w.channel, -1, &order, &err))
            leave(0);
        const char *what = json_string(order, "do", "");
        if (strcmp(what, "step") == 0)
            do_step(&w, (int)json_number(order, "index", 0));
        else if (strcmp(what, "safe") == 0)
            do_safe(&w);
        else
            leave(0);
        cJSON_Delete(order);
    }
}
