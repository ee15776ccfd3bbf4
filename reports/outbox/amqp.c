#include "reports/outbox/amqp.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/connection_driver.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/link.h>
#include <proton/message.h>
#include <proton/sasl.h>
#include <proton/session.h>
#include <proton/ssl.h>
#include <proton/transport.h>

#include "protocol/base/clock.h"
#include "protocol/transport/transport.h"

/* After this long without a byte the peer is given up; it is asked for keep-alives in time. */
enum { SILENCE_MS = 60000, CLOSING_MS = 300 };

struct amqp {
    struct amqp_settings settings;
    struct transport *socket;
    pn_connection_driver_t driver;
    bool driven; /* the driver was initialized */
    pn_link_t *link;
    uint64_t sent; /* deliveries: each one's tag */
    char name[300];
    struct error failure; /* code 0 while the connection stands */
};

/* ---- the connection's state, and bytes ------------------------------------------------------- */

static void fail_by(struct amqp *a, pn_condition_t *condition, const char *what)
{
    if (a->failure.code)
        return;
    bool said = condition && pn_condition_is_set(condition);
    const char *text = said ? pn_condition_get_description(condition) : NULL;
    error_set(&a->failure, ERROR_CLOSED, "%s: %s%s%s%s%.300s", a->name, what, said ? ": " : "",
              said ? pn_condition_get_name(condition) : "", text && *text ? ": " : "",
              text ? text : "");
}

static void take_events(struct amqp *a)
{
    pn_event_t *e;
    while ((e = pn_connection_driver_next_event(&a->driver))) {
        pn_connection_t *c = a->driver.connection;
        switch (pn_event_type(e)) {
        case PN_TRANSPORT_ERROR:
            fail_by(a, pn_transport_condition(a->driver.transport), "the connection broke");
            break;
        case PN_TRANSPORT_CLOSED:
            fail_by(a, pn_transport_condition(a->driver.transport), "the connection was closed");
            break;
        case PN_CONNECTION_REMOTE_CLOSE:
            fail_by(a, pn_connection_remote_condition(c), "the broker closed the connection");
            break;
        case PN_SESSION_REMOTE_CLOSE:
            fail_by(a, pn_session_remote_condition(pn_event_session(e)),
                    "the broker ended the session");
            break;
        case PN_LINK_REMOTE_CLOSE:
        case PN_LINK_REMOTE_DETACH:
            fail_by(a, pn_link_remote_condition(pn_event_link(e)),
                    "the broker does not take messages there");
            break;
        default:
            break;
        }
    }
}

static void write_out(struct amqp *a)
{
    pn_bytes_t out;
    struct error err;
    while ((out = pn_connection_driver_write_buffer(&a->driver)).size) {
        int n = transport_write(a->socket, out.start, out.size, &err);
        if (n < 0)
            pn_connection_driver_write_close(&a->driver);
        if (n <= 0)
            return;
        pn_connection_driver_write_done(&a->driver, (size_t)n);
    }
}

static void read_in(struct amqp *a)
{
    pn_rwbytes_t in;
    struct error err;
    while ((in = pn_connection_driver_read_buffer(&a->driver)).size) {
        int n = transport_read(a->socket, in.start, in.size, &err);
        if (n < 0)
            pn_connection_driver_read_close(&a->driver);
        if (n <= 0)
            return;
        pn_connection_driver_read_done(&a->driver, (size_t)n);
    }
}

