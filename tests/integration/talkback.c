/* What the talkback path makes of a sound, for measure.sh to measure beside sox:
 *
 *   talkback aec|anr|agc|opus IN OUT [PLAYED]
 *
 * Files of raw 16-bit samples of this machine's byte order, mono, 16 kHz. aec: PLAYED is what went
 * to the speaker meanwhile. opus: coded and decoded again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/media/voice.h"
#include "protocol/base/file.h"
#include "protocol/formats/opus_sound.h"

enum { RATE_HZ = 16000, FILE_MAX_BYTES = 16 << 20 };

static int code(int16_t *samples, size_t count, struct error *err)
{
    struct buffer packets = {.limit_bytes = FILE_MAX_BYTES};
    int rc = opus_sound_encode(samples, count, RATE_HZ, OPUS_SOUND_BIT_RATE, &packets, err);
    if (!rc)
        rc = opus_sound_decode(packets.data, packets.size, RATE_HZ, samples, count, err);
    buffer_free(&packets);
    return rc;
}

int main(int argc, char **argv)
{
    struct buffer in = {.limit_bytes = FILE_MAX_BYTES}, played = {.limit_bytes = FILE_MAX_BYTES};
    struct error err = {0};
    int rc = argc == 4 || argc == 5 ? file_read(argv[2], &in, &err)
                                    : error_set(&err, ERROR_INPUT, "aec|anr|agc|opus IN OUT");
    if (!rc && argc == 5)
        rc = file_read(argv[4], &played, &err);
    if (!rc && argc == 5 && played.size != in.size)
        rc = error_set(&err, ERROR_INPUT, "%s is not as long as %s", argv[4], argv[2]);
    int16_t *samples = (int16_t *)(void *)in.data;
    const size_t count = in.size / sizeof *samples;
    const char *what = rc ? "" : argv[1];
    const struct voice_config voice = {.rate_hz = RATE_HZ,
                                       .echo_cancel = strcmp(what, "aec") == 0,
                                       .noise_reduction = strcmp(what, "anr") == 0,
                                       .gain_control = strcmp(what, "agc") == 0};
    if (!rc && strcmp(what, "opus") == 0)
        rc = code(samples, count, &err);
    else if (!rc)
        rc =
            voice_process(&voice, (const int16_t *)(const void *)played.data, samples, count, &err);
    if (!rc)
        rc = file_write(argv[3], samples, count * sizeof *samples, 0644, &err);
    if (rc)
        fprintf(stderr, "talkback: %s\n", err.text);
    buffer_free(&in);
    buffer_free(&played);
    return rc ? 2 : 0;
}
