/* The talkback path: the unit plays a tone and listens to itself. What comes back is what its echo
 * canceller has to take out, or, with the canceller on, what it left. */
#include <math.h>
#include <stdlib.h>

#include "station/measure/level.h"
#include "station/measure/signal.h"
#include "station/measure/tone.h"
#include "station/steps/step.h"
#include "station/steps/unit_sound.h"

enum { RATE_HZ = 16000 };

/* Below anything that 16 bits hold. */
#define FLOOR_DBFS (-120.0)

static const double before_s = 0.3, fade_s = 0.02;

static const struct step_param params[] = {
    {"frequency_hz", PARAM_NUMBER, "1000", 200, 7000, "of the tone, Hz"},
    {"level_dbfs", PARAM_NUMBER, "-3", -60, 0, "of the samples the unit gets, dBFS"},
    {"volume", PARAM_NUMBER, "0.8", 0, 1, "of the unit's amplifier"},
    {"seconds", PARAM_NUMBER, "0.5", 0.2, 5, "listened to, s"},
    {"late_ms", PARAM_NUMBER, "600", 0, 5000, "later still the tone may begin, ms"},
    UNIT_SOUND_CODEC,
    UNIT_SOUND_PROCESSING,
    {0}};

static const struct step_measurement measurements[] = {
    {"return_loss_db", "dB", "samples sent to the speaker over what the microphone makes of them"},
    {"received_dbfs", "dBFS", "of the tone in the microphone's samples"},
    {"clipped_samples", "count", "of the unit's recording"},
    {0}};

static int report(struct step_context *c, const float *heard, size_t count, struct error *err)
{
    double received;
    int rc = tone_level_at(heard, count, RATE_HZ, step_number(c, "frequency_hz"), &received, err);
    if (rc < 0)
        return rc;
    received = fmax(received, FLOOR_DBFS);
    rc = step_value(c, "return_loss_db", step_number(c, "level_dbfs") - received, err);
    if (rc == 0)
        rc = step_value(c, "received_dbfs", received, err);
    return rc < 0 ? rc : step_value(c, "clipped_samples", (double)level_clipped(heard, count), err);
}

static int run(struct step_context *c, struct error *err)
{
    const size_t count = (size_t)(step_number(c, "seconds") * RATE_HZ);
    const size_t late = (size_t)(step_number(c, "late_ms") * RATE_HZ / 1000);
    const size_t whole = count + late + (size_t)(before_s * RATE_HZ);
    struct unit_sound sound = {0};
    struct error why = {0};
    float *played = malloc(whole * sizeof *played), *heard = malloc(whole * sizeof *heard);
    int rc = played && heard ? 0 : error_set(err, ERROR_MEMORY, "echo: out of memory");
    step_progress(c, 0, "talking to itself");
    if (rc == 0) {
        signal_sine(step_number(c, "frequency_hz"), pow(10, step_number(c, "level_dbfs") / 20),
                    RATE_HZ, fade_s, played, whole);
        rc = unit_sound_play(c, RATE_HZ, step_number(c, "volume"), played, whole, &sound, err);
    }
    if (rc == 0)
        rc = unit_sound_record(c, RATE_HZ, heard, whole, err);
    const int ended = unit_sound_played(&sound, rc == 0 ? err : &why);
    rc = rc < 0 ? rc : ended;
    if (rc == 0)
        rc = report(c, heard + level_loudest(heard, whole, count), count, err);
    free(played);
    free(heard);
    return rc;
}

const struct step_kind step_echo = {
    .name = "echo",
    .about = "echo return loss: how much of its own speaker the unit's microphone hears",
    .params = params,
    .measurements = measurements,
    .run = run,
};
