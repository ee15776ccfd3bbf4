#include "protocol/formats/opus_sound.h"

#include <opus/opus.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PACKETS_A_SECOND = 50, LENGTH_BYTES = 2, FILLING_PACKETS = 2 };

/* What libopus' encoder looks ahead for VoIP, at any rate: 6.5 ms (opus_encoder.c). Both ends say
 * it as one number, since packets alone do not carry it. */
static size_t lookahead(int rate_hz)
{
    return (size_t)rate_hz * 13 / 2000;
}

static bool rate_known(int rate_hz)
{
    return rate_hz == 8000 || rate_hz == 16000 || rate_hz == 48000;
}

static int append_packet(const uint8_t *packet, opus_int32 size, struct buffer *out,
                         struct error *err)
{
    const uint8_t length[LENGTH_BYTES] = {(uint8_t)(size >> 8), (uint8_t)size};
    int rc = buffer_append(out, length, sizeof length);
    if (!rc)
        rc = buffer_append(out, packet, (size_t)size);
    return rc ? error_set(err, rc, "no room for %d more bytes of Opus", (int)size) : 0;
}

int opus_sound_encode(const int16_t *samples, size_t count, int rate_hz, int bit_rate,
                      struct buffer *out, struct error *err)
{
    const size_t frame = (size_t)rate_hz / PACKETS_A_SECOND;
    uint8_t packet[OPUS_SOUND_PACKET_MAX];
    opus_int32 ahead = 0;
    int rc = 0, failure = OPUS_OK;
    if (!rate_known(rate_hz))
        return error_set(err, ERROR_INPUT, "Opus at %d Hz, expected 8000, 16000 or 48000", rate_hz);
    int16_t *block = malloc(frame * sizeof *block);
    OpusEncoder *encoder = opus_encoder_create(rate_hz, 1, OPUS_APPLICATION_VOIP, &failure);
    if (!block || !encoder) {
        rc = error_set(err, ERROR_MEMORY, "no Opus encoder: %s", opus_strerror(failure));
        goto out;
    }
    failure = opus_encoder_ctl(encoder, OPUS_SET_BITRATE(bit_rate));
    if (failure == OPUS_OK)
        failure = opus_encoder_ctl(encoder, OPUS_GET_LOOKAHEAD(&ahead));
    if (failure != OPUS_OK || (size_t)ahead != lookahead(rate_hz)) {
        rc = error_set(err, ERROR_INPUT, "Opus at %d bit/s: %s, looking %d samples ahead", bit_rate,
                       opus_strerror(failure), (int)ahead);
        goto out;
    }
    for (size_t at = 0; at < count + lookahead(rate_hz) && !rc; at += frame) {
        const size_t left = at < count ? count - at : 0, n = left < frame ? left : frame;
        memset(block, 0, frame * sizeof *block);
        memcpy(block, samples + (at < count ? at : count), n * sizeof *block);
        opus_int32 size = opus_encode(encoder, block, (int)frame, packet, sizeof packet);
        rc = size > 0 ? append_packet(packet, size, out, err)
                      : error_set(err, ERROR_STATE, "Opus: %s", opus_strerror(size));
    }
out:
    if (encoder)
        opus_encoder_destroy(encoder);
    free(block);
    return rc;
}

/* The packet at *at; false at the end, or when it is not whole: then *at is not the end. */
static bool next_packet(const uint8_t *data, size_t size, size_t *at, const uint8_t **packet,
                        size_t *length)
{
    if (size - *at < LENGTH_BYTES)
        return false;
    *length = (size_t)data[*at] << 8 | data[*at + 1];
    if (*length == 0 || *length > OPUS_SOUND_PACKET_MAX || *length > size - *at - LENGTH_BYTES)
        return false;
    *packet = data + *at + LENGTH_BYTES;
    *at += LENGTH_BYTES + *length;
    return true;
}

size_t opus_sound_samples(const uint8_t *data, size_t size, int rate_hz)
{
    const uint8_t *packet;
    size_t at = 0, length, samples = 0;
    while (next_packet(data, size, &at, &packet, &length))
        samples += (size_t)rate_hz / PACKETS_A_SECOND;
    return at == size && rate_known(rate_hz) && samples > lookahead(rate_hz)
               ? samples - lookahead(rate_hz)
               : 0;
}

int opus_sound_decode(const uint8_t *data, size_t size, int rate_hz, int16_t *samples, size_t count,
                      struct error *err)
{
    const size_t frame = (size_t)rate_hz / PACKETS_A_SECOND,
                 holds = opus_sound_samples(data, size, rate_hz);
    const uint8_t *packet;
    size_t at = 0, length, skip = lookahead(rate_hz), done = 0;
    int rc = 0, failure = OPUS_OK, number = 0;
    if (holds < count || holds > count + FILLING_PACKETS * frame)
        return error_set(err, ERROR_PROTOCOL,
                         "%zu bytes of Opus hold %zu samples in whole packets, expected %zu", size,
                         holds, count);
    int16_t *block = malloc(frame * sizeof *block);
    OpusDecoder *decoder = opus_decoder_create(rate_hz, 1, &failure);
    if (!block || !decoder) {
        rc = error_set(err, ERROR_MEMORY, "no Opus decoder: %s", opus_strerror(failure));
        goto out;
    }
    while (!rc && next_packet(data, size, &at, &packet, &length)) {
        number++;
        int n = opus_decode(decoder, packet, (opus_int32)length, block, (int)frame, 0);
        if (n != (int)frame) {
            rc = error_set(err, ERROR_PROTOCOL, "packet %d of Opus: %s", number,
                           n < 0 ? opus_strerror(n) : "not 20 ms");
            break;
        }
        const size_t from = skip < frame ? skip : frame;
        const size_t wanted = count - done, there = frame - from;
        memcpy(samples + done, block + from, (wanted < there ? wanted : there) * sizeof *samples);
        done += wanted < there ? wanted : there;
        skip -= from;
    }
out:
    if (decoder)
        opus_decoder_destroy(decoder);
    free(block);
    return rc;
}
