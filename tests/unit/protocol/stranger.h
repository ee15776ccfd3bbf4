/* A peer written from docs/protocol.md alone, on top of the link: it says whatever a test wants,
 * true or not. */
#ifndef TAKT_TESTS_UNIT_PROTOCOL_STRANGER_H
#define TAKT_TESTS_UNIT_PROTOCOL_STRANGER_H

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/wire/frame.h"
#include "protocol/wire/link.h"

struct stranger {
    int fd;
    struct link *link;
    uint8_t in[65536];
    size_t in_size;
    uint8_t frame[FRAME_BYTES_MAX];
};

static inline int stranger_open(struct stranger *s, int fd, bool server)
{
    struct link_config config = {
        .server = server, .reliable = true, .nonce = 0xABCDu + server, .name = "stranger"};
    memset(s, 0, sizeof *s);
    s->fd = fd;
    return link_create(&config, clock_mono_ms(), &s->link);
}

static inline void stranger_close(struct stranger *s)
{
    link_free(s->link);
    close(s->fd);
}

/* Moves bytes for a while; stops early when a whole record is there. */
static inline bool stranger_turn(struct stranger *s, int ms)
{
    int64_t until = clock_mono_ms() + ms;
    for (;;) {
        size_t n;
        while ((n = link_output(s->link, clock_mono_ms(), s->frame, sizeof s->frame)) > 0)
            if (send(s->fd, s->frame, n, MSG_NOSIGNAL) != (ssize_t)n)
                return false;
        n = link_read(s->link, s->in + s->in_size, sizeof s->in - s->in_size);
        s->in_size += n;
        if (s->in_size >= 4 && s->in_size >= 4 + (wire_get32(s->in) >> 8))
            return true;
        int64_t left = until - clock_mono_ms();
        if (left <= 0 || link_state(s->link) == LINK_CLOSED)
            return false;
        uint8_t bytes[4096];
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        if (poll(&p, 1, left < 20 ? (int)left : 20) > 0) {
            ssize_t got = recv(s->fd, bytes, sizeof bytes, 0);
            if (got <= 0)
                return false;
            link_feed(s->link, clock_mono_ms(), bytes, (size_t)got);
        }
    }
}

/* The next record's content as text; its kind, or -1. */
static inline int stranger_hear(struct stranger *s, char *text, size_t size, int ms)
{
    if (!stranger_turn(s, ms))
        return -1;
    int kind = s->in[0];
    size_t n = wire_get32(s->in) >> 8;
    size_t shown = n < size - 1 ? n : size - 1;
    memcpy(text, s->in + 4, shown);
    text[shown] = '\0';
    s->in_size -= 4 + n;
    memmove(s->in, s->in + 4 + n, s->in_size);
    return kind;
}

static inline void stranger_record(struct stranger *s, int kind, const void *data, size_t size)
{
    uint8_t header[4];
    wire_put32(header, (uint32_t)(kind | (int)size << 8));
    link_write(s->link, header, 4);
    link_write(s->link, data, size);
    for (int i = 0; i < 4; i++) {
        size_t n = link_output(s->link, clock_mono_ms(), s->frame, sizeof s->frame);
        if (n && send(s->fd, s->frame, n, MSG_NOSIGNAL) < 0)
            return;
    }
}

static inline void stranger_say(struct stranger *s, const char *text)
{
    stranger_record(s, 1, text, strlen(text));
}

#endif
