#include "station/steps/unit_sound.h"

#include <endian.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/sound.h"
#include "protocol/base/json.h"
#include "protocol/formats/opus_sound.h"
#include "station/measure/level.h"
#include "station/measure/signal.h"

enum { MARGIN_MS = 10000 };

/* What a recording must come as: exactly so many bytes of PCM, or packets, at most so many. */
struct arriving {
    bool opus;
    uint8_t *bytes;
    size_t room, announced, filled;
};

static bool is_opus(const struct step_context *c)
{
    return strcmp(json_string(c->params, "codec", "pcm"), "opus") == 0;
}

static int sound_begin(void *context, const char *name, const char *type, uint64_t bytes,
                       struct error *err)
{
    struct arriving *a = context;
    const char *wanted = a->opus ? "opus" : "pcm", *kind = a->opus ? "audio/opus" : "audio/l16";
    if (strcmp(name, wanted) != 0 || strncmp(type, kind, strlen(kind)) != 0 || bytes > a->room ||
        (!a->opus && bytes != a->room))
        return error_set(err, ERROR_PROTOCOL,
                         "audio.record: attachment \"%s\" of type %s and %llu bytes, expected "
                         "\"%s\", %s, %s%zu",
                         name, type, (unsigned long long)bytes, wanted, kind,
                         a->opus ? "at most " : "", a->room);
    a->announced = (size_t)bytes;
    return 0;
}

static int sound_write(void *context, const uint8_t *data, size_t size, struct error *err)
{
    struct arriving *a = context;
    if (size > a->announced - a->filled)
        return error_set(err, ERROR_PROTOCOL, "audio.record: more samples than announced");
    memcpy(a->bytes + a->filled, data, size);
    a->filled += size;
    return 0;
}

/* "aec,agc" as a list; "none" as no list. */
static void add_processing(cJSON *params, const char *names)
{
    char name[8];
    if (strcmp(names, "none") == 0)
        return;
    cJSON *list = cJSON_AddArrayToObject(params, "processing");
    while (*names) {
        const size_t length = strcspn(names, ",");
        snprintf(name, sizeof name, "%.*s", (int)length, names);
        cJSON_AddItemToArray(list, cJSON_CreateString(name));
        names += length + (names[length] == ',');
    }
}

/* Takes params; `samples` of the whole attachment. */
static int exchange(struct step_context *c, cJSON *params, bool opus, int rate_hz, double seconds,
                    int16_t *samples, size_t count, struct error *err)
{
    struct arriving a = {.opus = opus, .room = count * sizeof *samples};
    a.bytes = opus ? malloc(a.room) : (uint8_t *)samples;
    const struct attachment_sink sink = {sound_begin, sound_write, &a};
    cJSON_AddNumberToObject(params, "rate_hz", rate_hz);
    cJSON_AddNumberToObject(params, "seconds", seconds);
    const struct call call = {.method = "audio.record",
                              .params = params,
                              .timeout_ms = (int)(seconds * 1000) + MARGIN_MS,
                              .sink = &sink};
    int rc = a.bytes ? unit_exchange(c->unit, &call, NULL, err)
                     : error_set(err, ERROR_MEMORY, "audio.record: out of memory");
    if (rc == 0 && (!a.announced || a.filled != a.announced))
        rc = error_set(err, ERROR_PROTOCOL, "audio.record: %zu of %zu bytes came", a.filled,
                       a.announced);
    if (rc == 0 && opus)
        rc = opus_sound_decode(a.bytes, a.filled, rate_hz, samples, count, err);
    for (size_t i = 0; i < count && rc == 0 && !opus; i++)
        samples[i] = (int16_t)le16toh((uint16_t)samples[i]);
    if (opus)
        free(a.bytes);
    cJSON_Delete(params);
    return rc;
}

int unit_sound_record_with(struct step_context *c, const char *processing, int rate_hz,
                           float *samples, size_t count, struct error *err)
{
    int16_t *pcm = malloc(count * sizeof *pcm);
    if (!pcm)
        return error_set(err, ERROR_MEMORY, "audio.record: out of memory");
    cJSON *params = cJSON_CreateObject();
    add_processing(params, processing);
    if (is_opus(c))
        cJSON_AddStringToObject(params, "codec", "opus");
    int rc = exchange(c, params, is_opus(c), rate_hz, (double)count / rate_hz, pcm, count, err);
    if (rc == 0)
        samples_from_s16(pcm, count, samples);
    free(pcm);
    return rc;
}

