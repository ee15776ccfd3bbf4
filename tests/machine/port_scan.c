/* Who listens on a unit: port_scan QMP-SOCKET FIRST LAST
 *
 * QEMU leads one port of this machine after another to the unit's TCP ports FIRST to LAST. A port
 * nobody listens on in the unit closes the connection again; one that stays open for the time a
 * closed one took five times over is reported. Prints a port a line; ends with 0, or 1 with a
 * message. UDP is not tried: nothing of the firmware speaks it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/base/clock.h"

enum { BATCH = 128, CLOSED_WITHIN_MS = 30000, LOOK_MS = 20, SILENCE_MS = 2000 };

struct tried {
    int port, local, fd;
};

static int fail(const char *what)
{
    fprintf(stderr, "port_scan: %s: %s\n", what, strerror(errno));
    return 1;
}

/* One command; waits for the answer's line and drops it. */
static int command(int qmp, const char *text)
{
    char c, last[8] = "";
    size_t used = 0;
    if (write(qmp, text, strlen(text)) < 0)
        return -1;
    while (read(qmp, &c, 1) == 1) {
        if (used < sizeof last - 1)
            last[used++] = c;
        if (c != '\n')
            continue;
        if (strncmp(last, "{\"retur", 7) == 0)
            return 0;
        if (strncmp(last, "{\"error", 7) == 0)
            return -1;
        used = 0; /* an event, or the greeting */
        memset(last, 0, sizeof last);
    }
    return -1;
}

static int forward(int qmp, const char *verb, const struct tried *t)
{
    char text[256], to[32] = "";
    if (strcmp(verb, "hostfwd_add") == 0)
        snprintf(to, sizeof to, "-:%d", t->port);
    snprintf(text, sizeof text,
             "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":"
             "\"%s net tcp:127.0.0.1:%d%s\"}}\n",
             verb, t->local, to);
    return command(qmp, text);
}

/* A number that is free now. */
static int free_number(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) ||
        getsockname(fd, (struct sockaddr *)&a, &size))
        return -1;
    close(fd);
    return ntohs(a.sin_port);
}

static int try_port(int qmp, struct tried *t)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    t->local = free_number();
    t->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_port = htons((uint16_t)t->local);
    if (t->local < 0 || t->fd < 0 || forward(qmp, "hostfwd_add", t))
        return -1;
    return connect(t->fd, (struct sockaddr *)&a, sizeof a);
}

/* Until every connection has closed, or none has for a long while after the last. */
static int wait_for_closing(struct tried *tried, int count)
{
    int64_t started_ms = clock_mono_ms(), last_ms = started_ms;
    int open = count;
    for (;;) {
        for (int i = 0; i < count; i++) {
            struct pollfd p = {.fd = tried[i].fd, .events = POLLIN};
            char byte;
            if (tried[i].fd < 0 || poll(&p, 1, 0) <= 0)
                continue;
            if (p.revents & (POLLHUP | POLLERR) || recv(tried[i].fd, &byte, 1, MSG_PEEK) <= 0) {
                close(tried[i].fd);
                tried[i].fd = -1;
                open--;
                last_ms = clock_mono_ms();
            }
        }
        const int64_t now_ms = clock_mono_ms(), silent_ms = now_ms - last_ms;
        const int64_t patient_ms =
            last_ms == started_ms ? CLOSED_WITHIN_MS : 5 * (last_ms - started_ms) + SILENCE_MS;
        if (!open || silent_ms > patient_ms)
            return open;
        poll(NULL, 0, LOOK_MS);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    static struct tried tried[BATCH];
    if (argc != 4 || strlen(argv[1]) >= sizeof a.sun_path)
        return fprintf(stderr, "port_scan QMP-SOCKET FIRST LAST\n"), 2;
    strcpy(a.sun_path, argv[1]);
    int qmp = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (qmp < 0 || connect(qmp, (struct sockaddr *)&a, sizeof a) ||
        command(qmp, "{\"execute\":\"qmp_capabilities\"}\n"))
        return fail(argv[1]);
    for (int first = atoi(argv[2]), last = atoi(argv[3]); first <= last; first += BATCH) {
        int count = last - first + 1 < BATCH ? last - first + 1 : BATCH;
        for (int i = 0; i < count; i++) {
            tried[i] = (struct tried){.port = first + i};
            if (try_port(qmp, &tried[i]))
                return fail("a port could not be led to the unit");
        }
        wait_for_closing(tried, count);
        for (int i = 0; i < count; i++) {
            if (tried[i].fd >= 0) {
                printf("%d\n", tried[i].port);
                close(tried[i].fd);
            }
            if (forward(qmp, "hostfwd_remove", &tried[i]))
                return fail("a port could not be taken back");
        }
    }
    return 0;
}
