#include "station/measure/coded.h"

#include <libavcodec/avcodec.h>
#include <libavutil/log.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    AVCodecContext *codec;
    AVCodecParserContext *parser;
    AVPacket *packet;
    AVFrame *frame, *last; /* last: the newest whole one */
    coded_look *look;      /* NULL: nobody watches */
    void *context;
};

static const struct {
    const char *type;
    enum AVCodecID codec;
} kinds[] = {{"video/h265", AV_CODEC_ID_HEVC},
             {"video/h264", AV_CODEC_ID_H264},
             {"image/jpeg", AV_CODEC_ID_MJPEG}};

static void reader_close(struct reader *r)
{
    av_parser_close(r->parser);
    avcodec_free_context(&r->codec);
    av_packet_free(&r->packet);
    av_frame_free(&r->frame);
    av_frame_free(&r->last);
}

static int reader_open(enum AVCodecID id, struct reader *r, struct error *err)
{
    const AVCodec *codec = avcodec_find_decoder(id);
    if (!codec)
        return error_set(err, ERROR_MISSING, "FFmpeg was built without the decoder %s",
                         avcodec_get_name(id));
    r->codec = avcodec_alloc_context3(codec);
    r->parser = av_parser_init((int)id);
    r->packet = av_packet_alloc();
    r->frame = av_frame_alloc();
    r->last = av_frame_alloc();
    if (!r->codec || !r->parser || !r->packet || !r->frame || !r->last)
        return error_set(err, ERROR_MEMORY, "no memory for a decoder");
    r->codec->thread_count = 1;
    r->codec->max_pixels = CODED_PIXELS_MAX;
    r->codec->err_recognition = AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_EXPLODE;
    if (avcodec_open2(r->codec, codec, NULL) < 0)
        return error_set(err, ERROR_INPUT, "the decoder %s does not open", codec->name);
    return 0;
}

static void show(const struct reader *r, size_t number)
{
    const AVFrame *f = r->frame;
    const AVComponentDescriptor *luma = av_pix_fmt_desc_get((enum AVPixelFormat)f->format)->comp;
    if (!r->look || luma->depth != 8 || luma->step != 1 || luma->plane != 0 || f->linesize[0] <= 0)
        return;
    const struct luma shown = {.data = f->data[0],
                               .stride_bytes = (size_t)f->linesize[0],
                               .width_px = f->width,
                               .height_px = f->height};
    r->look(r->context, number, &shown);
}

/* Takes what is decoded; a frame with errors in it is broken. */
static void drain(struct reader *r, struct coded *out)
{
    for (;;) {
        const int code = avcodec_receive_frame(r->codec, r->frame);
        if (code == AVERROR(EAGAIN) || code == AVERROR_EOF)
            return;
        if (code < 0 || r->frame->decode_error_flags || r->frame->flags & AV_FRAME_FLAG_CORRUPT) {
            out->broken++;
            av_frame_unref(r->frame);
            if (code < 0)
                return;
            continue;
        }
        show(r, out->frames + out->broken);
        out->frames++;
        av_frame_unref(r->last);
        av_frame_move_ref(r->last, r->frame);
    }
}

static void feed(struct reader *r, struct coded *out)
{
    const int code = avcodec_send_packet(r->codec, r->packet);
    if (code < 0 && code != AVERROR(EAGAIN))
        out->broken++;
    drain(r, out);
}

