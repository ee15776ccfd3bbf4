/* audio.record, audio.play. A recording is one piece: parts put together would have gaps, which a
 * distortion measurement takes for distortion. So these calls end with the sound, not before. */
#include <stdlib.h>
#include <string.h>

#include "firmware/factory/agent_parts.h"
#include "firmware/factory/params.h"
#include "firmware/media/voice.h"
#include "protocol/formats/opus_sound.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "audio/l16 is sent as it lies in memory");

static int rate_param(const cJSON *params, long long *rate_hz, struct error *err)
{
    int rc = params_integer(params, "rate_hz", 8000, 48000, rate_hz, err);
    if (!rc && *rate_hz != 8000 && *rate_hz != 16000 && *rate_hz != 48000)
        rc = error_set(err, ERROR_INPUT, "param 'rate_hz' is %lld, expected 8000, 16000 or 48000",
                       *rate_hz);
    return rc;
}

/* How the microphone's samples are made and sent: "processing" is a list of aec, anr, agc;
 * "codec" pcm or opus; "slots" both slots of the converter's frame instead of the microphone's. */
struct recording {
    int rate_hz;
    size_t count;
    bool slots, opus;
    struct voice_config voice;
    int16_t *samples; /* of each channel by turns */
};

static int processing_param(const cJSON *params, struct voice_config *out, struct error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(params, "processing"), *item;
    if (list && !cJSON_IsArray(list))
        return error_set(err, ERROR_INPUT, "param 'processing' must be a list of aec, anr, agc");
    cJSON_ArrayForEach(item, list)
    {
        const char *name = cJSON_GetStringValue(item);
        bool *on = !name                      ? NULL
                   : strcmp(name, "aec") == 0 ? &out->echo_cancel
                   : strcmp(name, "anr") == 0 ? &out->noise_reduction
                   : strcmp(name, "agc") == 0 ? &out->gain_control
                                              : NULL;
        if (!on)
            return error_set(err, ERROR_INPUT,
                             "param 'processing' has '%.20s', expected aec, anr "
                             "or agc",
                             name ? name : "something that is no text");
        *on = true;
    }
    return 0;
}

static int codec_param(const cJSON *params, bool *opus, struct error *err)
{
    static const char *const codecs[] = {"pcm", "opus", NULL};
    int choice = 0;
    int rc = params_has(params, "codec") ? params_choice(params, "codec", codecs, &choice, err) : 0;
    *opus = choice == 1;
    return rc;
}

static int recording_params(const cJSON *params, struct recording *r, struct error *err)
{
    static const char *const allowed[] = {"rate_hz", "seconds", "processing",
                                          "codec",   "slots",   NULL};
    long long rate_hz;
    double seconds;
    int rc = params_only(params, allowed, err);
    if (!rc)
        rc = rate_param(params, &rate_hz, err);
    if (!rc)
        rc = params_number(params, "seconds", 0.01, AUDIO_SECONDS_MAX, &seconds, err);
    if (!rc)
        rc = processing_param(params, &r->voice, err);
    if (!rc)
        rc = codec_param(params, &r->opus, err);
    if (!rc && params_has(params, "slots"))
        rc = params_flag(params, "slots", &r->slots, err);
    if (rc)
        return rc;
    if (r->slots &&
        (r->opus || r->voice.echo_cancel || r->voice.noise_reduction || r->voice.gain_control))
        return error_set(err, ERROR_INPUT,
                         "param 'slots' is for samples as the converter gives "
                         "them, without processing or codec");
    r->rate_hz = r->voice.rate_hz = (int)rate_hz;
    r->count = (size_t)(seconds * (double)rate_hz + 0.5);
    return 0;
}

/* The canceller's two ends apart, the microphone's in place of both; what is done to them. */
static int process(struct recording *r, struct error *err)
{
    int16_t *played = NULL;
    if (r->voice.echo_cancel) {
        if (!(played = malloc(r->count * sizeof *played)))
            return error_set(err, ERROR_MEMORY, "no memory for the speaker's samples");
        for (size_t i = 0; i < r->count; i++) {
            played[i] = r->samples[2 * i + 1];
            r->samples[i] = r->samples[2 * i];
        }
    }
    int rc = voice_process(&r->voice, played, r->samples, r->count, err);
    free(played);
    return rc;
}

