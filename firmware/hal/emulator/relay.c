#include "firmware/hal/emulator/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "firmware/hal/emulator/relay_datagrams.h"
#include "protocol/base/clock.h"

enum { ROUTES = 8, CONNECTIONS = 24, PIPE_BYTES = 65536, SOCKET_BYTES = 131072 };
/* While bytes flow the channel is dealt out in slots of 2 ms, never saved up beyond 20 ms. */
enum { SLOT_MS = 2 };
static const double saved_seconds = 0.020;

struct route {
    char host[64];
    int port, local_port, listener, datagrams;
    struct sockaddr_storage to;
    socklen_t to_size;
};

struct pipe_half { /* one direction */
    uint8_t data[PIPE_BYTES];
    size_t head, size;     /* bytes waiting from data + head on */
    bool ended, passed_on; /* the sender closed; so did we towards the receiver */
};

struct connection {
    int fd[2]; /* 0 the unit's program, 1 the host; -1 both: free */
    bool connected;
    struct pipe_half half[2]; /* [i] from fd[i] to fd[1 - i] */
};

struct relay {
    struct relay_channel channel;
    pthread_t thread;
    pthread_mutex_t lock; /* routes, break_all, stopping */
    int wake;
    struct route routes[ROUTES];
    size_t route_count;
    bool break_all, stopping;
    /* the thread's own */
    struct connection connections[CONNECTIONS];
    struct datagram_flow flows[DATAGRAM_FLOWS];
    double credit, rate, used;
    bool busy; /* bytes moved before the rate was last asked for */
    int64_t dealt_ns, asked_ns;
};

static void drop(struct connection *c)
{
    for (int i = 0; i < 2; i++)
        if (c->fd[i] >= 0)
            close(c->fd[i]);
    c->fd[0] = c->fd[1] = -1;
}

