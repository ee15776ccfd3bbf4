/* Calls this side serves, each in a thread of its own. */
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/wire/session_parts.h"

/* A caller whose time is over says so by $/cancel; the deadline here is for one that cannot. Later
 * than the caller's own, or the two would race for which of them ends the call. */
enum { CANCEL_GRACE_MS = 1000 };

static void free_request(struct request *r)
{
    incoming_free(r->incoming);
    message_free(&r->message);
    free(r);
}

static char *answer_text(const struct request *r, int rc, const cJSON *result,
                         const struct error *failure)
{
    if (rc)
        return message_build_error(r->message.id, message_code_of(rc),
                                   failure->text[0] ? failure->text : error_name(rc));
    char *text = message_build_result(r->message.id, result);
    return text ? text
                : message_build_error(r->message.id, message_code_of(ERROR_FULL),
                                      "the result does not fit into a message");
}

static void *run(void *context)
{
    struct request *r = context;
    struct session *s = r->session;
    struct error failure = {0};
    cJSON *result = NULL;
    char *text = NULL;
    pthread_sigmask(SIG_SETMASK, &s->signals, NULL);
    int rc = r->method->serve(s->config.method_context, r, r->message.params, &result, &failure);
    bool wanted = r->message.kind == MESSAGE_REQUEST;
    if (wanted)
        text = answer_text(r, rc, result, &failure);
    message_wipe(result);
    cJSON_Delete(result);
    /* Once the answer can be read the call is over: session.secure may follow it. */
    pthread_mutex_lock(&s->lock);
    if (wanted)
        session_queue_message(s, text);
    r->finished = true;
    session_wake(s);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static int start(struct request *r)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, SERVE_STACK_BYTES);
    int rc = pthread_create(&r->thread, &attributes, run, r) ? ERROR_MEMORY : 0;
    pthread_attr_destroy(&attributes);
    return rc;
}

static const struct method *find_method(const struct session *s, const char *name)
{
    const struct method *m = s->config.methods;
    while (m && m->name && strcmp(m->name, name))
        m++;
    return m && m->name ? m : NULL;
}

/* Why the request is not served, as a wire code; 0 when it is. */
static int refuse(const struct session *s, const struct message *m, const struct method *method,
                  struct error *why)
{
    if (!method) {
        error_set(why, ERROR_MISSING, "no method '%s' here", m->method);
        return MESSAGE_NO_METHOD;
    }
    int rc = 0;
    if (s->config.require_secure && !s->secured && !method->open)
        rc = error_set(why, ERROR_REFUSED, "it needs a secure session: call session.secure first");
    else if (s->request_count >= s->config.concurrent_max)
        rc = error_set(why, ERROR_BUSY, "%d calls are under way already, no more are served",
                       s->request_count);
    return rc ? message_code_of(rc) : 0;
}

int serve_request(struct session *s, struct message *m, struct error *err)
{
    int rc = 0;
    struct error why = {0};
    const struct method *method = find_method(s, m->method);
    struct request *r = NULL;
    serve_reap(s, false);
    pthread_mutex_lock(&s->lock);
    int code = refuse(s, m, method, &why);
    for (struct request *other = s->requests; other && m->id; other = other->next)
        if (other->message.id == m->id)
            rc = error_set(err, ERROR_PROTOCOL, "request %lld was made twice", (long long)m->id);
    if (!rc && !code && !(r = calloc(1, sizeof *r)))
        code = message_code_of(error_set(&why, ERROR_MEMORY, "out of memory"));
    /* Refused or not, the streams count as announced: their data may be on the way. */
    struct incoming *unwanted = NULL;
    for (size_t i = 0; i < m->attachment_count && !rc; i++)
        rc = incoming_announce(s, r ? &r->incoming : &unwanted, &m->attachments[i], err);
    incoming_free(unwanted);
    if (!rc && r) {
        r->session = s;
        r->method = method;
        r->message = *m;
        r->current = r->incoming;
        r->deadline_ms =
            m->timeout_ms ? clock_mono_ms() + m->timeout_ms + CANCEL_GRACE_MS : INT64_MAX;
        memset(m, 0, sizeof *m);
        r->next = s->requests;
        s->requests = r;
        s->request_count++;
        if (start(r)) {
            s->requests = r->next;
            s->request_count--;
            code = message_code_of(error_set(&why, ERROR_MEMORY, "no memory to start a thread"));
            *m = r->message;
            memset(&r->message, 0, sizeof r->message);
            free_request(r);
        }
    } else if (r) {
        free_request(r);
    }
    if (!rc && code && m->kind == MESSAGE_REQUEST) {
        rc = session_queue_message(s, message_build_error(m->id, code, why.text));
        if (rc)
            error_set(err, rc, "%s", error_name(rc));
    }
    pthread_mutex_unlock(&s->lock);
    message_free(m);
    return rc;
}

