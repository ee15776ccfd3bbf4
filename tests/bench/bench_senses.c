/* What the verdict on a unit's hearing costs: 5 s of 16 kHz as the microphone step gets them, a
 * tone, silence and a sweep, from samples to figures. The bound is 20 ms on one core. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "station/measure/level.h"
#include "station/measure/signal.h"
#include "station/measure/sweep.h"
#include "station/measure/tone.h"

enum { RATE = 16000, TONE = 2 * RATE, SILENCE = RATE, SWEEP = 2 * RATE, ROUNDS = 15 };
static const double bound_ms = 20;

static void die(const char *what)
{
    fprintf(stderr, "bench_senses: %s\n", what);
    exit(3);
}

static double noise(void)
{
    static uint32_t seed = 1;
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        seed = seed * 1664525u + 1013904223u;
        sum += (double)(seed >> 8) / (1 << 24) - 0.5;
    }
    return sum;
}

struct recording {
    int16_t pcm[TONE + SILENCE + SWEEP];
    float sweep[3 * RATE / 2]; /* as it was played: 1.5 s */
    struct signal_sweep spec;
};

static struct recording *record(void)
{
    struct recording *r = malloc(sizeof *r);
    float *heard = calloc(TONE + SILENCE + SWEEP, sizeof *heard);
    if (!r || !heard)
        die("out of memory");
    r->spec = (struct signal_sweep){.start_hz = 100,
                                    .end_hz = 7600,
                                    .duration_s = 1.5,
                                    .amplitude = 0.03,
                                    .rate_hz = RATE,
                                    .fade_s = 0.02};
    if (signal_sweep_samples(&r->spec) != sizeof r->sweep / sizeof *r->sweep)
        die("a sweep of another length");
    signal_sweep(&r->spec, r->sweep);
    signal_sine(1000, 0.05, RATE, 0.01, heard, TONE);
    for (size_t i = 0; i < sizeof r->sweep / sizeof *r->sweep; i++)
        heard[TONE + SILENCE + RATE / 4 + i] = r->sweep[i];
    for (int i = 0; i < TONE + SILENCE + SWEEP; i++)
        heard[i] += (float)(2e-5 * noise());
    samples_to_s16(heard, TONE + SILENCE + SWEEP, r->pcm);
    free(heard);
    return r;
}

/* All that station/steps/microphone.c and speaker.c make of it; the sum keeps it from being left
 * out. */
static double verdict(const struct recording *r, float *samples, struct sweep *sweep)
{
    struct error err = {0};
    struct tone t;
    double tone_dba, silence_dba, at_tone;
    const float *tone = samples, *silence = samples + TONE, *swept = samples + TONE + SILENCE;
    samples_from_s16(r->pcm, TONE + SILENCE + SWEEP, samples);
    if (level_dba_fs(tone, TONE, RATE, &tone_dba, &err) ||
        level_dba_fs(silence, SILENCE, RATE, &silence_dba, &err) ||
        tone_level_at(tone, TONE, RATE, 1000, &at_tone, &err) ||
        tone_measure(tone, TONE, RATE, &t, &err) ||
        sweep_measure(&r->spec, r->sweep, sizeof r->sweep / sizeof *r->sweep, swept, SWEEP, sweep,
                      &err))
        die(err.text);
    return tone_dba - silence_dba + at_tone + t.thdn_db + t.thd_percent + sweep->rub_buzz_db +
           (double)level_clipped(samples, TONE + SILENCE + SWEEP);
}

/* Of this core alone: what else the machine does is not the verdict's cost. */
static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(void)
{
    struct recording *r = record();
    float *samples = malloc((TONE + SILENCE + SWEEP) * sizeof *samples);
    struct sweep *sweep = malloc(sizeof *sweep);
    double best = INFINITY, sum = 0;
    if (!samples || !sweep)
        die("out of memory");
    for (int i = 0; i < ROUNDS; i++) {
        const double began = cpu_ms();
        sum += verdict(r, samples, sweep);
        best = fmin(best, cpu_ms() - began);
    }
    if (!isfinite(sum))
        die("figures that are none");
    printf("{\"bench\":\"audio verdict on 5 s of 16 kHz\",\"value\":%.3f,\"unit\":\"ms\","
           "\"reference\":%g,\"peer\":\"the bound\",\"method\":\"tone, silence and sweep from "
           "16-bit samples to figures, processor time, best of %d\"}\n",
           best, bound_ms, ROUNDS);
    free(samples);
    free(sweep);
    free(r);
    return 0;
}
