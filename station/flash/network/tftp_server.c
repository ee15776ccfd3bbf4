#include "station/flash/network/tftp_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "station/flash/network/tftp_transfer.h"

enum {
    /* A client that takes block by block waits for each: behind a packet the server stays awake for
     * so long, since a processor that went to sleep takes as long to wake as the next block takes
     * to come. */
    AWAKE_US = 200,
    SHOW_EVERY_US = 100 * 1000,
    REQUEST_MAX = 1024,
    EVENTS_MAX = 32,
    SEND_BUFFER_BYTES = 1 << 20, /* windows of several clients */
};

struct client {
    int fd; /* connected to the client: its own transfer identifier; -1 = free */
    struct sockaddr_in address;
    char name[INET_ADDRSTRLEN];
    const struct tftp_file *file;
    struct tftp_transfer transfer;
    struct tftp_packet packet; /* one that the socket had no room for */
    bool has_packet, waits_for_room;
    int64_t began_us, shown_us;
};

struct tftp_server {
    struct tftp_config config;
    int fd, wake_fd, poll_fd;
    pthread_t thread;
    bool running;
    struct client clients[TFTP_CLIENTS_MAX];
    uint8_t data[4 + TFTP_BLOCK_MAX];
};

/* ---- files -------------------------------------------------------------------------------- */

int tftp_read_memory(const void *context, uint64_t offset, void *data, size_t size,
                     struct error *err)
{
    memcpy(data, (const uint8_t *)context + offset, size);
    return (int)size;
}

static int read_image(const void *context, uint64_t offset, void *data, size_t size,
                      struct error *err)
{
    const struct tftp_bundle_image *source = context;
    return bundle_read(source->bundle, source->image, offset, data, size, err);
}

struct tftp_file tftp_file_of_image(const char *name, const struct tftp_bundle_image *source)
{
    return (struct tftp_file){
        .name = name, .bytes = source->image->bytes, .read = read_image, .context = source};
}

static const struct tftp_file *find_file(const struct tftp_server *s, const char *name)
{
    while (*name == '/')
        name++;
    for (size_t i = 0; i < s->config.file_count; i++)
        if (strcmp(s->config.files[i].name, name) == 0)
            return &s->config.files[i];
    return NULL;
}

/* ---- clients ------------------------------------------------------------------------------ */

static int64_t now_us(void)
{
    return clock_mono_ns() / 1000;
}

static void show(struct tftp_server *s, struct client *c, enum tftp_event event, int64_t now)
{
    if (!s->config.progress)
        return;
    c->shown_us = now;
    s->config.progress(s->config.context,
                       &(struct tftp_progress){.event = event,
                                               .client = c->name,
                                               .port = ntohs(c->address.sin_port),
                                               .file = c->transfer.request.file,
                                               .done = tftp_transfer_done_bytes(&c->transfer),
                                               .total = c->transfer.bytes,
                                               .resent = c->transfer.resent,
                                               .seconds = (double)(now - c->began_us) / 1e6,
                                               .why = c->transfer.why});
}

static void end_client(struct tftp_server *s, struct client *c, int64_t now)
{
    show(s, c, c->transfer.state == TFTP_DONE ? TFTP_ENDED : TFTP_BROKE_OFF, now);
    close(c->fd);
    c->fd = -1;
}

static void wait_for_room(struct tftp_server *s, struct client *c, bool wait)
{
    struct epoll_event e = {.events = EPOLLIN | (wait ? EPOLLOUT : 0), .data.ptr = c};
    if (c->waits_for_room != wait)
        epoll_ctl(s->poll_fd, EPOLL_CTL_MOD, c->fd, &e);
    c->waits_for_room = wait;
}

/* True when it went out, or is lost like any datagram; false when there was no room. */
static bool send_packet(struct tftp_server *s, struct client *c)
{
    const struct tftp_packet *p = &c->packet;
    struct error err = {0};
    memcpy(s->data, p->head, p->head_bytes);
    size_t size = p->head_bytes;
    if (p->data_bytes) {
        const int n =
            c->file->read(c->file->context, p->offset, s->data + size, p->data_bytes, &err);
        if (n != (int)p->data_bytes) {
            tftp_transfer_fail(&c->transfer, "%s", n < 0 ? err.text : "the file became shorter");
            size = tftp_error_packet(TFTP_OTHER, "the file cannot be read", s->data);
        } else {
            size += p->data_bytes;
        }
    }
    if (send(c->fd, s->data, size, 0) >= 0)
        return true;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return false;
    if (errno == ECONNREFUSED)
        tftp_transfer_fail(&c->transfer, "the client's port is closed");
    return true;
}

static void send_due(struct tftp_server *s, struct client *c, int64_t now)
{
    while (c->transfer.state < TFTP_DONE) {
        if (!c->has_packet && !tftp_transfer_next(&c->transfer, now, &c->packet))
            break;
        c->has_packet = !send_packet(s, c);
        if (c->has_packet)
            break;
    }
    if (c->transfer.state >= TFTP_DONE)
        end_client(s, c, now);
    else
        wait_for_room(s, c, c->has_packet);
}

