/* What the talkback path does to the microphone's samples before they are coded: the acoustic echo
 * taken out, steady noise taken down, the level brought to where a listener wants it. The three are
 * libspeexdsp's; each can be off. */
#ifndef TAKT_FIRMWARE_MEDIA_VOICE_H
#define TAKT_FIRMWARE_MEDIA_VOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct voice_config {
    int rate_hz;          /* 8000, 16000 or 48000 */
    bool echo_cancel;     /* AEC, with the suppression of what is left of the echo */
    bool noise_reduction; /* ANR: steady noise, 20 dB at most */
    bool gain_control;    /* AGC: towards -12 dBFS of speech, 30 dB at most */
};

/* `count` samples of the microphone, in place. `played` is what went to the speaker at the same
 * instants; NULL without echo_cancel. The filters begin at rest with the first sample, as at the
 * begin of a call. What is behind the last whole 20 ms stays as it is. */
int voice_process(const struct voice_config *config, const int16_t *played, int16_t *samples,
                  size_t count, struct error *err);

#endif
