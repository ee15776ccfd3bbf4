#include "station/engine/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "station/engine/child.h"

enum { GROUPS_MAX = 256 };

struct note {
    int32_t group;
    int32_t alive;
};

static void take(pid_t *groups, const struct note *n)
{
    for (int i = 0; i < GROUPS_MAX; i++)
        if (groups[i] == (n->alive ? 0 : n->group)) {
            groups[i] = n->alive ? n->group : 0;
            return;
        }
}

static _Noreturn void guard(int fd)
{
    pid_t groups[GROUPS_MAX] = {0};
    struct note n;
    for (;;) {
        ssize_t got = recv(fd, &n, sizeof n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got != (ssize_t)sizeof n)
            break;
        take(groups, &n);
    }
    for (int i = 0; i < GROUPS_MAX; i++)
        if (groups[i] > 1)
            kill(-groups[i], SIGKILL);
    _exit(0);
}

int guard_start(int *fd, struct error *err)
{
    int pair[2];
    *fd = -1;
    /* Packets: a note is taken whole or not at all. */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return error_errno(err, ERROR_IO, "a socket pair for the guard");
    pid_t pid = fork();
    if (pid == 0) {
        /* Forked once more, so that nobody has to wait for its end. */
        if (fork() != 0)
            _exit(0);
        guard(child_begin_orphan(pair[1]));
    }
    close(pair[1]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (pid < 0) {
        close(pair[0]);
        return error_errno(err, ERROR_IO, "cannot start the guard");
    }
    *fd = pair[0];
    return 0;
}

static void tell(int fd, pid_t group, bool alive)
{
    struct note n = {(int32_t)group, alive};
    while (send(fd, &n, sizeof n, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

void guard_add(int fd, pid_t group)
{
    tell(fd, group, true);
}

void guard_remove(int fd, pid_t group)
{
    tell(fd, group, false);
}
