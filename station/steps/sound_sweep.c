#include "station/steps/sound_sweep.h"

#include <math.h>
#include <stdlib.h>

#include "fixtures/sound.h"
#include "station/measure/level.h"
#include "station/measure/signal.h"
#include "station/steps/unit_sound.h"

enum { UNIT_RATE_HZ = 16000, TRIES = 3 };

/* The sweep, and the silence around it in which two clocks that nobody set may differ: each try
 * gives a busy machine twice as much. */
static const double sweep_s = 1.5, around_s = 0.5, fade_s = 0.02;

static struct signal_sweep spec(double start_hz, double end_hz, double amplitude, double rate_hz)
{
    return (struct signal_sweep){.start_hz = start_hz,
                                 .end_hz = end_hz,
                                 .duration_s = sweep_s,
                                 .amplitude = amplitude,
                                 .rate_hz = rate_hz,
                                 .fade_s = fade_s};
}

/* Buffers of one try: the sweep at the player's rate with silence before it, the sweep alone at the
 * recorder's rate, and the recording. */
struct buffers {
    float *played, *reference, *recorded;
    int16_t *pcm;
    size_t played_count, lead_count, reference_count, recorded_count;
};

static int make_buffers(struct buffers *b, const struct signal_sweep *play,
                        const struct signal_sweep *reference, double silence_s, struct error *err)
{
    const size_t sweep = signal_sweep_samples(play);
    b->lead_count = (size_t)(silence_s * play->rate_hz);
    b->played_count = sweep + b->lead_count;
    b->reference_count = signal_sweep_samples(reference);
    b->recorded_count = (size_t)((sweep_s + 2 * silence_s) * reference->rate_hz);
    b->played = calloc(b->played_count, sizeof *b->played);
    b->reference = malloc(b->reference_count * sizeof *b->reference);
    b->recorded = malloc(b->recorded_count * sizeof *b->recorded);
    b->pcm = malloc((b->played_count > b->recorded_count ? b->played_count : b->recorded_count) *
                    sizeof *b->pcm);
    if (!b->played || !b->reference || !b->recorded || !b->pcm)
        return error_set(err, ERROR_MEMORY, "a sweep: out of memory");
    signal_sweep(play, b->played + b->lead_count);
    signal_sweep(reference, b->reference);
    return 0;
}

static void free_buffers(struct buffers *b)
{
    free(b->played);
    free(b->reference);
    free(b->recorded);
    free(b->pcm);
}

static int hear_once(struct step_context *c, const struct signal_sweep *play,
                     const struct signal_sweep *reference, double silence_s, struct sweep *out,
                     struct error *err)
{
    struct buffers b = {0};
    struct error ignored = {0};
    int rc = make_buffers(&b, play, reference, silence_s, err);
    if (rc == 0) {
        samples_to_s16(b.played, b.played_count, b.pcm);
        rc = sound_play(c->fixture, b.pcm, b.played_count, err);
    }
    if (rc == 0) {
        rc = unit_sound_record(c, UNIT_RATE_HZ, b.recorded, b.recorded_count, err);
        sound_stop(c->fixture, &ignored);
    }
    if (rc == 0)
        rc = sweep_measure(reference, b.reference, b.reference_count, b.recorded, b.recorded_count,
                           out, err);
    free_buffers(&b);
    return rc;
}

static int play_once(struct step_context *c, const struct signal_sweep *play,
                     const struct signal_sweep *reference, double silence_s, double volume,
                     struct sweep *out, struct error *err)
{
    struct buffers b = {0};
    struct unit_sound sound = {0};
    struct error ignored = {0};
    int rc = make_buffers(&b, play, reference, silence_s, err);
    if (rc == 0)
        rc = unit_sound_play(c, UNIT_RATE_HZ, volume, b.played, b.played_count, &sound, err);
    if (rc == 0)
        rc = sound_record(c->fixture, b.pcm, b.recorded_count, err);
    const int played = unit_sound_played(&sound, rc == 0 ? err : &ignored);
    rc = rc < 0 ? rc : played;
    if (rc == 0) {
        samples_from_s16(b.pcm, b.recorded_count, b.recorded);
        rc = sweep_measure(reference, b.reference, b.reference_count, b.recorded, b.recorded_count,
                           out, err);
    }
    free_buffers(&b);
    return rc;
}

int sound_sweep_heard(struct step_context *c, double start_hz, double end_hz, double level_db_spl,
                      double clock_ppm, struct sweep *out, struct error *err)
{
    struct sound_facts facts;
    int rc = sound_facts(c->fixture, &facts, err);
    if (rc < 0)
        return rc;
    const double amplitude = pow(10, (level_db_spl - facts.play_full_scale_db_spl) / 20);
    const struct signal_sweep play = spec(start_hz, end_hz, amplitude, SOUND_RATE_HZ);
    const struct signal_sweep reference =
        spec(start_hz, end_hz, amplitude, UNIT_RATE_HZ * (1 + clock_ppm * 1e-6));
    if (amplitude > 1)
        return error_set(err, ERROR_INPUT,
                         "a sweep of %.1f dB SPL was asked for, the fixture's loudspeaker ends at "
                         "%.1f",
                         level_db_spl, facts.play_full_scale_db_spl);
    rc = ERROR_INPUT;
    for (int i = 0; i < TRIES && rc == ERROR_INPUT; i++)
        rc = hear_once(c, &play, &reference, around_s * (1 << i), out, err);
    return rc;
}

int sound_sweep_played(struct step_context *c, double start_hz, double end_hz, double level_dbfs,
                       double volume, double clock_ppm, struct sweep *out, struct error *err)
{
    const double amplitude = pow(10, level_dbfs / 20);
    const struct signal_sweep play = spec(start_hz, end_hz, amplitude, UNIT_RATE_HZ);
    /* A clock that is fast plays the same samples sooner and higher. */
    const double fast = 1 + clock_ppm * 1e-6;
    struct signal_sweep reference = spec(start_hz * fast, end_hz * fast, amplitude, SOUND_RATE_HZ);
    reference.duration_s /= fast;
    reference.fade_s /= fast;
    int rc = ERROR_INPUT;
    for (int i = 0; i < TRIES && rc == ERROR_INPUT; i++)
        rc = play_once(c, &play, &reference, around_s * (1 << i), volume, out, err);
    return rc;
}

void sound_sweep_band(const struct sweep *s, double low_hz, double high_hz, double *least_db,
                      double *most_db)
{
    double at_1k = 0, nearest = INFINITY;
    *least_db = INFINITY;
    *most_db = -INFINITY;
    for (size_t i = 0; i < s->responses; i++) {
        const struct sweep_point *p = &s->response[i];
        if (fabs(log(p->hz / 1000)) < nearest) {
            nearest = fabs(log(p->hz / 1000));
            at_1k = p->value;
        }
        if (p->hz < low_hz || p->hz > high_hz)
            continue;
        *least_db = fmin(*least_db, p->value);
        *most_db = fmax(*most_db, p->value);
    }
    *least_db -= at_1k;
    *most_db -= at_1k;
}

double sound_sweep_thd(const struct sweep *s, double low_hz, double high_hz)
{
    double most = 0;
    for (size_t i = 0; i < s->thds; i++)
        if (s->thd[i].hz >= low_hz && s->thd[i].hz <= high_hz)
            most = fmax(most, s->thd[i].value);
    return most;
}
