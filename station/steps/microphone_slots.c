/* In which slot of the converter's frame the microphone speaks. A digital microphone whose select
 * pin is soldered the wrong way sends in the other one, and the firmware, which takes the left,
 * hears nothing; one whose data line is open is in neither. */
#include <math.h>
#include <stdlib.h>

#include "fixtures/sound.h"
#include "station/measure/level.h"
#include "station/measure/tone.h"
#include "station/steps/step.h"
#include "station/steps/unit_sound.h"

enum { RATE_HZ = 16000 };

/* Below anything that 16 bits hold. */
#define FLOOR_DBFS (-120.0)

static const struct step_param params[] = {
    {"frequency_hz", PARAM_NUMBER, "1000", 100, 7000, "of the tone, Hz"},
    {"level_db_spl", PARAM_NUMBER, "94", 40, 120, "of the tone at the unit, dB SPL"},
    {"seconds", PARAM_NUMBER, "0.3", 0.1, 5, "listened to, s"},
    {"late_ms", PARAM_NUMBER, "600", 0, 5000, "later still the tone may begin, ms"},
    {0}};

static const struct step_measurement measurements[] = {
    {"left_dbfs", "dBFS", "of the tone in the slot that the firmware takes"},
    {"right_dbfs", "dBFS", "and in the other one, which is empty"},
    {0}};

/* -120 where the slot is silent to the last bit. */
static int tone_in(struct step_context *c, const float *slot, size_t whole, size_t count,
                   const char *name, struct error *err)
{
    double dbfs;
    int rc = tone_level_at(slot + level_loudest(slot, whole, count), count, RATE_HZ,
                           step_number(c, "frequency_hz"), &dbfs, err);
    return rc < 0 ? rc : step_value(c, name, fmax(dbfs, FLOOR_DBFS), err);
}

static int run(struct step_context *c, struct error *err)
{
    const double late_s = step_number(c, "late_ms") / 1000, seconds = step_number(c, "seconds");
    const size_t count = (size_t)(seconds * RATE_HZ), whole = count + (size_t)(late_s * RATE_HZ);
    struct error why = {0};
    float *slots = malloc(2 * whole * sizeof *slots);
    if (!slots)
        return error_set(err, ERROR_MEMORY, "microphone_slots: out of memory");
    step_progress(c, 0, "tone");
    int rc = fixture_tone(c, step_number(c, "frequency_hz"), step_number(c, "level_db_spl"),
                          2 * late_s + seconds + 2, err);
    if (rc == 0)
        rc = unit_sound_record_slots(c, RATE_HZ, slots, slots + whole, whole, err);
    const int stopped = sound_stop(c->fixture, rc == 0 ? err : &why);
    rc = rc < 0 ? rc : stopped;
    if (rc == 0)
        rc = tone_in(c, slots, whole, count, "left_dbfs", err);
    if (rc == 0)
        rc = tone_in(c, slots + whole, whole, count, "right_dbfs", err);
    free(slots);
    return rc;
}

const struct step_kind step_microphone_slots = {
    .name = "microphone_slots",
    .about = "which channel of the converter the microphone speaks in: dead or swapped",
    .params = params,
    .measurements = measurements,
    .run = run,
};
