/* audio.record, audio.play. A recording is one piece: parts put together would have gaps, which a
 * distortion measurement takes for distortion. So these calls end with the sound, not before. */
#include <stdlib.h>
#include <string.h>

#include "firmware/factory/agent_parts.h"
#include "firmware/factory/params.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "audio/l16 is sent as it lies in memory");

static int rate_param(const cJSON *params, long long *rate_hz, struct error *err)
{
    int rc = params_integer(params, "rate_hz", 8000, 48000, rate_hz, err);
    if (!rc && *rate_hz != 8000 && *rate_hz != 16000 && *rate_hz != 48000)
        rc = error_set(err, ERROR_INPUT, "param 'rate_hz' is %lld, expected 8000, 16000 or 48000",
                       *rate_hz);
    return rc;
}

static int record(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"rate_hz", "seconds", NULL};
    long long rate_hz;
    double seconds;
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = rate_param(call->params, &rate_hz, err);
    if (!rc)
        rc = params_number(call->params, "seconds", 0.01, AUDIO_SECONDS_MAX, &seconds, err);
    if (rc)
        return rc;
    size_t count = (size_t)(seconds * (double)rate_hz + 0.5);
    int16_t *samples = malloc(count * sizeof *samples);
    if (!samples)
        return error_set(err, ERROR_MEMORY, "no memory for %zu samples", count);
    rc = a->hal->audio->record(a->hal->audio_state, (int)rate_hz, samples, count, err);
    const struct attachment_source source = {
        .name = "pcm", .type = "audio/l16", .bytes = count * sizeof *samples, .data = samples};
    if (!rc)
        rc = request_send(call->request, &source, err);
    if (!rc)
        answer_number(call, call->result, "samples", (double)count);
    free(samples);
    return rc;
}

struct sound {
    int16_t *samples;
    size_t bytes, received, bytes_max;
};

static int sound_begin(void *context, const char *name, const char *type, uint64_t bytes,
                       struct error *err)
{
    struct sound *s = context;
    if (strcmp(name, "pcm") != 0 || s->samples)
        return error_set(err, ERROR_INPUT, "attachment '%.40s', expected one named pcm", name);
    if (!bytes || bytes % sizeof *s->samples || bytes > s->bytes_max)
        return error_set(err, ERROR_INPUT,
                         "attachment 'pcm' has %llu bytes, expected whole samples of at most %d s",
                         (unsigned long long)bytes, AUDIO_SECONDS_MAX);
    s->bytes = (size_t)bytes;
    s->samples = malloc(s->bytes);
    return s->samples ? 0 : error_set(err, ERROR_MEMORY, "no memory for the sound");
}

static int sound_data(void *context, const uint8_t *data, size_t size, struct error *err)
{
    struct sound *s = context;
    if (size > s->bytes - s->received)
        return error_set(err, ERROR_PROTOCOL, "attachment 'pcm' is longer than it said");
    memcpy((uint8_t *)s->samples + s->received, data, size);
    s->received += size;
    return 0;
}

static int play(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"rate_hz", "volume", NULL};
    struct sound sound = {0};
    const struct attachment_sink sink = {sound_begin, sound_data, &sound};
    long long rate_hz;
    double volume;
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = rate_param(call->params, &rate_hz, err);
    if (!rc)
        rc = params_number(call->params, "volume", 0, 1, &volume, err);
    if (rc)
        return rc;
    sound.bytes_max = (size_t)rate_hz * AUDIO_SECONDS_MAX * sizeof *sound.samples;
    rc = request_receive(call->request, &sink, err);
    if (!rc && !sound.samples)
        rc = error_set(err, ERROR_INPUT, "attachment 'pcm' is missing");
    if (!rc)
        rc = a->hal->audio->play(a->hal->audio_state, (int)rate_hz, volume, sound.samples,
                                 sound.bytes / sizeof *sound.samples, err);
    if (!rc)
        answer_number(call, call->result, "samples", (double)(sound.bytes / sizeof *sound.samples));
    free(sound.samples);
    return rc;
}

const struct agent_method agent_microphone_methods[] = {
    {"audio.record", PART_MICROPHONE, record},
    {0},
};

const struct agent_method agent_speaker_methods[] = {
    {"audio.play", PART_SPEAKER, play},
    {0},
};
