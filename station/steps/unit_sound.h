/* Sound into and out of the unit: 16-bit mono, as the microphone and speaker steps use it. */
#ifndef TAKT_STATION_STEPS_UNIT_SOUND_H
#define TAKT_STATION_STEPS_UNIT_SOUND_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/buffer.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

/* Rows for a kind's params: which way the samples take, as the two functions below find it in the
 * step's params. A kind without them has plain PCM. */
#define UNIT_SOUND_CODEC                                                                           \
    {                                                                                              \
        "codec", PARAM_TEXT, "pcm", 0, 0, "pcm or opus: how samples come and go"                   \
    }
#define UNIT_SOUND_PROCESSING                                                                      \
    {                                                                                              \
        "processing", PARAM_TEXT, "none", 0, 0, "of aec, anr, agc, with commas: done on the unit"  \
    }

/* What the unit's microphone hears for `count` samples, ±1 as full scale; blocks meanwhile. */
int unit_sound_record(struct step_context *c, int rate_hz, float *samples, size_t count,
                      struct error *err);
/* The same with another processing than the step's own ("aec,agc"; "none"). */
int unit_sound_record_with(struct step_context *c, const char *processing, int rate_hz,
                           float *samples, size_t count, struct error *err);
/* Both slots of the converter's frame, as they come. */
int unit_sound_record_slots(struct step_context *c, int rate_hz, float *left, float *right,
                            size_t count, struct error *err);

/* The unit's speaker plays while the caller listens; end it with unit_sound_played(). */
struct unit_sound {
    struct unit_errand *errand;
    cJSON *params;
    struct attachment_source source;
    int16_t *pcm;
    struct buffer opus;
};
int unit_sound_play(struct step_context *c, int rate_hz, double volume, const float *samples,
                    size_t count, struct unit_sound *out, struct error *err);
/* Waits until the sound ended. Fine on an all-zero struct. */
int unit_sound_played(struct unit_sound *s, struct error *err);

/* The fixture's loudspeaker plays; ERROR_INPUT when it cannot be as loud as asked for. */
int fixture_tone(struct step_context *c, double frequency_hz, double level_db_spl, double seconds,
                 struct error *err);

#endif
