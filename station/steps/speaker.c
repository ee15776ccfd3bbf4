/* The unit plays 1 kHz, the fixture's microphone listens: loudness and distortion. That playback
 * started proves nothing; what arrived at the microphone does. */
#include <math.h>
#include <stdlib.h>

#include "fixtures/sound.h"
#include "station/measure/level.h"
#include "station/measure/signal.h"
#include "station/measure/tone.h"
#include "station/steps/step.h"
#include "station/steps/unit_sound.h"

enum { PLAY_RATE_HZ = 16000 };

/* A dead speaker leaves the room's silence; far below anything the fixture's microphone hears. */
#define FLOOR_DB_SPL 0.0

static const struct step_param params[] = {
    {"frequency_hz", PARAM_NUMBER, "1000", 200, 7000, "of the tone, Hz"},
    {"level_dbfs", PARAM_NUMBER, "-3", -60, 0, "of the samples the unit gets, dBFS"},
    {"volume", PARAM_NUMBER, "0.8", 0, 1, "of the unit's amplifier"},
    {"seconds", PARAM_NUMBER, "0.5", 0.2, 10, "recorded, s"},
    {"lead_ms", PARAM_NUMBER, "300", 0, 2000, "from the call to the recording, ms"},
    {0}};

static const struct step_measurement measurements[] = {
    {"level_db_spl", "dB", "of the tone at the fixture's microphone, dB SPL"},
    {"thd_percent", "%", "all harmonics over the tone"},
    {"thdn_db", "dB", "everything else over the tone"},
    {"clipped_samples", "count", "of the fixture's recording"},
    {0}};

static int listen(struct step_context *c, int16_t *pcm, float *samples, size_t count,
                  struct error *err)
{
    const double lead_s = step_number(c, "lead_ms") / 1000;
    const size_t played = (size_t)((lead_s + step_number(c, "seconds") + 0.4) * PLAY_RATE_HZ);
    struct unit_sound sound = {0};
    struct error why = {0};
    float *tone = malloc(played * sizeof *tone);
    if (!tone)
        return error_set(err, ERROR_MEMORY, "speaker: out of memory");
    signal_sine(step_number(c, "frequency_hz"), pow(10, step_number(c, "level_dbfs") / 20),
                PLAY_RATE_HZ, 0.02, tone, played);
    int rc = unit_sound_play(c, PLAY_RATE_HZ, step_number(c, "volume"), tone, played, &sound, err);
    if (rc == 0)
        rc = step_wait(c, (int)step_number(c, "lead_ms"), err);
    if (rc == 0)
        rc = sound_record(c->fixture, pcm, count, err);
    const int ended = unit_sound_played(&sound, rc == 0 ? err : &why);
    if (rc == 0)
        rc = ended;
    if (rc == 0)
        samples_from_s16(pcm, count, samples);
    free(tone);
    return rc;
}

static int report(struct step_context *c, const float *samples, size_t count, struct error *err)
{
    struct sound_facts facts;
    struct tone t = {0};
    struct error why = {0};
    double dbfs;
    int rc = sound_facts(c->fixture, &facts, err);
    if (rc == 0)
        rc = tone_level_at(samples, count, SOUND_RATE_HZ, step_number(c, "frequency_hz"), &dbfs,
                           err);
    if (rc < 0)
        return rc;
    rc = step_value(c, "level_db_spl", fmax(dbfs + facts.record_full_scale_db_spl, FLOOR_DB_SPL),
                    err);
    if (rc == 0)
        rc = step_value(c, "clipped_samples", (double)level_clipped(samples, count), err);
    if (rc < 0)
        return rc;
    /* No tone: all that was heard is not the tone. */
    const bool heard = tone_measure(samples, count, SOUND_RATE_HZ, &t, &why) == 0;
    rc = step_value(c, "thd_percent", heard ? t.thd_percent : 100, err);
    return rc < 0 ? rc : step_value(c, "thdn_db", heard ? t.thdn_db : 0, err);
}

static int run(struct step_context *c, struct error *err)
{
    const size_t count = (size_t)(step_number(c, "seconds") * SOUND_RATE_HZ);
    int16_t *pcm = malloc(count * sizeof *pcm);
    float *samples = malloc(count * sizeof *samples);
    step_progress(c, 0, "playing");
    int rc = pcm && samples ? listen(c, pcm, samples, count, err)
                            : error_set(err, ERROR_MEMORY, "speaker: out of memory");
    if (rc == 0)
        rc = report(c, samples, count, err);
    free(pcm);
    free(samples);
    return rc;
}

const struct step_kind step_speaker = {
    .name = "speaker",
    .about = "loudness and distortion of the unit's speaker",
    .params = params,
    .measurements = measurements,
    .run = run,
};
