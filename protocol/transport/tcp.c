/* tcp://HOST:PORT */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/transport/kinds.h"

/* HOST:PORT or [V6]:PORT, resolved. */
static int resolve(const char *scheme, const char *address, int flags, struct addrinfo **out,
                   struct error *err)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    size_t n = colon ? (size_t)(colon - address) : 0;
    if (!colon || n >= sizeof host || !colon[1] || strspn(colon + 1, "0123456789") > 5 ||
        colon[1 + strspn(colon + 1, "0123456789")])
        return error_set(err, ERROR_INPUT, "port '%s://%s': expected %s://HOST:PORT", scheme,
                         address, scheme);
    memcpy(host, address, n);
    host[n] = '\0';
    char *name = host;
    if (n > 1 && host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        name++;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    int rc = getaddrinfo(*name ? name : NULL, colon + 1, &hints, out);
    if (rc)
        return error_set(err, rc == EAI_MEMORY ? ERROR_MEMORY : ERROR_MISSING,
                         "%s://%s: cannot find the host: %s", scheme, address, gai_strerror(rc));
    return 0;
}

int transport_connect_fd(int fd, const struct sockaddr *to, socklen_t to_size, int timeout_ms,
                         const char *name, struct error *err)
{
    if (connect(fd, to, to_size) && errno != EINPROGRESS)
        goto failed;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int64_t until = clock_mono_ms() + timeout_ms;
    for (;;) {
        int64_t left = until - clock_mono_ms();
        int rc = poll(&p, 1, left > 0 ? (int)left : 0);
        if (rc > 0)
            break;
        if (rc < 0 && errno != EINTR)
            return error_errno(err, ERROR_IO, "%s: poll failed", name);
        if (!rc)
            return error_set(err, ERROR_TIMEOUT, "%s: no connection within %d ms", name,
                             timeout_ms);
    }
    int status = 0;
    socklen_t size = sizeof status;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &status, &size))
        return error_errno(err, ERROR_IO, "%s: cannot read the socket's state", name);
    errno = status;
    if (!status)
        return 0;
failed:
    switch (errno) {
    case ECONNREFUSED:
    case ENOENT:
        return error_errno(err, ERROR_MISSING, "%s: nobody listens there", name);
    case EACCES:
    case EPERM:
        return error_errno(err, ERROR_REFUSED, "%s: not allowed to connect", name);
    case EAGAIN: /* a unix socket whose queue is full */
        return error_set(err, ERROR_BUSY, "%s: too many connections wait there already", name);
    case ETIMEDOUT:
        return error_errno(err, ERROR_TIMEOUT, "%s: cannot connect", name);
    default:
        return error_errno(err, ERROR_IO, "%s: cannot connect", name);
    }
}

int transport_tcp_connect(const char *scheme, const char *address, int timeout_ms, int *out,
                          struct error *err)
{
    struct addrinfo *list = NULL;
    char name[160];
    snprintf(name, sizeof name, "%s://%s", scheme, address);
    int rc = resolve(scheme, address, 0, &list, err);
    if (rc)
        return rc;
    int64_t until = clock_mono_ms() + timeout_ms;
    int fd = -1;
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
        if (fd < 0) {
            rc = error_errno(err, ERROR_IO, "%s: cannot make a socket", name);
            continue;
        }
        int64_t left = until - clock_mono_ms();
        rc = transport_connect_fd(fd, a->ai_addr, a->ai_addrlen, left > 0 ? (int)left : 0, name,
                                  err);
        if (!rc)
            break;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    if (rc)
        return rc;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *out = fd;
    return 0;
}

static int tcp_open(const char *address, int timeout_ms, struct transport **out, struct error *err)
{
    int fd;
    int rc = transport_tcp_connect("tcp", address, timeout_ms, &fd, err);
    if (rc)
        return rc;
    char name[160];
    snprintf(name, sizeof name, "tcp://%s", address);
    return transport_make(&transport_tcp, fd, fd, name, out, err);
}

static int name_of(int fd, bool peer, char *out, size_t size)
{
    struct sockaddr_storage at = {0};
    socklen_t at_size = sizeof at;
    if (peer ? getpeername(fd, (struct sockaddr *)&at, &at_size)
             : getsockname(fd, (struct sockaddr *)&at, &at_size))
        return -1;
    if (at.ss_family == AF_UNIX) {
        struct sockaddr_un *local = (struct sockaddr_un *)&at;
        snprintf(out, size, "unix:%s", local->sun_path);
        return 0;
    }
    char host[INET6_ADDRSTRLEN + 16], service[16];
    if (getnameinfo((struct sockaddr *)&at, at_size, host, sizeof host, service, sizeof service,
                    NI_NUMERICHOST | NI_NUMERICSERV))
        return -1;
    snprintf(out, size, strchr(host, ':') ? "tcp://[%s]:%s" : "tcp://%s:%s", host, service);
    return 0;
}

int transport_tcp_listen(const char *address, int *listen_fd, char *bound, size_t bound_size,
                         struct error *err)
{
    struct addrinfo *list = NULL;
    int rc = resolve("tcp", address, AI_PASSIVE, &list, err);
    if (rc)
        return rc;
    int on = 1;
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        rc = error_errno(err, ERROR_IO, "tcp://%s: cannot make a socket", address);
    else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
             bind(fd, list->ai_addr, list->ai_addrlen) || listen(fd, 16))
        rc = error_errno(err,
                         errno == EADDRINUSE ? ERROR_BUSY
                         : errno == EACCES   ? ERROR_REFUSED
                                             : ERROR_IO,
                         "tcp://%s: cannot listen", address);
    else if (bound && name_of(fd, false, bound, bound_size))
        rc = error_set(err, ERROR_IO, "tcp://%s: cannot tell the port it got", address);
    freeaddrinfo(list);
    if (rc) {
        if (fd >= 0)
            close(fd);
        return rc;
    }
    *listen_fd = fd;
    return 0;
}

int transport_accept(int listen_fd, struct transport **out, struct error *err)
{
    *out = NULL;
    int fd;
    do
        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return error_set(err, ERROR_TIMEOUT, "nobody is connecting");
        return error_errno(err, ERROR_IO, "cannot accept a connection");
    }
    char name[160] = "";
    struct sockaddr_storage at = {0};
    socklen_t at_size = sizeof at;
    bool local = !getsockname(fd, (struct sockaddr *)&at, &at_size) && at.ss_family == AF_UNIX;
    if (name_of(fd, !local, name, sizeof name))
        snprintf(name, sizeof name, "%s: a connection that is gone again", local ? "unix" : "tcp");
    int on = 1;
    if (!local)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return transport_make(local ? &transport_unix : &transport_tcp, fd, fd, name, out, err);
}

const struct transport_ops transport_tcp = {
    .scheme = "tcp",
    .reliable = true,
    .open = tcp_open,
    .read = transport_fd_read,
    .write = transport_fd_write,
};
