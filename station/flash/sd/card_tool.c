#include "station/flash/sd/card_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { READ_BYTES = 65536, COMPLAINT_BYTES = 4096 };

static int start(const char *const argv[], int out_fd, int complaint_fd, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    char path[256];
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc)
        return rc;
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
    posix_spawn_file_actions_adddup2(&actions, complaint_fd, 2);
    rc = posix_spawnp(pid, argv[0], &actions, NULL, (char *const *)argv, environ);
    if (rc == ENOENT) { /* PATH of people who are not root leaves it out */
        snprintf(path, sizeof path, "/usr/sbin/%s", argv[0]);
        rc = posix_spawn(pid, path, &actions, NULL, (char *const *)argv, environ);
    }
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* Both pipes until their ends. What is too much is read all the same: the tool must not hang. */
static int drain(int out_fd, int complaint_fd, struct buffer *out, struct buffer *complaint)
{
    struct pollfd fds[] = {{.fd = out_fd, .events = POLLIN},
                           {.fd = complaint_fd, .events = POLLIN}};
    struct buffer *into[] = {out, complaint};
    static _Thread_local uint8_t data[READ_BYTES];
    int rc = 0;
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        for (int i = 0; i < 2; i++) {
            if (fds[i].fd < 0 || !fds[i].revents)
                continue;
            const ssize_t n = read(fds[i].fd, data, sizeof data);
            if (n <= 0 && !(n < 0 && errno == EINTR))
                fds[i].fd = -1;
            if (n > 0 && into[i] && buffer_append(into[i], data, (size_t)n) && i == 0)
                rc = ERROR_FULL;
        }
    }
    return rc;
}

static const char *last_line(struct buffer *complaint)
{
    while (complaint->size && strchr("\r\n", complaint->data[complaint->size - 1]))
        complaint->size--;
    char *text = (char *)buffer_text(complaint);
    if (!text)
        return "";
    text[complaint->size] = '\0';
    char *newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

int card_tool_run(const char *const argv[], const char *package, struct buffer *out,
                  struct error *err)
{
    int out_pipe[2] = {-1, -1}, complaint_pipe[2] = {-1, -1}, status = 0;
    struct buffer complaint = {.limit_bytes = COMPLAINT_BYTES};
    pid_t pid = 0;
    int rc = 0, drained;
    if (pipe2(out_pipe, O_CLOEXEC) || pipe2(complaint_pipe, O_CLOEXEC)) {
        rc = error_errno(err, ERROR_IO, "%s", argv[0]);
        goto out;
    }
    const int not_started = start(argv, out_pipe[1], complaint_pipe[1], &pid);
    close(out_pipe[1]);
    close(complaint_pipe[1]);
    out_pipe[1] = complaint_pipe[1] = -1;
    if (not_started == ENOENT)
        rc = error_set(err, ERROR_MISSING, "there is no program %s: install %s", argv[0], package);
    else if (not_started)
        rc = error_set(err, ERROR_IO, "cannot start %s: %s", argv[0], strerror(not_started));
    if (rc)
        goto out;
    drained = drain(out_pipe[0], complaint_pipe[0], out, &complaint);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        rc = error_set(err, ERROR_IO, "%s failed: %s", argv[0], last_line(&complaint));
    else if (drained)
        rc = error_set(err, drained, "%s: more than %zu bytes came", argv[0],
                       out ? out->limit_bytes : 0);
out:
    for (int i = 0; i < 2; i++) {
        if (out_pipe[i] >= 0)
            close(out_pipe[i]);
        if (complaint_pipe[i] >= 0)
            close(complaint_pipe[i]);
    }
    buffer_free(&complaint);
    return rc;
}