int unit_sound_record(struct step_context *c, int rate_hz, float *samples, size_t count,
                      struct error *err)
{
    return unit_sound_record_with(c, json_string(c->params, "processing", "none"), rate_hz, samples,
                                  count, err);
}

int unit_sound_record_slots(struct step_context *c, int rate_hz, float *left, float *right,
                            size_t count, struct error *err)
{
    int16_t *pcm = malloc(2 * count * sizeof *pcm);
    if (!pcm)
        return error_set(err, ERROR_MEMORY, "audio.record: out of memory");
    cJSON *params = cJSON_CreateObject();
    cJSON_AddBoolToObject(params, "slots", true);
    int rc = exchange(c, params, false, rate_hz, (double)count / rate_hz, pcm, 2 * count, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        left[i] = (float)(pcm[2 * i] / 32768.0);
        right[i] = (float)(pcm[2 * i + 1] / 32768.0);
    }
    free(pcm);
    return rc;
}

int unit_sound_play(struct step_context *c, int rate_hz, double volume, const float *samples,
                    size_t count, struct unit_sound *out, struct error *err)
{
    *out = (struct unit_sound){.pcm = malloc(count * sizeof(int16_t))};
    if (!out->pcm)
        return error_set(err, ERROR_MEMORY, "audio.play: out of memory");
    samples_to_s16(samples, count, out->pcm);
    out->source = (struct attachment_source){
        .name = "pcm", .type = "audio/l16", .bytes = count * 2, .data = out->pcm};
    out->params = cJSON_CreateObject();
    if (is_opus(c)) {
        int rc = opus_sound_encode(out->pcm, count, rate_hz, OPUS_SOUND_BIT_RATE, &out->opus, err);
        if (rc < 0) {
            unit_sound_played(out, NULL);
            return rc;
        }
        cJSON_AddStringToObject(out->params, "codec", "opus");
        out->source = (struct attachment_source){
            .name = "opus", .type = "audio/opus", .bytes = out->opus.size, .data = out->opus.data};
    }
    for (size_t i = 0; i < count; i++)
        out->pcm[i] = (int16_t)htole16((uint16_t)out->pcm[i]);
    cJSON_AddNumberToObject(out->params, "rate_hz", rate_hz);
    cJSON_AddNumberToObject(out->params, "volume", volume);
    const struct call call = {.method = "audio.play",
                              .params = out->params,
                              .timeout_ms = (int)(1000.0 * count / rate_hz) + MARGIN_MS,
                              .sources = &out->source,
                              .source_count = 1};
    return unit_errand_start(c->unit, &call, &out->errand, err);
}

int unit_sound_played(struct unit_sound *s, struct error *err)
{
    int rc = unit_errand_end(s->errand, NULL, err);
    cJSON_Delete(s->params);
    free(s->pcm);
    buffer_free(&s->opus);
    *s = (struct unit_sound){0};
    return rc;
}

int fixture_tone(struct step_context *c, double frequency_hz, double level_db_spl, double seconds,
                 struct error *err)
{
    struct sound_facts facts;
    const size_t count = (size_t)(seconds * SOUND_RATE_HZ);
    int rc = sound_facts(c->fixture, &facts, err);
    if (rc < 0)
        return rc;
    const double amplitude = pow(10, (level_db_spl - facts.play_full_scale_db_spl) / 20);
    if (amplitude > 1)
        return error_set(err, ERROR_INPUT,
                         "a tone of %.1f dB SPL was asked for, the fixture's loudspeaker ends at "
                         "%.1f",
                         level_db_spl, facts.play_full_scale_db_spl);
    float *samples = malloc(count * sizeof *samples);
    int16_t *pcm = malloc(count * sizeof *pcm);
    if (samples && pcm) {
        signal_sine(frequency_hz, amplitude, SOUND_RATE_HZ, 0.01, samples, count);
        samples_to_s16(samples, count, pcm);
        rc = sound_play(c->fixture, pcm, count, err);
    } else {
        rc = error_set(err, ERROR_MEMORY, "a tone of %.1f s: out of memory", seconds);
    }
    free(samples);
    free(pcm);
    return rc;
}
