#include "station/engine/fixture_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixtures/fixture.h"
#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "station/engine/child.h"

enum { AGAIN_MS = 500, STOP_MS = 5000, PREDECESSOR_MS = 10000, TURN_MS = 10 };

struct fixture_process {
    pid_t pid;
    int pidfd, stop_fd; /* closing stop_fd asks it to end; taktd's death closes it too */
    struct watch death_watch;
    int64_t again_ns; /* 0 = it runs */
};

/* A fixture process whose taktd was killed is still switching outputs off: until it is done they
 * are its own, or it would switch off what a run that goes on has just switched on. The lock dies
 * with its holder; one that takes too long is ended. */
static int wait_turn(struct engine *e, int stop_fd, struct error *err)
{
    char path[PATH_MAX];
    int64_t until = clock_mono_ms() + PREDECESSOR_MS;
    int rc = file_join(path, sizeof path, e->station->state_dir, "fixture.lock", err);
    if (rc)
        return rc;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* held until this process ends */
    if (fd < 0)
        return error_errno(err, ERROR_IO, "cannot open %s", path);
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        char pid[16] = "";
        struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
        if (poll(&stop, 1, TURN_MS) > 0)
            return error_set(err, ERROR_CLOSED, "stopped before its turn");
        if (clock_mono_ms() < until)
            continue;
        if (pread(fd, pid, sizeof pid - 1, 0) > 0 && atoi(pid) > 1)
            kill(atoi(pid), SIGKILL);
        until += PREDECESSOR_MS;
    }
    char pid[16];
    int n = snprintf(pid, sizeof pid, "%-10d\n", (int)getpid());
    return pwrite(fd, pid, (size_t)n, 0) == n ? 0
                                              : error_errno(err, ERROR_IO, "cannot write %s", path);
}

/* Dies by itself when taktd does: its stop descriptor becomes readable, and unlike a worker it
 * must get the time to switch everything off. */
static _Noreturn void serve(struct engine *e, int stop_fd)
{
    struct error err = {0};
    int rc = wait_turn(e, stop_fd, &err);
    if (!rc)
        rc = fixture_serve(e->station->document, e->fixture_socket, stop_fd, &err);
    if (rc)
        fprintf(stderr, "fixture: %s\n", err.text);
    _exit(rc ? 1 : 0);
}

static int launch(struct engine *e, struct error *err)
{
    struct fixture_process *f = e->fixture;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return error_errno(err, ERROR_IO, "a socket pair for the fixture process");
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        serve(e, child_begin_orderly(parent, pair[1]));
    close(pair[1]);
    int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
    int rc = pidfd < 0 ? error_errno(err, ERROR_IO, "cannot start the fixture process") : 0;
    if (!rc)
        rc = loop_add(&e->loop, &f->death_watch, pidfd, err);
    if (rc) {
        close(pair[0]);
        if (pidfd >= 0)
            close(pidfd);
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        return rc;
    }
    f->pid = pid;
    f->pidfd = pidfd;
    f->stop_fd = pair[0];
    f->again_ns = 0;
    return 0;
}

static void forget(struct engine *e)
{
    struct fixture_process *f = e->fixture;
    int status = 0;
    loop_remove(&e->loop, &f->death_watch);
    kill(-f->pid, SIGKILL);
    waitpid(f->pid, &status, 0);
    close(f->pidfd);
    close(f->stop_fd);
    if (!e->stopping)
        fprintf(stderr, "the fixture process ended (%s %d), starting it again\n",
                WIFSIGNALED(status) ? "signal" : "status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    f->pid = 0;
    f->again_ns = clock_mono_ns() + (int64_t)AGAIN_MS * 1000000;
}

static void died(struct watch *w)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    if (poll(&p, 1, 0) == 1)
        forget(w->context);
}

int fixture_process_start(struct engine *e, struct error *err)
{
    if (!e->station->has_instruments)
        return 0;
    e->fixture = calloc(1, sizeof *e->fixture);
    if (!e->fixture)
        return error_set(err, ERROR_MEMORY, "the fixture process: out of memory");
    e->fixture->death_watch = (struct watch){.fd = -1, .ready = died, .context = e};
    return launch(e, err);
}

int64_t fixture_process_tick(struct engine *e, int64_t now_ns)
{
    struct fixture_process *f = e->fixture;
    struct error err = {0};
    if (!f || !f->again_ns)
        return -1;
    if (now_ns < f->again_ns)
        return f->again_ns;
    if (launch(e, &err) == 0)
        return -1;
    fprintf(stderr, "%s\n", err.text);
    return f->again_ns = now_ns + (int64_t)AGAIN_MS * 1000000;
}

bool fixture_process_alive(const struct engine *e)
{
    return e->fixture && e->fixture->pid;
}

void fixture_process_stop(struct engine *e)
{
    struct fixture_process *f = e->fixture;
    if (!f)
        return;
    if (f->pid) {
        struct pollfd p = {.fd = f->pidfd, .events = POLLIN};
        shutdown(f->stop_fd, SHUT_RDWR);
        if (poll(&p, 1, STOP_MS) != 1)
            kill(-f->pid, SIGKILL);
        forget(e);
    }
    free(f);
    e->fixture = NULL;
}