static void take_answers(struct tftp_server *s, struct client *c, int64_t now)
{
    uint8_t data[REQUEST_MAX];
    ssize_t n;
    while ((n = recv(c->fd, data, sizeof data, 0)) >= 0)
        tftp_transfer_take(&c->transfer, data, (size_t)n, now);
    if (errno == ECONNREFUSED && c->transfer.state < TFTP_DONE)
        tftp_transfer_fail(&c->transfer, "the client's port is closed");
    if (c->transfer.state < TFTP_DONE && now - c->shown_us >= SHOW_EVERY_US)
        show(s, c, TFTP_MOVED, now);
    send_due(s, c, now);
}

/* ---- requests ----------------------------------------------------------------------------- */

static struct client *find_client(struct tftp_server *s, const struct sockaddr_in *address)
{
    for (size_t i = 0; i < TFTP_CLIENTS_MAX; i++) {
        struct client *c = &s->clients[i];
        if (c->fd >= 0 && c->address.sin_addr.s_addr == address->sin_addr.s_addr &&
            c->address.sin_port == address->sin_port)
            return c;
    }
    return NULL;
}

static struct client *free_client(struct tftp_server *s)
{
    for (size_t i = 0; i < TFTP_CLIENTS_MAX; i++)
        if (s->clients[i].fd < 0)
            return &s->clients[i];
    return NULL;
}

/* Answers come from the address that was asked. */
static int open_socket(struct tftp_server *s, struct client *c, struct in_addr asked)
{
    const struct sockaddr_in mine = {.sin_family = AF_INET, .sin_addr = asked};
    const int room = SEND_BUFFER_BYTES;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return ERROR_IO;
    setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    if (bind(c->fd, (const struct sockaddr *)&mine, sizeof mine) ||
        connect(c->fd, (const struct sockaddr *)&c->address, sizeof c->address) ||
        epoll_ctl(s->poll_fd, EPOLL_CTL_ADD, c->fd, &e)) {
        close(c->fd);
        c->fd = -1;
        return ERROR_IO;
    }
    return 0;
}

static void refuse(struct tftp_server *s, struct client *c, enum tftp_code code, const char *why,
                   int64_t now)
{
    uint8_t packet[TFTP_HEAD_MAX];
    const size_t size = tftp_error_packet(code, why, packet);
    sendto(s->fd, packet, size, 0, (const struct sockaddr *)&c->address, sizeof c->address);
    tftp_transfer_fail(&c->transfer, "%s", why);
    show(s, c, TFTP_BROKE_OFF, now);
}

static void begin(struct tftp_server *s, const struct sockaddr_in *from, struct in_addr asked,
                  const uint8_t *data, size_t size, int64_t now)
{
    struct error err = {0};
    struct tftp_request request;
    int code;
    const int rc = tftp_request_parse(data, size, &request, &code, &err);
    if (rc && code < 0)
        return;
    struct client *c = find_client(s, from);
    if (c && tftp_transfer_asked_again(&c->transfer, now)) {
        send_due(s, c, now);
        return;
    }
    if (c) {
        tftp_transfer_fail(&c->transfer, "the client began anew");
        end_client(s, c, now);
    }
    /* With every place taken a request is not answered: the client asks again by itself. */
    c = free_client(s);
    if (!c)
        return;
    *c = (struct client){.fd = -1, .address = *from, .began_us = now, .shown_us = now};
    inet_ntop(AF_INET, &from->sin_addr, c->name, sizeof c->name);
    c->transfer.request = request;
    c->file = rc ? NULL : find_file(s, request.file);
    if (rc) {
        refuse(s, c, (enum tftp_code)code, err.text, now);
        return;
    }
    if (!c->file) {
        refuse(s, c, TFTP_NOT_FOUND, "no such file is served here", now);
        return;
    }
    if (open_socket(s, c, asked)) {
        refuse(s, c, TFTP_OTHER, "no socket for another client", now);
        return;
    }
    tftp_transfer_begin(&c->transfer, &request, c->file->bytes, now);
    show(s, c, TFTP_BEGAN, now);
    send_due(s, c, now);
}

static void take_requests(struct tftp_server *s, int64_t now)
{
    uint8_t data[REQUEST_MAX];
    union {
        char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
        struct cmsghdr align;
    } control;
    for (;;) {
        struct sockaddr_in from;
        struct in_addr asked = {.s_addr = htonl(INADDR_ANY)};
        struct iovec piece = {data, sizeof data};
        struct msghdr m = {.msg_name = &from,
                           .msg_namelen = sizeof from,
                           .msg_iov = &piece,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
        const ssize_t n = recvmsg(s->fd, &m, 0);
        if (n < 0)
            return;
        for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h))
            if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO) {
                struct in_pktinfo info;
                memcpy(&info, CMSG_DATA(h), sizeof info);
                asked = info.ipi_spec_dst;
            }
        begin(s, &from, asked, data, (size_t)n, now);
    }
}

