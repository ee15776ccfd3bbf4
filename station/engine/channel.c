#include "station/engine/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/base/buffer.h"
#include "protocol/base/clock.h"

enum {
    HEADER_BYTES = 4,
    READ_BYTES = 65536,
    KEEP_BYTES = 65536,
    PRINT_BYTES = 1024, /* more than a message with a key has: growing would leave a copy behind */
};

struct channel {
    int fd;
    struct buffer in, out;
    size_t taken; /* bytes of `in` that were handed on */
    size_t sent;  /* bytes of `out` that are on their way */
};

int channel_create(int fd, struct channel **out, struct error *err)
{
    *out = NULL;
    struct channel *c = calloc(1, sizeof *c);
    int flags = fcntl(fd, F_GETFL);
    if (!c || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK)) {
        int rc = c ? error_errno(err, ERROR_IO, "cannot make a socket non-blocking")
                   : error_set(err, ERROR_MEMORY, "a channel: out of memory");
        free(c);
        close(fd);
        return rc;
    }
    c->fd = fd;
    c->in.limit_bytes = CHANNEL_MESSAGE_MAX + HEADER_BYTES + READ_BYTES;
    c->out.limit_bytes = CHANNEL_QUEUE_MAX;
    *out = c;
    return 0;
}

/* Empties a buffer whose content is done with; a large one gives its memory back. */
static void wipe(struct buffer *b)
{
    if (b->data)
        OPENSSL_cleanse(b->data, b->size);
    b->size = 0;
    if (b->capacity > KEEP_BYTES)
        buffer_free(b);
}

/* Takes `size` bytes off the front and wipes where the last ones stood. */
static void consume(struct buffer *b, size_t size)
{
    size_t before = b->size;
    buffer_consume(b, size);
    OPENSSL_cleanse(b->data + b->size, before - b->size);
}

void channel_free(struct channel *c)
{
    if (!c)
        return;
    wipe(&c->in);
    wipe(&c->out);
    buffer_free(&c->in);
    buffer_free(&c->out);
    close(c->fd);
    free(c);
}

int channel_fd(const struct channel *c)
{
    return c->fd;
}

size_t channel_unsent(const struct channel *c)
{
    return c->out.size - c->sent;
}

