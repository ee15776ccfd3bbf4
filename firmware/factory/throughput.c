#include "firmware/factory/throughput.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/buffer.h"
#include "protocol/base/clock.h"
#include "protocol/base/json.h"

/* Beyond the traffic itself: connecting, and the exchange of results at the end. */
enum { OMIT_S = 1, EXTRA_MS = 8000, LOOK_MS = 100, OUTPUT_MAX = 1 << 20 };

extern char **environ;

int throughput_parse(const char *json, struct throughput *out, struct error *err)
{
    cJSON *root = cJSON_Parse(json);
    int rc = 0;
    const char *problem = json_string(root, "error", NULL);
    const cJSON *end = cJSON_GetObjectItemCaseSensitive(root, "end");
    const cJSON *received = cJSON_GetObjectItemCaseSensitive(end, "sum_received");
    const cJSON *sent = cJSON_GetObjectItemCaseSensitive(end, "sum_sent");
    memset(out, 0, sizeof *out);
    if (problem) {
        rc = error_set(err, strstr(problem, "busy") ? ERROR_BUSY : ERROR_REMOTE, "iperf3: %s",
                       problem);
    } else if (!cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(received, "bits_per_second"))) {
        rc = error_set(err, ERROR_PROTOCOL,
                       "iperf3 printed no end.sum_received.bits_per_second: '%.60s'", json);
    } else {
        out->bits_per_second = json_number(received, "bits_per_second", 0);
        out->bytes = json_number(received, "bytes", 0);
        out->seconds = json_number(received, "seconds", 0);
        out->retransmits = json_number(sent, "retransmits", 0);
        out->loss_percent = json_number(received, "lost_percent", 0);
        out->jitter_ms = json_number(received, "jitter_ms", 0);
    }
    cJSON_Delete(root);
    return rc;
}

/* stdout to the pipe, stderr nowhere (with -J errors are in the JSON), a process group of its own.
 */
static int start(char *const argv[], int stdout_fd, pid_t *pid, struct error *err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, stdout_fd, 1);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    errno = posix_spawnp(pid, argv[0], &files, &attributes, argv, environ);
    int rc = !errno ? 0
                    : error_errno(err, errno == ENOENT ? ERROR_MISSING : ERROR_IO,
                                  "cannot start %s", argv[0]);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

static int collect(const struct throughput_config *config, int fd, struct buffer *text,
                   struct error *err)
{
    int64_t until = clock_mono_ms() + (config->seconds + OMIT_S) * 1000LL + EXTRA_MS;
    char chunk[4096];
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (config->stop && config->stop(config->context))
            return error_set(err, ERROR_CANCELLED, "the call was taken back");
        if (clock_mono_ms() >= until)
            return error_set(err, ERROR_TIMEOUT, "iperf3 to %s:%d did not end in time",
                             config->host, config->port);
        if (poll(&p, 1, LOOK_MS) <= 0)
            continue;
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno != EINTR)
            return error_errno(err, ERROR_IO, "cannot read from iperf3");
        if (n == 0)
            return 0;
        if (n > 0 && buffer_append(text, chunk, (size_t)n))
            return error_set(err, ERROR_FULL, "iperf3 printed more than %d bytes", OUTPUT_MAX);
    }
}

int throughput_measure(const struct throughput_config *config, struct throughput *out,
                       struct error *err)
{
    struct buffer text = {.limit_bytes = OUTPUT_MAX};
    char port[12], seconds[12], omit[12], host[128], interface[24];
    char rate[24], length[12];
    char *argv[26];
    int argc = 0, pipe_fd[2] = {-1, -1}, rc = 0;
    pid_t pid = -1;
    snprintf(port, sizeof port, "%d", config->port);
    snprintf(seconds, sizeof seconds, "%d", config->seconds);
    snprintf(omit, sizeof omit, "%d", OMIT_S);
    snprintf(host, sizeof host, "%s", config->host);
    snprintf(interface, sizeof interface, "%s", config->interface);
    argv[argc++] = "iperf3";
    argv[argc++] = "-J";
    argv[argc++] = "-p";
    argv[argc++] = port;
    argv[argc++] = "-t";
    argv[argc++] = seconds;
    argv[argc++] = "-O";
    argv[argc++] = omit;
    if (config->datagrams_mbit_s > 0) {
        snprintf(rate, sizeof rate, "%.0f", config->datagrams_mbit_s * 1e6);
        snprintf(length, sizeof length, "%d", THROUGHPUT_DATAGRAM_BYTES);
        argv[argc++] = "-u";
        argv[argc++] = "-b";
        argv[argc++] = rate;
        argv[argc++] = "-l";
        argv[argc++] = length;
    }
    if (config->down)
        argv[argc++] = "-R";
    if (interface[0]) {
        argv[argc++] = "--bind-dev";
        argv[argc++] = interface;
    }
    argv[argc++] = "-c";
    argv[argc++] = host;
    argv[argc] = NULL;

    if (pipe2(pipe_fd, O_CLOEXEC)) {
        rc = error_errno(err, ERROR_IO, "cannot make a pipe for iperf3");
        goto out;
    }
    rc = start(argv, pipe_fd[1], &pid, err);
    if (rc)
        goto out;
    close(pipe_fd[1]);
    pipe_fd[1] = -1;
    rc = collect(config, pipe_fd[0], &text, err);
    if (!rc) {
        const char *json = buffer_text(&text);
        rc = json ? throughput_parse(json, out, err)
                  : error_set(err, ERROR_MEMORY, "no memory for iperf3's answer");
    }
out:
    if (pid > 0) {
        /* Ended or not: nothing of the group may go on sending. */
        kill(-pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (pipe_fd[0] >= 0)
        close(pipe_fd[0]);
    if (pipe_fd[1] >= 0)
        close(pipe_fd[1]);
    buffer_free(&text);
    return rc;
}