static void small_buffers(int fd)
{
    /* A radio queues little: else the host's kernel would swallow seconds of traffic at once. */
    int bytes = SOCKET_BYTES, one = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void take_in(struct relay *r, const struct route *route)
{
    struct connection *c = NULL;
    int fd = accept4(route->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    for (int i = 0; i < CONNECTIONS && !c; i++)
        if (r->connections[i].fd[0] < 0)
            c = &r->connections[i];
    int out = c ? socket(route->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
    if (out < 0) {
        close(fd);
        return;
    }
    small_buffers(fd);
    small_buffers(out);
    c->fd[0] = fd;
    c->fd[1] = out;
    c->connected = false;
    for (int i = 0; i < 2; i++) {
        c->half[i].head = c->half[i].size = 0;
        c->half[i].ended = c->half[i].passed_on = false;
    }
    if (connect(out, (const struct sockaddr *)&route->to, route->to_size) && errno != EINPROGRESS)
        drop(c);
}

static void deal(struct relay *r, int64_t now)
{
    double seconds = (double)(now - r->dealt_ns) / 1e9;
    r->dealt_ns = now;
    r->credit += r->rate * seconds;
    if (r->credit > r->rate * saved_seconds)
        r->credit = r->rate * saved_seconds;
    double since = (double)(now - r->asked_ns) / 1e9;
    if (since >= 0.1) {
        double could = r->rate * since;
        r->rate = r->channel.bytes_per_second(r->channel.context, could > 0 ? r->used / could : 0);
        r->busy = r->used > 0;
        r->used = 0;
        r->asked_ns = now;
    }
}

/* Worth reading for: a whole slot's bytes, so that a saturated channel costs 500 reads a second and
 * not one for every few bytes. */
static bool in_credit(const struct relay *r)
{
    return r->rate > 0 && r->credit >= r->rate * SLOT_MS / 1000 && r->credit >= 1;
}

/* Moves what credit and room allow; false when the connection is over. */
static bool move(struct relay *r, struct connection *c, int from, short in, short out)
{
    struct pipe_half *h = &c->half[from];
    if ((in & (POLLIN | POLLHUP | POLLERR)) && !h->ended && h->size < PIPE_BYTES && in_credit(r)) {
        size_t at = (h->head + h->size) % PIPE_BYTES;
        size_t room = PIPE_BYTES - h->size;
        room = room < PIPE_BYTES - at ? room : PIPE_BYTES - at;
        room = r->credit < (double)room ? (size_t)r->credit : room;
        ssize_t n = recv(c->fd[from], h->data + at, room, 0);
        if (n == 0)
            h->ended = true;
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        else if (n > 0) {
            h->size += (size_t)n;
            r->credit -= (double)n;
            r->used += (double)n;
        }
    }
    while (h->size && (out & POLLOUT)) {
        size_t run = h->size < PIPE_BYTES - h->head ? h->size : PIPE_BYTES - h->head;
        ssize_t n = send(c->fd[1 - from], h->data + h->head, run, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n < 0)
            return false;
        h->head = (h->head + (size_t)n) % PIPE_BYTES;
        h->size -= (size_t)n;
    }
    if (h->ended && !h->size && !h->passed_on) {
        shutdown(c->fd[1 - from], SHUT_WR);
        h->passed_on = true;
    }
    return true;
}

static void serve(struct relay *r, struct connection *c, const short got[2])
{
    if (!c->connected) {
        int failed = 0;
        socklen_t size = sizeof failed;
        if (!(got[1] & (POLLOUT | POLLERR | POLLHUP)))
            return;
        if (getsockopt(c->fd[1], SOL_SOCKET, SO_ERROR, &failed, &size) || failed) {
            drop(c);
            return;
        }
        c->connected = true;
    }
    if (!move(r, c, 0, got[0], got[1]) || !move(r, c, 1, got[1], got[0]) ||
        (c->half[0].passed_on && c->half[1].passed_on))
        drop(c);
}

static short wanted(const struct relay *r, const struct connection *c, int side)
{
    if (!c->connected)
        return side == 1 ? POLLOUT : 0;
    const struct pipe_half *in = &c->half[side], *out = &c->half[1 - side];
    short events = 0;
    if (!in->ended && in->size < PIPE_BYTES && in_credit(r))
        events |= POLLIN;
    if (out->size)
        events |= POLLOUT;
    return events;
}

/* What came in at the routes' and the flows' sockets, and what of it is due. */
static void serve_datagrams(struct relay *r, const struct route *routes, size_t route_count,
                            const struct pollfd *near, const struct pollfd *far)
{
    const struct relay_channel *ch = &r->channel;
    double taken = 0;
    for (size_t i = 0; i < route_count; i++)
        if (near[i].revents)
            datagrams_from_near(r->flows, routes[i].datagrams, &routes[i].to, routes[i].to_size,
                                ch->datagram_ns, ch->context, &taken);
    for (int i = 0; i < DATAGRAM_FLOWS; i++)
        if (far[i].revents && far[i].fd == r->flows[i].far)
            datagrams_from_far(&r->flows[i], ch->datagram_ns, ch->context, &taken);
    r->used += taken;
    for (int i = 0; i < DATAGRAM_FLOWS; i++)
        if (r->flows[i].far >= 0)
            datagrams_send(&r->flows[i], clock_mono_ns(), &r->credit);
}

/* Until the next datagram is due; `timeout_ms` when that is sooner. */
static int until_due_ms(const struct relay *r, int timeout_ms)
{
    int64_t due = INT64_MAX;
    for (int i = 0; i < DATAGRAM_FLOWS; i++) {
        const int64_t at = datagrams_due_ns(&r->flows[i]);
        due = at < due ? at : due;
    }
    if (due == INT64_MAX)
        return timeout_ms;
    const int64_t left = due - clock_mono_ns();
    const int ms = left <= 0 ? SLOT_MS : (int)((left + 999999) / 1000000);
    return timeout_ms >= 0 && timeout_ms < ms ? timeout_ms : ms;
}

static void *run(void *context)
{
    struct relay *r = context;
    struct pollfd fds[1 + 2 * ROUTES + 2 * CONNECTIONS + DATAGRAM_FLOWS];
    for (;;) {
        struct route routes[ROUTES];
        pthread_mutex_lock(&r->lock);
        size_t route_count = r->route_count;
        memcpy(routes, r->routes, sizeof routes);
        bool stopping = r->stopping, break_all = r->break_all;
        r->break_all = false;
        pthread_mutex_unlock(&r->lock);
        if (stopping)
            return NULL;

        size_t n = 0;
        bool open = false;
        fds[n++] = (struct pollfd){r->wake, POLLIN, 0};
        for (size_t i = 0; i < route_count; i++)
            fds[n++] = (struct pollfd){routes[i].listener, POLLIN, 0};
        const size_t near = n;
        for (size_t i = 0; i < route_count; i++)
            fds[n++] = (struct pollfd){routes[i].datagrams, POLLIN, 0};
        const size_t far = n;
        for (int i = 0; i < DATAGRAM_FLOWS; i++) {
            if (break_all)
                datagrams_drop(&r->flows[i]);
            fds[n++] = (struct pollfd){r->flows[i].far, POLLIN, 0};
        }
        size_t base = n;
        for (int i = 0; i < CONNECTIONS; i++) {
            struct connection *c = &r->connections[i];
            if (break_all)
                drop(c);
            open = open || c->fd[0] >= 0;
            for (int side = 0; side < 2; side++) {
                short events = c->fd[0] < 0 ? 0 : wanted(r, c, side);
                /* a hang-up would wake poll without end where nothing is wanted */
                fds[n++] = (struct pollfd){events ? c->fd[side] : -1, events, 0};
            }
        }
        /* Out of credit: wait for the next slot. Otherwise only bytes or the 0.1 s of the rate's
         * next question wake it, and after the last connection nothing does. */
        int timeout_ms = open && !in_credit(r)            ? SLOT_MS
                         : open || r->used > 0 || r->busy ? 100
                                                          : -1;
        if (poll(fds, n, until_due_ms(r, timeout_ms)) < 0 && errno != EINTR)
            return NULL;
        uint64_t count;
        if (fds[0].revents && read(r->wake, &count, sizeof count) < 0 && errno != EAGAIN)
            return NULL;
        deal(r, clock_mono_ns());
        for (int i = 0; i < CONNECTIONS; i++) {
            short got[2] = {fds[base + 2 * (size_t)i].revents,
                            fds[base + 2 * (size_t)i + 1].revents};
            if (r->connections[i].fd[0] >= 0 && (got[0] || got[1]))
                serve(r, &r->connections[i], got);
        }
        serve_datagrams(r, routes, route_count, fds + near, fds + far);
        for (size_t i = 0; i < route_count; i++)
            if (fds[1 + i].revents & POLLIN)
                take_in(r, &routes[i]);
    }
}

int relay_create(const struct relay_channel *channel, struct relay **out, struct error *err)
{
    struct relay *r = *out = calloc(1, sizeof *r);
    if (!r)
        return error_set(err, ERROR_MEMORY, "no memory for the radio's relay");
    r->channel = *channel;
    for (int i = 0; i < DATAGRAM_FLOWS; i++)
        r->flows[i].far = -1;
    for (int i = 0; i < CONNECTIONS; i++)
        r->connections[i].fd[0] = r->connections[i].fd[1] = -1;
    r->dealt_ns = r->asked_ns = clock_mono_ns();
    r->rate = channel->bytes_per_second(channel->context, 0);
    r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&r->lock, NULL);
    if (r->wake >= 0 && !pthread_create(&r->thread, NULL, run, r))
        return 0;
    int rc = error_errno(err, ERROR_IO, "cannot start the radio's relay");
    if (r->wake >= 0)
        close(r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r);
    *out = NULL;
    return rc;
}

static void nudge(struct relay *r)
{
    uint64_t one = 1;
    while (write(r->wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void relay_free(struct relay *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_mutex_unlock(&r->lock);
    nudge(r);
    pthread_join(r->thread, NULL);
    for (int i = 0; i < CONNECTIONS; i++)
        drop(&r->connections[i]);
    for (int i = 0; i < DATAGRAM_FLOWS; i++)
        datagrams_drop(&r->flows[i]);
    for (size_t i = 0; i < r->route_count; i++) {
        close(r->routes[i].listener);
        if (r->routes[i].datagrams >= 0)
            close(r->routes[i].datagrams);
    }
    close(r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void relay_break(struct relay *r)
{
    pthread_mutex_lock(&r->lock);
    r->break_all = true;
    pthread_mutex_unlock(&r->lock);
    nudge(r);
}

static int open_route(struct route *route, const char *host, int port, struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found = NULL;
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof local;
    char service[8];
    memset(route, 0, sizeof *route);
    route->listener = -1;
    snprintf(service, sizeof service, "%d", port);
    snprintf(route->host, sizeof route->host, "%s", host);
    route->port = port;
    int failed = getaddrinfo(host, service, &hints, &found);
    if (failed)
        return error_set(err, ERROR_MISSING, "no host \"%s\" behind the access point: %s", host,
                         gai_strerror(failed));
    memcpy(&route->to, found->ai_addr, found->ai_addrlen);
    route->to_size = found->ai_addrlen;
    freeaddrinfo(found);
    route->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (route->listener >= 0)
        small_buffers(route->listener); /* inherited, before the window is agreed on */
    if (route->listener < 0 || bind(route->listener, (struct sockaddr *)&local, sizeof local) ||
        listen(route->listener, 8) ||
        getsockname(route->listener, (struct sockaddr *)&local, &size)) {
        int rc = error_errno(err, ERROR_IO, "cannot open a route to %s:%d", host, port);
        if (route->listener >= 0)
            close(route->listener);
        return rc;
    }
    route->local_port = ntohs(local.sin_port);
    /* Taken by somebody else: the route then carries TCP alone. */
    route->datagrams = datagrams_listen(route->local_port);
    return 0;
}

int relay_route(struct relay *r, const char *host, int port, int *local_port, struct error *err)
{
    struct route fresh;
    if (strlen(host) >= sizeof fresh.host || port < 1 || port > 65535)
        return error_set(err, ERROR_INPUT, "no address \"%.80s\" port %d", host, port);
    int rc = 0;
    pthread_mutex_lock(&r->lock);
    struct route *at = NULL;
    for (size_t i = 0; i < r->route_count && !at; i++)
        if (r->routes[i].port == port && !strcmp(r->routes[i].host, host))
            at = &r->routes[i];
    if (!at && r->route_count == ROUTES)
        rc = error_set(err, ERROR_FULL, "the radio has routes to %d hosts already", ROUTES);
    else if (!at && !(rc = open_route(&fresh, host, port, err)))
        *(at = &r->routes[r->route_count++]) = fresh;
    if (at)
        *local_port = at->local_port;
    pthread_mutex_unlock(&r->lock);
    nudge(r);
    return rc;
}
