/* What a picture's verdict costs, beside FFmpeg's own decoding of the same frame as JPEG. */
#include <libavcodec/avcodec.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "station/measure/chart.h"
#include "station/measure/defects.h"
#include "station/measure/level.h"
#include "station/measure/registration.h"
#include "station/measure/sharpness.h"
#include "station/measure/signal.h"
#include "station/measure/sweep.h"
#include "station/measure/tone.h"

enum { W = 2304, H = 1296, RATE = 48000, ROUNDS = 7 };

static void die(const char *what)
{
    fprintf(stderr, "bench_measure: %s\n", what);
    exit(3);
}

/* The chart of docs/measurements.md as far as sharpness needs it: squares and fiducials, blurred.
 */
static double reflectance(double u, double v)
{
    static const double squares[5][2] = {
        {8, 4.5}, {1.6, 1.4}, {14.4, 1.4}, {1.6, 7.6}, {14.4, 7.6}};
    static const double discs[4][2] = {{3.4, 0.8}, {12.6, 0.8}, {3.4, 8.2}, {12.6, 8.2}};
    const double c = cos(5 * M_PI / 180), s = sin(5 * M_PI / 180), sigma = 0.7 * 16 / W;
    double r = 0.4;
    for (int i = 0; i < 5; i++) {
        double x = u - squares[i][0], y = v - squares[i][1];
        if (fabs(x) > 1 || fabs(y) > 1)
            continue;
        double d = 0.6 - fmax(fabs(c * x + s * y), fabs(-s * x + c * y));
        r = 0.4 - 0.3 * 0.5 * (1 + erf(d / (sigma * M_SQRT2)));
    }
    for (int i = 0; i < 4; i++) {
        double d = hypot(u - discs[i][0], v - discs[i][1]);
        if (d < 0.45)
            r = d < 0.22 ? 0.03 : 0.85;
    }
    return r;
}

static uint8_t *draw(void)
{
    uint8_t *p = malloc(W * H * 3 / 2);
    uint32_t seed = 1;
    if (!p)
        die("out of memory");
    for (int i = 0; i < W * H; i++) {
        seed = seed * 1664525u + 1013904223u;
        double v = srgb_encode(reflectance((i % W + 0.5) / W * 16, (i / W + 0.5) / W * 16)) * 255;
        p[i] = (uint8_t)fmin(255, v + (seed >> 30));
    }
    memset(p + W * H, 128, W * H / 2);
    return p;
}

static AVPacket *encode(const uint8_t *nv12)
{
    AVCodecContext *c = avcodec_alloc_context3(avcodec_find_encoder(AV_CODEC_ID_MJPEG));
    AVFrame *f = av_frame_alloc();
    AVPacket *p = av_packet_alloc();
    if (!c || !f || !p)
        die("out of memory");
    c->width = f->width = W;
    c->height = f->height = H;
    c->pix_fmt = f->format = AV_PIX_FMT_YUVJ420P;
    c->time_base = (AVRational){1, 25};
    c->color_range = AVCOL_RANGE_JPEG;
    c->flags |= AV_CODEC_FLAG_QSCALE;
    c->global_quality = f->quality = 2 * FF_QP2LAMBDA;
    if (avcodec_open2(c, NULL, NULL) < 0 || av_frame_get_buffer(f, 0) < 0)
        die("no JPEG encoder");
    for (int y = 0; y < H; y++)
        memcpy(f->data[0] + y * f->linesize[0], nv12 + y * W, W);
    for (int k = 1; k < 3; k++)
        memset(f->data[k], 128, (size_t)f->linesize[k] * H / 2);
    if (avcodec_send_frame(c, f) < 0 || avcodec_receive_packet(c, p) < 0)
        die("the frame does not encode");
    av_frame_free(&f);
    avcodec_free_context(&c);
    return p;
}

static void decode(AVPacket *p)
{
    AVCodecContext *c = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_MJPEG));
    AVFrame *f = av_frame_alloc();
    if (!c || !f)
        die("out of memory");
    c->thread_count = 1;
    if (avcodec_open2(c, NULL, NULL) < 0 || avcodec_send_packet(c, p) < 0 ||
        avcodec_receive_frame(c, f) < 0)
        die("the frame does not decode");
    av_frame_free(&f);
    avcodec_free_context(&c);
}

