#include "station/steps/unit_sound.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/sound.h"
#include "station/measure/level.h"
#include "station/measure/signal.h"

enum { MARGIN_MS = 10000 };

struct arriving {
    uint8_t *bytes;
    size_t wanted, filled;
};

static int pcm_begin(void *context, const char *name, const char *type, uint64_t bytes,
                     struct error *err)
{
    const struct arriving *a = context;
    if (strcmp(name, "pcm") != 0 || strncmp(type, "audio/l16", 9) != 0 || bytes != a->wanted)
        return error_set(err, ERROR_PROTOCOL,
                         "audio.record: attachment \"%s\" of type %s and %llu bytes, expected "
                         "\"pcm\", audio/l16, %zu",
                         name, type, (unsigned long long)bytes, a->wanted);
    return 0;
}

static int pcm_write(void *context, const uint8_t *data, size_t size, struct error *err)
{
    struct arriving *a = context;
    if (size > a->wanted - a->filled)
        return error_set(err, ERROR_PROTOCOL, "audio.record: more samples than announced");
    memcpy(a->bytes + a->filled, data, size);
    a->filled += size;
    return 0;
}

int unit_sound_record(struct step_context *c, int rate_hz, float *samples, size_t count,
                      struct error *err)
{
    struct arriving a = {.bytes = malloc(count * sizeof(int16_t)), .wanted = count * 2};
    const struct attachment_sink sink = {pcm_begin, pcm_write, &a};
    const double seconds = (double)count / rate_hz;
    if (!a.bytes)
        return error_set(err, ERROR_MEMORY, "audio.record: out of memory");
    cJSON *params = cJSON_CreateObject();
    cJSON_AddNumberToObject(params, "rate_hz", rate_hz);
    cJSON_AddNumberToObject(params, "seconds", seconds);
    const struct call call = {.method = "audio.record",
                              .params = params,
                              .timeout_ms = (int)(seconds * 1000) + MARGIN_MS,
                              .sink = &sink};
    int rc = unit_exchange(c->unit, &call, NULL, err);
    if (rc == 0 && a.filled != a.wanted)
        rc = error_set(err, ERROR_PROTOCOL, "audio.record: %zu of %zu bytes came", a.filled,
                       a.wanted);
    if (rc == 0) {
        int16_t *pcm = (int16_t *)a.bytes;
        for (size_t i = 0; i < count; i++)
            pcm[i] = (int16_t)le16toh((uint16_t)pcm[i]);
        samples_from_s16(pcm, count, samples);
    }
    cJSON_Delete(params);
    free(a.bytes);
    return rc;
}

int unit_sound_play(struct step_context *c, int rate_hz, double volume, const float *samples,
                    size_t count, struct unit_sound *out, struct error *err)
{
    *out = (struct unit_sound){.pcm = malloc(count * sizeof(int16_t))};
    if (!out->pcm)
        return error_set(err, ERROR_MEMORY, "audio.play: out of memory");
    samples_to_s16(samples, count, out->pcm);
    for (size_t i = 0; i < count; i++)
        out->pcm[i] = (int16_t)htole16((uint16_t)out->pcm[i]);
    out->source = (struct attachment_source){
        .name = "pcm", .type = "audio/l16", .bytes = count * 2, .data = out->pcm};
    out->params = cJSON_CreateObject();
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
