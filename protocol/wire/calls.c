/* Calls this side makes. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/wire/session_parts.h"

/* ---- answers, in the session's thread ---------------------------------------------------------
 */

static struct pending *find(struct session *s, int64_t id)
{
    struct pending *p = s->pending;
    while (p && p->id != id)
        p = p->next;
    return p;
}

static void fail(struct pending *p, int code, const char *text)
{
    if (p->answered)
        return;
    p->answered = true;
    error_set(&p->failure, code, "%s", text);
}

void calls_fail_all(struct session *s, int code, const char *text)
{
    for (struct pending *p = s->pending; p; p = p->next)
        fail(p, code, text);
    pthread_cond_broadcast(&s->changed);
}

static void remember_late(struct session *s, int64_t id)
{
    int64_t *slot = &s->late_ids[s->late_next++ % LATE_IDS];
    if (*slot > s->late_forgotten)
        s->late_forgotten = *slot;
    *slot = id;
}

static bool was_given_up(struct session *s, int64_t id)
{
    if (id <= s->late_forgotten)
        return true;
    for (size_t i = 0; i < LATE_IDS; i++) {
        if (s->late_ids[i] == id) {
            s->late_ids[i] = 0; /* its answer came; another would be one too many */
            return true;
        }
    }
    return false;
}

/* Who waits now, for the message about an answer nobody waits for. */
static void say_waiting(const struct session *s, char *out, size_t size)
{
    struct buffer text = {0};
    for (const struct pending *p = s->pending; p; p = p->next)
        if (!p->answered)
            buffer_printf(&text, "%s%" PRId64 " (%s)", text.size ? ", " : "", p->id, p->method);
    const char *list = buffer_text(&text);
    strncpy(out, list && *list ? list : "none", size - 1);
    out[size - 1] = '\0';
    buffer_free(&text);
}

int calls_answer(struct session *s, struct message *m, struct error *err)
{
    (void)err;
    struct pending *p = m->id ? find(s, m->id) : NULL;
    struct error why;
    if (!p || p->answered) {
        if (m->id && !p && m->id < s->next_id && was_given_up(s, m->id))
            return 0;
        char waiting[200];
        say_waiting(s, waiting, sizeof waiting);
        s->counters.stray_answers++;
        if (!m->id)
            error_set(&why, ERROR_PROTOCOL, "%s: could not read a request: %s",
                      transport_name(s->transport), m->error_text);
        else
            error_set(&why, ERROR_PROTOCOL,
                      "%s: answered request %" PRId64 ", which %s; waiting were: %s",
                      transport_name(s->transport), m->id,
                      m->id < s->next_id ? "had its answer already" : "was never made", waiting);
        /* The right answers may still come: then they are late ones. */
        for (p = s->pending; p; p = p->next)
            if (!p->answered)
                remember_late(s, p->id);
        calls_fail_all(s, ERROR_PROTOCOL, why.text);
        return 0;
    }
    if (m->kind == MESSAGE_ERROR) {
        error_set(&why, ERROR_REMOTE, "%s: %s", p->method, m->error_text);
        fail(p, ERROR_REMOTE, why.text);
    } else {
        p->answered = true;
        if (p->id == s->secure_id && s->tls_next) {
            s->tls = s->tls_next; /* from the next byte on, in both directions */
            s->tls_next = NULL;
            s->tls_in = true;
        }
        p->result = cJSON_DetachItemViaPointer(m->tree, (cJSON *)m->result);
    }
    pthread_cond_broadcast(&s->changed);
    return 0;
}

int calls_announce(struct session *s, const struct message *m, struct error *err)
{
    struct message_attachment what;
    int64_t id;
    int rc = message_read_attachment(m->params, &what, err);
    if (rc)
        return rc;
    struct pending *p = message_read_id(m->params, &id) ? find(s, id) : NULL;
    if (!p || p->answered) {
        /* For a call that was given up: its data will be ignored. */
        if (what.stream > s->last_stream_in)
            s->last_stream_in = what.stream;
        return 0;
    }
    if (p->incoming_count++ == MESSAGE_ATTACHMENTS_MAX)
        return error_set(err, ERROR_PROTOCOL, "%s: more than %d attachments in the answer",
                         p->method, MESSAGE_ATTACHMENTS_MAX);
    rc = incoming_announce(s, &p->incoming, &what, err);
    pthread_cond_broadcast(&s->changed);
    return rc;
}

/* ---- calling ----------------------------------------------------------------------------------
 */

static bool is_cancelled(const struct call *call)
{
    return call->cancel && __atomic_load_n(call->cancel, __ATOMIC_RELAXED);
}

