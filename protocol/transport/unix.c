/* unix:PATH, a local stream socket */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/transport/kinds.h"

static int fill(const char *path, struct sockaddr_un *at, struct error *err)
{
    if (!*path || strlen(path) >= sizeof at->sun_path)
        return error_set(err, ERROR_INPUT, "port 'unix:%s': expected a path of 1 to %zu bytes",
                         path, sizeof at->sun_path - 1);
    memset(at, 0, sizeof *at);
    at->sun_family = AF_UNIX;
    memcpy(at->sun_path, path, strlen(path));
    return 0;
}

static int unix_open(const char *path, int timeout_ms, struct transport **out, struct error *err)
{
    struct sockaddr_un at;
    char name[160];
    snprintf(name, sizeof name, "unix:%s", path);
    int rc = fill(path, &at, err);
    if (rc)
        return rc;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, ERROR_IO, "%s: cannot make a socket", name);
    rc = transport_connect_fd(fd, (struct sockaddr *)&at, sizeof at, timeout_ms, name, err);
    if (rc) {
        close(fd);
        return rc;
    }
    return transport_make(&transport_unix, fd, fd, name, out, err);
}

/* A socket file that a killed program left behind refuses connections: it may be replaced. One
 * that answers belongs to a living program: it must not. */
static int clear_stale(const struct sockaddr_un *at, struct error *err)
{
    struct stat st;
    if (lstat(at->sun_path, &st))
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return error_set(err, ERROR_BUSY, "unix:%s: something that is no socket is there",
                         at->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, ERROR_IO, "unix:%s: cannot make a socket", at->sun_path);
    bool stale = connect(fd, (const struct sockaddr *)at, sizeof *at) && errno == ECONNREFUSED;
    close(fd);
    if (!stale)
        return error_set(err, ERROR_BUSY, "unix:%s: another program listens there", at->sun_path);
    unlink(at->sun_path);
    return 0;
}

int transport_unix_listen(const char *path, int *listen_fd, char *bound, size_t bound_size,
                          struct error *err)
{
    struct sockaddr_un at;
    int rc = fill(path, &at, err);
    if (!rc)
        rc = clear_stale(&at, err);
    if (rc)
        return rc;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, ERROR_IO, "unix:%s: cannot make a socket", path);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 16)) {
        rc = error_errno(err,
                         errno == EADDRINUSE ? ERROR_BUSY
                         : errno == EACCES   ? ERROR_REFUSED
                         : errno == ENOENT   ? ERROR_MISSING
                                             : ERROR_IO,
                         "unix:%s: cannot listen", path);
        close(fd);
        return rc;
    }
    if (bound)
        snprintf(bound, bound_size, "unix:%s", path);
    *listen_fd = fd;
    return 0;
}

const struct transport_ops transport_unix = {
    .scheme = "unix",
    .reliable = true,
    .open = unix_open,
    .read = transport_fd_read,
    .write = transport_fd_write,
};
