#include "station/measure/sound_file.h"

#include <libavutil/samplefmt.h>
#include <stdint.h>
#include <stdlib.h>

#include "protocol/base/buffer.h"
#include "station/measure/decode.h"

/* Sample i of the first channel; `step` samples lie between two of one channel. */
static float sample_of(const uint8_t *data, enum AVSampleFormat format, size_t i)
{
    switch (format) {
    case AV_SAMPLE_FMT_U8:
        return ((float)data[i] - 128) / 128;
    case AV_SAMPLE_FMT_S16:
        return (float)((const int16_t *)(const void *)data)[i] / 32768;
    case AV_SAMPLE_FMT_S32:
        return (float)((const int32_t *)(const void *)data)[i] / 2147483648.0f;
    case AV_SAMPLE_FMT_FLT:
        return ((const float *)(const void *)data)[i];
    case AV_SAMPLE_FMT_DBL:
        return (float)((const double *)(const void *)data)[i];
    default:
        return 0;
    }
}

int sound_load(const char *path, struct sound_samples *out, struct error *err)
{
    struct decode *d = NULL;
    struct buffer samples = {.limit_bytes = SOUND_SAMPLES_MAX * sizeof(float)};
    const AVFrame *f = NULL;
    int rc = decode_open(path, AVMEDIA_TYPE_AUDIO, &d, err);

    *out = (struct sound_samples){0};
    if (rc < 0)
        return rc;
    while ((rc = decode_next(d, &f, err)) == 0 && f) {
        enum AVSampleFormat format = av_get_packed_sample_fmt(f->format);
        int channels = f->ch_layout.nb_channels;
        size_t step = av_sample_fmt_is_planar(f->format) ? 1 : (size_t)channels;
        if (channels < 1 || f->sample_rate < 1 || format == AV_SAMPLE_FMT_S64 ||
            format == AV_SAMPLE_FMT_NONE) {
            rc = error_set(err, ERROR_INPUT, "'%s': samples of kind %s are not understood", path,
                           av_get_sample_fmt_name(f->format));
            goto out;
        }
        out->rate_hz = f->sample_rate;
        out->channels = channels;
        size_t bytes = (size_t)f->nb_samples * sizeof(float);
        rc = buffer_reserve(&samples, bytes);
        if (rc < 0) {
            rc = error_set(err, rc == ERROR_FULL ? ERROR_INPUT : rc,
                           "'%s' is longer than %d samples", path, SOUND_SAMPLES_MAX);
            goto out;
        }
        for (int i = 0; i < f->nb_samples; i++) {
            float v = sample_of(f->data[0], format, (size_t)i * step);
            buffer_append(&samples, &v, sizeof v);
        }
    }
    if (rc == 0 && samples.size == 0)
        rc = error_set(err, ERROR_INPUT, "'%s' holds no sound", path);
    if (rc == 0) {
        out->data = (float *)(void *)samples.data;
        out->count = samples.size / sizeof(float);
        samples = (struct buffer){0};
    }
out:
    buffer_free(&samples);
    decode_close(d);
    return rc;
}