int channel_flush(struct channel *c, struct error *err)
{
    while (c->sent < c->out.size) {
        ssize_t n = send(c->fd, c->out.data + c->sent, c->out.size - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (n < 0)
            return error_errno(err, errno == EPIPE || errno == ECONNRESET ? ERROR_CLOSED : ERROR_IO,
                               "sending a message");
        c->sent += (size_t)n;
    }
    wipe(&c->out);
    c->sent = 0;
    return 0;
}

int channel_send(struct channel *c, const cJSON *message, struct error *err)
{
    char *text = cJSON_PrintBuffered(message, PRINT_BYTES, false);
    if (!text)
        return error_set(err, ERROR_MEMORY, "printing a message: out of memory");
    size_t size = strlen(text);
    uint8_t header[HEADER_BYTES] = {(uint8_t)(size >> 24), (uint8_t)(size >> 16),
                                    (uint8_t)(size >> 8), (uint8_t)size};
    int rc = 0;
    if (c->sent > KEEP_BYTES) {
        consume(&c->out, c->sent);
        c->sent = 0;
    }
    if (size > CHANNEL_MESSAGE_MAX || buffer_reserve(&c->out, size + sizeof header))
        rc = error_set(err, ERROR_FULL,
                       "a message of %zu bytes finds no room: %zu bytes wait for the peer to read",
                       size, channel_unsent(c));
    if (!rc) {
        buffer_append(&c->out, header, sizeof header);
        buffer_append(&c->out, text, size);
        rc = channel_flush(c, err);
    }
    OPENSSL_cleanse(text, size);
    cJSON_free(text);
    return rc;
}

int channel_fill(struct channel *c, struct error *err)
{
    if (c->taken == c->in.size)
        wipe(&c->in);
    else if (c->taken)
        consume(&c->in, c->taken);
    c->taken = 0;
    /* Once, not until it would block: a peer that never stops must not keep the loop from others.
     * A full buffer is a peer whose messages are not being taken. */
    size_t before = c->in.size;
    if (buffer_reserve(&c->in, before ? READ_BYTES : 4096))
        return 0;
    size_t room = c->in.capacity - before;
    if (before + room > c->in.limit_bytes)
        room = c->in.limit_bytes - before;
    for (;;) {
        ssize_t n = recv(c->fd, c->in.data + before, room, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (n < 0 && errno != ECONNRESET)
            return error_errno(err, ERROR_IO, "receiving a message");
        if (n <= 0)
            return error_set(err, ERROR_CLOSED, "the peer closed the channel");
        c->in.size = before + (size_t)n;
        return 0;
    }
}

int channel_next(struct channel *c, cJSON **out, struct error *err)
{
    *out = NULL;
    size_t there = c->in.size - c->taken;
    if (there < HEADER_BYTES)
        return 0;
    const uint8_t *p = c->in.data + c->taken;
    size_t size = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    if (size > CHANNEL_MESSAGE_MAX)
        return error_set(err, ERROR_PROTOCOL,
                         "a message says it has %zu bytes, expected at most %d", size,
                         CHANNEL_MESSAGE_MAX);
    if (there - HEADER_BYTES < size)
        return 0;
    cJSON *message = cJSON_ParseWithLength((const char *)p + HEADER_BYTES, size);
    c->taken += HEADER_BYTES + size;
    if (!cJSON_IsObject(message)) {
        cJSON_Delete(message);
        return error_set(err, ERROR_PROTOCOL, "a message of %zu bytes is not a JSON object", size);
    }
    *out = message;
    return 0;
}

/* Until the socket is ready for `events`. */
static int wait_ready(const struct channel *c, short events, int64_t deadline_ms, struct error *err)
{
    for (;;) {
        int64_t left = deadline_ms < 0 ? -1 : deadline_ms - clock_mono_ms();
        if (deadline_ms >= 0 && left <= 0)
            return error_set(err, ERROR_TIMEOUT, "no message came in time");
        struct pollfd p = {.fd = c->fd, .events = events};
        int n = poll(&p, 1, left > 60000 ? 60000 : (int)left);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return error_errno(err, ERROR_IO, "waiting for a message");
    }
}

int channel_exchange(struct channel *c, void (*take)(void *context, cJSON *message), void *context,
                     struct error *err)
{
    int rc = channel_flush(c, err);
    if (!rc)
        rc = channel_fill(c, err);
    for (;;) {
        cJSON *message = NULL;
        int got = channel_next(c, &message, err);
        if (got || !message)
            return rc ? rc : got;
        take(context, message);
    }
}

int channel_wait(struct channel *c, int timeout_ms, cJSON **out, struct error *err)
{
    int64_t deadline = timeout_ms < 0 ? -1 : clock_mono_ms() + timeout_ms;
    for (;;) {
        int rc = channel_next(c, out, err);
        if (rc || *out)
            return rc;
        short events = (short)(POLLIN | (channel_unsent(c) ? POLLOUT : 0));
        rc = wait_ready(c, events, deadline, err);
        if (!rc)
            rc = channel_flush(c, err);
        if (!rc)
            rc = channel_fill(c, err);
        if (rc)
            return rc;
    }
}

int channel_drain(struct channel *c, int timeout_ms, struct error *err)
{
    int64_t deadline = timeout_ms < 0 ? -1 : clock_mono_ms() + timeout_ms;
    int rc = channel_flush(c, err);
    while (!rc && channel_unsent(c)) {
        rc = wait_ready(c, POLLOUT, deadline, err);
        if (!rc)
            rc = channel_flush(c, err);
    }
    return rc;
}
