#include "station/engine/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_open(struct notify *n)
{
    const char *path = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC"),
               *pid = getenv("WATCHDOG_PID");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const size_t size = path ? strlen(path) : 0;
    *n = (struct notify){.fd = -1};
    /* '@' stands for the null byte of an abstract name. */
    if (size > 1 && size < sizeof to.sun_path && (path[0] == '/' || path[0] == '@')) {
        memcpy(to.sun_path, path, size);
        if (path[0] == '@')
            to.sun_path[0] = '\0';
        n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    if (n->fd >= 0 && connect(n->fd, (struct sockaddr *)&to,
                              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)))
        notify_close(n);
    if (n->fd >= 0 && usec && (!pid || atoll(pid) == (long long)getpid()) && atoll(usec) > 0)
        n->alive_every_ns = atoll(usec) * 1000 / 2;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    *n = (struct notify){.fd = -1};
}

void notify_tell(const struct notify *n, const char *lines)
{
    if (n->fd < 0)
        return;
    ssize_t sent = send(n->fd, lines, strlen(lines), MSG_NOSIGNAL);
    (void)sent; /* a manager that does not listen is no reason to stop */
}

int64_t notify_alive(struct notify *n, int64_t now_ns)
{
    if (n->fd < 0 || !n->alive_every_ns)
        return -1;
    if (now_ns >= n->alive_due_ns) {
        notify_tell(n, "WATCHDOG=1");
        n->alive_due_ns = now_ns + n->alive_every_ns;
    }
    return n->alive_due_ns;
}
