/* The fixture plays 1 kHz, the unit listens; then both are silent and the unit listens again; then
 * a sweep. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/sound.h"
#include "station/measure/level.h"
#include "station/measure/tone.h"
#include "station/steps/sound_sweep.h"
#include "station/steps/step.h"
#include "station/steps/unit_sound.h"

enum { RATE_HZ = 16000, CLOCK_PPM_MAX = 5000 };

/* Silence to the last bit has no level; 16 bits end at -98 dBFS, so this is below all of them. */
#define FLOOR_DBFS  (-120.0)
#define SPL_OF_1_PA 94.0

static const struct step_param params[] = {
    {"frequency_hz", PARAM_NUMBER, "1000", 100, 7000, "of the tone, Hz"},
    {"level_db_spl", PARAM_NUMBER, "94", 40, 120, "of the tone at the unit, dB SPL"},
    {"seconds", PARAM_NUMBER, "0.5", 0.2, 10, "recorded of tone and of silence each, s"},
    {"lead_ms", PARAM_NUMBER, "200", 0, 2000, "from a change of sound to the recording, ms"},
    {"late_ms", PARAM_NUMBER, "600", 0, 5000, "later still the sound may change, ms"},
    {"sweep", PARAM_FLAG, "true", 0, 0, "sweep through the band for the response"},
    {"sweep_db_spl", PARAM_NUMBER, "90", 40, 120, "of the sweep at the unit, dB SPL"},
    {"sweep_low_hz", PARAM_NUMBER, "100", 50, 1000, "where the sweep begins, Hz"},
    {"sweep_high_hz", PARAM_NUMBER, "7600", 2000, 8000, "where it ends, Hz"},
    {"band_low_hz", PARAM_NUMBER, "200", 100, 2000, "of the response that is judged, Hz"},
    {"band_high_hz", PARAM_NUMBER, "6000", 1000, 8000, "of the response that is judged, Hz"},
    UNIT_SOUND_CODEC,
    UNIT_SOUND_PROCESSING,
    {0}};

static const struct step_measurement measurements[] = {
    {"snr_db", "dB", "tone over the noise of silence, both A-weighted"},
    {"sensitivity_dbfs", "dBFS", "level that 94 dB SPL at 1 kHz makes"},
    {"noise_dba_fs", "dBFS", "of silence, A-weighted"},
    {"thdn_db", "dB", "everything else over the tone, unweighted"},
    {"frequency_hz", "Hz", "of the tone as recorded: the converter's clock"},
    {"clock_ppm", "ppm", "the unit's converter is fast against the fixture's, by the tone"},
    {"clipped_samples", "count", "at the rails"},
    {"response_least_db", "dB", "lowest response in the judged band, over that at 1 kHz"},
    {"response_most_db", "dB", "highest response in the judged band, over that at 1 kHz"},
    {0}};

static double bounded_db(double db)
{
    return db < FLOOR_DBFS ? FLOOR_DBFS : db;
}

/* Sounds change when the processors at both ends get to it: the loudest, or the quietest, part of a
 * longer recording is what was meant. */
static int record_part(struct step_context *c, float *samples, size_t count,
                       size_t (*choose)(const float *, size_t, size_t), struct error *err)
{
    const size_t whole = count + (size_t)(step_number(c, "late_ms") * RATE_HZ / 1000);
    float *heard = malloc(whole * sizeof *heard);
    int rc = heard ? unit_sound_record(c, RATE_HZ, heard, whole, err)
                   : error_set(err, ERROR_MEMORY, "microphone: out of memory");
    if (rc == 0)
        memcpy(samples, heard + choose(heard, whole, count), count * sizeof *samples);
    free(heard);
    return rc;
}

static int record_tone(struct step_context *c, float *samples, size_t count, struct error *err)
{
    struct error ignored = {0};
    const double lead_s = step_number(c, "lead_ms") / 1000;
    /* Twice as long as is listened to: it is stopped when the recording is there. */
    int rc = fixture_tone(
        c, step_number(c, "frequency_hz"), step_number(c, "level_db_spl"),
        lead_s + 2 * step_number(c, "seconds") + step_number(c, "late_ms") / 1000 + 2, err);
    if (rc == 0)
        rc = step_wait(c, (int)step_number(c, "lead_ms"), err);
    if (rc == 0)
        rc = record_part(c, samples, count, level_loudest, err);
    const int stopped = sound_stop(c->fixture, rc == 0 ? err : &ignored);
    return rc < 0 ? rc : stopped;
}

static int report(struct step_context *c, const float *tone, const float *silence, size_t count,
                  double *clock_ppm, struct error *err)
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
    if (rc == 0)
        rc = step_value(c, "frequency_hz", t.frequency_hz, err);
    /* A fast clock takes more samples of each turn of the tone. */
    *clock_ppm = (step_number(c, "frequency_hz") / t.frequency_hz - 1) * 1e6;
    if (fabs(*clock_ppm) > CLOCK_PPM_MAX)
        *clock_ppm = 0; /* another sound than the tone */
    return rc < 0 ? rc : step_value(c, "clock_ppm", *clock_ppm, err);
}

static int sweep(struct step_context *c, double clock_ppm, struct error *err)
{
    struct sweep *s = malloc(sizeof *s);
    struct error why = {0};
    double least = -100, most = 100; /* a deaf one has no response: at the far end of any limit */
    if (!s)
        return error_set(err, ERROR_MEMORY, "microphone: out of memory");
    int rc = sound_sweep_heard(c, step_number(c, "sweep_low_hz"), step_number(c, "sweep_high_hz"),
                               step_number(c, "sweep_db_spl"), clock_ppm, s, &why);
    if (rc == 0)
        sound_sweep_band(s, step_number(c, "band_low_hz"), step_number(c, "band_high_hz"), &least,
                         &most);
    else if (rc != ERROR_INPUT)
        rc = error_set(err, rc, "%s", why.text);
    if (rc == 0 || rc == ERROR_INPUT)
        rc = step_value(c, "response_least_db", least, err);
    if (rc == 0)
        rc = step_value(c, "response_most_db", most, err);
    free(s);
    return rc;
}

static int run(struct step_context *c, struct error *err)
{
    const size_t count = (size_t)(step_number(c, "seconds") * RATE_HZ);
    float *samples = malloc(2 * count * sizeof *samples);
    if (!samples)
        return error_set(err, ERROR_MEMORY, "microphone: out of memory");
    double clock_ppm = 0;
    step_progress(c, 0, "tone");
    int rc = record_tone(c, samples, count, err);
    if (rc == 0) {
        step_progress(c, 0.5, "silence");
        rc = step_wait(c, (int)step_number(c, "lead_ms"), err);
    }
    if (rc == 0)
        rc = record_part(c, samples + count, count, level_quietest, err);
    if (rc == 0)
        rc = report(c, samples, samples + count, count, &clock_ppm, err);
    if (rc == 0 && step_flag(c, "sweep")) {
        step_progress(c, 0.8, "sweep");
        rc = sweep(c, clock_ppm, err);
    }
    free(samples);
    return rc;
}

const struct step_kind step_microphone = {
    .name = "microphone",
    .about = "a tone, silence and a sweep as the unit's microphone hears them",
    .params = params,
    .measurements = measurements,
    .run = run,
};
