/* A sender over AMQP 1.0 (OASIS, 2012): one connection, one link to one address, one message at a
 * time, each held until the receiver's disposition is here. qpid-proton knows the protocol, TLS and
 * SASL; the socket and the waiting are this file's. Only the outbox's own files include this. */
#ifndef TAKT_REPORTS_OUTBOX_AMQP_H
#define TAKT_REPORTS_OUTBOX_AMQP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct amqp;

/* Every text must stay as long as the connection; "" where there is none. */
struct amqp_settings {
    const char *host, *port; /* of the broker */
    bool tls;
    const char *ca;                /* PEM file the broker's certificate must come from; "": the
                                      machine's own list */
    const char *certificate, *key; /* PEM files; this end's, for SASL EXTERNAL */
    const char *user, *password;   /* SASL PLAIN */
    const char *name;              /* of this end: the container */
    const char *address;           /* where messages go: the link's target */
    int timeout_ms;                /* for opening, and for each disposition */
};

struct amqp_message {
    const char *id;                /* message-id, a text */
    const char *subject;           /* properties */
    const char *content_type;      /* of the body */
    const char *reply_to;          /* "" for none */
    int64_t created_ms;            /* creation-time, since 1970 UTC */
    const char *const (*pairs)[2]; /* application-properties, name and text ("" is null); the last
                                      name is NULL */
    const void *body;              /* one data section */
    size_t body_size;
};

/* Connected, secured, and the link has credit. ERROR_TIMEOUT, ERROR_CLOSED (nobody there, a wrong
 * certificate or password, no such address), ERROR_INPUT (a file cannot be read). */
int amqp_open(const struct amqp_settings *settings, struct amqp **out, struct error *err);

/* 0 once the message is accepted. ERROR_REFUSED when it is rejected, or larger than the receiver
 * takes; ERROR_BUSY when it was released or must be modified; else ERROR_TIMEOUT or ERROR_CLOSED:
 * whether it arrived is not known, and the connection is of no further use. */
int amqp_send(struct amqp *a, const struct amqp_message *m, struct error *err);

/* Answers the peer's keep-alives while nothing is sent; to be called every few seconds. */
int amqp_idle(struct amqp *a, struct error *err);

void amqp_close(struct amqp *a); /* NULL is fine */

#endif