/* ---- the thread --------------------------------------------------------------------------- */

static int wait_ms(const struct tftp_server *s, int64_t now)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < TFTP_CLIENTS_MAX; i++) {
        const struct client *c = &s->clients[i];
        if (c->fd >= 0 && !c->has_packet && tftp_transfer_deadline_us(&c->transfer) < first)
            first = tftp_transfer_deadline_us(&c->transfer);
    }
    if (first == INT64_MAX)
        return -1;
    return first <= now ? 0 : (int)((first - now + 999) / 1000);
}

static void *serve(void *context)
{
    struct tftp_server *s = context;
    struct epoll_event events[EVENTS_MAX];
    int64_t heard_us = 0;
    for (;;) {
        int64_t now = now_us();
        const bool awake = now - heard_us < AWAKE_US;
        const int n = epoll_wait(s->poll_fd, events, EVENTS_MAX, awake ? 0 : wait_ms(s, now));
        now = now_us();
        if (n > 0)
            heard_us = now;
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &s->wake_fd)
                return NULL;
            struct client *c = events[i].data.ptr;
            if (events[i].data.ptr == s)
                take_requests(s, now);
            else if (c->fd >= 0)
                take_answers(s, c, now);
        }
        for (size_t i = 0; i < TFTP_CLIENTS_MAX; i++) {
            struct client *c = &s->clients[i];
            if (c->fd >= 0 && !c->has_packet && tftp_transfer_deadline_us(&c->transfer) <= now)
                send_due(s, c, now);
        }
    }
}

static int listen_on(struct tftp_server *s, struct error *err)
{
    const struct tftp_config *config = &s->config;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(config->port)};
    const int on = 1;
    if (config->address && inet_pton(AF_INET, config->address, &at.sin_addr) != 1)
        return error_set(err, ERROR_INPUT, "TFTP server: %s: expected an IPv4 address",
                         config->address);
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        return error_errno(err, ERROR_IO, "TFTP server: cannot make a socket");
    if (setsockopt(s->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on))
        return error_errno(err, ERROR_IO, "TFTP server: cannot learn which address is asked");
    if (!bind(s->fd, (const struct sockaddr *)&at, sizeof at))
        return 0;
    const char *where = config->address ? config->address : "any address";
    if (errno == EACCES)
        return error_errno(err, ERROR_REFUSED,
                           "TFTP server: port %u of %s is for root, or for a program with the "
                           "capability cap_net_bind_service (setcap)",
                           config->port, where);
    if (errno == EADDRINUSE)
        return error_errno(err, ERROR_BUSY,
                           "TFTP server: another server has port %u of %s (tftpd-hpa, dnsmasq?)",
                           config->port, where);
    return error_errno(err, ERROR_IO, "TFTP server: cannot listen on port %u of %s", config->port,
                       where);
}

int tftp_server_start(const struct tftp_config *config, struct tftp_server **out, struct error *err)
{
    struct tftp_server *s = *out = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERROR_MEMORY, "no memory for the TFTP server");
    s->config = *config;
    s->fd = s->wake_fd = s->poll_fd = -1;
    for (size_t i = 0; i < TFTP_CLIENTS_MAX; i++)
        s->clients[i].fd = -1;
    struct epoll_event requests = {.events = EPOLLIN, .data.ptr = s};
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = &s->wake_fd};
    int rc = listen_on(s, err);
    if (rc)
        goto out;
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->wake_fd < 0 || s->poll_fd < 0 ||
        epoll_ctl(s->poll_fd, EPOLL_CTL_ADD, s->fd, &requests) ||
        epoll_ctl(s->poll_fd, EPOLL_CTL_ADD, s->wake_fd, &wake)) {
        rc = error_errno(err, ERROR_IO, "TFTP server: cannot wait for packets");
        goto out;
    }
    if (pthread_create(&s->thread, NULL, serve, s)) {
        rc = error_set(err, ERROR_MEMORY, "TFTP server: cannot start its thread");
        goto out;
    }
    s->running = true;
out:
    if (rc) {
        tftp_server_stop(s);
        *out = NULL;
    }
    return rc;
}

uint16_t tftp_server_port(const struct tftp_server *s)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    return getsockname(s->fd, (struct sockaddr *)&at, &size) ? 0 : ntohs(at.sin_port);
}

void tftp_server_stop(struct tftp_server *s)
{
    const uint64_t one = 1;
    if (!s)
        return;
    if (s->running) {
        while (write(s->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
            ;
        pthread_join(s->thread, NULL);
    }
    for (size_t i = 0; i < TFTP_CLIENTS_MAX; i++)
        if (s->clients[i].fd >= 0)
            close(s->clients[i].fd);
    if (s->poll_fd >= 0)
        close(s->poll_fd);
    if (s->wake_fd >= 0)
        close(s->wake_fd);
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}
