/* Microphone and speaker: 16-bit signed PCM, mono, little-endian. */
#ifndef TAKT_FIRMWARE_HAL_AUDIO_H
#define TAKT_FIRMWARE_HAL_AUDIO_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct audio;

enum { AUDIO_SECONDS_MAX = 15 };

enum audio_source {
    AUDIO_MICROPHONE, /* mono */
    /* The converter's frame as it comes, left and right by turns. A digital microphone sends in the
     * one that its select pin names, which is left on every board. */
    AUDIO_SLOTS,
    /* The microphone and what went to the speaker's converter at the same instants, by turns: an
     * echo canceller's two ends. */
    AUDIO_WITH_REFERENCE,
};

static inline size_t audio_channels(enum audio_source source)
{
    return source == AUDIO_MICROPHONE ? 1 : 2;
}

struct audio_ops {
    /* Blocks in real time until `count` samples of each channel were recorded at rate_hz (8000,
     * 16000 or 48000). ERROR_MISSING when the part cannot give that source. */
    int (*record)(struct audio *a, int rate_hz, enum audio_source source, int16_t *samples,
                  size_t count, struct error *err);
    /* Blocks in real time until the samples were played. volume 0..1 of the amplifier's range.
     * May run while record runs. */
    int (*play)(struct audio *a, int rate_hz, double volume, const int16_t *samples, size_t count,
                struct error *err);
};

/* For backends: ERROR_INPUT unless the rate is one of the three and the sound is no longer than
 * AUDIO_SECONDS_MAX. */
int audio_check(int rate_hz, size_t count, struct error *err);

#endif
