/* What the unit's talkback path does to a voice: its own speaker taken out of what the microphone
 * hears (AEC), steady noise taken down (ANR), near and far talkers brought to one level (AGC). Each
 * is off in one recording and on in the next, and the difference is the figure: one that does
 * nothing gives 0 dB. */
#include <math.h>
#include <stdlib.h>

#include "fixtures/sound.h"
#include "station/measure/level.h"
#include "station/measure/signal.h"
#include "station/steps/step.h"
#include "station/steps/unit_sound.h"

enum { RATE_HZ = 16000 };

/* Below anything that 16 bits hold. */
#define FLOOR_DBFS (-120.0)

static const struct step_param params[] = {
    {"volume", PARAM_NUMBER, "0.8", 0, 1, "of the unit's amplifier, for the echo"},
    {"level_dbfs", PARAM_NUMBER, "-18", -60, -12, "of the talk that the unit plays, dBFS"},
    {"far_db_spl", PARAM_NUMBER, "60", 40, 100, "of a far talker at the unit, dB SPL"},
    {"near_db_spl", PARAM_NUMBER, "80", 40, 100, "of a near one"},
    {"settle_s", PARAM_NUMBER, "2.5", 0.5, 8, "filters find their state in, s"},
    {"seconds", PARAM_NUMBER, "1", 0.25, 4, "measured after that, s: whole syllables of 0.25"},
    {"late_ms", PARAM_NUMBER, "600", 0, 4000, "later still a sound may begin, ms"},
    {0}};

static const struct step_measurement measurements[] = {
    {"echo_taken_db", "dB", "own speaker in the recording, AEC off over AEC on"},
    {"echo_left_dba_fs", "dBFS", "what AEC left of it, A-weighted"},
    {"noise_taken_db", "dB", "noise of silence, ANR off over ANR on, A-weighted"},
    {"levels_apart_db", "dB", "near talker over far talker with AGC on"},
    {"levels_apart_off_db", "dB", "and with AGC off"},
    {0}};

/* The last `seconds` of a recording that lasts past settling. */
static int level_after(struct step_context *c, const char *processing, double *dba,
                       struct error *err)
{
    const double settle_s = step_number(c, "settle_s") + step_number(c, "late_ms") / 1000;
    const size_t last = (size_t)(step_number(c, "seconds") * RATE_HZ);
    const size_t whole = (size_t)(settle_s * RATE_HZ) + last;
    float *heard = malloc(whole * sizeof *heard);
    int rc = heard ? unit_sound_record_with(c, processing, RATE_HZ, heard, whole, err)
                   : error_set(err, ERROR_MEMORY, "voice: out of memory");
    if (rc == 0)
        rc = level_dba_fs(heard + whole - last, last, RATE_HZ, dba, err);
    if (rc == 0)
        *dba = fmax(*dba, FLOOR_DBFS);
    free(heard);
    return rc;
}

/* As long as any recording may last after it began. */
static size_t talk_samples(const struct step_context *c, double rate_hz)
{
    const double seconds = step_number(c, "settle_s") + step_number(c, "seconds") +
                           2 * step_number(c, "late_ms") / 1000 + 1;
    return (size_t)(fmin(seconds, 15) * rate_hz);
}

static int echo(struct step_context *c, const char *processing, double *dba, struct error *err)
{
    const size_t count = talk_samples(c, RATE_HZ);
    struct unit_sound sound = {0};
    struct error why = {0};
    float *talk = malloc(count * sizeof *talk);
    if (!talk)
        return error_set(err, ERROR_MEMORY, "voice: out of memory");
    signal_talk(pow(10, step_number(c, "level_dbfs") / 20), RATE_HZ, talk, count);
    int rc = unit_sound_play(c, RATE_HZ, step_number(c, "volume"), talk, count, &sound, err);
    if (rc == 0)
        rc = level_after(c, processing, dba, err);
    const int ended = unit_sound_played(&sound, rc == 0 ? err : &why);
    free(talk);
    return rc < 0 ? rc : ended;
}

static int talker(struct step_context *c, const char *processing, double db_spl, double *dba,
                  struct error *err)
{
    struct sound_facts facts;
    struct error why = {0};
    const size_t count = talk_samples(c, SOUND_RATE_HZ);
    float *talk = malloc(count * sizeof *talk);
    int16_t *pcm = malloc(count * sizeof *pcm);
    int rc = talk && pcm ? sound_facts(c->fixture, &facts, err)
                         : error_set(err, ERROR_MEMORY, "voice: out of memory");
    if (rc == 0) {
        signal_talk(pow(10, (db_spl - facts.play_full_scale_db_spl) / 20), SOUND_RATE_HZ, talk,
                    count);
        samples_to_s16(talk, count, pcm);
        rc = sound_play(c->fixture, pcm, count, err);
    }
    if (rc == 0)
        rc = level_after(c, processing, dba, err);
    if (rc == 0 || pcm)
        sound_stop(c->fixture, &why);
    free(talk);
    free(pcm);
    return rc;
}

static int measure_echo(struct step_context *c, struct error *err)
{
    double off = 0, on = 0;
    step_progress(c, 0, "own echo");
    int rc = echo(c, "none", &off, err);
    if (rc == 0)
        rc = echo(c, "aec", &on, err);
    if (rc == 0)
        rc = step_value(c, "echo_taken_db", off - on, err);
    return rc < 0 ? rc : step_value(c, "echo_left_dba_fs", on, err);
}

static int measure_noise(struct step_context *c, struct error *err)
{
    double off = 0, on = 0;
    step_progress(c, 0.35, "silence");
    int rc = level_after(c, "none", &off, err);
    if (rc == 0)
        rc = level_after(c, "anr", &on, err);
    return rc < 0 ? rc : step_value(c, "noise_taken_db", off - on, err);
}

static int measure_levels(struct step_context *c, struct error *err)
{
    const double far_db_spl = step_number(c, "far_db_spl"),
                 near_db_spl = step_number(c, "near_db_spl");
    double far[2] = {0}, near[2] = {0};
    int rc = 0;
    step_progress(c, 0.6, "talkers");
    for (int on = 0; on < 2 && rc == 0; on++) {
        rc = talker(c, on ? "agc" : "none", far_db_spl, &far[on], err);
        if (rc == 0)
            rc = talker(c, on ? "agc" : "none", near_db_spl, &near[on], err);
    }
    if (rc == 0)
        rc = step_value(c, "levels_apart_db", near[1] - far[1], err);
    return rc < 0 ? rc : step_value(c, "levels_apart_off_db", near[0] - far[0], err);
}

static int run(struct step_context *c, struct error *err)
{
    int rc = measure_echo(c, err);
    if (rc == 0)
        rc = measure_noise(c, err);
    return rc < 0 ? rc : measure_levels(c, err);
}

const struct step_kind step_voice = {
    .name = "voice",
    .about = "echo canceller, noise reduction and gain control of the talkback path, off and on",
    .params = params,
    .measurements = measurements,
    .run = run,
};
