/* A line between a station and a unit that a test can make as slow and as bad as it likes.
 *
 *   line_between [--rate BYTES_PER_S] [--lose PPM] [--flip PPM] [--seed N] PTY-LINK UNIX-SOCKET
 *
 * Makes PTY-LINK point at a pseudo-terminal and connects it with UNIX-SOCKET, which it waits for
 * and connects to again when its unit was switched off. Each byte, either way, takes its time at
 * the rate, may be lost, or gets one bit flipped. Ends when killed; SIGUSR1 makes the line good,
 * SIGUSR2 bad again, with "N lost, N flipped" on stderr. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/splitmix.h"

enum { HELD_BYTES = 65536 };

/* One way: what came and may not have left yet. */
struct way {
    uint8_t data[HELD_BYTES];
    size_t from, to; /* indices that only grow; modulo HELD_BYTES */
    double credit;   /* bytes that may leave now */
    int64_t then_ns;
};

static double rate;
static uint64_t lose_ppm, flip_ppm, state = 1;
static unsigned long lost, flipped;
static volatile sig_atomic_t good;

static void on_signal(int number)
{
    good = number == SIGUSR1;
}

static void take(struct way *w, int fd, bool *ended)
{
    uint8_t data[4096];
    const size_t room = HELD_BYTES - (w->to - w->from);
    const ssize_t n = read(fd, data, room < sizeof data ? room : sizeof data);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EIO && errno != EINTR))
        *ended = true;
    for (ssize_t i = 0; i < n; i++) {
        if (!good && lose_ppm && splitmix_next(&state) % 1000000 < lose_ppm) {
            lost++;
            continue;
        }
        if (!good && flip_ppm && splitmix_next(&state) % 1000000 < flip_ppm) {
            data[i] ^= (uint8_t)(1 << splitmix_next(&state) % 8);
            flipped++;
        }
        w->data[w->to++ % HELD_BYTES] = data[i];
    }
}

/* A line carries nothing in advance: what was not sent in its time is gone as capacity. */
static void give(struct way *w, int fd)
{
    const int64_t now_ns = clock_mono_ns();
    size_t may = w->to - w->from;
    if (rate > 0) {
        w->credit += (double)(now_ns - w->then_ns) / 1e9 * rate;
        /* Waking up late must not cost rate: 5 ms may be caught up with. */
        if (w->credit > rate * 0.005 + 1)
            w->credit = rate * 0.005 + 1;
        if (may > (size_t)w->credit)
            may = (size_t)w->credit;
    }
    w->then_ns = now_ns;
    while (may) {
        const size_t at = w->from % HELD_BYTES;
        const size_t piece = may < HELD_BYTES - at ? may : HELD_BYTES - at;
        const ssize_t n = write(fd, w->data + at, piece);
        if (n <= 0)
            return;
        w->from += (size_t)n;
        w->credit -= rate > 0 ? (double)n : 0;
        may -= (size_t)n;
    }
}

static int unit_connect(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static int terminal_open(const char *link)
{
    const int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || grantpt(fd) || unlockpt(fd))
        return -1;
    /* Held open, so that it stays when a station closes it; raw, as a line is. */
    const int other = open(ptsname(fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios raw;
    if (other < 0 || tcgetattr(other, &raw))
        return -1;
    cfmakeraw(&raw);
    tcsetattr(other, TCSANOW, &raw);
    unlink(link);
    if (symlink(ptsname(fd), link))
        return -1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void carry(int terminal, const char *socket_path)
{
    static struct way to_unit, to_station;
    int unit = -1;
    for (;;) {
        bool ended = false;
        if (unit < 0)
            unit = unit_connect(socket_path);
        struct pollfd p[2] = {{.fd = terminal}, {.fd = unit}};
        p[0].events = to_unit.to - to_unit.from < HELD_BYTES ? POLLIN : 0;
        p[1].events = to_station.to - to_station.from < HELD_BYTES ? POLLIN : 0;
        const bool holds = to_unit.to > to_unit.from || to_station.to > to_station.from;
        const struct timespec wait = {.tv_nsec = holds ? (rate > 0 ? 100000 : 50000) : 20000000};
        ppoll(p, 2, &wait, NULL);
        if (p[0].revents & POLLIN)
            take(&to_unit, terminal, &(bool){false});
        if (unit >= 0 && p[1].revents)
            take(&to_station, unit, &ended);
        give(&to_station, terminal);
        if (unit >= 0)
            give(&to_unit, unit);
        else
            to_unit.from = to_unit.to;
        if (ended) {
            close(unit);
            unit = -1;
        }
    }
}

static void on_end(int number)
{
    char text[64];
    const int n = snprintf(text, sizeof text, "%lu lost, %lu flipped\n", lost, flipped);
    if (write(STDERR_FILENO, text, (size_t)n) != n)
        _exit(1);
    _exit(0);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"rate", required_argument, NULL, 'r'},
                                            {"lose", required_argument, NULL, 'l'},
                                            {"flip", required_argument, NULL, 'f'},
                                            {"seed", required_argument, NULL, 's'},
                                            {0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        const double value = optarg ? atof(optarg) : 0;
        if (option == 'r')
            rate = value;
        else if (option == 'l')
            lose_ppm = (uint64_t)value;
        else if (option == 'f')
            flip_ppm = (uint64_t)value;
        else if (option == 's')
            state = (uint64_t)value;
        else
            return 2;
    }
    if (argc - optind != 2)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    signal(SIGTERM, on_end);
    const int terminal = terminal_open(argv[optind]);
    if (terminal < 0) {
        perror("line_between");
        return 3;
    }
    carry(terminal, argv[optind + 1]);
}
