#include "protocol/wire/session.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/wire/session_parts.h"

enum {
    TLS_AHEAD_BYTES = 16384, /* encrypted but not taken by the link yet */
    FAREWELL_MS = 300,       /* for the last frames to leave */
    RUBBISH_BYTES = 65536,   /* from a reliable transport, before the first frame */
    POLL_MAX_MS = 60000,
};

/* ---- waiting and waking -----------------------------------------------------------------------
 */

void session_wake(struct session *s)
{
    if (s->woken)
        return;
    s->woken = true;
    uint64_t one = 1;
    if (write(s->wake_fd, &one, sizeof one) < 0)
        s->woken = false; /* the counter is full: it is awake */
}

void session_wait(struct session *s, int64_t until_ms)
{
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_cond_timedwait(&s->changed, &s->lock, &until);
}

static void close_with(struct session *s, const struct error *why)
{
    if (s->closed)
        return;
    s->closed = true;
    s->why = *why;
    calls_fail_all(s, why->code, why->text);
    for (struct request *r = s->requests; r; r = r->next)
        r->cancelled = true;
    pthread_cond_broadcast(&s->changed);
}

int session_fail(struct session *s, int code, const char *format, ...)
{
    struct error why;
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    error_set(&why, code, "%s: %s", transport_name(s->transport), text);
    close_with(s, &why);
    return code;
}

int session_closed_error(const struct session *s, struct error *err)
{
    return error_set(err, s->why.code, "%s", s->why.text);
}

/* ---- the queue of records ---------------------------------------------------------------------
 */

bool session_has_room(const struct session *s)
{
    return s->queue_bytes < QUEUE_BYTES;
}

int session_queue_packet(struct session *s, struct packet *p)
{
    if (s->closed) {
        free(p);
        return ERROR_CLOSED;
    }
    if (s->queue_bytes + p->size > QUEUE_BYTES_MAX) {
        free(p);
        return session_fail(s, ERROR_CLOSED, "the peer sends, but does not read what it gets");
    }
    p->next = NULL;
    p->sent = 0;
    *s->queue_end = p;
    s->queue_end = &p->next;
    s->queue_bytes += p->size;
    session_wake(s);
    return 0;
}

int session_queue(struct session *s, int kind, const void *head, size_t head_size, const void *data,
                  size_t size)
{
    struct packet *p = malloc(sizeof *p + RECORD_HEADER_BYTES + head_size + size);
    if (!p)
        return ERROR_MEMORY;
    p->size = RECORD_HEADER_BYTES + head_size + size;
    wire_put32(p->data, (uint32_t)(kind | (int)(head_size + size) << 8));
    if (head_size)
        memcpy(p->data + RECORD_HEADER_BYTES, head, head_size);
    if (size)
        memcpy(p->data + RECORD_HEADER_BYTES + head_size, data, size);
    return session_queue_packet(s, p);
}

int session_queue_message(struct session *s, char *text)
{
    if (!text)
        return ERROR_MEMORY;
    size_t size = strlen(text);
    int rc = session_queue(s, RECORD_MESSAGE, NULL, 0, text, size);
    OPENSSL_cleanse(text, size);
    cJSON_free(text);
    return rc;
}

/* ---- the thread: out --------------------------------------------------------------------------
 */

static void drop_packet(struct session *s, struct packet *p)
{
    s->queue = p->next;
    if (!s->queue)
        s->queue_end = &s->queue;
    s->queue_bytes -= p->size;
    OPENSSL_cleanse(p->data, p->size);
    free(p);
    pthread_cond_broadcast(&s->changed);
}

/* TLS begins where the plain records end. */
static int turn_on_tls_out(struct session *s, struct error *err)
{
    s->tls_out = true;
    return secure_start(s->tls, err);
}

static int fill_from_tls(struct session *s, struct error *err)
{
    int rc = 0;
    for (;;) {
        size_t room = link_write_room(s->link);
        if (room > sizeof s->scratch)
            room = sizeof s->scratch;
        size_t n = room ? secure_output(s->tls, s->scratch, room) : 0;
        link_write(s->link, s->scratch, n);
        if (n)
            continue;
        if (!room || !secure_established(s->tls))
            return 0;
        pthread_mutex_lock(&s->lock);
        struct packet *p = s->queue;
        if (p) {
            size_t piece =
                p->size - p->sent < TLS_AHEAD_BYTES ? p->size - p->sent : TLS_AHEAD_BYTES;
            rc = secure_write(s->tls, p->data + p->sent, piece, err);
            p->sent += piece;
            if (p->sent == p->size)
                drop_packet(s, p);
        }
        pthread_mutex_unlock(&s->lock);
        if (!p || rc)
            return rc;
    }
}

