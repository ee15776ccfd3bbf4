#include "firmware/hal/audio.h"

int audio_check(int rate_hz, size_t count, struct error *err)
{
    if (rate_hz != 8000 && rate_hz != 16000 && rate_hz != 48000)
        return error_set(err, ERROR_INPUT, "a rate of %d Hz, expected 8000, 16000 or 48000",
                         rate_hz);
    if (count > (size_t)rate_hz * AUDIO_SECONDS_MAX)
        return error_set(err, ERROR_INPUT, "%zu samples at %d Hz, expected at most %d s", count,
                         rate_hz, AUDIO_SECONDS_MAX);
    return 0;
}
