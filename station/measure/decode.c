#include "station/measure/decode.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct decode {
    const char *path;
    AVFormatContext *format;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    int stream;
    bool drained;
};

static int refused(const char *path, const char *what, int code, struct error *err)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    if (code == AVERROR(ENOMEM))
        return error_set(err, ERROR_MEMORY, "no memory to read '%s'", path);
    av_strerror(code, text, sizeof text);
    return error_set(err, ERROR_INPUT, "'%s': %s: %s", path, what, text);
}

void decode_close(struct decode *d)
{
    if (!d)
        return;
    av_frame_free(&d->frame);
    av_packet_free(&d->packet);
    avcodec_free_context(&d->codec);
    avformat_close_input(&d->format);
    free(d);
}

int decode_open(const char *path, enum AVMediaType kind, struct decode **out, struct error *err)
{
    const char *sort = kind == AVMEDIA_TYPE_AUDIO ? "sound" : "picture";
    const AVCodec *codec = NULL;
    AVDictionary *options = NULL;
    struct decode *d = NULL;
    int rc = 0, code;

    if (access(path, R_OK) < 0)
        return error_errno(err, errno == ENOENT ? ERROR_MISSING : ERROR_INPUT, "cannot read '%s'",
                           path);
    d = calloc(1, sizeof *d);
    if (!d || !(d->packet = av_packet_alloc()) || !(d->frame = av_frame_alloc())) {
        rc = error_set(err, ERROR_MEMORY, "no memory to read '%s'", path);
        goto out;
    }
    d->path = path;
    /* A name with % is a name, not a series of files; only this machine's files are opened. */
    av_dict_set(&options, "pattern_type", "none", 0);
    av_dict_set(&options, "protocol_whitelist", "file", 0);
    code = avformat_open_input(&d->format, path, NULL, &options);
    av_dict_free(&options);
    if (code >= 0)
        code = avformat_find_stream_info(d->format, NULL);
    if (code < 0) {
        rc = refused(path, "not a file that can be read", code, err);
        goto out;
    }
    d->stream = av_find_best_stream(d->format, kind, -1, -1, &codec, 0);
    if (d->stream < 0 || !codec) {
        rc = error_set(err, ERROR_INPUT, "'%s' holds no %s", path, sort);
        goto out;
    }
    d->codec = avcodec_alloc_context3(codec);
    if (!d->codec) {
        rc = error_set(err, ERROR_MEMORY, "no memory to read '%s'", path);
        goto out;
    }
    code = avcodec_parameters_to_context(d->codec, d->format->streams[d->stream]->codecpar);
    if (code >= 0)
        code = avcodec_open2(d->codec, codec, NULL);
    if (code < 0)
        rc = refused(path, "cannot be decoded", code, err);
out:
    if (rc < 0) {
        decode_close(d);
        return rc;
    }
    *out = d;
    return 0;
}

int decode_next(struct decode *d, const AVFrame **out, struct error *err)
{
    *out = NULL;
    for (;;) {
        int code = avcodec_receive_frame(d->codec, d->frame);
        if (code >= 0) {
            *out = d->frame;
            return 0;
        }
        if (code == AVERROR_EOF)
            return 0;
        if (code != AVERROR(EAGAIN))
            return refused(d->path, "cannot be decoded", code, err);
        if (d->drained)
            return 0;
        code = av_read_frame(d->format, d->packet);
        if (code == AVERROR_EOF) {
            d->drained = true;
            code = avcodec_send_packet(d->codec, NULL);
        } else if (code >= 0) {
            if (d->packet->stream_index == d->stream)
                code = avcodec_send_packet(d->codec, d->packet);
            av_packet_unref(d->packet);
        }
        if (code < 0)
            return refused(d->path, "cannot be decoded", code, err);
    }
}
