/* What measuring sounds costs. Pictures are bench_vision's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/base/clock.h"
#include "station/measure/level.h"
#include "station/measure/signal.h"
#include "station/measure/sweep.h"
#include "station/measure/tone.h"

enum { RATE = 48000, ROUNDS = 7 };

static void die(const char *what)
{
    fprintf(stderr, "bench_measure: %s\n", what);
    exit(3);
}

/* The least of ROUNDS: what the work costs when nobody interrupts. */
#define LEAST_MS(statement)                                                                        \
    __extension__({                                                                                \
        double least_ = 1e9;                                                                       \
        for (int round_ = 0; round_ < ROUNDS; round_++) {                                          \
            int64_t begin_ = clock_mono_ns();                                                      \
            statement;                                                                             \
            least_ = fmin(least_, (double)(clock_mono_ns() - begin_) / 1e6);                       \
        }                                                                                          \
        least_;                                                                                    \
    })

static void say(const char *bench, double ms, const char *method)
{
    printf("{\"bench\":\"%s\",\"value\":%.3f,\"unit\":\"ms\",\"method\":\"%s\"}\n", bench, ms,
           method);
}

static void sounds(void)
{
    const struct signal_sweep spec = {20, 20000, 3, 0.5, RATE, 0.01};
    size_t count = signal_sweep_samples(&spec);
    float *x = malloc(count * sizeof *x);
    struct sweep *s = malloc(sizeof *s);
    struct tone t;
    struct error err = {0};
    if (!x || !s)
        die("out of memory");
    signal_sine(997, 0.5, RATE, 0, x, RATE);
    say("measure: tone of one second",
        LEAST_MS(if (tone_measure(x, RATE, RATE, &t, &err)) die(err.text)),
        "48000 samples: sine fit, 24 harmonics, noise; least of 7");
    signal_sweep(&spec, x);
    say("measure: sweep of three seconds",
        LEAST_MS(if (sweep_measure(&spec, x, count, x, count, s, &err)) die(err.text)),
        "144000 samples: response, 8 harmonics, rub and buzz; least of 7");
    free(x);
    free(s);
}

int main(void)
{
    sounds();
    return 0;
}
