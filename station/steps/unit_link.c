#include "station/steps/unit_link.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "protocol/base/version.h"

enum {
    PROTOCOL_VERSION = 1,
    ATTEMPT_MS = 2500, /* one try at transport, hello or handshake while a unit boots */
    ENTER_MS = 5000,   /* the unit checks a signature and may write its flash */
    PAUSE_MS = 50,     /* between tries */
    RUBBISH_TRIES = 3, /* a booting unit may send one torn answer, not three */
};

struct unit_link {
    struct unit_link_config config;
    struct session *session; /* NULL while there is none */
    struct unit_facts facts;
};

int unit_link_create(const struct unit_link_config *config, struct unit_link **out,
                     struct error *err)
{
    struct unit_link *l = calloc(1, sizeof *l);
    if (!l)
        return error_set(err, ERROR_MEMORY, "unit %s: out of memory", config->port);
    l->config = *config;
    *out = l;
    return 0;
}

void unit_link_free(struct unit_link *l)
{
    if (!l)
        return;
    unit_link_drop(l);
    free(l);
}

void unit_link_drop(struct unit_link *l)
{
    if (l->session)
        session_close(l->session);
    l->session = NULL;
}

const struct unit_facts *unit_link_facts(const struct unit_link *l)
{
    return &l->facts;
}

void unit_link_expect(struct unit_link *l, const char *chip_id)
{
    snprintf(l->facts.chip_id, sizeof l->facts.chip_id, "%s", chip_id);
}

static bool cancelled(const struct unit_link *l)
{
    return l->config.cancel && __atomic_load_n(l->config.cancel, __ATOMIC_RELAXED);
}

