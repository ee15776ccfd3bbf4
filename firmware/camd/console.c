#include "firmware/camd/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/base/buffer.h"
#include "protocol/wire/frame.h"

enum { TEXT_MAX = 16384, PIECE = 4096 };

struct console {
    pthread_mutex_t lock;
    struct buffer text; /* lines that wait, under the lock */
    int wake_fd;
    bool stop;   /* under the lock */
    bool broken; /* the port or the session is gone; under the lock */
    bool attached;
    pthread_t thread;
    struct transport *port;
    int session_fd; /* our end of the pair whose other end the session has; -1: the log alone */

    /* The relay's thread alone. What goes to the line is either the rest of a frame or a line: */
    uint8_t out[FRAME_BYTES_MAX];
    size_t out_size, out_sent;
    uint8_t frame[FRAME_BYTES_MAX]; /* being gathered from the session */
    size_t frame_size;
    uint8_t in[PIECE];
    size_t in_size, in_sent;
};

int console_create(struct console **out, struct error *err)
{
    struct console *c = *out = calloc(1, sizeof *c);
    if (!c)
        return error_set(err, ERROR_MEMORY, "no memory for the console");
    pthread_mutex_init(&c->lock, NULL);
    c->text.limit_bytes = TEXT_MAX;
    c->session_fd = -1;
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake_fd < 0) {
        console_free(c);
        *out = NULL;
        return error_errno(err, ERROR_IO, "cannot make the console's event");
    }
    return 0;
}

static void wake(struct console *c)
{
    uint64_t one = 1;
    if (write(c->wake_fd, &one, sizeof one) < 0)
        return; /* it is awake already */
}

void console_detach(struct console *c)
{
    if (!c->attached)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_mutex_unlock(&c->lock);
    wake(c);
    pthread_join(c->thread, NULL);
    transport_close(c->port);
    if (c->session_fd >= 0)
        close(c->session_fd);
    c->port = NULL;
    c->session_fd = -1;
    pthread_mutex_lock(&c->lock);
    c->attached = c->stop = c->broken = false;
    c->text.size = 0;
    pthread_mutex_unlock(&c->lock);
}

