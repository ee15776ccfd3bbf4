/* Sound into and out of the unit: 16-bit mono, as the microphone and speaker steps use it. */
#ifndef TAKT_STATION_STEPS_UNIT_SOUND_H
#define TAKT_STATION_STEPS_UNIT_SOUND_H

#include <stddef.h>
#include <stdint.h>

#include "station/steps/step.h"
#include "station/steps/unit_link.h"

/* What the unit's microphone hears for `count` samples, ±1 as full scale; blocks meanwhile. */
int unit_sound_record(struct step_context *c, int rate_hz, float *samples, size_t count,
                      struct error *err);

/* The unit's speaker plays while the caller listens; end it with unit_sound_played(). */
struct unit_sound {
    struct unit_errand *errand;
    cJSON *params;
    struct attachment_source source;
    int16_t *pcm;
};
int unit_sound_play(struct step_context *c, int rate_hz, double volume, const float *samples,
                    size_t count, struct unit_sound *out, struct error *err);
/* Waits until the sound ended. Fine on an all-zero struct. */
int unit_sound_played(struct unit_sound *s, struct error *err);

/* The fixture's loudspeaker plays; ERROR_INPUT when it cannot be as loud as asked for. */
int fixture_tone(struct step_context *c, double frequency_hz, double level_db_spl, double seconds,
                 struct error *err);

#endif
