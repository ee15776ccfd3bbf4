/* Sound as the talkback path carries it: Opus packets of 20 ms, mono (RFC 6716).
 *
 * An attachment of type "audio/opus" is packets in order, each behind its length in two bytes, big
 * end first. The encoder looks ahead; that silence at the begin is taken off by the decoder, so
 * that sample 0 is sample 0 at both ends. */
#ifndef TAKT_PROTOCOL_FORMATS_OPUS_SOUND_H
#define TAKT_PROTOCOL_FORMATS_OPUS_SOUND_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/buffer.h"
#include "protocol/base/error.h"

enum {
    OPUS_SOUND_BIT_RATE = 24000,  /* of a camera's wideband talk, bit/s */
    OPUS_SOUND_PACKET_MAX = 1275, /* RFC 6716, 3.4 */
};

/* Appends the packets of `count` samples at rate_hz (8000, 16000 or 48000) to out. */
int opus_sound_encode(const int16_t *samples, size_t count, int rate_hz, int bit_rate,
                      struct buffer *out, struct error *err);

/* ERROR_PROTOCOL with the packet's number unless the bytes are whole packets that decode to `count`
 * samples or up to two packets more; what is beyond them is the encoder's filling. */
int opus_sound_decode(const uint8_t *data, size_t size, int rate_hz, int16_t *samples, size_t count,
                      struct error *err);

/* How many samples the packets hold, the looked-ahead ones taken off: what decode's `count` can be
 * at most; 0 when they are not whole. */
size_t opus_sound_samples(const uint8_t *data, size_t size, int rate_hz);

#endif
