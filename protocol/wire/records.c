/* Records out of the stream, and what becomes of them. */
#include <openssl/crypto.h>
#include <string.h>

#include "protocol/wire/session_parts.h"

enum { BUFFER_KEPT_BYTES = 8192 };

/* The unit's half of going over to TLS: the answer is the last thing it says in the clear. */
static int start_tls_server(struct session *s, const struct message *m, struct error *err)
{
    int rc = 0;
    const char *refusal = NULL;
    struct error reason = {0};
    serve_reap(s, false);
    pthread_mutex_lock(&s->lock);
    if (!s->config.server || !s->config.credentials)
        refusal = "this side has no credentials to serve TLS with";
    else if (s->tls)
        refusal = "the session is secure already";
    else if (s->requests || s->pending)
        refusal = "calls are under way";
    else if (secure_create(true, s->config.credentials, &s->tls, &reason))
        refusal = reason.text;
    if (refusal) {
        rc = session_queue_message(
            s, message_build_error(m->id, message_code_of(ERROR_STATE), refusal));
    } else {
        s->tls_in = s->upgrading = true;
        /* Past the gate of `upgrading`, which holds back everybody else. */
        rc = session_queue_message(s, message_build_result(m->id, NULL));
    }
    pthread_mutex_unlock(&s->lock);
    return rc ? error_set(err, rc, "session.secure: %s", error_name(rc)) : 0;
}

static int take_notification(struct session *s, struct message *m, struct error *err)
{
    int rc = 0;
    int64_t id;
    if (!strcmp(m->method, "$/cancel")) {
        pthread_mutex_lock(&s->lock);
        if (message_read_id(m->params, &id))
            serve_cancel(s, id);
        pthread_mutex_unlock(&s->lock);
    } else if (!strcmp(m->method, "$/attachment")) {
        pthread_mutex_lock(&s->lock);
        rc = calls_announce(s, m, err);
        pthread_mutex_unlock(&s->lock);
    } else if (!strcmp(m->method, "$/secured") && !s->config.server && s->tls_in) {
        pthread_mutex_lock(&s->lock);
        s->secured = true;
        s->upgrading = false;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
    } else if (strncmp(m->method, "$/", 2)) {
        return serve_request(s, m, err);
    } /* what begins with $/ and is not known may be ignored, as in LSP */
    message_free(m);
    return rc;
}

static int take_message(struct session *s, struct error *err)
{
    struct message m;
    int rc = message_parse((const char *)s->message.data, s->message.size, &m, err);
    if (s->message.data)
        OPENSSL_cleanse(s->message.data, s->message.size);
    s->message.size = 0;
    if (s->message.capacity > BUFFER_KEPT_BYTES)
        buffer_free(&s->message);
    if (rc)
        return rc;
    switch (m.kind) {
    case MESSAGE_REQUEST:
        if (strcmp(m.method, "session.secure"))
            return serve_request(s, &m, err);
        rc = start_tls_server(s, &m, err);
        break;
    case MESSAGE_NOTIFICATION:
        return take_notification(s, &m, err);
    case MESSAGE_RESULT:
    case MESSAGE_ERROR:
        pthread_mutex_lock(&s->lock);
        rc = calls_answer(s, &m, err);
        pthread_mutex_unlock(&s->lock);
        break;
    }
    message_free(&m);
    return rc;
}

static size_t header_wanted(const struct session *s)
{
    bool more = s->header_size >= 1 && s->header[0] == RECORD_DATA;
    return RECORD_HEADER_BYTES + (more ? 4 : 0);
}

static int check_header(struct session *s, struct error *err)
{
    size_t size = wire_get32(s->header) >> 8;
    pthread_mutex_lock(&s->lock);
    bool trusted = s->secured || !s->config.require_secure;
    pthread_mutex_unlock(&s->lock);
    size_t most = trusted ? MESSAGE_BYTES_MAX : MESSAGE_BYTES_MAX_OPEN;
    switch (s->header[0]) {
    case RECORD_MESSAGE:
        if (!size || size > most)
            return error_set(err, ERROR_PROTOCOL, "a message of %zu bytes: 1 to %zu were expected",
                             size, most);
        if (buffer_reserve(&s->message, size))
            return error_set(err, ERROR_MEMORY, "a message of %zu bytes: out of memory", size);
        s->record_left = size;
        return 0;
    case RECORD_DATA:
        if (size <= 4 || size > DATA_BYTES_MAX)
            return error_set(err, ERROR_PROTOCOL, "a data record of %zu bytes: 5 to %d expected",
                             size, DATA_BYTES_MAX);
        s->record_left = size - 4;
        return 0;
    case RECORD_CREDIT:
        if (size != 8)
            return error_set(err, ERROR_PROTOCOL, "a credit record of %zu bytes: 8 expected", size);
        s->record_left = size;
        return 0;
    default:
        return error_set(err, ERROR_PROTOCOL, "a record of kind %d, which is not known",
                         s->header[0]);
    }
}

static int take_content(struct session *s, const uint8_t *data, size_t size, struct error *err)
{
    int rc = 0;
    s->record_left -= size;
    if (s->header[0] == RECORD_DATA) {
        pthread_mutex_lock(&s->lock);
        rc = incoming_data(s, wire_get32(s->header + RECORD_HEADER_BYTES), data, size, err);
        pthread_mutex_unlock(&s->lock);
    } else if (buffer_append(&s->message, data, size)) {
        rc = error_set(err, ERROR_MEMORY, "a message: out of memory");
    } else if (!s->record_left && s->header[0] == RECORD_CREDIT) {
        pthread_mutex_lock(&s->lock);
        outgoing_credit(s, wire_get32(s->message.data), wire_get32(s->message.data + 4));
        pthread_mutex_unlock(&s->lock);
        s->message.size = 0;
    } else if (!s->record_left) {
        rc = take_message(s, err);
    }
    if (!s->record_left)
        s->header_size = 0;
    return rc;
}

static int take_some(struct session *s, const uint8_t *data, size_t size, size_t *taken,
                     struct error *err)
{
    if (s->header_size < header_wanted(s)) {
        s->header[s->header_size++] = *data;
        *taken = 1;
        return s->header_size == header_wanted(s) ? check_header(s, err) : 0;
    }
    *taken = size < s->record_left ? size : s->record_left;
    return take_content(s, data, *taken, err);
}

int records_take(struct session *s, const uint8_t *data, size_t size, size_t *taken,
                 struct error *err)
{
    int rc = 0;
    bool tls = s->tls_in;
    *taken = 0;
    while (!rc && *taken < size && s->tls_in == tls) {
        size_t n;
        rc = take_some(s, data + *taken, size - *taken, &n, err);
        *taken += n;
    }
    if (rc)
        error_context(err, "%s", transport_name(s->transport));
    return rc;
}
