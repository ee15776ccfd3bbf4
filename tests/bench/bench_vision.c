/* What an image verdict costs, beside FFmpeg's own decoding of the same frame as JPEG: all that the
 * image step makes of a frame of the chart and of one of the panel, as the emulated camera takes
 * them. One thread. */
#include <libavcodec/avcodec.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "firmware/hal/emulator/picture.h"
#include "firmware/hal/emulator/sensor.h"
#include "protocol/world.h"
#include "station/measure/blemish.h"
#include "station/measure/chart.h"
#include "station/measure/color.h"
#include "station/measure/contrast.h"
#include "station/measure/defects.h"
#include "station/measure/noise.h"
#include "station/measure/registration.h"
#include "station/measure/shading.h"
#include "station/measure/sharpness.h"

enum { W = 2304, H = 1296, BYTES = W * H * 3 / 2, ROUNDS = 25 };

static void die(const char *what)
{
    fprintf(stderr, "bench_vision: %s\n", what);
    exit(3);
}

/* Two frames of a nominal unit: the second differs by its noise. */
static void shoot(int scene, uint8_t *frames[2])
{
    const struct board board = {.sensor_width_px = W,
                                .sensor_height_px = H,
                                .pixel_um = 2.5,
                                .focal_mm = 3.6,
                                .f_number = 2};
    const struct view view = {.scene = scene, .illuminance_lux = 500, .ir_filter = true};
    const struct picture *picture;
    struct physics physics;
    struct painter *painter;
    struct sensor *sensor;
    struct error err = {0};
    physics_nominal(&physics);
    if (painter_create(&board, &physics, &painter, &err) ||
        sensor_create(&board, &physics, &sensor, &err) ||
        painter_paint(painter, &view, &picture, &err))
        die(err.text);
    for (int i = 0; i < 2; i++) {
        if (!(frames[i] = malloc(BYTES)))
            die("out of memory");
        sensor_expose(sensor, picture, 30, 1, 25, (uint32_t)i + 1, frames[i]);
    }
    sensor_free(sensor);
    painter_free(painter);
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
    for (int y = 0; y < H / 2; y++)
        for (int x = 0; x < W / 2; x++)
            for (int k = 0; k < 2; k++)
                f->data[1 + k][y * f->linesize[1 + k] + x] = nv12[(H + y) * W + 2 * x + k];
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

/* Time of this thread alone: others on the same core do not count. */
static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Its rounds take turns with FFmpeg's, so that whatever the machine does else slows both. */
struct turns {
    double ours_ms[ROUNDS], theirs_ms[ROUNDS];
};

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double ms[ROUNDS])
{
    double sorted[ROUNDS];
    memcpy(sorted, ms, sizeof sorted);
    qsort(sorted, ROUNDS, sizeof *sorted, by_size);
    return sorted[ROUNDS / 2];
}

static void say(const char *bench, const struct turns *t, const char *method)
{
    printf("{\"bench\":\"vision: %s\",\"value\":%.3f,\"unit\":\"ms\",\"reference\":%.3f,"
           "\"peer\":\"FFmpeg decoding the same frame as JPEG, one thread\","
           "\"method\":\"%s; medians of %d rounds in turns, this thread's time\"}\n",
           bench, median(t->ours_ms), median(t->theirs_ms), method, ROUNDS);
}

#define BENCH(bench, jpeg, method, statement)                                                      \
    do {                                                                                           \
        struct turns turns_;                                                                       \
        for (int round_ = 0; round_ < ROUNDS; round_++) {                                          \
            const double begin_ = cpu_ms();                                                        \
            decode(jpeg);                                                                          \
            const double middle_ = cpu_ms();                                                       \
            statement;                                                                             \
            turns_.ours_ms[round_] = cpu_ms() - middle_;                                           \
            turns_.theirs_ms[round_] = middle_ - begin_;                                           \
        }                                                                                          \
        say(bench, &turns_, method);                                                               \
    } while (0)

static void five_regions(struct plane luma, const struct chart *chart)
{
    for (int s = 0; s < CHART_SQUARES; s++) {
        struct region r;
        struct plane part;
        struct sharpness m;
        struct error err = {0};
        if (chart_edge(chart, luma, s, 0, &r, &err) || plane_crop(luma, r, &part, &err) ||
            sharpness_edge(part, &m, &err))
            die(err.text);
    }
}

