/* A serial line made of two pseudo-terminals and a thread between them, which carries bytes at a
 * rate, writes a kernel's log lines among them and damages some. Seeded. */
#ifndef TAKT_TESTS_UNIT_PROTOCOL_LINE_H
#define TAKT_TESTS_UNIT_PROTOCOL_LINE_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "protocol/base/clock.h"

struct line {
    double bytes_per_second; /* 0: as fast as it goes */
    double damaged;          /* of the bytes */
    int log_every_ms;        /* towards both ends; 0: never */
    uint64_t seed;

    char port[2][96]; /* "pty:/dev/pts/N" */
    int master[2], slave[2];
    pthread_t thread;
    bool stop; /* atomic */
    uint64_t carried[2];
};

static inline double line_draw(struct line *l)
{
    l->seed ^= l->seed >> 12;
    l->seed ^= l->seed << 25;
    l->seed ^= l->seed >> 27;
    return (double)(l->seed * 0x2545F4914F6CDD1Du >> 11) / 9007199254740992.0;
}

/* A queue of one direction: what was read and may leave when the line is free for it. */
struct line_way {
    uint8_t data[4096];
    size_t size;
    double budget;
};

static inline void line_read(struct line *l, struct line_way *w, int from)
{
    if (w->size == sizeof w->data)
        return;
    ssize_t n = read(l->master[from], w->data + w->size, sizeof w->data - w->size);
    for (ssize_t i = 0; i < n; i++)
        if (l->damaged > 0 && line_draw(l) < l->damaged)
            w->data[w->size + (size_t)i] ^= 0x41;
    w->size += n > 0 ? (size_t)n : 0;
}

static inline void line_write(struct line *l, struct line_way *w, int to)
{
    size_t n = w->size;
    if (l->bytes_per_second > 0 && (double)n > w->budget)
        n = (size_t)w->budget;
    ssize_t done = n ? write(l->master[to], w->data, n) : 0;
    if (done <= 0)
        return;
    memmove(w->data, w->data + done, w->size - (size_t)done);
    w->size -= (size_t)done;
    w->budget -= (double)done;
    __atomic_add_fetch(&l->carried[to], (uint64_t)done, __ATOMIC_RELAXED);
}

static inline void *line_run(void *context)
{
    static const char text[] = "[   12.345678] mmc0: Timeout waiting for hardware interrupt.\r\n";
    struct line *l = context;
    struct line_way way[2] = {0}; /* way[i] leads to end i */
    int64_t before = clock_mono_ns(), logged = before;
    while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
        int64_t now = clock_mono_ns();
        for (int i = 0; i < 2; i++) {
            /* An idle line saves nothing up: a millisecond at most, but catches up on sleep. */
            way[i].budget += l->bytes_per_second * (double)(now - before) / 1e9;
            double most = l->bytes_per_second * 0.001 + 1;
            if (!way[i].size && way[i].budget > most)
                way[i].budget = most;
            if (l->log_every_ms && now - logged > l->log_every_ms * INT64_C(1000000) &&
                way[i].size + sizeof text < sizeof way[i].data) {
                memcpy(way[i].data + way[i].size, text, sizeof text - 1);
                way[i].size += sizeof text - 1;
            }
            line_read(l, &way[i], !i);
            line_write(l, &way[i], i);
        }
        if (l->log_every_ms && now - logged > l->log_every_ms * INT64_C(1000000))
            logged = now;
        before = now;
        if (l->bytes_per_second > 0 && (way[0].size || way[1].size)) {
            clock_sleep_until_ns(now + 500000);
        } else {
            struct pollfd p[2] = {{.fd = l->master[0], .events = POLLIN},
                                  {.fd = l->master[1], .events = POLLIN}};
            poll(p, 2, way[0].size || way[1].size ? 1 : 5);
        }
    }
    return NULL;
}

static inline int line_open(struct line *l)
{
    for (int i = 0; i < 2; i++) {
        int slave;
        char name[64];
        struct termios raw;
        cfmakeraw(memset(&raw, 0, sizeof raw));
        if (openpty(&l->master[i], &slave, name, &raw, NULL))
            return -1;
        /* Kept open, or reading the master fails whenever nobody has the other end. */
        fcntl(l->master[i], F_SETFL, O_NONBLOCK);
        snprintf(l->port[i], sizeof l->port[i], "pty:%s", name);
        l->slave[i] = slave;
    }
    return pthread_create(&l->thread, NULL, line_run, l);
}

static inline void line_close(struct line *l)
{
    __atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
    pthread_join(l->thread, NULL);
    for (int i = 0; i < 2; i++) {
        close(l->master[i]);
        close(l->slave[i]);
    }
}

#endif
