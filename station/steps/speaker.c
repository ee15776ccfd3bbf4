/* The unit plays 1 kHz and a sweep, the fixture's microphone listens: loudness, distortion,
 * response, rub & buzz. That playback started proves nothing; what arrived at the microphone does.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/sound.h"
#include "station/measure/level.h"
#include "station/measure/signal.h"
#include "station/measure/tone.h"
#include "station/steps/sound_sweep.h"
#include "station/steps/step.h"
#include "station/steps/unit_sound.h"

enum { PLAY_RATE_HZ = 16000, CLOCK_PPM_MAX = 5000 };

/* A dead speaker leaves the room's silence; far below anything the fixture's microphone hears. */
#define FLOOR_DB_SPL 0.0

static const struct step_param params[] = {
    {"frequency_hz", PARAM_NUMBER, "1000", 200, 7000, "of the tone, Hz"},
    {"level_dbfs", PARAM_NUMBER, "-3", -60, 0, "of the samples the unit gets, dBFS"},
    {"volume", PARAM_NUMBER, "0.8", 0, 1, "of the unit's amplifier"},
    {"seconds", PARAM_NUMBER, "0.5", 0.2, 10, "recorded, s"},
    {"lead_ms", PARAM_NUMBER, "300", 0, 2000, "from the call to the recording, ms"},
    {"late_ms", PARAM_NUMBER, "600", 0, 5000, "later still the tone may begin, ms"},
    {"sweep", PARAM_FLAG, "true", 0, 0, "sweep through the band for response and rub & buzz"},
    {"sweep_dbfs", PARAM_NUMBER, "-6", -60, 0, "of the sweep's samples, dBFS"},
    {"sweep_low_hz", PARAM_NUMBER, "200", 50, 1000, "where the sweep begins, Hz"},
    {"sweep_high_hz", PARAM_NUMBER, "7000", 2000, 8000, "where it ends, Hz"},
    {"band_low_hz", PARAM_NUMBER, "600", 100, 2000, "of the response that is judged, Hz"},
    {"band_high_hz", PARAM_NUMBER, "5000", 1000, 8000, "of the response that is judged, Hz"},
    UNIT_SOUND_CODEC,
    {0}};

static const struct step_measurement measurements[] = {
    {"level_db_spl", "dB", "of the tone at the fixture's microphone, dB SPL"},
    {"thd_percent", "%", "all harmonics over the tone"},
    {"thdn_db", "dB", "everything else over the tone"},
    {"clock_ppm", "ppm", "the unit's converter is fast against the fixture's, by the tone"},
    {"clipped_samples", "count", "of the fixture's recording"},
    {"response_least_db", "dB", "lowest response in the judged band, over that at 1 kHz"},
    {"response_most_db", "dB", "highest response in the judged band, over that at 1 kHz"},
    {"sweep_thd_percent", "%", "greatest distortion in the judged band"},
    {"rub_buzz_db", "dB", "energy of the 10th and higher harmonics over the sound's"},
    {0}};

/* The unit's sound begins when its processor gets to it: the loudest part of a longer recording. */
static int listen(struct step_context *c, float *samples, size_t count, struct error *err)
{
    const double lead_s = step_number(c, "lead_ms") / 1000;
    const size_t played = (size_t)((lead_s + step_number(c, "seconds") + 0.4) * PLAY_RATE_HZ);
    const size_t late = (size_t)(step_number(c, "late_ms") * SOUND_RATE_HZ / 1000);
    float *heard = malloc((count + late) * sizeof *heard);
    int16_t *pcm = malloc((count + late) * sizeof *pcm);
    struct unit_sound sound = {0};
    struct error why = {0};
    float *tone = malloc(played * sizeof *tone);
    int rc = tone && heard && pcm ? 0 : error_set(err, ERROR_MEMORY, "speaker: out of memory");
    if (rc < 0)
        goto out;
    signal_sine(step_number(c, "frequency_hz"), pow(10, step_number(c, "level_dbfs") / 20),
                PLAY_RATE_HZ, 0.02, tone, played);
    rc = unit_sound_play(c, PLAY_RATE_HZ, step_number(c, "volume"), tone, played, &sound, err);
    if (rc == 0)
        rc = step_wait(c, (int)step_number(c, "lead_ms"), err);
    if (rc == 0)
        rc = sound_record(c->fixture, pcm, count + late, err);
    const int ended = unit_sound_played(&sound, rc == 0 ? err : &why);
    if (rc == 0)
        rc = ended;
    if (rc == 0) {
        samples_from_s16(pcm, count + late, heard);
        memcpy(samples, heard + level_loudest(heard, count + late, count), count * sizeof *samples);
    }
out:
    free(tone);
    free(heard);
    free(pcm);
    return rc;
}