/* Everything: chart, twenty edges, colours, tones, noise of two frames, shading. */
static void chart_verdict(const struct nv12 frames[2], float *data)
{
    const struct region whole = {0, 0, W, H};
    struct plane luma = {data, W, H, W}, bands[2];
    double rgb[COLOR_PATCHES][3];
    struct contrast_step steps[CHART_WEDGE];
    struct chart chart;
    struct color color;
    struct contrast contrast;
    struct noise noise;
    struct shading shading;
    struct region r;
    struct plane part;
    struct sharpness m;
    struct error err = {0};
    if (nv12_luma(&frames[0], whole, data, &err) || chart_find(luma, &chart, &err))
        die(err.text);
    for (int i = 0; i < CHART_SQUARES * CHART_EDGES; i++)
        if (chart_edge(&chart, luma, i / CHART_EDGES, i % CHART_EDGES, &r, &err) ||
            plane_crop(luma, r, &part, &err) || sharpness_edge(part, &m, &err))
            die(err.text);
    for (int i = 0; i < COLOR_PATCHES; i++)
        if (chart_patch(&chart, luma, i, &r, &err) || nv12_mean_rgb(&frames[0], r, rgb[i], &err))
            die(err.text);
    color_check(rgb, true, &color);
    for (int i = 0; i < CHART_WEDGE; i++) {
        if (chart_wedge(&chart, luma, i, &r, &err) || plane_crop(luma, r, &part, &err))
            die(err.text);
        steps[i].reflectance = chart_wedge_reflectance[i];
        steps[i].mean = plane_mean(part, &steps[i].sigma);
    }
    if (contrast_wedge(steps, CHART_WEDGE, &contrast, &err) || chart_band(&chart, luma, &r, &err) ||
        shading_chart(luma, &chart, &shading, &err))
        die(err.text);
    const size_t samples = (size_t)r.width_px * r.height_px;
    float *band = malloc(2 * samples * sizeof *band);
    for (int i = 0; i < 2 && band; i++) {
        bands[i] = (struct plane){band + i * samples, r.width_px, r.height_px, (size_t)r.width_px};
        if (nv12_luma(&frames[i], r, band + i * samples, &err))
            die(err.text);
    }
    if (!band || noise_measure(bands, 2, &noise, &err))
        die("out of memory");
    free(band);
}

/* Spots, pixels, shading and the light's middle. */
static void panel_verdict(const struct nv12 *frame, float *data)
{
    const struct region whole = {0, 0, W, H};
    struct plane luma = {data, W, H, W};
    struct shading shading;
    struct blemishes spots;
    struct defects defects;
    struct error err = {0};
    if (nv12_luma(frame, whole, data, &err) || shading_field(luma, &shading, &err) ||
        blemish_find(luma, 0.012, &spots, &err) || defects_find(luma, NULL, &defects, &err))
        die(err.text);
    defects_free(&defects);
}

static long peak_kb(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

int main(void)
{
    uint8_t *chart_frames[2], *panel_frames[2];
    const struct region whole = {0, 0, W, H};
    struct chart chart;
    struct registration g;
    struct blemishes spots;
    struct shading shading;
    struct defects defects;
    struct error err = {0};
    shoot(WORLD_SCENE_CHART, chart_frames);
    shoot(WORLD_SCENE_FLAT, panel_frames);
    const struct nv12 charts[2] = {{chart_frames[0], BYTES, W, H}, {chart_frames[1], BYTES, W, H}};
    const struct nv12 panel = {panel_frames[0], BYTES, W, H};
    AVPacket *chart_jpeg = encode(chart_frames[0]), *panel_jpeg = encode(panel_frames[0]);
    const long before_kb = peak_kb();
    float *data = malloc(W * H * sizeof *data);
    struct plane luma = {data, W, H, W};
    if (!data)
        die("out of memory");

    BENCH("image verdict of a chart frame", chart_jpeg,
          "luma, chart, 20 edges, 24 patches, wedge, noise, shading of 2304x1296",
          chart_verdict(charts, data));
    BENCH("image verdict of a panel frame", panel_jpeg,
          "luma, shading, light's middle, spots, pixels of 2304x1296", panel_verdict(&panel, data));
    printf("{\"bench\":\"vision: memory of both verdicts\",\"value\":%.1f,\"unit\":\"MB\","
           "\"method\":\"peak of the process less what it held before, luma of 12 MB included\"}\n",
           (double)(peak_kb() - before_kb) / 1000);

    BENCH("linear luma", panel_jpeg, "NV12 to float", nv12_luma(&panel, whole, data, &err));
    BENCH("shading and light's middle", panel_jpeg, "16 x 9 and 32 x 18 blocks",
          shading_field(luma, &shading, &err));
    BENCH("spots", panel_jpeg, "five sizes", blemish_find(luma, 0.012, &spots, &err));
    BENCH("defect pixels", panel_jpeg, "17x17 neighbourhood",
          if (defects_find(luma, NULL, &defects, &err)) die(err.text);
          defects_free(&defects));
    if (nv12_luma(&charts[0], whole, data, &err))
        die(err.text);
    BENCH("chart found", chart_jpeg, "four fiducials and five squares",
          if (chart_find(luma, &chart, &err)) die(err.text));
    BENCH("five SFR regions", chart_jpeg, "e-SFR of one edge of each square, 103x115 px each",
          five_regions(luma, &chart));
    BENCH("two frames registered", chart_jpeg, "phase correlation and Gauss-Newton on 2304x1296",
          if (registration_measure(luma, luma, &g, &err)) die(err.text));
    free(data);
    for (int i = 0; i < 2; i++) {
        free(chart_frames[i]);
        free(panel_frames[i]);
    }
    av_packet_free(&chart_jpeg);
    av_packet_free(&panel_jpeg);
    return 0;
}
