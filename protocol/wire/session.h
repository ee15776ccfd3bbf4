/* A session: two peers that call each other's methods over one transport.
 *
 * Under it lie, from the wire up: frames (frame.h), a link that delivers them once and in order
 * (link.h), TLS 1.3 once `secure` was asked for (secure.h), JSON-RPC 2.0 messages (message.h).
 * Calls carry binary attachments, which stream in chunks against credit given by the receiver,
 * so neither side holds more than a window of one in memory.
 *
 * A session owns one thread that moves bytes; the functions below may be called from any thread.
 * Several calls may be under way at once. docs/protocol.md describes the bytes. */
#ifndef TAKT_PROTOCOL_WIRE_SESSION_H
#define TAKT_PROTOCOL_WIRE_SESSION_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"
#include "protocol/transport/transport.h"
#include "protocol/wire/secure.h"

struct session;
struct request; /* a call being served */

/* Where an outgoing attachment's bytes come from. */
struct attachment_source {
    const char *name; /* "pcm", "frame0": unique within the call */
    const char *type; /* "audio/l16;rate=16000", "image/nv12", "application/octet-stream" */
    uint64_t bytes;   /* exact */
    /* Fills data with up to size bytes; returns how many (>0), or a negative error, which ends the
     * call. NULL when `data` holds all of it. */
    int (*read)(void *context, uint8_t *data, size_t size, struct error *err);
    void *context;
    const void *data; /* when read is NULL; must live until the call returns */
};

/* Where incoming attachments go. Called from the thread that waits in session_call() or
 * request_receive(). */
struct attachment_sink {
    /* A new attachment begins; return 0 to take it, negative to refuse it and end the call. */
    int (*begin)(void *context, const char *name, const char *type, uint64_t bytes,
                 struct error *err);
    int (*write)(void *context, const uint8_t *data, size_t size, struct error *err);
    void *context;
};

struct call {
    const char *method;
    const cJSON *params; /* object or NULL; stays the caller's */
    int timeout_ms;      /* from now, over everything including attachments; must be > 0 */
    const struct attachment_source *sources; /* sent with the request */
    size_t source_count;
    const struct attachment_sink *sink; /* NULL refuses attachments in the answer */
    const bool *cancel; /* may be NULL; polled: set true from elsewhere to take the call back */
};

/* A method this side serves. Runs in a thread of its own (at most `concurrent_max` at once).
 * On success it returns 0 and may set *result (ownership passes); on failure it returns a
 * negative error and the message goes to the caller, which sees "NAME: message". */
struct method {
    const char *name;
    bool open; /* may be called before the session is secure: "hello" only */
    int (*serve)(void *context, struct request *request, const cJSON *params, cJSON **result,
                 struct error *err);
};

struct session_config {
    bool server;                  /* which side: the unit serves TLS, the station is its client */
    const struct method *methods; /* ends with a NULL name; may be NULL */
    void *method_context;
    int concurrent_max;                    /* calls served at once; 0 means 8 */
    const struct credentials *credentials; /* NULL: the session can never be made secure */
    bool require_secure;                   /* refuse every method that is not `open` until it is */
    /* Called once from the session's thread when the peer is gone; may be NULL. */
    void (*on_closed)(void *context, const struct error *why);
    /* Text between frames, such as kernel log lines on a UART; may be NULL. */
    void (*on_noise)(void *context, const uint8_t *data, size_t size);
    void *callback_context;
};

/* Takes ownership of the transport, also on failure. The config is copied (not what it points to).
 */
int session_open(struct transport *transport, const struct session_config *config,
                 struct session **out, struct error *err);
/* Ends calls under way with ERROR_CLOSED, waits for served ones to notice, frees all. */
void session_close(struct session *s);
bool session_alive(const struct session *s);
/* Something came that is of this protocol: on a line that stays open, that there is a peer. */
bool session_heard(const struct session *s);

/* Station side: TLS 1.3 handshake over the link; afterwards every message is encrypted. */
int session_secure(struct session *s, int timeout_ms, struct error *err);
bool session_is_secure(const struct session *s);
/* SHA-256 of the peer's certificate, hex; "" while not secure. */
void session_peer_fingerprint(const struct session *s, char out[65]);

/* Calls the peer. On 0 *result (may be passed as NULL) is the caller's to cJSON_Delete().
 * ERROR_TIMEOUT, ERROR_CLOSED, ERROR_CANCELLED, ERROR_PROTOCOL (rubbish, or an answer to a request
 * never made), ERROR_REMOTE with the peer's message, or what sink and source returned. */
int session_call(struct session *s, const struct call *call, cJSON **result, struct error *err);
/* A message without an answer. */
int session_notify(struct session *s, const char *method, const cJSON *params, struct error *err);

/* For methods: the attachments that came with the request, in order, into the sink. */
int request_receive(struct request *r, const struct attachment_sink *sink, struct error *err);
/* Adds an attachment to the answer and sends its bytes now, ahead of the result. Blocks on the
 * peer's credit. */
int request_send(struct request *r, const struct attachment_source *source, struct error *err);
/* The method's name, for one function that serves several. */
const char *request_method(const struct request *r);
/* True once the caller took the call back, its deadline passed or the peer is gone: stop soon. */
bool request_cancelled(const struct request *r);
/* Sleeps, but no longer than the call lives; ERROR_CANCELLED when that ended. */
int request_sleep(struct request *r, int ms);

/* Traffic so far, for figures and tests. */
struct session_counters {
    uint64_t bytes_sent, bytes_received;     /* on the transport */
    uint64_t payload_sent, payload_received; /* attachment bytes */
    uint64_t held_max; /* most bytes of one attachment that waited for its sink */
    uint64_t frames_bad, frames_resent, noise_bytes, stray_answers;
};
void session_counters(const struct session *s, struct session_counters *out);

#endif
