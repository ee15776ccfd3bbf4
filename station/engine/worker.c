#include "station/engine/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "station/engine/child.h"
#include "station/engine/guard.h"

enum { WORKER_NICE = 5 };

int worker_spawn(const struct worker_job *job, struct worker *out, struct error *err)
{
    int pair[2];
    memset(out, 0, sizeof *out);
    out->pidfd = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return error_errno(err, ERROR_IO, "slot %d: a socket pair for its worker", job->slot);
    struct worker_shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        close(pair[0]);
        close(pair[1]);
        return error_errno(err, ERROR_MEMORY, "slot %d: memory for its worker", job->slot);
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        int fd = child_begin(parent, pair[1]);
        /* taktd answers people and keeps deadlines: it comes before what it forked. */
        nice(WORKER_NICE);
        worker_run(job, fd, shared);
    }
    close(pair[1]);
    int rc = 0;
    if (pid < 0) {
        rc = error_errno(err, ERROR_IO, "slot %d: cannot fork its worker", job->slot);
        close(pair[0]);
    } else {
        setpgid(pid, pid); /* also done by the child: whoever comes first */
        rc = channel_create(pair[0], &out->channel, err);
        out->pidfd = pidfd_open(pid, 0);
        if (!rc && out->pidfd < 0)
            rc = error_errno(err, ERROR_IO, "slot %d: a descriptor of its worker", job->slot);
        if (!rc) {
            fcntl(out->pidfd, F_SETFD, FD_CLOEXEC);
            out->pid = pid;
            out->guard_fd = job->guard_fd;
            guard_add(job->guard_fd, pid);
            out->shared = shared;
            return 0;
        }
        kill(-pid, SIGKILL);
        waitpid(pid, NULL, 0);
        if (out->pidfd >= 0)
            close(out->pidfd);
        channel_free(out->channel);
    }
    munmap(shared, sizeof *shared);
    memset(out, 0, sizeof *out);
    out->pidfd = -1;
    return rc;
}

void worker_kill(const struct worker *w)
{
    if (!w->pid)
        return;
    kill(-w->pid, SIGKILL);
    kill(w->pid, SIGKILL);
}

void worker_reap(struct worker *w, char *how, size_t how_size)
{
    int status = 0;
    if (!w->pid)
        return;
    /* What it had started does not outlive it, however it ended. */
    kill(-w->pid, SIGKILL);
    /* While it is not yet waited for, its group's number cannot be another's. */
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        snprintf(how, how_size, "killed by signal %d", WTERMSIG(status));
    else
        snprintf(how, how_size, "ended with status %d", WEXITSTATUS(status));
    guard_remove(w->guard_fd, w->pid);
    close(w->pidfd);
    channel_free(w->channel);
    munmap(w->shared, sizeof *w->shared);
    memset(w, 0, sizeof *w);
    w->pidfd = -1;
}
