#include "protocol/transport/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/transport/kinds.h"

static const struct transport_ops *const kinds[] = {
    &transport_tcp, &transport_unix, &transport_serial, &transport_pty, &transport_rfc2217,
};

static const struct transport_ops transport_descriptors = {
    .scheme = "fd",
    .read = transport_fd_read,
    .write = transport_fd_write,
};

/* The address behind the scheme, or NULL when the port is of another kind. */
static const char *address_of(const struct transport_ops *kind, const char *port)
{
    size_t n = strlen(kind->scheme);
    if (strncmp(port, kind->scheme, n) || port[n] != ':')
        return NULL;
    port += n + 1;
    return strncmp(port, "//", 2) ? port : port + 2;
}

int transport_open(const char *port, int timeout_ms, struct transport **out, struct error *err)
{
    *out = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const char *address = address_of(kinds[i], port);
        if (address)
            return kinds[i]->open(address, timeout_ms, out, err);
    }
    if (!strncmp(port, "/dev/", 5)) {
        bool pseudo = !strncmp(port, "/dev/pts/", 9);
        return (pseudo ? &transport_pty : &transport_serial)->open(port, timeout_ms, out, err);
    }
    return error_set(err, ERROR_INPUT,
                     "port '%s': expected tcp://HOST:PORT, unix:PATH, serial:DEVICE, pty:DEVICE, "
                     "rfc2217://HOST:PORT or a path under /dev/",
                     port);
}

static int make_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -1 : 0;
}

int transport_make(const struct transport_ops *ops, int read_fd, int write_fd, const char *name,
                   struct transport **out, struct error *err)
{
    int rc = 0;
    struct transport *t = calloc(1, sizeof *t);
    if (!t) {
        rc = error_set(err, ERROR_MEMORY, "%s: out of memory", name);
        goto out;
    }
    t->ops = ops;
    t->read_fd = read_fd;
    t->write_fd = write_fd;
    t->reliable = ops->reliable;
    snprintf(t->name, sizeof t->name, "%s", name);
    if (make_nonblocking(read_fd) || make_nonblocking(write_fd))
        rc = error_errno(err, ERROR_IO, "%s: cannot make the descriptor non-blocking", name);
out:
    if (rc) {
        free(t);
        close(read_fd);
        if (write_fd != read_fd)
            close(write_fd);
        return rc;
    }
    *out = t;
    return 0;
}

int transport_from_fd(int read_fd, int write_fd, bool reliable, const char *name,
                      struct transport **out, struct error *err)
{
    int rc = transport_make(&transport_descriptors, read_fd, write_fd, name, out, err);
    if (!rc)
        (*out)->reliable = reliable;
    return rc;
}

void transport_close(struct transport *t)
{
    if (!t)
        return;
    if (t->ops->close)
        t->ops->close(t);
    if (t->read_fd >= 0)
        close(t->read_fd);
    if (t->write_fd >= 0 && t->write_fd != t->read_fd)
        close(t->write_fd);
    free(t);
}

int transport_fd_read(struct transport *t, void *data, size_t size, struct error *err)
{
    if (size > INT_MAX)
        size = INT_MAX;
    ssize_t n;
    do
        n = read(t->read_fd, data, size);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return (int)n;
    if (!n)
        return error_set(err, ERROR_CLOSED, "%s: closed by the other end", t->name);
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return 0;
    /* EIO is how a terminal tells that its other end (an adapter, a pty's master) is gone. */
    bool gone = errno == EIO || errno == ECONNRESET || errno == ENXIO || errno == ENODEV ||
                errno == EPIPE || errno == ETIMEDOUT;
    return error_errno(err, gone ? ERROR_CLOSED : ERROR_IO, "%s: reading failed", t->name);
}

int transport_fd_write(struct transport *t, const void *data, size_t size, struct error *err)
{
    if (size > INT_MAX)
        size = INT_MAX;
    ssize_t n;
    /* A vanished peer must be an error here, not a SIGPIPE for the whole program. */
    do {
        n = send(t->write_fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == ENOTSOCK)
            n = write(t->write_fd, data, size);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return (int)n;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return 0;
    bool gone = errno == EIO || errno == ECONNRESET || errno == ENXIO || errno == ENODEV ||
                errno == EPIPE || errno == ETIMEDOUT;
    return error_errno(err, gone ? ERROR_CLOSED : ERROR_IO, "%s: writing failed", t->name);
}

int transport_read(struct transport *t, void *data, size_t size, struct error *err)
{
    return t->ops->read(t, data, size, err);
}

int transport_write(struct transport *t, const void *data, size_t size, struct error *err)
{
    return t->ops->write(t, data, size, err);
}

int transport_set_baud(struct transport *t, int baud, struct error *err)
{
    if (!t->ops->set_baud)
        return error_set(err, ERROR_STATE, "%s: has no line rate to set to %d", t->name, baud);
    return t->ops->set_baud(t, baud, err);
}

int transport_read_fd(const struct transport *t)
{
    return t->read_fd;
}

int transport_write_fd(const struct transport *t)
{
    return t->write_fd;
}

bool transport_reliable(const struct transport *t)
{
    return t->reliable;
}

const char *transport_name(const struct transport *t)
{
    return t->name;
}

int transport_listen(const char *port, int *listen_fd, char *bound, size_t bound_size,
                     struct error *err)
{
    const char *address = address_of(&transport_tcp, port);
    if (address)
        return transport_tcp_listen(address, listen_fd, bound, bound_size, err);
    address = address_of(&transport_unix, port);
    if (address)
        return transport_unix_listen(address, listen_fd, bound, bound_size, err);
    return error_set(err, ERROR_INPUT,
                     "port '%s': expected tcp://HOST:PORT or unix:PATH to listen on", port);
}

int transport_split_baud(const char *scheme, const char *address, char *out, size_t out_size,
                         int *baud, struct error *err)
{
    const char *question = strchr(address, '?');
    size_t n = question ? (size_t)(question - address) : strlen(address);
    if (!n || n >= out_size)
        return error_set(err, ERROR_INPUT, "port '%s:%s': expected %s:DEVICE?baud=N", scheme,
                         address, scheme);
    memcpy(out, address, n);
    out[n] = '\0';
    *baud = 115200;
    if (!question)
        return 0;
    char *end = NULL;
    long value = strncmp(question, "?baud=", 6) ? 0 : strtol(question + 6, &end, 10);
    if (value < 50 || value > 12000000 || *end)
        return error_set(err, ERROR_INPUT,
                         "port '%s:%s': expected '?baud=' and a rate of 50 to 12000000 behind it",
                         scheme, address);
    *baud = (int)value;
    return 0;
}

int transport_open_error(const char *scheme, const char *path, struct error *err)
{
    switch (errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case ENOTDIR:
        return error_errno(err, ERROR_MISSING, "%s:%s: no such device", scheme, path);
    case EBUSY:
        return error_set(err, ERROR_BUSY, "%s:%s: another program has it open", scheme, path);
    case EACCES:
    case EPERM:
        return error_errno(err, ERROR_REFUSED,
                           "%s:%s: not allowed to open it (is this user in the device's group?)",
                           scheme, path);
    default:
        return error_errno(err, ERROR_IO, "%s:%s: cannot open", scheme, path);
    }
}

int transport_claim(int fd, const char *scheme, const char *path, struct error *err)
{
    /* Not TIOCEXCL: it does not hold back root, and it stays when the program is killed. */
    if (!flock(fd, LOCK_EX | LOCK_NB))
        return 0;
    if (errno == EWOULDBLOCK)
        errno = EBUSY;
    return transport_open_error(scheme, path, err);
}