/* Why this call cannot go on, or 0. */
static int trouble(const struct session *s, const struct call *call, int64_t deadline_ms,
                   struct error *err)
{
    const char *name = transport_name(s->transport);
    if (s->closed)
        return session_closed_error(s, err);
    if (s->closing)
        return error_set(err, ERROR_CLOSED, "%s: the session was closed", name);
    if (is_cancelled(call))
        return error_set(err, ERROR_CANCELLED, "%s: taken back", call->method);
    if (clock_mono_ms() < deadline_ms)
        return 0;
    const struct session_counters *c = &s->counters;
    if (s->open)
        return error_set(err, ERROR_TIMEOUT, "%s: %s gave no answer within %d ms", name,
                         call->method, call->timeout_ms);
    if (!c->noise_bytes)
        return error_set(err, ERROR_TIMEOUT, "%s: no session within %d ms, nothing came at all",
                         name, call->timeout_ms);
    return error_set(err, transport_reliable(s->transport) ? ERROR_PROTOCOL : ERROR_TIMEOUT,
                     "%s: no session within %d ms, but %" PRIu64
                     " bytes that are no frames, the last '%s'",
                     name, call->timeout_ms, c->noise_bytes, s->noise_shown);
}

static void wait_a_little(struct session *s, const struct call *call, int64_t deadline_ms)
{
    int64_t until = deadline_ms;
    if (call->cancel && clock_mono_ms() + CANCEL_POLL_MS < until)
        until = clock_mono_ms() + CANCEL_POLL_MS;
    session_wait(s, until);
}

static int send_request(struct session *s, const struct call *call, struct pending *p,
                        struct outgoing *streams, struct error *err)
{
    int rc = 0;
    struct message_attachment *what = NULL;
    if (call->source_count) {
        what = calloc(call->source_count, sizeof *what);
        if (!what)
            return error_set(err, ERROR_MEMORY, "%s: out of memory", call->method);
    }
    for (size_t i = 0; i < call->source_count; i++) {
        const struct attachment_source *source = &call->sources[i];
        streams[i] = (struct outgoing){.source = source, .stream = s->next_stream++};
        what[i] = (struct message_attachment){.stream = streams[i].stream, .bytes = source->bytes};
        if (strlen(source->name) >= sizeof what[i].name ||
            strlen(source->type) >= sizeof what[i].type) {
            rc = error_set(err, ERROR_INPUT, "%s: the name or type of attachment '%s' is too long",
                           call->method, source->name);
            goto out;
        }
        memcpy(what[i].name, source->name, strlen(source->name) + 1);
        memcpy(what[i].type, source->type, strlen(source->type) + 1);
    }
    p->id = s->next_id++;
    char *text = message_build_request(p->id, call->method, call->params, call->timeout_ms, what,
                                       call->source_count);
    if (!text) {
        rc = error_set(err, ERROR_INPUT, "%s: the request does not fit into a message of %d bytes",
                       call->method, MESSAGE_BYTES_MAX);
        goto out;
    }
    rc = session_queue_message(s, text);
    if (rc)
        rc = rc == ERROR_CLOSED ? session_closed_error(s, err)
                                : error_set(err, rc, "%s: out of memory", call->method);
out:
    free(what);
    return rc;
}

static struct incoming *next_incoming(struct pending *p)
{
    struct incoming *in = p->incoming;
    while (in && incoming_done(in))
        in = in->next;
    return in;
}

/* Sends attachments and takes those of the answer, whichever can go on, until it is all there. */
static int converse(struct session *s, const struct call *call, struct pending *p,
                    struct outgoing *streams, int64_t deadline_ms, struct error *err)
{
    size_t sending = 0;
    for (;;) {
        struct incoming *in = next_incoming(p);
        if (p->answered && p->failure.code)
            return error_set(err, p->failure.code, "%s", p->failure.text);
        if (p->answered && !in)
            return 0;
        int rc = trouble(s, call, deadline_ms, err);
        if (rc)
            return rc;
        while (sending < call->source_count && outgoing_done(&streams[sending]))
            sending++;
        if (in && !call->sink)
            return error_set(err, ERROR_PROTOCOL, "%s: attachment '%s' came, none was expected",
                             call->method, in->what.name);
        if (in && incoming_ready(in))
            rc = incoming_take(s, in, call->sink, err);
        else if (in && p->answered)
            return error_set(err, ERROR_PROTOCOL,
                             "%s: the answer came after %" PRIu64 " of the %" PRIu64
                             " bytes of attachment '%s'",
                             call->method, in->received, in->what.bytes, in->what.name);
        else if (!p->answered && sending < call->source_count &&
                 outgoing_ready(s, &streams[sending]))
            rc = outgoing_send(s, &streams[sending], err);
        else
            wait_a_little(s, call, deadline_ms);
        if (rc)
            return rc;
    }
}

static void give_up(struct session *s, struct pending *p)
{
    if (p->answered || s->closed)
        return;
    remember_late(s, p->id);
    cJSON *params = cJSON_CreateObject();
    if (cJSON_AddNumberToObject(params, "id", (double)p->id))
        session_queue_message(s, message_build_notification("$/cancel", params));
    cJSON_Delete(params);
}