/* Moves what is queued into the link, as far as it takes it. */
static int fill_link(struct session *s, struct error *err)
{
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    while (!s->tls_out && s->queue) {
        struct packet *p = s->queue;
        size_t n = link_write(s->link, p->data + p->sent, p->size - p->sent);
        p->sent += n;
        if (p->sent < p->size)
            break;
        drop_packet(s, p);
    }
    bool drained = !s->queue;
    pthread_mutex_unlock(&s->lock);
    if (s->tls && !s->tls_out && drained)
        rc = turn_on_tls_out(s, err);
    if (!rc && s->tls_out)
        rc = fill_from_tls(s, err);
    return rc;
}

static int send_frames(struct session *s, struct error *err)
{
    for (;;) {
        if (s->frame_sent == s->frame_size) {
            int rc = fill_link(s, err);
            if (rc)
                return rc;
            s->frame_sent = 0;
            s->frame_size = link_output(s->link, clock_mono_ms(), s->frame, sizeof s->frame);
            if (!s->frame_size)
                return 0;
        }
        int n = transport_write(s->transport, s->frame + s->frame_sent,
                                s->frame_size - s->frame_sent, err);
        if (n <= 0)
            return n;
        s->frame_sent += (size_t)n;
        pthread_mutex_lock(&s->lock);
        s->counters.bytes_sent += (uint64_t)n;
        pthread_mutex_unlock(&s->lock);
    }
}

/* ---- the thread: in ---------------------------------------------------------------------------
 */

static void note_noise(void *context, const uint8_t *data, size_t size)
{
    struct session *s = context;
    pthread_mutex_lock(&s->lock);
    size_t kept = strlen(s->noise_shown);
    for (size_t i = 0; i < size; i++) {
        if (kept == sizeof s->noise_shown - 1)
            memmove(s->noise_shown, s->noise_shown + 1, kept--);
        s->noise_shown[kept++] = isprint(data[i]) ? (char)data[i] : '.';
    }
    s->noise_shown[kept] = '\0';
    pthread_mutex_unlock(&s->lock);
    if (s->config.on_noise)
        s->config.on_noise(s->config.callback_context, data, size);
}

/* The handshake ended well: the unit says so, since a client of TLS 1.3 is done before the server
 * looked at its certificate. */
