/* The fixture plays 1 kHz, the unit listens; then both are silent and the unit listens again. */
#include <math.h>
#include <stdlib.h>

#include "fixtures/sound.h"
#include "station/measure/level.h"
#include "station/measure/tone.h"
#include "station/steps/step.h"
#include "station/steps/unit_sound.h"

enum { RATE_HZ = 16000 };

/* Silence to the last bit has no level; 16 bits end at -98 dBFS, so this is below all of them. */
#define FLOOR_DBFS  (-120.0)
#define SPL_OF_1_PA 94.0

static const struct step_param params[] = {
    {"frequency_hz", PARAM_NUMBER, "1000", 100, 7000, "of the tone, Hz"},
    {"level_db_spl", PARAM_NUMBER, "94", 40, 120, "of the tone at the unit, dB SPL"},
    {"seconds", PARAM_NUMBER, "0.5", 0.2, 10, "recorded of tone and of silence each, s"},
    {"lead_ms", PARAM_NUMBER, "200", 0, 2000, "from a change of sound to the recording, ms"},
    {0}};

static const struct step_measurement measurements[] = {
    {"snr_db", "dB", "tone over the noise of silence, both A-weighted"},
    {"sensitivity_dbfs", "dBFS", "level that 94 dB SPL at 1 kHz makes"},
    {"noise_dba_fs", "dBFS", "of silence, A-weighted"},
    {"thdn_db", "dB", "everything else over the tone, unweighted"},
    {"frequency_hz", "Hz", "of the tone as recorded: the converter's clock"},
    {"clipped_samples", "count", "at the rails"},
    {0}};

static double bounded_db(double db)
{
    return db < FLOOR_DBFS ? FLOOR_DBFS : db;
}

static int record_tone(struct step_context *c, float *samples, size_t count, struct error *err)
{
    struct error ignored = {0};
    const double lead_s = step_number(c, "lead_ms") / 1000;
    /* Twice as long as is listened to: it is stopped when the recording is there. */
    int rc = fixture_tone(c, step_number(c, "frequency_hz"), step_number(c, "level_db_spl"),
                          lead_s + 2 * step_number(c, "seconds") + 2, err);
    if (rc == 0)
        rc = step_wait(c, (int)step_number(c, "lead_ms"), err);
    if (rc == 0)
        rc = unit_sound_record(c, RATE_HZ, samples, count, err);
    const int stopped = sound_stop(c->fixture, rc == 0 ? err : &ignored);
    return rc < 0 ? rc : stopped;
}

static int report(struct step_context *c, const float *tone, const float *silence, size_t count,
                  struct error *err)
{
    struct tone t;
    struct error why = {0};
    double tone_dba, noise_dba, at_tone;
    int rc = level_dba_fs(tone, count, RATE_HZ, &tone_dba, err);
    if (rc == 0)
        rc = level_dba_fs(silence, count, RATE_HZ, &noise_dba, err);
    if (rc == 0)
        rc = tone_level_at(tone, count, RATE_HZ, step_number(c, "frequency_hz"), &at_tone, err);
    if (rc < 0)
        return rc;
    rc = step_value(c, "snr_db", bounded_db(tone_dba) - bounded_db(noise_dba), err);
    if (rc == 0)
        rc = step_value(c, "sensitivity_dbfs",
                        bounded_db(at_tone) + SPL_OF_1_PA - step_number(c, "level_db_spl"), err);
    if (rc == 0)
        rc = step_value(c, "noise_dba_fs", bounded_db(noise_dba), err);
    if (rc == 0)
        rc = step_value(c, "clipped_samples", (double)level_clipped(tone, count), err);
    if (rc < 0)
        return rc;
    /* No tone in it: then the rest outweighs the tone, which is 0 dB and above. */
    if (tone_measure(tone, count, RATE_HZ, &t, &why) < 0)
        return step_value(c, "thdn_db", 0, err);
    rc = step_value(c, "thdn_db", bounded_db(t.thdn_db), err);
    return rc < 0 ? rc : step_value(c, "frequency_hz", t.frequency_hz, err);
}

static int run(struct step_context *c, struct error *err)
{
    const size_t count = (size_t)(step_number(c, "seconds") * RATE_HZ);
    float *samples = malloc(2 * count * sizeof *samples);
    if (!samples)
        return error_set(err, ERROR_MEMORY, "microphone: out of memory");
    step_progress(c, 0, "tone");
    int rc = record_tone(c, samples, count, err);
    if (rc == 0) {
        step_progress(c, 0.5, "silence");
        rc = step_wait(c, (int)step_number(c, "lead_ms"), err);
    }
    if (rc == 0)
        rc = unit_sound_record(c, RATE_HZ, samples + count, count, err);
    if (rc == 0)
        rc = report(c, samples, samples + count, count, err);
    free(samples);
    return rc;
}

const struct step_kind step_microphone = {
    .name = "microphone",
    .about = "a tone and silence as the unit's microphone hears them",
    .params = params,
    .measurements = measurements,
    .run = run,
};