static int widen(const AVFrame *f, struct coded *out, struct error *err)
{
    const bool full = f->color_range == AVCOL_RANGE_JPEG || f->format == AV_PIX_FMT_YUVJ420P ||
                      f->format == AV_PIX_FMT_YUVJ422P || f->format == AV_PIX_FMT_YUVJ444P;
    const size_t luma = (size_t)f->width * (size_t)f->height;
    if (f->width % 2 || f->height % 2)
        return error_set(err, ERROR_INPUT, "a picture of %dx%d: even sides expected", f->width,
                         f->height);
    struct SwsContext *s =
        sws_getContext(f->width, f->height, (enum AVPixelFormat)f->format, f->width, f->height,
                       AV_PIX_FMT_NV12, SWS_BILINEAR | SWS_ACCURATE_RND, NULL, NULL, NULL);
    out->nv12_bytes = luma * 3 / 2;
    out->nv12 = malloc(out->nv12_bytes);
    if (!s || !out->nv12) {
        sws_freeContext(s);
        return error_set(err, ERROR_MEMORY, "no memory for a picture of %dx%d", f->width,
                         f->height);
    }
    const int *bt709 = sws_getCoefficients(SWS_CS_ITU709);
    sws_setColorspaceDetails(s, bt709, full, bt709, 1, 0, 1 << 16, 1 << 16);
    uint8_t *const planes[4] = {out->nv12, out->nv12 + luma};
    const int strides[4] = {f->width, f->width};
    sws_scale(s, (const uint8_t *const *)f->data, f->linesize, 0, f->height, planes, strides);
    sws_freeContext(s);
    out->width_px = f->width;
    out->height_px = f->height;
    return 0;
}

static int decode_all(struct reader *r, const uint8_t *data, size_t bytes, struct coded *out,
                      struct error *err)
{
    /* Parsers read past the end by so much. */
    uint8_t *padded = malloc(bytes + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!padded)
        return error_set(err, ERROR_MEMORY, "no memory for %zu bytes of coded video", bytes);
    memcpy(padded, data, bytes);
    memset(padded + bytes, 0, AV_INPUT_BUFFER_PADDING_SIZE);
    size_t at = 0;
    for (bool end = false; !end;) {
        end = at == bytes;
        const int used =
            av_parser_parse2(r->parser, r->codec, &r->packet->data, &r->packet->size, padded + at,
                             (int)(bytes - at), AV_NOPTS_VALUE, AV_NOPTS_VALUE, 0);
        at += used > 0 ? (size_t)used : 0;
        if (r->packet->size)
            feed(r, out);
        else if (used <= 0)
            end = true;
    }
    avcodec_send_packet(r->codec, NULL);
    drain(r, out);
    free(padded);
    return 0;
}

int coded_decode(const char *type, const uint8_t *data, size_t bytes, struct coded *out,
                 struct error *err)
{
    return coded_watch(type, data, bytes, NULL, NULL, out, err);
}

int coded_watch(const char *type, const uint8_t *data, size_t bytes, coded_look *look,
                void *context, struct coded *out, struct error *err)
{
    enum AVCodecID id = AV_CODEC_ID_NONE;
    struct reader r = {.look = look, .context = context};
    *out = (struct coded){0};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].type, type) == 0)
            id = kinds[i].codec;
    if (id == AV_CODEC_ID_NONE)
        return error_set(err, ERROR_INPUT, "'%s': expected video/h265, video/h264 or image/jpeg",
                         type);
    if (!bytes || bytes > CODED_BYTES_MAX)
        return error_set(err, ERROR_INPUT, "%zu bytes of %s: 1 to %d expected", bytes, type,
                         CODED_BYTES_MAX);
    av_log_set_level(AV_LOG_FATAL); /* what is wrong with a stream is counted, not printed */
    int rc = reader_open(id, &r, err);
    if (rc == 0)
        rc = decode_all(&r, data, bytes, out, err);
    if (rc == 0 && !out->frames)
        rc = error_set(err, ERROR_INPUT, "not one whole frame in %zu bytes of %s, %zu broken",
                       bytes, type, out->broken);
    if (rc == 0) {
        out->bits_a_frame = 8.0 * (double)bytes / (double)(out->frames + out->broken);
        rc = widen(r.last, out, err);
    }
    reader_close(&r);
    if (rc < 0)
        coded_free(out);
    return rc;
}

struct nv12 coded_nv12(const struct coded *c)
{
    return (struct nv12){.data = c->nv12,
                         .bytes = c->nv12_bytes,
                         .width_px = c->width_px,
                         .height_px = c->height_px};
}

void coded_free(struct coded *c)
{
    free(c->nv12);
    *c = (struct coded){0};
}
