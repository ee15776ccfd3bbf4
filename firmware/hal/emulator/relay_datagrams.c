#include "firmware/hal/emulator/relay_datagrams.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"

enum { SOCKET_BYTES = 1 << 20 };

int datagrams_listen(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int bytes = SOCKET_BYTES, fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at)) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    return fd;
}

/* A datagram behind another one leaves behind it: a radio keeps their order. */
static void put_in(struct datagram_queue *q, const uint8_t *data, size_t size, datagram_air air,
                   void *context, double *bytes)
{
    const int64_t held_ns = air(context);
    if (held_ns < 0 || q->count == DATAGRAM_QUEUE)
        return;
    struct datagram *d = &q->packet[(q->head + q->count) % DATAGRAM_QUEUE];
    d->due_ns = clock_mono_ns() + held_ns;
    if (q->count) {
        const struct datagram *before = &q->packet[(q->head + q->count - 1) % DATAGRAM_QUEUE];
        d->due_ns = d->due_ns > before->due_ns ? d->due_ns : before->due_ns;
    }
    d->size = size;
    memcpy(d->data, data, size);
    q->count++;
    *bytes += (double)size;
}

static struct datagram_flow *flow_of(struct datagram_flow *flows, int near,
                                     const struct sockaddr_storage *from, socklen_t from_size)
{
    struct datagram_flow *free_one = NULL, *oldest = &flows[0];
    for (int i = 0; i < DATAGRAM_FLOWS; i++) {
        struct datagram_flow *f = &flows[i];
        if (f->far >= 0 && f->near == near && f->from_size == from_size &&
            memcmp(&f->from, from, from_size) == 0)
            return f;
        if (f->far < 0 && !free_one)
            free_one = f;
        if (f->used_ns < oldest->used_ns)
            oldest = f;
    }
    if (free_one)
        return free_one;
    datagrams_drop(oldest);
    return oldest;
}

static bool begin(struct datagram_flow *f, int near, const struct sockaddr_storage *from,
                  socklen_t from_size, const struct sockaddr_storage *to, socklen_t to_size)
{
    int fd = socket(to->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)to, to_size)) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    f->near = near;
    f->far = fd;
    f->from = *from;
    f->from_size = from_size;
    f->queue[0].count = f->queue[1].count = 0;
    return true;
}

void datagrams_from_near(struct datagram_flow *flows, int near, const struct sockaddr_storage *to,
                         socklen_t to_size, datagram_air air, void *context, double *bytes)
{
    uint8_t data[DATAGRAM_BYTES];
    for (int i = 0; i < DATAGRAM_QUEUE; i++) {
        struct sockaddr_storage from = {0};
        socklen_t from_size = sizeof from;
        ssize_t n = recvfrom(near, data, sizeof data, 0, (struct sockaddr *)&from, &from_size);
        if (n < 0)
            return;
        struct datagram_flow *f = flow_of(flows, near, &from, from_size);
        if (f->far < 0 && !begin(f, near, &from, from_size, to, to_size))
            return;
        f->used_ns = clock_mono_ns();
        put_in(&f->queue[0], data, (size_t)n, air, context, bytes);
    }
}

void datagrams_from_far(struct datagram_flow *f, datagram_air air, void *context, double *bytes)
{
    uint8_t data[DATAGRAM_BYTES];
    for (int i = 0; i < DATAGRAM_QUEUE; i++) {
        ssize_t n = recv(f->far, data, sizeof data, 0);
        if (n < 0)
            return; /* nothing more, or nobody there: datagrams are lost then */
        f->used_ns = clock_mono_ns();
        put_in(&f->queue[1], data, (size_t)n, air, context, bytes);
    }
}

void datagrams_send(struct datagram_flow *f, int64_t now_ns, double *credit)
{
    for (int to_near = 0; to_near < 2; to_near++) {
        struct datagram_queue *q = &f->queue[to_near];
        while (q->count && q->packet[q->head].due_ns <= now_ns &&
               *credit >= (double)q->packet[q->head].size) {
            const struct datagram *d = &q->packet[q->head];
            ssize_t sent = to_near ? sendto(f->near, d->data, d->size, MSG_NOSIGNAL,
                                            (const struct sockaddr *)&f->from, f->from_size)
                                   : send(f->far, d->data, d->size, MSG_NOSIGNAL);
            *credit -= sent > 0 ? (double)sent : 0;
            q->head = (q->head + 1) % DATAGRAM_QUEUE;
            q->count--;
        }
    }
}

int64_t datagrams_due_ns(const struct datagram_flow *f)
{
    int64_t due = INT64_MAX;
    for (int i = 0; i < 2; i++)
        if (f->far >= 0 && f->queue[i].count && f->queue[i].packet[f->queue[i].head].due_ns < due)
            due = f->queue[i].packet[f->queue[i].head].due_ns;
    return due;
}

void datagrams_drop(struct datagram_flow *f)
{
    if (f->far >= 0)
        close(f->far);
    f->far = -1;
    f->queue[0].count = f->queue[1].count = 0;
}