static int tls_established(struct session *s, struct error *err)
{
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    secure_peer_fingerprint(s->tls, s->fingerprint);
    if (s->config.server) {
        rc = session_queue_message(s, message_build_notification("$/secured", NULL));
        s->secured = true;
        s->upgrading = false;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return rc ? error_set(err, rc, "%s", error_name(rc)) : 0;
}

static int take_tls(struct session *s, const uint8_t *data, size_t size, struct error *err)
{
    bool before = secure_established(s->tls);
    int rc = secure_feed(s->tls, data, size, err);
    if (!rc && !before && secure_established(s->tls))
        rc = tls_established(s, err);
    uint8_t plain[4096];
    int n = 0;
    size_t taken;
    while (!rc && (n = secure_read(s->tls, plain, sizeof plain, err)) > 0)
        rc = records_take(s, plain, (size_t)n, &taken, err);
    OPENSSL_cleanse(plain, sizeof plain);
    return rc ? rc : n;
}

/* Stream bytes: records, until one of them says that TLS follows. */
static int take_stream(struct session *s, struct error *err)
{
    uint8_t data[4096];
    size_t n;
    int rc = 0;
    while (!rc && (n = link_read(s->link, data, sizeof data)) > 0) {
        size_t at = 0;
        if (!s->tls_in)
            rc = records_take(s, data, n, &at, err);
        if (!rc && at < n)
            rc = take_tls(s, data + at, n - at, err);
    }
    return rc;
}

/* What the link has, and what it could not decode before that was read. */
static int drain_link(struct session *s, struct error *err)
{
    int rc = take_stream(s, err);
    if (!rc && !link_feed(s->link, clock_mono_ms(), NULL, 0))
        rc = take_stream(s, err);
    return rc;
}

static int receive(struct session *s, struct error *err)
{
    uint8_t data[8192];
    int rc = drain_link(s, err);
    for (int turns = 0; !rc && turns < 8 && link_state(s->link) != LINK_CLOSED; turns++) {
        int n = transport_read(s->transport, data, sizeof data, err);
        if (n <= 0)
            return n;
        pthread_mutex_lock(&s->lock);
        s->counters.bytes_received += (uint64_t)n;
        pthread_mutex_unlock(&s->lock);
        for (size_t taken = 0; !rc && taken < (size_t)n;) {
            taken += link_feed(s->link, clock_mono_ms(), data + taken, (size_t)n - taken);
            rc = drain_link(s, err);
        }
    }
    return rc;
}

/* ---- the thread -------------------------------------------------------------------------------
 */

static int look_at_link(struct session *s, struct error *err)
{
    struct link_counters c;
    link_counters(s->link, &c);
    pthread_mutex_lock(&s->lock);
    s->counters.frames_bad = c.frames_bad;
    s->counters.frames_resent = c.frames_resent;
    s->counters.noise_bytes = c.noise_bytes;
    if (!s->open && link_state(s->link) == LINK_OPEN) {
        s->open = true;
        pthread_cond_broadcast(&s->changed);
    }
    bool rubbish = !s->open && transport_reliable(s->transport) && c.noise_bytes > RUBBISH_BYTES;
    char shown[sizeof s->noise_shown];
    memcpy(shown, s->noise_shown, sizeof shown);
    pthread_mutex_unlock(&s->lock);
    if (rubbish)
        return error_set(err, ERROR_PROTOCOL,
                         "%s: %llu bytes came and no frame among them, the last '%s'",
                         transport_name(s->transport), (unsigned long long)c.noise_bytes, shown);
    if (link_state(s->link) != LINK_CLOSED)
        return 0;
    *err = *link_error(s->link);
    return err->code;
}

/* The last frames (a CLOSE, a TLS alert) leave if the transport takes them soon. */
static void say_farewell(struct session *s, const struct error *why)
{
    struct error ignored;
    int64_t until = clock_mono_ms() + FAREWELL_MS;
    bool closing = false;
    for (;;) {
        int64_t left = until - clock_mono_ms();
        if (send_frames(s, &ignored) < 0 || left <= 0)
            return;
        if (s->frame_sent == s->frame_size) {
            if (closing)
                return;
            link_close(s->link, why->text);
            closing = true;
            continue;
        }
        struct pollfd p = {.fd = transport_write_fd(s->transport), .events = POLLOUT};
        poll(&p, 1, (int)left);
    }
}

static int wait_for_work(struct session *s)
{
    int64_t wait = link_wake_ms(s->link) - clock_mono_ms();
    bool blocked = s->frame_sent < s->frame_size;
    struct pollfd p[3] = {
        {.fd = transport_read_fd(s->transport), .events = POLLIN},
        {.fd = s->wake_fd, .events = POLLIN},
        {.fd = blocked ? transport_write_fd(s->transport) : -1, .events = POLLOUT},
    };
    if (poll(p, 3,
             wait < 0             ? (blocked ? 10 : 0)
             : wait > POLL_MAX_MS ? POLL_MAX_MS
                                  : (int)wait) < 0 &&
        errno != EINTR)
        return ERROR_IO;
    uint64_t count;
    if (p[1].revents && read(s->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
        return ERROR_IO;
    return 0;
}

static void *run(void *context)
{
    struct session *s = context;
    struct error err = {0};
    int rc = 0;
    bool stop = false;
    while (!rc && !stop) {
        if (wait_for_work(s)) {
            rc = error_errno(&err, ERROR_IO, "%s: poll failed", transport_name(s->transport));
            break;
        }
        pthread_mutex_lock(&s->lock);
        s->woken = false;
        stop = s->closing || s->closed;
        pthread_mutex_unlock(&s->lock);
        rc = receive(s, &err);
        if (!rc)
            rc = send_frames(s, &err);
        int link_rc = look_at_link(s, rc ? &(struct error){0} : &err);
        rc = rc ? rc : link_rc;
        serve_reap(s, false);
    }
    const char *name = transport_name(s->transport);
    if (rc && strncmp(err.text, name, strlen(name)))
        error_context(&err, "%s", name);
    pthread_mutex_lock(&s->lock);
    if (!rc && s->closed)
        err = s->why;
    else if (!rc)
        error_set(&err, ERROR_CLOSED, "%s: the session was closed", name);
    close_with(s, &err);
    bool own_wish = s->closing;
    err = s->why;
    pthread_mutex_unlock(&s->lock);
    if (rc != ERROR_IO)
        say_farewell(s, own_wish ? &(struct error){0, "the session was closed"} : &err);
    if (s->config.on_closed && !own_wish)
        s->config.on_closed(s->config.callback_context, &err);
    return NULL;
}

/* ---- opening and closing ----------------------------------------------------------------------
 */

static void release(struct session *s)
{
    while (s->queue)
        drop_packet(s, s->queue);
    if (s->message.data)
        OPENSSL_cleanse(s->message.data, s->message.capacity);
    buffer_free(&s->message);
    secure_free(s->tls);
    secure_free(s->tls_next);
    link_free(s->link);
    if (s->wake_fd >= 0)
        close(s->wake_fd);
    transport_close(s->transport);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    OPENSSL_cleanse(s->scratch, sizeof s->scratch);
    free(s);
}

static void init_locks(struct session *s)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&s->lock, NULL);
}

/* Signals are the program's own business: none is taken by this thread. */
static int start(struct session *s)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &s->signals);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    int rc = pthread_create(&s->thread, &attributes, run, s);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &s->signals, NULL);
    return rc;
}