static int send_recording(struct agent_call *call, const struct recording *r, struct error *err)
{
    struct buffer packets = {0};
    struct attachment_source source = {.name = "pcm",
                                       .type = "audio/l16",
                                       .bytes = r->count * (r->slots ? 2 : 1) * sizeof *r->samples,
                                       .data = r->samples};
    int rc = 0;
    if (r->opus) {
        rc =
            opus_sound_encode(r->samples, r->count, r->rate_hz, OPUS_SOUND_BIT_RATE, &packets, err);
        source = (struct attachment_source){
            .name = "opus", .type = "audio/opus", .bytes = packets.size, .data = packets.data};
    }
    if (!rc)
        rc = request_send(call->request, &source, err);
    if (!rc)
        answer_number(call, call->result, "samples", (double)r->count);
    buffer_free(&packets);
    return rc;
}

static int record(struct agent *a, struct agent_call *call, struct error *err)
{
    struct recording r = {0};
    int rc = recording_params(call->params, &r, err);
    if (rc)
        return rc;
    const enum audio_source source = r.slots               ? AUDIO_SLOTS
                                     : r.voice.echo_cancel ? AUDIO_WITH_REFERENCE
                                                           : AUDIO_MICROPHONE;
    r.samples = malloc(r.count * audio_channels(source) * sizeof *r.samples);
    if (!r.samples)
        return error_set(err, ERROR_MEMORY, "no memory for %zu samples", r.count);
    rc = a->hal->audio->record(a->hal->audio_state, r.rate_hz, source, r.samples, r.count, err);
    if (!rc)
        rc = process(&r, err);
    if (!rc)
        rc = send_recording(call, &r, err);
    free(r.samples);
    return rc;
}

struct sound {
    const char *name; /* of the attachment: "pcm" or "opus" */
    uint8_t *data;
    size_t bytes, received, bytes_max;
};

static int sound_begin(void *context, const char *name, const char *type, uint64_t bytes,
                       struct error *err)
{
    struct sound *s = context;
    const bool pcm = strcmp(s->name, "pcm") == 0;
    if (strcmp(name, s->name) != 0 || s->data)
        return error_set(err, ERROR_INPUT, "attachment '%.40s', expected one named %s", name,
                         s->name);
    if (!bytes || (pcm && bytes % sizeof(int16_t)) || bytes > s->bytes_max)
        return error_set(err, ERROR_INPUT,
                         "attachment '%s' has %llu bytes, expected whole samples of at most %d s",
                         s->name, (unsigned long long)bytes, AUDIO_SECONDS_MAX);
    s->bytes = (size_t)bytes;
    s->data = malloc(s->bytes);
    return s->data ? 0 : error_set(err, ERROR_MEMORY, "no memory for the sound");
}

static int sound_data(void *context, const uint8_t *data, size_t size, struct error *err)
{
    struct sound *s = context;
    if (size > s->bytes - s->received)
        return error_set(err, ERROR_PROTOCOL, "attachment '%s' is longer than it said", s->name);
    memcpy(s->data + s->received, data, size);
    s->received += size;
    return 0;
}

/* The samples of what came, in memory of their own. */
static int sound_samples(const struct sound *s, int rate_hz, int16_t **out, size_t *count,
                         struct error *err)
{
    const bool pcm = strcmp(s->name, "pcm") == 0;
    *count = pcm ? s->bytes / sizeof **out : opus_sound_samples(s->data, s->bytes, rate_hz);
    if (!*count)
        return error_set(err, ERROR_INPUT, "attachment 'opus' is not whole packets");
    *out = malloc(*count * sizeof **out);
    if (!*out)
        return error_set(err, ERROR_MEMORY, "no memory for the sound");
    if (!pcm)
        return opus_sound_decode(s->data, s->bytes, rate_hz, *out, *count, err);
    memcpy(*out, s->data, s->bytes);
    return 0;
}

static int play(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"rate_hz", "volume", "codec", NULL};
    struct sound sound = {.name = "pcm"};
    const struct attachment_sink sink = {sound_begin, sound_data, &sound};
    int16_t *samples = NULL;
    size_t count = 0;
    long long rate_hz;
    double volume;
    bool opus;
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = rate_param(call->params, &rate_hz, err);
    if (!rc)
        rc = params_number(call->params, "volume", 0, 1, &volume, err);
    if (!rc)
        rc = codec_param(call->params, &opus, err);
    if (rc)
        return rc;
    sound.name = opus ? "opus" : "pcm";
    sound.bytes_max = (size_t)rate_hz * AUDIO_SECONDS_MAX * sizeof *samples;
    rc = request_receive(call->request, &sink, err);
    if (!rc && !sound.data)
        rc = error_set(err, ERROR_INPUT, "attachment '%s' is missing", sound.name);
    if (!rc)
        rc = sound_samples(&sound, (int)rate_hz, &samples, &count, err);
    if (!rc)
        rc = a->hal->audio->play(a->hal->audio_state, (int)rate_hz, volume, samples, count, err);
    if (!rc)
        answer_number(call, call->result, "samples", (double)count);
    free(samples);
    free(sound.data);
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
