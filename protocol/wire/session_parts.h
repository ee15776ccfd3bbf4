/* For session.c, records.c, streams.c, calls.c and serve.c: what a session is made of.
 *
 * The stream below is a sequence of records, each 1 byte of kind, 3 bytes of size, the content:
 *   1 message   JSON-RPC text
 *   2 data      stream u32, bytes of that attachment
 *   3 credit    stream u32, bytes u32 more that its sender may send
 *
 * One lock guards everything but what only the session's thread touches (link, TLS, the record
 * being read, the frame being written). One condition, `changed`, wakes whoever waits. */
#ifndef TAKT_PROTOCOL_WIRE_SESSION_PARTS_H
#define TAKT_PROTOCOL_WIRE_SESSION_PARTS_H

#include <pthread.h>
#include <signal.h>

#include "protocol/base/buffer.h"
#include "protocol/wire/frame.h"
#include "protocol/wire/link.h"
#include "protocol/wire/message.h"
#include "protocol/wire/secure.h"
#include "protocol/wire/session.h"

enum {
    RECORD_MESSAGE = 1,
    RECORD_DATA = 2,
    RECORD_CREDIT = 3,
    RECORD_HEADER_BYTES = 4,
    CHUNK_BYTES = 8192 - RECORD_HEADER_BYTES - 4, /* attachment bytes in a data record */
    DATA_BYTES_MAX = 65536,                       /* accepted in one */
    STREAM_WINDOW_BYTES = 256 * 1024,
    MESSAGE_BYTES_MAX_OPEN = 64 * 1024, /* from a peer that has not proven itself */
    QUEUE_BYTES = 128 * 1024,           /* beyond it senders wait */
    QUEUE_BYTES_MAX = 4 << 20,          /* beyond it the peer does not read */
    CANCEL_POLL_MS = 50,
    LATE_IDS = 64,
};

/* Stacks are small, for 64 MB cameras; sanitizers put red zones around everything on them. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { THREAD_STACK_BYTES = 2 << 20, SERVE_STACK_BYTES = 2 << 20 };
#else
enum { THREAD_STACK_BYTES = 128 * 1024, SERVE_STACK_BYTES = 256 * 1024 };
#endif

/* A record waiting to be sent. */
struct packet {
    struct packet *next;
    size_t size, sent;
    uint8_t data[];
};

/* An attachment that comes in. */
struct incoming {
    struct incoming *next;
    struct message_attachment what;
    bool begun;
    uint64_t received, consumed, granted;
    uint8_t *ring; /* STREAM_WINDOW_BYTES, or all of it when that is less */
    size_t ring_bytes;
};

/* An attachment that goes out; lives on the stack of its sender. */
struct outgoing {
    struct outgoing *next;
    const struct attachment_source *source;
    uint32_t stream;
    uint64_t sent, credit;
};

/* A call this side made and waits for. */
struct pending {
    struct pending *next;
    int64_t id;
    const char *method;
    bool answered;
    struct error failure; /* code 0: it succeeded */
    cJSON *result;
    struct incoming *incoming; /* in the order of their announcement */
    size_t incoming_count;
};

/* A call this side serves. */
struct request {
    struct request *next;
    struct session *session;
    pthread_t thread;
    const struct method *method;
    struct message message;
    struct incoming *incoming, *current;
    bool cancelled, finished;
    int64_t deadline_ms;
};

struct session {
    struct transport *transport;
    struct session_config config;
    struct credentials credentials;
    pthread_t thread;
    sigset_t signals; /* blocked where the session was opened: so they are for served methods */
    int wake_fd;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closing; /* session_close() was called */
    bool closed;
    struct error why; /* when closed */
    bool woken;
    bool open;      /* the link is */
    bool upgrading; /* between session.secure and the end of the handshake: nothing else is sent */
    bool secured;
    char fingerprint[65];
    struct secure *tls_next; /* the client's, until the answer to session.secure came */
    int64_t secure_id;       /* the id of that request; 0: none */
    struct packet *queue, **queue_end;
    size_t queue_bytes;
    int64_t next_id;
    uint32_t next_stream, last_stream_in;
    struct pending *pending;
    int callers; /* threads within session_call() and the like: they are waited for at the end */
    struct request *requests;
    int request_count;
    struct outgoing *outgoing;
    int64_t late_ids[LATE_IDS]; /* of calls given up, whose answers may still come */
    int64_t late_forgotten;     /* ids up to it may have been given up too */
    size_t late_next;
    struct session_counters counters;
    char noise_shown[48]; /* the last of what is no frame, for messages */

    /* The session's thread alone: */
    struct link *link;
    struct secure *tls;
    bool tls_in, tls_out;
    uint8_t header[RECORD_HEADER_BYTES + 4];
    size_t header_size;
    size_t record_left;
    struct buffer message;
    uint8_t frame[FRAME_BYTES_MAX];
    size_t frame_size, frame_sent;
    uint8_t scratch[16384];
};

/* ---- session.c ---- */
/* The functions below want the lock held, unless they say otherwise. */
void session_wake(struct session *s);
/* Ends the session with a reason, on behalf of its own thread; the link says it to the peer. */
int session_fail(struct session *s, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Waits for a change until a time of clock_mono_ms(). */
void session_wait(struct session *s, int64_t until_ms);
/* The reason, for a call that ends because of it. */
int session_closed_error(const struct session *s, struct error *err);

/* Queues a record made of two parts. Takes place even when the queue is beyond QUEUE_BYTES;
 * ERROR_MEMORY, or ERROR_CLOSED. */
int session_queue(struct session *s, int kind, const void *head, size_t head_size, const void *data,
                  size_t size);
int session_queue_packet(struct session *s, struct packet *p);
/* Queues the message and frees the text; ERROR_MEMORY when text is NULL. */
int session_queue_message(struct session *s, char *text);
bool session_has_room(const struct session *s);

/* ---- records.c: in the session's thread, without the lock ---- */
/* Stops behind a record with which TLS begins: *taken is then less than size. */
int records_take(struct session *s, const uint8_t *data, size_t size, size_t *taken,
                 struct error *err);

/* ---- streams.c ---- */
int incoming_announce(struct session *s, struct incoming **list,
                      const struct message_attachment *what, struct error *err);
void incoming_free(struct incoming *list);
/* Bytes of a data record. */
int incoming_data(struct session *s, uint32_t stream, const uint8_t *data, size_t size,
                  struct error *err);
bool incoming_ready(const struct incoming *in);
bool incoming_done(const struct incoming *in);
/* Hands on what came, grants credit. The lock is given up while the sink works. */
int incoming_take(struct session *s, struct incoming *in, const struct attachment_sink *sink,
                  struct error *err);
void outgoing_add(struct session *s, struct outgoing *o);
void outgoing_remove(struct session *s, struct outgoing *o);
void outgoing_credit(struct session *s, uint32_t stream, uint32_t bytes);
bool outgoing_done(const struct outgoing *o);
bool outgoing_ready(const struct session *s, const struct outgoing *o);
/* Sends one chunk. The lock is given up while the source works. */
int outgoing_send(struct session *s, struct outgoing *o, struct error *err);

/* ---- calls.c ---- */
int calls_answer(struct session *s, struct message *m, struct error *err);
int calls_announce(struct session *s, const struct message *m, struct error *err);
void calls_fail_all(struct session *s, int code, const char *text);

/* ---- serve.c ---- */
int serve_request(struct session *s, struct message *m, struct error *err); /* takes m over */
void serve_cancel(struct session *s, int64_t id);
void serve_reap(struct session *s, bool all); /* joins finished threads; without the lock */

#endif