/* Moves what can be moved, waiting at most `wait_ms` for the first byte. */
static int turn(struct amqp *a, int wait_ms, struct error *err)
{
    int64_t now = clock_mono_ms(), next = pn_transport_tick(a->driver.transport, now);
    if (next && next - now < wait_ms)
        wait_ms = next > now ? (int)(next - now) : 0;
    take_events(a);
    write_out(a);
    take_events(a);
    if (!a->failure.code && wait_ms >= 0) {
        struct pollfd p = {.fd = transport_read_fd(a->socket), .events = POLLIN};
        if (pn_connection_driver_write_buffer(&a->driver).size)
            p.events |= POLLOUT;
        poll(&p, 1, wait_ms);
        read_in(a);
        take_events(a);
        write_out(a);
    }
    if (a->failure.code && err)
        *err = a->failure;
    return a->failure.code;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int set_tls(struct amqp *a, struct error *err)
{
    static pthread_mutex_t one_by_one = PTHREAD_MUTEX_INITIALIZER; /* its first use sets TLS up */
    const struct amqp_settings *s = &a->settings;
    pthread_mutex_lock(&one_by_one);
    pn_ssl_domain_t *domain = pn_ssl_domain(PN_SSL_MODE_CLIENT);
    int rc = domain ? 0 : error_set(err, ERROR_MEMORY, "%s: no TLS", a->name);
    if (!rc && *s->ca && pn_ssl_domain_set_trusted_ca_db(domain, s->ca))
        rc = error_set(err, ERROR_INPUT, "%s: cannot read certificates in %s", a->name, s->ca);
    if (!rc && *s->certificate &&
        pn_ssl_domain_set_credentials(domain, s->certificate, *s->key ? s->key : s->certificate,
                                      NULL))
        rc = error_set(err, ERROR_INPUT, "%s: cannot use certificate %s with key %s", a->name,
                       s->certificate, *s->key ? s->key : s->certificate);
    if (!rc && pn_ssl_domain_set_peer_authentication(domain, PN_SSL_VERIFY_PEER_NAME, s->ca))
        rc = error_set(err, ERROR_INPUT, "%s: cannot check the broker's certificate", a->name);
    pn_ssl_t *ssl = rc ? NULL : pn_ssl(a->driver.transport);
    if (!rc && (!ssl || pn_ssl_init(ssl, domain, NULL) || pn_ssl_set_peer_hostname(ssl, s->host)))
        rc = error_set(err, ERROR_MEMORY, "%s: no TLS", a->name);
    pn_ssl_domain_free(domain); /* the transport keeps its own hold of it */
    pthread_mutex_unlock(&one_by_one);
    return rc;
}

static void set_sasl(struct amqp *a, pn_connection_t *c)
{
    const struct amqp_settings *s = &a->settings;
    pn_sasl_t *sasl = pn_sasl(a->driver.transport);
    pn_sasl_allowed_mechs(sasl, *s->user ? "PLAIN" : *s->certificate ? "EXTERNAL" : "ANONYMOUS");
    pn_sasl_set_allow_insecure_mechs(sasl, true); /* a password in the clear: the file said so */
    if (*s->user) {
        pn_connection_set_user(c, s->user);
        pn_connection_set_password(c, s->password);
    }
}

static int begin(struct amqp *a, struct error *err)
{
    pn_connection_t *c = pn_connection();
    pn_transport_t *t = pn_transport();
    if (pn_connection_driver_init(&a->driver, c, t))
        return error_set(err, ERROR_MEMORY, "%s: out of memory", a->name);
    a->driven = true;
    c = a->driver.connection;
    pn_connection_set_container(c, a->settings.name);
    pn_connection_set_hostname(c, a->settings.host);
    pn_transport_set_idle_timeout(a->driver.transport, SILENCE_MS);
    int rc = a->settings.tls ? set_tls(a, err) : 0;
    if (rc)
        return rc;
    set_sasl(a, c);
    if (pn_connection_driver_bind(&a->driver))
        return error_set(err, ERROR_MEMORY, "%s: out of memory", a->name);
    pn_connection_open(c);
    pn_session_t *session = pn_session(c);
    pn_session_open(session);
    a->link = pn_sender(session, a->settings.name);
    pn_terminus_set_address(pn_link_target(a->link), a->settings.address);
    /* A broker that makes queues as they are asked for must make one that outlives it. */
    pn_terminus_set_durability(pn_link_target(a->link), PN_DELIVERIES);
    pn_terminus_set_address(pn_link_source(a->link), a->settings.name);
    pn_link_set_snd_settle_mode(a->link, PN_SND_UNSETTLED);
    pn_link_set_rcv_settle_mode(a->link, PN_RCV_FIRST);
    pn_link_open(a->link);
    return 0;
}

static int wait_credit(struct amqp *a, struct error *err)
{
    int64_t until = clock_mono_ms() + a->settings.timeout_ms, left;
    int rc = 0;
    while (!rc && pn_link_credit(a->link) <= 0) {
        if ((left = until - clock_mono_ms()) <= 0)
            return error_set(err, ERROR_TIMEOUT, "%s: not ready to take a message within %d ms",
                             a->name, a->settings.timeout_ms);
        rc = turn(a, (int)left, err);
    }
    return rc;
}

int amqp_open(const struct amqp_settings *settings, struct amqp **out, struct error *err)
{
    char port[300];
    struct amqp *a = calloc(1, sizeof *a);
    if (!a)
        return error_set(err, ERROR_MEMORY, "an AMQP connection: out of memory");
    a->settings = *settings;
    snprintf(port, sizeof port, "tcp://%.200s:%.20s", settings->host, settings->port);
    snprintf(a->name, sizeof a->name, "%s://%.200s:%.20s%s%.60s", settings->tls ? "amqps" : "amqp",
             settings->host, settings->port, *settings->address == '/' ? "" : "/",
             settings->address);
    int rc = transport_open(port, settings->timeout_ms, &a->socket, err);
    /* Nothing about a connection refuses a message. */
    if (rc && rc != ERROR_MEMORY && rc != ERROR_TIMEOUT)
        rc = err->code = ERROR_CLOSED;
    if (!rc)
        rc = begin(a, err);
    if (!rc)
        rc = wait_credit(a, err);
    if (rc)
        amqp_close(a);
    else
        *out = a;
    return rc;
}

/* ---- a message ------------------------------------------------------------------------------- */

static int encode(const struct amqp *a, const struct amqp_message *m, char **out, size_t *size,
                  struct error *err)
{
    pn_message_t *message = pn_message();
    if (!message)
        return error_set(err, ERROR_MEMORY, "a message: out of memory");
    pn_data_t *data = pn_message_properties(message);
    pn_message_set_durable(message, true);
    pn_message_set_inferred(message, true); /* a binary body is a data section */
    pn_message_set_id(
        message, (pn_msgid_t){.type = PN_STRING, .u.as_bytes = pn_bytes(strlen(m->id), m->id)});
    pn_message_set_subject(message, m->subject);
    pn_message_set_content_type(message, m->content_type);
    pn_message_set_creation_time(message, m->created_ms);
    if (*m->reply_to)
        pn_message_set_reply_to(message, m->reply_to);
    pn_data_put_map(data);
    pn_data_enter(data);
    for (size_t i = 0; m->pairs && m->pairs[i][0]; i++) {
        const char *name = m->pairs[i][0], *text = m->pairs[i][1];
        pn_data_put_string(data, pn_bytes(strlen(name), name));
        if (*text)
            pn_data_put_string(data, pn_bytes(strlen(text), text));
        else
            pn_data_put_null(data);
    }
    pn_data_exit(data);
    pn_data_put_binary(pn_message_body(message), pn_bytes(m->body_size, m->body));
    *size = m->body_size + 4096; /* what goes around a body is some hundred bytes */
    *out = malloc(*size);
    int rc = *out ? pn_message_encode(message, *out, size) : PN_OUT_OF_MEMORY;
    pn_message_free(message);
    if (rc) {
        free(*out);
        return error_set(err, ERROR_MEMORY, "%s: message %s cannot be encoded (%d)", a->name, m->id,
                         rc);
    }
    return 0;
}

static int judge(const struct amqp *a, pn_delivery_t *d, const char *id, struct error *err)
{
    uint64_t state = pn_delivery_remote_state(d);
    if (state == PN_ACCEPTED)
        return 0;
    pn_condition_t *why = pn_disposition_condition(pn_delivery_remote(d));
    const char *text = pn_condition_get_description(why), *name = pn_condition_get_name(why);
    const char *what = state == PN_REJECTED   ? "rejected"
                       : state == PN_RELEASED ? "released"
                       : state == PN_MODIFIED ? "modified"
                                              : "settled without a word";
    return error_set(err, state == PN_REJECTED ? ERROR_REFUSED : ERROR_BUSY,
                     "%s: message %s was %s%s%s%s%.200s", a->name, id, what, name ? ": " : "",
                     name ? name : "", text && *text ? ": " : "", text ? text : "");
}

static int wait_disposition(struct amqp *a, pn_delivery_t *d, const char *id, struct error *err)
{
    int64_t until = clock_mono_ms() + a->settings.timeout_ms, left;
    int rc = 0;
    /* `received` is on the way to one of the others (AMQP 1.0, 3.4.1). */
    while (!rc && !pn_delivery_settled(d) &&
           (!pn_delivery_remote_state(d) || pn_delivery_remote_state(d) == PN_RECEIVED)) {
        if ((left = until - clock_mono_ms()) <= 0)
            return a->failure.code =
                       error_set(err, ERROR_TIMEOUT, "%s: nothing about message %s within %d ms",
                                 a->name, id, a->settings.timeout_ms);
        rc = turn(a, (int)left, err);
    }
    return rc;
}

int amqp_send(struct amqp *a, const struct amqp_message *m, struct error *err)
{
    char *bytes = NULL, tag[24];
    size_t size = 0;
    uint64_t most = pn_link_remote_max_message_size(a->link);
    int rc = wait_credit(a, err);
    if (!rc)
        rc = encode(a, m, &bytes, &size, err);
    if (rc)
        return rc;
    if (most && size > most) {
        free(bytes);
        return error_set(err, ERROR_REFUSED, "%s: message %s has %zu bytes, %llu are taken",
                         a->name, m->id, size, (unsigned long long)most);
    }
    snprintf(tag, sizeof tag, "%llu", (unsigned long long)++a->sent);
    pn_delivery_t *d = pn_delivery(a->link, pn_dtag(tag, strlen(tag)));
    pn_link_send(a->link, bytes, size);
    pn_link_advance(a->link);
    free(bytes);
    rc = wait_disposition(a, d, m->id, err);
    if (!rc)
        rc = judge(a, d, m->id, err);
    pn_delivery_settle(d);
    return rc;
}

int amqp_idle(struct amqp *a, struct error *err)
{
    return turn(a, 0, err);
}

void amqp_close(struct amqp *a)
{
    if (!a)
        return;
    if (a->driven) {
        int64_t until = clock_mono_ms() + CLOSING_MS;
        if (!a->failure.code)
            pn_connection_close(a->driver.connection);
        while (!a->failure.code && a->socket && clock_mono_ms() < until)
            turn(a, 50, NULL);
        pn_connection_driver_destroy(&a->driver);
    }
    transport_close(a->socket);
    free(a);
}