/* A text of the unit's hello: present and no longer than its place. */
static int take_text(const cJSON *answer, const char *name, char *out, size_t out_size,
                     struct error *err)
{
    const char *text = json_string(answer, name, NULL);
    if (!text || !text[0] || strlen(text) >= out_size)
        return error_set(err, ERROR_PROTOCOL,
                         "hello: \"%s\" is missing or longer than %zu characters", name,
                         out_size - 1);
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

static int facts_from_hello(const cJSON *answer, struct unit_facts *out, struct error *err)
{
    const double version = json_number(answer, "version", 0);
    if (version != PROTOCOL_VERSION)
        return error_set(err, ERROR_PROTOCOL,
                         "hello: the unit answered protocol version %g, this station speaks %d",
                         version, PROTOCOL_VERSION);
    *out = (struct unit_facts){.factory_mode = json_bool(answer, "factory_mode", false),
                               .locked = json_bool(answer, "locked", false)};
    snprintf(out->closed, sizeof out->closed, "%s",
             out->factory_mode ? "" : json_string(answer, "closed", "its factory mode is closed"));
    int rc = take_text(answer, "chip_id", out->chip_id, sizeof out->chip_id, err);
    if (rc == 0)
        rc = take_text(answer, "board", out->board, sizeof out->board, err);
    if (rc == 0)
        rc = take_text(answer, "agent", out->agent, sizeof out->agent, err);
    if (rc == 0)
        rc = take_text(answer, "boot_slot", out->boot_slot, sizeof out->boot_slot, err);
    if (rc == 0 && out->factory_mode)
        rc = take_text(answer, "nonce", out->nonce, sizeof out->nonce, err);
    return rc;
}

static int say_hello(struct unit_link *l, struct session *s, int timeout_ms, struct unit_facts *out,
                     struct error *err)
{
    cJSON *answer = NULL;
    cJSON *params = cJSON_CreateObject();
    cJSON *versions = cJSON_AddArrayToObject(params, "versions");
    if (!versions || !cJSON_AddItemToArray(versions, cJSON_CreateNumber(PROTOCOL_VERSION)) ||
        !cJSON_AddStringToObject(params, "client", takt_version) ||
        (l->config.station && l->config.station[0] &&
         !cJSON_AddStringToObject(params, "station", l->config.station))) {
        cJSON_Delete(params);
        return error_set(err, ERROR_MEMORY, "hello: out of memory");
    }
    const struct call call = {
        .method = "hello", .params = params, .timeout_ms = timeout_ms, .cancel = l->config.cancel};
    int rc = session_call(s, &call, &answer, err);
    if (rc == 0)
        rc = facts_from_hello(answer, out, err);
    cJSON_Delete(answer);
    cJSON_Delete(params);
    return rc;
}

static int same_unit(const struct unit_link *l, const struct unit_facts *now, struct error *err)
{
    if (!l->facts.chip_id[0] || strcmp(l->facts.chip_id, now->chip_id) == 0)
        return 0;
    return error_set(err, ERROR_MISMATCH,
                     "another unit answers: chip %s before, chip %s now (swapped in mid-run?)",
                     l->facts.chip_id, now->chip_id);
}

/* Shows the unit the token that lets this session in. */
static int enter(struct unit_link *l, struct session *s, const struct unit_facts *facts,
                 const char **gate, struct error *err)
{
    struct unit_token token;
    struct error why = {0};
    int rc = l->config.token(l->config.context, facts->chip_id, facts->nonce, &token, &why);
    if (rc < 0) /* not of the unit's doing, so not for another try */
        return error_set(err, ERROR_REFUSED, "no token for unit %s: %s", facts->chip_id, why.text);
    cJSON *params = cJSON_CreateObject();
    if (!cJSON_AddStringToObject(params, "token", token.text) ||
        !cJSON_AddStringToObject(params, "signature", token.signature_hex))
        rc = error_set(err, ERROR_MEMORY, "factory.enter: out of memory");
    const struct call call = {.method = "factory.enter",
                              .params = params,
                              .timeout_ms = ENTER_MS,
                              .cancel = l->config.cancel};
    *gate = "token";
    if (rc == 0)
        rc = session_call(s, &call, NULL, err);
    cJSON_Delete(params);
    return rc;
}

static int factory_open(const struct unit_facts *facts, struct error *err)
{
    return facts->factory_mode
               ? 0
               : error_set(err, ERROR_STATE, "unit %s: %s", facts->chip_id, facts->closed);
}

/* Hello was said in the clear: TLS, hello again, token. *gate = the last one it came to, NULL where
 * nobody could say no. */
static int secure_and_enter(struct unit_link *l, struct session *s, struct unit_facts *facts,
                            const char **gate, struct error *err)
{
    *gate = "factory mode";
    int rc = factory_open(facts, err);
    if (rc)
        return rc;
    *gate = "certificate";
    rc = session_secure(s, ATTEMPT_MS, err);
    if (rc == 0)
        rc = say_hello(l, s, ATTEMPT_MS, facts, err);
    if (rc)
        return rc;
    *gate = "unit";
    rc = same_unit(l, facts, err);
    if (rc)
        return rc;
    *gate = "factory mode";
    rc = factory_open(facts, err);
    if (rc)
        return rc;
    *gate = NULL;
    return enter(l, s, facts, gate, err);
}

static void tell_refused(const struct unit_link *l, const char *chip_id, const char *gate,
                         const char *why)
{
    if (l->config.refused)
        l->config.refused(l->config.context, chip_id, gate, why);
}

static bool is_refusal(int rc)
{
    return rc == ERROR_REFUSED || rc == ERROR_REMOTE || rc == ERROR_STATE || rc == ERROR_MISMATCH;
}

/* One try: transport, hello and, when asked for, TLS and a token. Who the unit is counts only once
 * it was said under TLS: the first hello could have come from anyone on the wire. */
static int try_open(struct unit_link *l, bool secure, int timeout_ms, struct session **out,
                    struct unit_facts *facts, struct error *err)
{
    struct session *s = NULL;
    struct transport *transport = NULL;
    const int64_t until = clock_mono_ms() + timeout_ms;
    int rc = transport_open(l->config.port, timeout_ms, &transport, err);
    if (rc < 0)
        return rc;
    const struct session_config config = {.credentials = l->config.credentials};
    rc = session_open(transport, &config, &s, err);
    if (rc < 0)
        return rc;
    int left = (int)(until - clock_mono_ms());
    rc = say_hello(l, s, left > 1 ? left : 1, facts, err);
    if (rc == 0)
        rc = same_unit(l, facts, err);
    if (rc == 0 && secure) {
        const char *gate;
        rc = secure_and_enter(l, s, facts, &gate, err);
        if (gate && is_refusal(rc))
            tell_refused(l, facts->chip_id, gate, err->text);
    }
    if (rc < 0) {
        session_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

/* Worth another try while the unit may still be booting. */
static bool passing(int rc, int *rubbish)
{
    switch (rc) {
    case ERROR_TIMEOUT:
    case ERROR_CLOSED:
    case ERROR_MISSING:
    case ERROR_IO:
    case ERROR_BUSY:
        return true;
    case ERROR_PROTOCOL:
        return ++*rubbish < RUBBISH_TRIES;
    default:
        return false;
    }
}

static int open_until(struct unit_link *l, bool secure, int timeout_ms, struct session **out,
                      struct unit_facts *facts, struct error *err)
{
    const int64_t until = clock_mono_ms() + timeout_ms;
    int rubbish = 0;
    for (;;) {
        struct error why = {0};
        if (cancelled(l))
            return error_set(err, ERROR_CANCELLED, "unit at %s: aborted by the operator",
                             l->config.port);
        const int64_t left = until - clock_mono_ms();
        int rc = try_open(l, secure, left < ATTEMPT_MS ? (left > 1 ? (int)left : 1) : ATTEMPT_MS,
                          out, facts, &why);
        if (rc == 0)
            return 0;
        if (!passing(rc, &rubbish))
            return error_set(err, rc, "unit at %s: %s", l->config.port, why.text);
        if (clock_mono_ms() + PAUSE_MS >= until) {
            if (rc == ERROR_MISSING)
                tell_refused(l, l->facts.chip_id, "factory mode", why.text);
            return error_set(
                err, rc == ERROR_PROTOCOL ? rc : ERROR_TIMEOUT,
                "unit at %s: not up within %d ms: %s%s", l->config.port, timeout_ms, why.text,
                rc == ERROR_MISSING ? " (a unit that is finalized does not listen either)" : "");
        }
        clock_sleep_until_ns(clock_mono_ns() + PAUSE_MS * INT64_C(1000000));
    }
}

int unit_link_session(struct unit_link *l, int timeout_ms, struct session **out, struct error *err)
{
    if (l->session && session_alive(l->session)) {
        *out = l->session;
        return 0;
    }
    unit_link_drop(l);
    struct unit_facts facts;
    int rc = open_until(l, true, timeout_ms, &l->session, &facts, err);
    if (rc < 0)
        return rc;
    l->facts = facts;
    *out = l->session;
    return 0;
}

int unit_link_hello(struct unit_link *l, int timeout_ms, struct unit_facts *out, struct error *err)
{
    struct session *s = NULL;
    unit_link_drop(l);
    int rc = open_until(l, false, timeout_ms, &s, out, err);
    if (rc == 0)
        session_close(s);
    return rc;
}

/* Whoever broke the protocol once cannot be followed further on the same bytes. */
static void drop_if_broken(struct unit_link *l, int rc)
{
    if (rc == ERROR_CLOSED || rc == ERROR_PROTOCOL || rc == ERROR_IO)
        unit_link_drop(l);
}

int unit_exchange(struct unit_link *l, const struct call *call, cJSON **result, struct error *err)
{
    struct session *s = NULL;
    int rc = unit_link_session(l, call->timeout_ms < ATTEMPT_MS ? ATTEMPT_MS : call->timeout_ms, &s,
                               err);
    if (rc < 0)
        return rc;
    struct call with_cancel = *call;
    with_cancel.cancel = l->config.cancel;
    rc = session_call(s, &with_cancel, result, err);
    /* What the unit answered names its method already; what befell the session does not. */
    if (rc < 0 && rc != ERROR_REMOTE)
        error_context(err, "%s", call->method);
    if (rc < 0)
        drop_if_broken(l, rc);
    return rc;
}

int unit_call(struct unit_link *l, const char *method, cJSON *params, int timeout_ms,
              cJSON **result, struct error *err)
{
    const struct call call = {.method = method, .params = params, .timeout_ms = timeout_ms};
    int rc = unit_exchange(l, &call, result, err);
    cJSON_Delete(params);
    return rc;
}

struct unit_errand {
    struct unit_link *link;
    struct session *session;
    struct call call;
    pthread_t thread;
    cJSON *result;
    struct error err;
    int rc;
};

static void *errand_run(void *context)
{
    struct unit_errand *e = context;
    e->rc = session_call(e->session, &e->call, &e->result, &e->err);
    return NULL;
}

int unit_errand_start(struct unit_link *l, const struct call *call, struct unit_errand **out,
                      struct error *err)
{
    struct session *s = NULL;
    int rc = unit_link_session(l, call->timeout_ms, &s, err);
    if (rc < 0)
        return rc;
    struct unit_errand *e = calloc(1, sizeof *e);
    if (!e)
        return error_set(err, ERROR_MEMORY, "%s: out of memory", call->method);
    *e = (struct unit_errand){.link = l, .session = s, .call = *call};
    e->call.cancel = l->config.cancel;
    if (pthread_create(&e->thread, NULL, errand_run, e) != 0) {
        free(e);
        return error_set(err, ERROR_MEMORY, "%s: no thread for the call", call->method);
    }
    *out = e;
    return 0;
}

int unit_errand_end(struct unit_errand *e, cJSON **result, struct error *err)
{
    if (!e)
        return 0;
    pthread_join(e->thread, NULL);
    const int rc = e->rc;
    if (rc < 0) {
        error_set(err, rc, "%s: %s", e->call.method, e->err.text);
        drop_if_broken(e->link, rc);
    } else if (result) {
        *result = e->result;
        e->result = NULL;
    }
    cJSON_Delete(e->result);
    free(e);
    return rc;
}
