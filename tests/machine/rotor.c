/* The mechanics of one axis on gpio-sim's lines: a four-phase rotor that follows its coils, and a
 * homing sensor that it covers below its edge. Runs until it is told to end (SIGTERM), then prints
 * what it saw as JSON.
 *
 *   rotor FOLDER FIRST_LINE HOME_LINE START_HALF_STEPS
 *
 * FOLDER is the chip's under /sys/devices/platform; the coils are FIRST_LINE to FIRST_LINE + 3, the
 * sensor's line is low while covered. The rotor knows nothing of how the HAL counts: a pattern of
 * coils pulls it to the nearest of the eight places of a cycle where it rests, if there is one less
 * than half a cycle away. */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COILS = 4, CYCLE = 8 };

static volatile sig_atomic_t ended;

static void on_end(int signal)
{
    ended = 1;
}

static int open_line(const char *folder, int line, const char *file, int flags)
{
    char path[300];
    snprintf(path, sizeof path, "%s/sim_gpio%d/%s", folder, line, file);
    int fd = open(path, flags);
    if (fd < 0)
        perror(path);
    return fd;
}

/* Where in its cycle a rotor rests with these coils on (vector sum of the pulls), -1 = nowhere. */
static int rest(unsigned coils)
{
    /* coil i pulls to place 2 i; opposite ones cancel */
    int x = !!(coils & 1) - !!(coils & 4), y = !!(coils & 2) - !!(coils & 8);
    static const int places[3][3] = {{5, 4, 3}, {6, -1, 2}, {7, 0, 1}};
    return places[x + 1][y + 1];
}

int main(int argc, char **argv)
{
    int coil[COILS], sensor;
    if (argc < 5)
        return 2;
    const int first = atoi(argv[2]);
    long at = atol(argv[4]), steps = 0, torn = 0, lowest = at, highest = at;
    for (int i = 0; i < COILS; i++)
        if ((coil[i] = open_line(argv[1], first + i, "value", O_RDONLY)) < 0)
            return 2;
    if ((sensor = open_line(argv[1], atoi(argv[3]), "pull", O_WRONLY)) < 0)
        return 2;
    signal(SIGTERM, on_end);
    signal(SIGINT, on_end);
    bool covered = !(at < 0), told = false;
    unsigned last = 0;
    while (!ended) {
        unsigned coils = 0;
        char value[4];
        for (int i = 0; i < COILS; i++)
            if (pread(coil[i], value, sizeof value, 0) > 0 && value[0] == '1')
                coils |= 1u << i;
        int to = rest(coils);
        /* Two coils that change one after the other are seen between: only what stays counts. */
        if (coils == last && to >= 0) {
            long way = (((to - at) % CYCLE) + CYCLE) % CYCLE;
            if (way == CYCLE / 2)
                torn++;
            else if (way)
                steps++, at += way > CYCLE / 2 ? way - CYCLE : way;
        }
        last = coils;
        lowest = at < lowest ? at : lowest;
        highest = at > highest ? at : highest;
        if (covered != (at < 0)) {
            covered = at < 0;
            const char *pull = covered ? "pull-down" : "pull-up";
            if (pwrite(sensor, pull, strlen(pull), 0) < 0)
                perror("pull");
        }
        if (!told) {
            puts("{\"ready\":true}");
            fflush(stdout);
            told = true;
        }
        const struct timespec pause = {.tv_nsec = 100000};
        nanosleep(&pause, NULL);
    }
    unsigned lit = last;
    printf("{\"half_steps\":%ld,\"moves\":%ld,\"torn\":%ld,\"lowest\":%ld,\"highest\":%ld,"
           "\"coils\":%u}\n",
           at, steps, torn, lowest, highest, lit);
    return 0;
}
