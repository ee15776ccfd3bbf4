/* A line between a station and a unit that a test can make as slow and as bad as it likes.
 *
 *   line_between [--rate BYTES_PER_S] [--lose PPM] [--flip PPM] [--seed N] PTY-LINK UNIX-SOCKET
 *   line_between [the same] --terminals PTY-LINK UNIT-PTY-LINK
 *
 * Makes PTY-LINK point at a pseudo-terminal and connects it with UNIX-SOCKET, which it waits for
 * and connects to again when its unit was switched off. Each byte, either way, takes its time at
 * the rate, may be lost, or gets one bit flipped. With --terminals the unit opens a terminal as
 * well, and what comes while the two are set to different baud rates is garbled. Ends when killed;
 * SIGUSR1 makes the line good, SIGUSR2 bad again, with "N lost, N flipped" on stderr. */
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
    int64_t then_ns; /* when it was last looked at */
    bool held;       /* it had bytes to carry since then */
};

static double rate;
static uint64_t lose_ppm, flip_ppm, state = 1;
static unsigned long lost, flipped, misheard;
static bool terminals;
static volatile sig_atomic_t good;

static void on_signal(int number)
{
    good = number == SIGUSR1;
}

/* The master's settings are those of the side that was opened. */
static bool rates_agree(int one, int other)
{
    struct termios a, b;
    return !terminals || tcgetattr(one, &a) || tcgetattr(other, &b) ||
           cfgetospeed(&a) == cfgetospeed(&b);
}

static void take(struct way *w, int fd, bool agree, bool *ended)
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
        if (!agree) {
            data[i] = (uint8_t)splitmix_next(&state);
            misheard++;
        }
        w->data[w->to++ % HELD_BYTES] = data[i];
    }
}

/* A line carries nothing in advance: while it has no bytes its capacity is gone. While it has, it
 * goes on by itself, however late this process is woken. */
static void give(struct way *w, int fd)
{
    const int64_t now_ns = clock_mono_ns();
    size_t may = w->to - w->from;
    if (rate > 0) {
        w->credit = w->held ? w->credit + (double)(now_ns - w->then_ns) / 1e9 * rate : 0;
        if (may > (size_t)w->credit)
            may = (size_t)w->credit;
    }
    w->then_ns = now_ns;
    while (may) {
        const size_t at = w->from % HELD_BYTES;
        const size_t piece = may < HELD_BYTES - at ? may : HELD_BYTES - at;
        const ssize_t n = write(fd, w->data + at, piece);
        if (n <= 0)
            break;
        w->from += (size_t)n;
        w->credit -= rate > 0 ? (double)n : 0;
        may -= (size_t)n;
    }
    /* One that the other side does not take from is no faster afterwards. */
    w->held = w->to > w->from && !may;
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

/* `unit` is its terminal, or -1 when it is reached at the socket. */
static void carry(int terminal, int unit, const char *socket_path)
{
    static struct way to_unit, to_station;
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
        const bool agree = rates_agree(terminal, unit);
        if (p[0].revents & POLLIN)
            take(&to_unit, terminal, agree, &(bool){false});
        if (unit >= 0 && p[1].revents)
            take(&to_station, unit, agree, &ended);
        give(&to_station, terminal);
        if (unit >= 0)
            give(&to_unit, unit);
        else
            to_unit.from = to_unit.to;
        if (ended && !terminals) {
            close(unit);
            unit = -1;
        }
    }
}

static void on_end(int number)
{
    char text[80];
    const int n = snprintf(text, sizeof text, "%lu lost, %lu flipped, %lu misheard\n", lost,
                           flipped, misheard);
    if (write(STDERR_FILENO, text, (size_t)n) != n)
        _exit(1);
    _exit(0);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"rate", required_argument, NULL, 'r'}, {"lose", required_argument, NULL, 'l'},
        {"flip", required_argument, NULL, 'f'}, {"seed", required_argument, NULL, 's'},
        {"terminals", no_argument, NULL, 't'},  {0}};
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
        else if (option == 't')
            terminals = true;
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
    const int unit = terminals ? terminal_open(argv[optind + 1]) : -1;
    if (terminal < 0 || (terminals && unit < 0)) {
        perror("line_between");
        return 3;
    }
    carry(terminal, unit, argv[optind + 1]);
}
