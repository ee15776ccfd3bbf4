#include "firmware/media/voice.h"

#include <speex/speex_echo.h>
#include <speex/speex_preprocess.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRAMES_A_SECOND = 50,
    TAIL_MS = 100, /* speaker to microphone, and the room's first echoes */
    NOISE_DB = -20,
    ECHO_DB = -40, /* of what the filter leaves: its distortion, which no linear filter takes out */
    GAIN_DB_MAX = 30,
    LEVEL = 8192, /* of 32768, in libspeexdsp's own loudness */
};

static int set_up(const struct voice_config *c, SpeexEchoState *echo, SpeexPreprocessState *pre)
{
    spx_int32_t on = 1, off = 0, noise_db = NOISE_DB, echo_db = ECHO_DB, gain_db = GAIN_DB_MAX;
    float level = LEVEL;
    int rc =
        speex_preprocess_ctl(pre, SPEEX_PREPROCESS_SET_DENOISE, c->noise_reduction ? &on : &off);
    rc |= speex_preprocess_ctl(pre, SPEEX_PREPROCESS_SET_NOISE_SUPPRESS, &noise_db);
    rc |= speex_preprocess_ctl(pre, SPEEX_PREPROCESS_SET_AGC, c->gain_control ? &on : &off);
    rc |= speex_preprocess_ctl(pre, SPEEX_PREPROCESS_SET_AGC_LEVEL, &level);
    rc |= speex_preprocess_ctl(pre, SPEEX_PREPROCESS_SET_AGC_MAX_GAIN, &gain_db);
    if (echo) {
        spx_int32_t rate_hz = c->rate_hz;
        rc |= speex_echo_ctl(echo, SPEEX_ECHO_SET_SAMPLING_RATE, &rate_hz);
        rc |= speex_preprocess_ctl(pre, SPEEX_PREPROCESS_SET_ECHO_STATE, echo);
        rc |= speex_preprocess_ctl(pre, SPEEX_PREPROCESS_SET_ECHO_SUPPRESS, &echo_db);
        rc |= speex_preprocess_ctl(pre, SPEEX_PREPROCESS_SET_ECHO_SUPPRESS_ACTIVE, &echo_db);
    }
    return rc;
}

int voice_process(const struct voice_config *c, const int16_t *played, int16_t *samples,
                  size_t count, struct error *err)
{
    const int frame = c->rate_hz / FRAMES_A_SECOND;
    if (!c->echo_cancel && !c->noise_reduction && !c->gain_control)
        return 0;
    int rc = 0;
    int16_t *cleaned = malloc((size_t)frame * sizeof *cleaned);
    SpeexEchoState *echo =
        c->echo_cancel ? speex_echo_state_init(frame, c->rate_hz * TAIL_MS / 1000) : NULL;
    SpeexPreprocessState *pre = speex_preprocess_state_init(frame, c->rate_hz);
    if (!cleaned || !pre || (c->echo_cancel && !echo)) {
        rc = error_set(err, ERROR_MEMORY, "no memory for the voice filters");
        goto out;
    }
    if (set_up(c, echo, pre)) {
        rc = error_set(err, ERROR_STATE, "libspeexdsp was built without what voice needs");
        goto out;
    }
    for (size_t at = 0; at + (size_t)frame <= count; at += (size_t)frame) {
        if (echo) {
            speex_echo_cancellation(echo, samples + at, played + at, cleaned);
            memcpy(samples + at, cleaned, (size_t)frame * sizeof *cleaned);
        }
        speex_preprocess_run(pre, samples + at);
    }
out:
    if (pre)
        speex_preprocess_state_destroy(pre);
    if (echo)
        speex_echo_state_destroy(echo);
    free(cleaned);
    return rc;
}
