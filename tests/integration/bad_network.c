/* A bad network in front of a server: bad_network PORT SEED, prints the port it listens on.
 * Of each connection a number of bytes, chosen by the seed, goes through, some of them held up;
 * then it is cut, at once or after the server's answers were lost for a moment (so that what
 * arrived must be sent again). */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/splitmix.h"

enum fate { CUT, LOSE_ANSWERS, DELAY, FATES };
enum { BYTES_MAX = 120000, LOSING_MS = 200, DELAY_MS = 3 };

static int connect_to(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)},
                             .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

static int all_written(int fd, const char *bytes, ssize_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, (size_t)size);
        if (n <= 0)
            return 0;
        bytes += n;
        size -= n;
    }
    return 1;
}

static void relay(int client, int server, enum fate fate, int64_t budget)
{
    char bytes[8192];
    int64_t cut_ms = 0;
    for (;;) {
        struct pollfd p[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
        if (poll(p, 2, 20) < 0 || (cut_ms && clock_mono_ms() > cut_ms))
            return;
        for (int i = 0; i < 2; i++) {
            if (!p[i].revents)
                continue;
            ssize_t n = read(p[i].fd, bytes, sizeof bytes);
            if (n <= 0)
                return;
            if (fate == DELAY)
                clock_sleep_until_ns(clock_mono_ns() + DELAY_MS * 1000000);
            budget -= n;
            if (budget < 0 && fate != LOSE_ANSWERS)
                return;
            if (budget < 0 && !cut_ms)
                cut_ms = clock_mono_ms() + LOSING_MS;
            if (cut_ms && i == 1)
                continue; /* lost on its way back */
            if (!all_written(p[1 - i].fd, bytes, n))
                return;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    uint64_t random = strtoull(argv[2], NULL, 10);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (bind(fd, (struct sockaddr *)&at, size) || listen(fd, 16) ||
        getsockname(fd, (struct sockaddr *)&at, &size)) {
        perror("bad_network");
        return 3;
    }
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    /* The outbox has one connection at a time; of every two, one loses answers. */
    for (unsigned connections = 0;; connections++) {
        int client = accept(fd, NULL, NULL), server = connect_to(atoi(argv[1]));
        enum fate fate = (enum fate)(splitmix_next(&random) % FATES);
        if (connections % 2 == 0)
            fate = LOSE_ANSWERS;
        if (client >= 0 && server >= 0)
            relay(client, server, fate, (int64_t)(splitmix_next(&random) % BYTES_MAX));
        close(client);
        close(server);
    }
}