void serve_cancel(struct session *s, int64_t id)
{
    for (struct request *r = s->requests; r; r = r->next)
        if (r->message.id == id && id)
            r->cancelled = true;
    pthread_cond_broadcast(&s->changed);
}

void serve_reap(struct session *s, bool all)
{
    pthread_mutex_lock(&s->lock);
    struct request **at = &s->requests;
    while (*at) {
        struct request *r = *at;
        if (!r->finished && !all) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        s->request_count--;
        pthread_mutex_unlock(&s->lock);
        pthread_join(r->thread, NULL);
        free_request(r);
        pthread_mutex_lock(&s->lock);
        at = &s->requests; /* the list may have changed meanwhile */
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- for the methods --------------------------------------------------------------------------
 */

static bool over(const struct request *r)
{
    return r->cancelled || r->session->closed || r->session->closing ||
           clock_mono_ms() >= r->deadline_ms;
}

static int over_error(struct error *err)
{
    return error_set(err, ERROR_CANCELLED, "the call was taken back or its time is over");
}

static void wait_for_change(struct request *r)
{
    int64_t until = clock_mono_ms() + 1000;
    session_wait(r->session, until < r->deadline_ms ? until : r->deadline_ms);
}

int request_receive(struct request *r, const struct attachment_sink *sink, struct error *err)
{
    struct session *s = r->session;
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    while (!rc && r->current) {
        if (incoming_done(r->current))
            r->current = r->current->next;
        else if (over(r))
            rc = over_error(err);
        else if (incoming_ready(r->current))
            rc = incoming_take(s, r->current, sink, err);
        else
            wait_for_change(r);
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static int announce(struct session *s, struct request *r, struct outgoing *o, struct error *err)
{
    const struct attachment_source *source = o->source;
    struct message_attachment what = {.stream = o->stream, .bytes = source->bytes};
    if (strlen(source->name) >= sizeof what.name || strlen(source->type) >= sizeof what.type)
        return error_set(err, ERROR_INPUT, "the name or type of attachment '%s' is too long",
                         source->name);
    memcpy(what.name, source->name, strlen(source->name) + 1);
    memcpy(what.type, source->type, strlen(source->type) + 1);
    cJSON *params = message_write_attachment(&what);
    int rc = ERROR_MEMORY;
    if (cJSON_AddNumberToObject(params, "id", (double)r->message.id))
        rc = session_queue_message(s, message_build_notification("$/attachment", params));
    cJSON_Delete(params);
    if (rc)
        error_set(err, rc, "attachment %s: %s", source->name, error_name(rc));
    return rc;
}

int request_send(struct request *r, const struct attachment_source *source, struct error *err)
{
    struct session *s = r->session;
    struct outgoing o = {.source = source};
    if (r->message.kind == MESSAGE_NOTIFICATION)
        return error_set(err, ERROR_STATE, "%s: a notification has no answer", r->method->name);
    pthread_mutex_lock(&s->lock);
    o.stream = s->next_stream++;
    outgoing_add(s, &o);
    int rc = announce(s, r, &o, err);
    while (!rc && !outgoing_done(&o)) {
        if (over(r))
            rc = over_error(err);
        else if (outgoing_ready(s, &o))
            rc = outgoing_send(s, &o, err);
        else
            wait_for_change(r);
    }
    outgoing_remove(s, &o);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

const char *request_method(const struct request *r)
{
    return r->method->name;
}

bool request_cancelled(const struct request *r)
{
    pthread_mutex_lock(&r->session->lock);
    bool cancelled = over(r);
    pthread_mutex_unlock(&r->session->lock);
    return cancelled;
}

int request_sleep(struct request *r, int ms)
{
    int64_t until = clock_mono_ms() + ms;
    if (until > r->deadline_ms)
        until = r->deadline_ms;
    pthread_mutex_lock(&r->session->lock);
    while (!over(r) && clock_mono_ms() < until)
        session_wait(r->session, until);
    int rc = over(r) ? ERROR_CANCELLED : 0;
    pthread_mutex_unlock(&r->session->lock);
    return rc;
}
