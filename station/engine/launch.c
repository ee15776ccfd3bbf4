#include "station/engine/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "station/engine/station_file.h"

enum { READY_FD = 3 };

/* Beside this program; TAKTD names another. */
static int find_taktd(char out[PATH_MAX], struct error *err)
{
    const char *named = getenv("TAKTD");
    if (named) {
        snprintf(out, PATH_MAX, "%s", named);
        return 0;
    }
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 8);
    char *slash = n > 0 ? memrchr(out, '/', (size_t)n) : NULL;
    if (!slash)
        return error_errno(err, ERROR_IO, "cannot find out where this program lies");
    strcpy(slash + 1, "taktd");
    if (access(out, X_OK))
        return error_errno(err, ERROR_MISSING, "cannot start %s", out);
    return 0;
}

/* Twice forked: taktd is nobody's child, and outlives whoever wanted it. */
static _Noreturn void become_taktd(const char *program, const char *station, int ready_fd,
                                   int log_fd)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    if (fork() != 0)
        _exit(0);
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    if (ready_fd == READY_FD)
        fcntl(READY_FD, F_SETFD, 0);
    else
        dup2(ready_fd, READY_FD);
    close_range(READY_FD + 1, ~0U, 0);
    execl(program, program, "--station", station, "--ready-fd", "3", (char *)NULL);
    _exit(127);
}

/* "ready", or why not: taktd's last line there. */
static int wait_ready(int fd, int timeout_ms, struct error *err)
{
    char said[480] = "";
    size_t size = 0;
    int64_t deadline = clock_mono_ms() + timeout_ms;
    for (;;) {
        int64_t left = deadline - clock_mono_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0)
            return error_set(err, ERROR_TIMEOUT, "taktd was started, but is not ready after %d ms",
                             timeout_ms);
        if (poll(&p, 1, (int)left) < 1)
            continue;
        ssize_t n = read(fd, said + size, sizeof said - 1 - size);
        if (n <= 0)
            break;
        size += (size_t)n;
        said[size] = '\0';
        if (strcmp(said, "ready\n") == 0)
            return 0;
    }
    said[strcspn(said, "\n")] = '\0';
    int code = ERROR_IO;
    char *text = strchr(said, ' ');
    if (text)
        code = atoi(said);
    return error_set(err, code < 0 && code >= ERROR_REMOTE ? code : ERROR_IO, "%s",
                     text ? text + 1 : "taktd ended before it was ready");
}

static int launch(const char *station_path, const char *socket_path, int timeout_ms,
                  struct error *err)
{
    char program[PATH_MAX], log[PATH_MAX], folder[PATH_MAX];
    int ready[2] = {-1, -1}, log_fd = -1;
    snprintf(folder, sizeof folder, "%s", socket_path);
    *strrchr(folder, '/') = '\0';
    int rc = find_taktd(program, err);
    if (!rc)
        rc = file_make_folders(folder, 0755, err);
    if (!rc)
        rc = file_join(log, sizeof log, folder, "taktd.log", err);
    if (rc)
        return rc;
    log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (log_fd < 0)
        rc = error_errno(err, errno == ENOSPC ? ERROR_FULL : ERROR_IO, "cannot open %s", log);
    if (!rc && pipe2(ready, O_CLOEXEC))
        rc = error_errno(err, ERROR_IO, "a pipe to taktd");
    pid_t pid = rc ? -1 : fork();
    if (pid == 0)
        become_taktd(program, station_path, ready[1], log_fd);
    if (!rc && pid < 0)
        rc = error_errno(err, ERROR_IO, "cannot start %s", program);
    if (pid > 0)
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    if (ready[1] >= 0)
        close(ready[1]);
    if (!rc)
        rc = wait_ready(ready[0], timeout_ms, err);
    if (ready[0] >= 0)
        close(ready[0]);
    if (log_fd >= 0)
        close(log_fd);
    return rc;
}

int launch_connect(const char *station_path, int timeout_ms, struct client **out, struct error *err)
{
    char socket_path[PATH_MAX], absolute[PATH_MAX];
    *out = NULL;
    int rc = station_file_socket(station_path, socket_path, err);
    if (rc)
        return rc;
    rc = client_connect(socket_path, out, err);
    if (rc != ERROR_MISSING)
        return rc;
    if (!realpath(station_path, absolute))
        return error_errno(err, ERROR_MISSING, "cannot open %s", station_path);
    rc = launch(absolute, socket_path, timeout_ms, err);
    /* Two may start it at the same moment: one of them gets the folder, both get its socket. */
    if (!rc || rc == ERROR_BUSY) {
        int64_t deadline = clock_mono_ms() + timeout_ms;
        do
            rc = client_connect(socket_path, out, err);
        while (rc == ERROR_MISSING && clock_mono_ms() < deadline &&
               (clock_sleep_until_ns(clock_mono_ns() + 10000000), true));
    }
    return rc;
}