void console_free(struct console *c)
{
    if (!c)
        return;
    console_detach(c);
    if (c->wake_fd >= 0)
        close(c->wake_fd);
    buffer_free(&c->text);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void console_write(struct console *c, const char *text, size_t size)
{
    pthread_mutex_lock(&c->lock);
    buffer_append(&c->text, text, size); /* full: the line is dropped */
    pthread_mutex_unlock(&c->lock);
    wake(c);
}

/* Bytes of the frame that is being gathered, as far as they tell: a session writes frames and
 * nothing else, so its header can be believed. */
static size_t frame_wants(const struct console *c)
{
    if (c->frame_size < FRAME_HEADER_BYTES)
        return FRAME_HEADER_BYTES;
    size_t whole = FRAME_OVERHEAD_BYTES + (size_t)wire_get16(c->frame + 12);
    return whole < sizeof c->frame ? whole : sizeof c->frame;
}

/* What goes out next: waiting text first, then a frame that is whole. */
static void next_out(struct console *c)
{
    pthread_mutex_lock(&c->lock);
    if (c->text.size) {
        c->out_size = c->text.size < PIECE ? c->text.size : PIECE;
        memcpy(c->out, c->text.data, c->out_size);
        buffer_consume(&c->text, c->out_size);
    } else if (c->frame_size >= FRAME_HEADER_BYTES && c->frame_size == frame_wants(c)) {
        memcpy(c->out, c->frame, c->frame_size);
        c->out_size = c->frame_size;
        c->frame_size = 0;
    } else {
        c->out_size = 0;
    }
    c->out_sent = 0;
    pthread_mutex_unlock(&c->lock);
}

/* Moves what can be moved; false when either side is gone. */
static bool move(struct console *c)
{
    for (;;) {
        bool moved = false;
        while (c->session_fd >= 0 && c->frame_size < frame_wants(c)) {
            ssize_t n =
                read(c->session_fd, c->frame + c->frame_size, frame_wants(c) - c->frame_size);
            if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                return false;
            if (n < 0)
                break;
            c->frame_size += (size_t)n;
            moved = true;
        }
        if (c->out_sent == c->out_size)
            next_out(c);
        if (c->out_sent < c->out_size) {
            int n = transport_write(c->port, c->out + c->out_sent, c->out_size - c->out_sent, NULL);
            if (n < 0)
                return false;
            c->out_sent += (size_t)n;
            moved = moved || n > 0;
        }
        if (c->in_sent == c->in_size) {
            int n = transport_read(c->port, c->in, sizeof c->in, NULL);
            if (n < 0)
                return false;
            c->in_size = (size_t)n;
            c->in_sent = c->session_fd >= 0 ? 0 : c->in_size;
            moved = moved || (c->session_fd < 0 && n > 0);
        }
        if (c->in_sent < c->in_size) {
            ssize_t n = send(c->session_fd, c->in + c->in_sent, c->in_size - c->in_sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0 && errno != EAGAIN && errno != EINTR)
                return false;
            if (n > 0) {
                c->in_sent += (size_t)n;
                moved = true;
            }
        }
        if (!moved)
            return true;
    }
}

static void *run(void *context)
{
    struct console *c = context;
    bool stop = false;
    while (!stop && move(c)) {
        bool has_out = c->out_sent < c->out_size, has_in = c->in_sent < c->in_size;
        struct pollfd p[] = {
            {.fd = c->wake_fd, .events = POLLIN},
            {.fd = c->session_fd,
             .events =
                 (short)((c->frame_size < frame_wants(c) ? POLLIN : 0) | (has_in ? POLLOUT : 0))},
            {.fd = transport_read_fd(c->port), .events = has_in ? 0 : POLLIN},
            {.fd = transport_write_fd(c->port), .events = has_out ? POLLOUT : 0},
        };
        uint64_t count;
        poll(p, sizeof p / sizeof p[0], -1);
        if (read(c->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
            break;
        pthread_mutex_lock(&c->lock);
        stop = c->stop;
        pthread_mutex_unlock(&c->lock);
    }
    pthread_mutex_lock(&c->lock);
    c->broken = true;
    pthread_mutex_unlock(&c->lock);
    if (c->session_fd >= 0)
        shutdown(c->session_fd, SHUT_RDWR); /* the session's end sees it */
    return NULL;
}

bool console_alive(struct console *c)
{
    pthread_mutex_lock(&c->lock);
    bool alive = c->attached && !c->broken;
    pthread_mutex_unlock(&c->lock);
    return alive;
}

/* The pair that stands between session and port. */
static int make_pair(struct console *c, struct transport *port, struct transport **out,
                     struct error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
        return error_errno(err, ERROR_IO, "cannot make the console's pair");
    c->session_fd = pair[0];
    return transport_from_fd(pair[1], pair[1], transport_reliable(port), transport_name(port), out,
                             err);
}

int console_attach(struct console *c, struct transport *port, struct transport **out,
                   struct error *err)
{
    struct transport *inner = NULL;
    console_detach(c);
    c->out_size = c->out_sent = c->frame_size = c->in_size = c->in_sent = 0;
    c->port = port;
    int rc = out ? make_pair(c, port, &inner, err) : 0;
    if (!rc && pthread_create(&c->thread, NULL, run, c))
        rc = error_set(err, ERROR_MEMORY, "cannot start the console's thread");
    if (out)
        *out = rc ? NULL : inner;
    if (rc) {
        transport_close(inner);
        transport_close(port);
        if (c->session_fd >= 0)
            close(c->session_fd);
        c->port = NULL;
        c->session_fd = -1;
        return rc;
    }
    pthread_mutex_lock(&c->lock);
    c->attached = true;
    pthread_mutex_unlock(&c->lock);
    return 0;
}