static int report(struct step_context *c, const float *samples, size_t count, double *clock_ppm,
                  struct error *err)
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
    if (rc == 0)
        rc = step_value(c, "thdn_db", heard ? t.thdn_db : 0, err);
    if (rc < 0 || !heard)
        return rc;
    *clock_ppm = (t.frequency_hz / step_number(c, "frequency_hz") - 1) * 1e6;
    if (fabs(*clock_ppm) > CLOCK_PPM_MAX)
        *clock_ppm = 0; /* another sound than the tone */
    return step_value(c, "clock_ppm", *clock_ppm, err);
}

/* A speaker that does not sound has no response; what a limit stands for is delivered all the same,
 * at the far end of any. */
static int no_sweep(struct step_context *c, struct error *err)
{
    int rc = step_value(c, "response_least_db", -100, err);
    if (rc == 0)
        rc = step_value(c, "response_most_db", 100, err);
    if (rc == 0)
        rc = step_value(c, "sweep_thd_percent", 100, err);
    return rc < 0 ? rc : step_value(c, "rub_buzz_db", 0, err);
}

static int sweep(struct step_context *c, double clock_ppm, struct error *err)
{
    struct sweep *s = malloc(sizeof *s);
    struct error why = {0};
    double least, most;
    const double low = step_number(c, "band_low_hz"), high = step_number(c, "band_high_hz");
    if (!s)
        return error_set(err, ERROR_MEMORY, "speaker: out of memory");
    int rc = sound_sweep_played(c, step_number(c, "sweep_low_hz"), step_number(c, "sweep_high_hz"),
                                step_number(c, "sweep_dbfs"), step_number(c, "volume"), clock_ppm,
                                s, &why);
    if (rc == ERROR_INPUT) {
        rc = no_sweep(c, err);
    } else if (rc < 0) {
        rc = error_set(err, rc, "%s", why.text);
    } else {
        sound_sweep_band(s, low, high, &least, &most);
        rc = step_value(c, "response_least_db", least, err);
        if (rc == 0)
            rc = step_value(c, "response_most_db", most, err);
        if (rc == 0)
            rc = step_value(c, "sweep_thd_percent", sound_sweep_thd(s, low, high), err);
        if (rc == 0)
            rc = step_value(c, "rub_buzz_db", s->rub_buzz_db, err);
    }
    free(s);
    return rc;
}

static int run(struct step_context *c, struct error *err)
{
    const size_t count = (size_t)(step_number(c, "seconds") * SOUND_RATE_HZ);
    float *samples = malloc(count * sizeof *samples);
    double clock_ppm = 0;
    step_progress(c, 0, "playing");
    int rc = samples ? listen(c, samples, count, err)
                     : error_set(err, ERROR_MEMORY, "speaker: out of memory");
    if (rc == 0)
        rc = report(c, samples, count, &clock_ppm, err);
    if (rc == 0 && step_flag(c, "sweep")) {
        step_progress(c, 0.5, "sweep");
        rc = sweep(c, clock_ppm, err);
    }
    free(samples);
    return rc;
}

const struct step_kind step_speaker = {
    .name = "speaker",
    .about = "loudness, distortion, response and rattle of the unit's speaker",
    .params = params,
    .measurements = measurements,
    .run = run,
};