static int wait_for_turn(struct session *s, const struct call *call, int64_t deadline_ms,
                         struct error *err)
{
    int rc;
    while (!(rc = trouble(s, call, deadline_ms, err)) && (s->upgrading || !session_has_room(s)))
        wait_a_little(s, call, deadline_ms);
    return rc;
}

static void unlink_pending(struct session *s, struct pending *p)
{
    struct pending **at = &s->pending;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
}

/* A caller comes in and goes, under the lock: session_close() frees nothing while one is inside,
 * even one that only waits for its turn. */
static void enter(struct session *s)
{
    pthread_mutex_lock(&s->lock);
    s->callers++;
}

static void leave(struct session *s)
{
    s->callers--;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

int session_call(struct session *s, const struct call *call, cJSON **result, struct error *err)
{
    int64_t deadline_ms = clock_mono_ms() + call->timeout_ms;
    struct outgoing *streams = NULL;
    struct pending p = {.method = call->method};
    if (result)
        *result = NULL;
    if (call->timeout_ms <= 0 || call->source_count > MESSAGE_ATTACHMENTS_MAX)
        return error_set(err, ERROR_INPUT, "%s: a call needs a timeout and at most %d attachments",
                         call->method, MESSAGE_ATTACHMENTS_MAX);
    if (call->source_count) {
        streams = calloc(call->source_count, sizeof *streams);
        if (!streams)
            return error_set(err, ERROR_MEMORY, "%s: out of memory", call->method);
    }
    enter(s);
    int rc = wait_for_turn(s, call, deadline_ms, err);
    if (!rc)
        rc = send_request(s, call, &p, streams, err);
    if (!rc) {
        p.next = s->pending;
        s->pending = &p;
        for (size_t i = 0; i < call->source_count; i++)
            outgoing_add(s, &streams[i]);
        rc = converse(s, call, &p, streams, deadline_ms, err);
        for (size_t i = 0; i < call->source_count; i++)
            outgoing_remove(s, &streams[i]);
        give_up(s, &p);
        unlink_pending(s, &p);
    }
    leave(s);
    incoming_free(p.incoming);
    free(streams);
    if (!rc && result)
        *result = p.result;
    else
        cJSON_Delete(p.result);
    return rc;
}

int session_notify(struct session *s, const char *method, const cJSON *params, struct error *err)
{
    const struct call call = {.method = method, .timeout_ms = 10000};
    enter(s);
    int rc = wait_for_turn(s, &call, clock_mono_ms() + call.timeout_ms, err);
    if (!rc) {
        char *text = message_build_notification(method, params);
        rc = text ? session_queue_message(s, text) : ERROR_INPUT;
        if (rc)
            error_set(err, rc, "%s: the notification cannot be sent", method);
    }
    leave(s);
    return rc;
}

/* ---- going over to TLS ------------------------------------------------------------------------
 */

int session_secure(struct session *s, int timeout_ms, struct error *err)
{
    const struct call call = {.method = "session.secure", .timeout_ms = timeout_ms};
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    struct pending p = {.method = call.method};
    struct secure *tls = NULL;
    enter(s);
    int rc = trouble(s, &call, deadline_ms, err);
    if (rc)
        goto out;
    if (s->secured || s->upgrading || s->pending || s->requests) {
        rc = error_set(err, ERROR_STATE, "%s: %s", transport_name(s->transport),
                       s->secured ? "the session is secure already"
                                  : "a session cannot be made secure while calls are under way");
        goto out;
    }
    if (s->config.server || !s->config.credentials) {
        rc = error_set(err, ERROR_STATE, "%s: the station makes a session secure, with credentials",
                       transport_name(s->transport));
        goto out;
    }
    rc = secure_create(false, s->config.credentials, &tls, err);
    if (rc)
        goto out;
    s->upgrading = true;
    rc = send_request(s, &call, &p, NULL, err);
    if (rc) {
        secure_free(tls);
        s->upgrading = false;
        goto out;
    }
    s->tls_next = tls; /* the session's thread takes it when the answer is there */
    p.next = s->pending;
    s->pending = &p;
    s->secure_id = p.id;
    rc = converse(s, &call, &p, NULL, deadline_ms, err);
    while (!rc && !s->secured && !(rc = trouble(s, &call, deadline_ms, err)))
        wait_a_little(s, &call, deadline_ms);
    unlink_pending(s, &p);
    if (rc == ERROR_REMOTE) {
        s->upgrading = false; /* it said no in the clear, and in the clear it stays */
        secure_free(s->tls_next);
        s->tls_next = NULL;
    } else if (rc && !s->closed) {
        session_fail(s, rc, "%s", "the session could not be made secure");
        session_wake(s);
    }
out:
    leave(s);
    cJSON_Delete(p.result);
    return rc;
}