/* The least of ROUNDS: what the work costs when nobody interrupts. */
#define LEAST_MS(statement)                                                                        \
    __extension__({                                                                                \
        double least_ = 1e9;                                                                       \
        for (int round_ = 0; round_ < ROUNDS; round_++) {                                          \
            int64_t begin_ = clock_mono_ns();                                                      \
            statement;                                                                             \
            least_ = fmin(least_, (double)(clock_mono_ns() - begin_) / 1e6);                       \
        }                                                                                          \
        least_;                                                                                    \
    })

static void say(const char *bench, double ms, double reference, const char *method)
{
    printf("{\"bench\":\"%s\",\"value\":%.3f,\"unit\":\"ms\",", bench, ms);
    if (reference > 0)
        printf("\"reference\":%.3f,\"peer\":\"FFmpeg decoding the same frame as JPEG, one "
               "thread\",",
               reference);
    printf("\"method\":\"%s\"}\n", method);
}

static void verdict(const struct plane *luma, const struct chart *chart)
{
    for (int s = 0; s < CHART_SQUARES; s++) {
        struct region r;
        struct plane part;
        struct sharpness m;
        struct error err = {0};
        if (chart_edge(chart, *luma, s, 0, &r, &err) || plane_crop(*luma, r, &part, &err) ||
            sharpness_edge(part, &m, &err))
            die(err.text);
    }
}

static void pictures(void)
{
    uint8_t *nv12 = draw();
    AVPacket *jpeg = encode(nv12);
    struct nv12 f = {nv12, W * H * 3 / 2, W, H};
    float *data = malloc(W * H * sizeof *data);
    struct plane luma = {data, W, H, W};
    struct region whole = {0, 0, W, H};
    struct chart chart;
    struct defects d;
    struct registration g;
    struct error err = {0};
    if (!data)
        die("out of memory");

    double decoding = LEAST_MS(decode(jpeg));
    say("measure: linear luma of 2304x1296", LEAST_MS(nv12_luma(&f, whole, data, &err)), decoding,
        "NV12 to float, least of 7");
    say("measure: chart found", LEAST_MS(if (chart_find(luma, &chart, &err)) die(err.text)),
        decoding, "four fiducials and five squares in 2304x1296, least of 7");
    say("measure: five slanted edges", LEAST_MS(verdict(&luma, &chart)), decoding,
        "e-SFR of one edge of each square, 103x115 px each, least of 7");
    say("measure: two frames registered",
        LEAST_MS(if (registration_measure(luma, luma, &g, &err)) die(err.text)), decoding,
        "phase correlation and Gauss-Newton on 2304x1296, least of 7");
    for (int i = 0; i < W * H; i++) /* a flat field, as defects are looked for in */
        data[i] = 0.4f + 0.001f * (float)(i % 7);
    say("measure: defect pixels of a frame",
        LEAST_MS(if (defects_find(luma, NULL, &d, &err)) die(err.text); defects_free(&d)), decoding,
        "17x17 neighbourhood over 2304x1296, least of 7");
    free(data);
    free(nv12);
    av_packet_free(&jpeg);
}

static void sounds(void)
{
    const struct signal_sweep spec = {20, 20000, 3, 0.5, RATE, 0.01};
    size_t count = signal_sweep_samples(&spec);
    float *x = malloc(count * sizeof *x);
    struct sweep *s = malloc(sizeof *s);
    struct tone t;
    struct error err = {0};
    if (!x || !s)
        die("out of memory");
    signal_sine(997, 0.5, RATE, 0, x, RATE);
    say("measure: tone of one second",
        LEAST_MS(if (tone_measure(x, RATE, RATE, &t, &err)) die(err.text)), 0,
        "48000 samples: sine fit, 24 harmonics, noise; least of 7");
    signal_sweep(&spec, x);
    say("measure: sweep of three seconds",
        LEAST_MS(if (sweep_measure(&spec, x, count, x, count, s, &err)) die(err.text)), 0,
        "144000 samples: response, 8 harmonics, rub and buzz; least of 7");
    free(x);
    free(s);
}

int main(void)
{
    pictures();
    sounds();
    return 0;
}