int session_open(struct transport *transport, const struct session_config *config,
                 struct session **out, struct error *err)
{
    int rc = 0;
    *out = NULL;
    struct session *s = calloc(1, sizeof *s);
    if (!s) {
        transport_close(transport);
        return error_set(err, ERROR_MEMORY, "session: out of memory");
    }
    init_locks(s);
    s->transport = transport;
    s->config = *config;
    if (config->credentials) {
        s->credentials = *config->credentials;
        s->config.credentials = &s->credentials;
    }
    if (s->config.concurrent_max <= 0)
        s->config.concurrent_max = 8;
    s->queue_end = &s->queue;
    s->next_id = s->next_stream = 1;
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct link_config link = {.server = config->server,
                               .reliable = transport_reliable(transport),
                               .name = transport_name(transport),
                               .noise = note_noise,
                               .noise_context = s};
    while (!link_nonce_fits(link.nonce))
        if (RAND_bytes((unsigned char *)&link.nonce, sizeof link.nonce) != 1)
            link.nonce = (uint32_t)clock_mono_ns(); /* it only has to differ from the last one */
    if (s->wake_fd < 0)
        rc = error_errno(err, ERROR_IO, "%s: cannot make an eventfd", link.name);
    else if (link_create(&link, clock_mono_ms(), &s->link))
        rc = error_set(err, ERROR_MEMORY, "%s: out of memory", link.name);
    if (!rc && start(s))
        rc = error_set(err, ERROR_MEMORY, "%s: cannot start a thread", link.name);
    if (rc)
        release(s);
    else
        *out = s;
    return rc;
}

void session_close(struct session *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    session_wake(s);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    serve_reap(s, true);
    pthread_mutex_lock(&s->lock);
    while (s->callers)
        session_wait(s, clock_mono_ms() + 1000);
    pthread_mutex_unlock(&s->lock);
    release(s);
}

/* Reading a flag takes the lock like everything else. */
static struct session *unconst(const struct session *s)
{
    return (struct session *)s;
}

bool session_alive(const struct session *s)
{
    pthread_mutex_lock(&unconst(s)->lock);
    bool alive = !s->closed && !s->closing;
    pthread_mutex_unlock(&unconst(s)->lock);
    return alive;
}

bool session_heard(const struct session *s)
{
    pthread_mutex_lock(&unconst(s)->lock);
    bool heard = s->open;
    pthread_mutex_unlock(&unconst(s)->lock);
    return heard;
}

bool session_is_secure(const struct session *s)
{
    pthread_mutex_lock(&unconst(s)->lock);
    bool secured = s->secured;
    pthread_mutex_unlock(&unconst(s)->lock);
    return secured;
}

void session_peer_fingerprint(const struct session *s, char out[65])
{
    pthread_mutex_lock(&unconst(s)->lock);
    memcpy(out, s->secured ? s->fingerprint : "", s->secured ? 65 : 1);
    pthread_mutex_unlock(&unconst(s)->lock);
}

void session_counters(const struct session *s, struct session_counters *out)
{
    pthread_mutex_lock(&unconst(s)->lock);
    *out = s->counters;
    pthread_mutex_unlock(&unconst(s)->lock);
}
