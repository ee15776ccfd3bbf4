/* takt measure on files: every kind's fields, and one clear line for what cannot be measured. */
#include <fcntl.h>
#include <libavcodec/avcodec.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "station/cli/command.h"
#include "station/measure/color.h"
#include "station/measure/picture.h"
#include "station/measure/signal.h"

static char folder[64];
static struct buffer output;

static const char *at(const char *name)
{
    static char paths[8][128];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, 128, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const void *data, size_t size)
{
    struct error err = {0};
    if (file_write(at(name), data, size, 0600, &err) < 0)
        fail_msg("%s", err.text);
}

/* Runs takt measure with words parted by spaces; stdout (or stderr) comes back in `output`. */
static int run(int fd, const char *words)
{
    char line[1024], *argv[32] = {"measure"};
    int argc = 1;
    struct error err = {0};
    snprintf(line, sizeof line, "%s", words);
    for (char *w = strtok(line, " "); w && argc < 31; w = strtok(NULL, " "))
        argv[argc++] = w;
    int file = open(at("output"), O_CREAT | O_TRUNC | O_RDWR, 0600), kept = dup(fd);
    assert_true(file >= 0 && kept >= 0);
    fflush(NULL);
    dup2(file, fd);
    int rc = cli_measure(argc, argv);
    fflush(NULL);
    dup2(kept, fd);
    close(kept);
    close(file);
    buffer_consume(&output, output.size);
    assert_int_equal(file_read(at("output"), &output, &err), 0);
    return rc;
}

static cJSON *measured(const char *format, ...)
{
    char words[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    int rc = run(STDOUT_FILENO, words);
    if (rc != CLI_OK)
        fail_msg("takt measure %s: exit status %d", words, rc);
    cJSON *j = cJSON_Parse(buffer_text(&output)); /* one document and nothing else */
    if (!j)
        fail_msg("takt measure %s: no JSON: %s", words, buffer_text(&output));
    return j;
}

static double number(const cJSON *j, const char *name)
{
    const cJSON *v = cJSON_GetObjectItem(j, name);
    if (!cJSON_IsNumber(v))
        fail_msg("no number '%s'", name);
    return v->valuedouble;
}

/* ---- pictures ------------------------------------------------------------------------------- */

enum { SIDE = 160 };

static double edge_at(int x, int y)
{
    double d = (x - 80.3) * cos(0.1) + (y - 80) * sin(0.1);
    return 0.1 + 0.4 * 0.5 * (1 + erf(d / (0.7 * M_SQRT2)));
}

static void write_pgm16(const char *name, bool coded)
{
    static uint8_t file[32 + 2 * SIDE * SIDE];
    int at_byte = sprintf((char *)file, "P5\n%d %d\n65535\n", SIDE, SIDE);
    for (int i = 0; i < SIDE * SIDE; i++) {
        double v = edge_at(i % SIDE, i / SIDE);
        unsigned code = (unsigned)lrint(65535 * (coded ? srgb_encode(v) : v));
        file[at_byte++] = (uint8_t)(code >> 8);
        file[at_byte++] = (uint8_t)code;
    }
    put(name, file, (size_t)at_byte);
}

/* Writes the edge, sRGB-coded, through one of FFmpeg's own encoders. */
static void write_coded(const char *name, enum AVCodecID id, enum AVPixelFormat format)
{
    AVCodecContext *c = avcodec_alloc_context3(avcodec_find_encoder(id));
    AVFrame *f = av_frame_alloc();
    AVPacket *p = av_packet_alloc();
    assert_true(c && f && p);
    c->width = f->width = SIDE;
    c->height = f->height = SIDE;
    c->pix_fmt = format;
    f->format = format;
    c->time_base = (AVRational){1, 25};
    c->color_range = AVCOL_RANGE_JPEG;
    c->flags |= AV_CODEC_FLAG_QSCALE;
    c->global_quality = FF_QP2LAMBDA;
    assert_true(avcodec_open2(c, NULL, NULL) >= 0 && av_frame_get_buffer(f, 0) >= 0);
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            uint8_t code = (uint8_t)lrint(255 * srgb_encode(edge_at(x, y)));
            if (format == AV_PIX_FMT_RGB24) {
                memset(f->data[0] + y * f->linesize[0] + 3 * x, code, 3);
            } else {
                f->data[0][y * f->linesize[0] + x] = code;
                f->data[1][y / 2 * f->linesize[1] + x / 2] = 128;
                f->data[2][y / 2 * f->linesize[2] + x / 2] = 128;
            }
        }
    }
    f->quality = FF_QP2LAMBDA;
    assert_true(avcodec_send_frame(c, f) >= 0);
    avcodec_send_frame(c, NULL);
    assert_true(avcodec_receive_packet(c, p) >= 0);
    put(name, p->data, (size_t)p->size);
    av_packet_free(&p);
    av_frame_free(&f);
    avcodec_free_context(&c);
}

static void test_one_edge_in_four_formats_has_one_sharpness(void **state)
{
    write_pgm16("linear.pgm", false);
    write_pgm16("coded.pgm", true);
    write_coded("edge.png", AV_CODEC_ID_PNG, AV_PIX_FMT_RGB24);
    write_coded("edge%d.jpg", AV_CODEC_ID_MJPEG, AV_PIX_FMT_YUVJ420P);
    static const struct {
        const char *words;
        double within;
    } cases[] = {{"%s/linear.pgm --linear", 0.002},
                 {"%s/coded.pgm", 0.002},
                 {"%s/edge.png", 0.01},
                 {"%s/edge%%d.jpg", 0.05}};
    for (size_t i = 0; i < 4; i++) {
        char words[256];
        snprintf(words, sizeof words, cases[i].words, folder);
        cJSON *j = measured("sharpness %s --json", words);
        /* Gaussian of sigma 0.7: 0.26770 cycles/px; at 0.25 exp(-2 pi^2 0.49 / 16) = 0.5463. */
        if (fabs(number(j, "mtf50_cpp") / 0.26770 - 1) > cases[i].within)
            fail_msg("%s: %.5f", words, number(j, "mtf50_cpp"));
        assert_true(fabs(number(j, "mtf_nyquist4") - 0.5463) < 0.03);
        assert_true(fabs(number(j, "angle_deg") - 0.1 * 180 / M_PI) < 0.03);
        const cJSON *curve = cJSON_GetObjectItem(j, "curve");
        assert_true(cJSON_GetArraySize(curve) > 50);
        const cJSON *point = cJSON_GetArrayItem(curve, 10);
        assert_true(fabs(cJSON_GetArrayItem(point, 0)->valuedouble - 0.1) < 1e-9);
        assert_true(fabs(cJSON_GetArrayItem(point, 1)->valuedouble - 0.9078) < 0.02);
        cJSON_Delete(j);
    }
    cJSON *part = measured("sharpness %s/coded.pgm --roi 40,30,90,100 --json", folder);
    assert_true(fabs(number(part, "mtf50_cpp") / 0.26770 - 1) < 0.01);
    cJSON_Delete(part);
}

/* The reference's own colours, 40 px patches with 6 px between, on a grey card, set in at (31, 22).
 */
static void test_a_drawn_color_checker_has_no_error(void **state)
{
    enum { WIDE = 360, HIGH = 240 };
    static uint8_t file[32 + 6 * WIDE * HIGH];
    int n = sprintf((char *)file, "P6\n%d %d\n65535\n", WIDE, HIGH);
    for (int i = 0; i < WIDE * HIGH; i++) {
        int x = i % WIDE - 31, y = i / WIDE - 22;
        double rgb[3] = {0.1, 0.1, 0.1};
        if (x >= 0 && y >= 0 && x < 6 * 46 && y < 4 * 46 && x % 46 < 40 && y % 46 < 40)
            lab_to_rgb(color_references[y / 46 * 6 + x / 46].lab, rgb);
        for (int c = 0; c < 3; c++) {
            unsigned code = (unsigned)lrint(65535 * srgb_encode(fmax(0, fmin(1, rgb[c]))));
            file[n++] = (uint8_t)(code >> 8);
            file[n++] = (uint8_t)code;
        }
    }
    put("checker.ppm", file, (size_t)n);
    cJSON *j =
        measured("color %s/checker.ppm --json --corners 31,22,301,22,301,200,31,200", folder);
    const cJSON *patches = cJSON_GetObjectItem(j, "patches");
    assert_int_equal(cJSON_GetArraySize(patches), 24);
    for (int i = 0; i < 24; i++) {
        const cJSON *p = cJSON_GetArrayItem(patches, i);
        assert_string_equal(json_string(p, "name", ""), color_references[i].name);
        assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(p, "lab")), 3);
        if (i != 17) /* cyan lies outside sRGB */
            assert_true(number(p, "de2000") < 0.05);
    }
    assert_true(number(j, "white_balance_de") < 0.01);
    assert_true(number(j, "de2000_max") < 5 && number(j, "de2000_mean") < 0.3);
    cJSON_Delete(j);
    /* Nothing says where the chart is, and from rim to rim it is not. */
    char words[256];
    snprintf(words, sizeof words, "color %s/linear.pgm --json", folder);
    assert_int_equal(run(STDERR_FILENO, words), CLI_USAGE);
    assert_non_null(strstr(buffer_text(&output), "--corners"));
}

/* A file's 8-bit colours arrive unchanged: swscale once brought them through YCbCr, 0.9 dE off. */
static void test_eight_bits_of_colour_are_read_as_written(void **state)
{
    static const uint8_t patches[24][3] = {
        {115, 82, 68},   {194, 150, 130}, {98, 122, 157}, {87, 108, 67},   {133, 128, 177},
        {103, 189, 170}, {214, 126, 44},  {80, 91, 166},  {193, 90, 99},   {94, 60, 108},
        {157, 188, 64},  {224, 163, 46},  {56, 61, 150},  {70, 148, 73},   {175, 54, 60},
        {231, 199, 31},  {187, 86, 149},  {8, 133, 161},  {243, 243, 242}, {200, 200, 200},
        {160, 160, 160}, {122, 122, 121}, {85, 85, 85},   {52, 52, 52},
    };
    enum { CELL = 20 };
    static uint8_t file[32 + 3 * 24 * CELL * CELL];
    int n = sprintf((char *)file, "P6\n%d %d\n255\n", 6 * CELL, 4 * CELL);
    for (int y = 0; y < 4 * CELL; y++)
        for (int x = 0; x < 6 * CELL; x++)
            for (int c = 0; c < 3; c++)
                file[n++] = patches[y / CELL * 6 + x / CELL][c];
    put("srgb.ppm", file, (size_t)n);
    cJSON *j = measured("color %s/srgb.ppm --json", folder);
    const cJSON *list = cJSON_GetObjectItem(j, "patches");
    for (int i = 0; i < 24; i++) {
        double rgb[3];
        for (int c = 0; c < 3; c++)
            rgb[c] = srgb_decode(patches[i][c] / 255.0);
        struct lab lab = lab_from_rgb(rgb);
        const cJSON *got = cJSON_GetObjectItem(cJSON_GetArrayItem(list, i), "lab");
        assert_true(fabs(cJSON_GetArrayItem(got, 0)->valuedouble - lab.l) < 0.001);
        assert_true(fabs(cJSON_GetArrayItem(got, 1)->valuedouble - lab.a) < 0.001);
        assert_true(fabs(cJSON_GetArrayItem(got, 2)->valuedouble - lab.b) < 0.001);
    }
    cJSON_Delete(j);
}

static void write_field(const char *name, const uint8_t *pixels, int width, int height)
{
    struct buffer b = {0};
    buffer_printf(&b, "P5\n%d %d\n255\n", width, height);
    buffer_append(&b, pixels, (size_t)width * height);
    put(name, b.data, b.size);
    buffer_free(&b);
}

static void test_fields_noise_defects_and_shifts(void **state)
{
    enum { WIDE = 320, HIGH = 200 };
    static uint8_t a[WIDE * HIGH], b[WIDE * HIGH], far[WIDE * HIGH];
    uint32_t seed = 7;
    for (int i = 0; i < WIDE * HIGH; i++) {
        /* Two dice each: variance 2 * (4^2 - 1) / 12 = 2.5 codes. */
        a[i] = b[i] = 120;
        for (int k = 0; k < 4; k++) {
            seed = seed * 1664525u + 1013904223u;
            *(k < 2 ? &a[i] : &b[i]) += seed >> 30;
        }
    }
    a[50 * WIDE + 60] = b[50 * WIDE + 60] = 10;
    a[51 * WIDE + 61] = b[51 * WIDE + 61] = 20;
    a[150 * WIDE + 260] = b[150 * WIDE + 260] = 255;
    write_field("a.pgm", a, WIDE, HIGH);
    write_field("b.pgm", b, WIDE, HIGH);
    cJSON *j = measured("noise %s/a.pgm %s/b.pgm --linear --json", folder, folder);
    assert_true(fabs(number(j, "temporal_sigma") * 255 / sqrt(2.5) - 1) < 0.02);
    assert_true(fabs(number(j, "snr_db") - 20 * log10(123 / sqrt(2.5))) < 0.2);
    assert_true(number(j, "fixed_pattern_sigma") * 255 < 1.5);
    cJSON_Delete(j);

    j = measured("defects %s/a.pgm --linear --json", folder);
    const cJSON *points = cJSON_GetObjectItem(j, "points");
    assert_int_equal(cJSON_GetArraySize(points), 3);
    assert_true(number(cJSON_GetArrayItem(points, 0), "x") == 60);
    assert_true(number(cJSON_GetArrayItem(points, 0), "y") == 50);
    assert_string_equal(json_string(cJSON_GetArrayItem(points, 0), "kind", ""), "dead");
    assert_string_equal(json_string(cJSON_GetArrayItem(points, 2), "kind", ""), "bright");
    assert_true(number(j, "clusters") == 1);
    cJSON_Delete(j);

    j = measured("shading %s/a.pgm --linear --json", folder);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(j, "corner_ratio")), 4);
    assert_true(fabs(number(j, "darkest_corner_ratio") - 1) < 0.01);
    assert_true(number(j, "center_offset_percent") == 0);
    cJSON_Delete(j);

    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < WIDE * HIGH; i++) {
            double x = i % WIDE - 17.0 * k, y = i / WIDE + 9.0 * k;
            double v =
                sin(x / 7) * sin(y / 11) + sin(x / 23 + y / 19) + sin((x * x + y * y) / 9000);
            (k ? far : a)[i] = (uint8_t)(128 + 35 * v);
        }
    }
    write_field("near.pgm", a, WIDE, HIGH);
    write_field("far.pgm", far, WIDE, HIGH);
    j = measured("registration %s/near.pgm %s/far.pgm --json", folder, folder);
    assert_true(fabs(number(j, "dx_px") - 17) < 0.05 && fabs(number(j, "dy_px") + 9) < 0.05);
    assert_true(fabs(number(j, "rotation_deg")) < 0.05 && number(j, "peak") > 0.98);
    cJSON_Delete(j);

    j = measured("deltae 50,2.6772,-79.7751 50,0,-82.7485 --json");
    assert_true(fabs(number(j, "de2000") - 2.0425) < 0.00005);
    assert_true(fabs(number(j, "de76") - hypot(2.6772, 2.9734)) < 1e-6);
    cJSON_Delete(j);
}

/* ---- sounds --------------------------------------------------------------------------------- */

enum { RATE = 48000 };

static void write_wav(const char *name, const float *samples, uint32_t count, int channels)
{
    struct buffer b = {0};
    uint32_t bytes = count * 2 * (uint32_t)channels,
             sizes[] = {36 + bytes, 16, RATE, RATE * 2u * (uint32_t)channels};
    uint16_t shorts[] = {1, (uint16_t)channels, (uint16_t)(2 * channels), 16};
    buffer_append(&b, "RIFF", 4);
    buffer_append(&b, &sizes[0], 4);
    buffer_append(&b, "WAVEfmt ", 8);
    buffer_append(&b, &sizes[1], 4);
    buffer_append(&b, shorts, 4);
    buffer_append(&b, &sizes[2], 8);
    buffer_append(&b, &shorts[2], 4);
    buffer_append(&b, "data", 4);
    buffer_append(&b, &bytes, 4);
    for (uint32_t i = 0; i < count; i++) {
        for (int c = 0; c < channels; c++) {
            int16_t v = c ? 0 : (int16_t)fmaxf(-32768, fminf(32767, rintf(32768 * samples[i])));
            buffer_append(&b, &v, 2);
        }
    }
    put(name, b.data, b.size);
    buffer_free(&b);
}

static void test_a_tone_in_a_wav(void **state)
{
    static float x[RATE];
    for (int i = 0; i < RATE; i++)
        x[i] = (float)(0.5 * sin(2 * M_PI * 1000 * i / RATE) +
                       0.005 * sin(2 * M_PI * 2000 * i / RATE));
    for (int channels = 1; channels <= 2; channels++) {
        write_wav("tone.wav", x, RATE, channels);
        cJSON *j = measured("audio %s/tone.wav --json", folder);
        assert_true(fabs(number(j, "level_dbfs") + 6.0206) < 0.01);
        assert_true(fabs(number(j, "level_dba_fs") + 6.0206) < 0.01);
        assert_true(fabs(number(j, "frequency_hz") - 1000) < 1e-3);
        assert_true(fabs(number(j, "thd_percent") - 1) < 0.001);
        assert_true(fabs(number(j, "thdn_db") + 40) < 0.01);
        assert_true(number(j, "snr_db") > 80);
        assert_true(number(j, "clipped_samples") == 0);
        cJSON_Delete(j);
    }
    memset(x, 0, sizeof x);
    write_wav("silence.wav", x, RATE, 1);
    cJSON *j = measured("audio %s/silence.wav --json", folder);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(j, "frequency_hz")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(j, "level_dbfs"))); /* minus infinity */
    cJSON_Delete(j);
}

static void test_a_sweep_in_two_wavs(void **state)
{
    enum { TOTAL = 3 * RATE };
    static float x[TOTAL], y[TOTAL];
    const struct signal_sweep spec = {30, 18000, 2, 0.5, RATE, 0.01};
    signal_sweep(&spec, x);
    for (int i = 0; i < TOTAL; i++)
        y[i] = i >= 480 ? 0.25f * x[i - 480] : 0;
    write_wav("sweep.wav", x, 2 * RATE, 1);
    write_wav("heard.wav", y, TOTAL, 1);
    cJSON *j = measured("sweep %s/sweep.wav %s/heard.wav --json", folder, folder);
    assert_true(fabs(number(j, "delay_ms") - 10) < 0.005);
    assert_true(number(j, "rub_buzz_db") < -50);
    const cJSON *response = cJSON_GetObjectItem(j, "response"),
                *thd = cJSON_GetObjectItem(j, "thd");
    assert_true(cJSON_GetArraySize(response) > 80 && cJSON_GetArraySize(thd) > 30);
    const cJSON *point;
    cJSON_ArrayForEach(point, response) if (cJSON_GetArrayItem(point, 0)->valuedouble > 100)
        assert_true(fabs(cJSON_GetArrayItem(point, 1)->valuedouble + 12.041) < 0.05);
    cJSON_Delete(j);
}

/* ---- what is wrong is said ------------------------------------------------------------------ */

static void test_every_mistake_is_one_line_and_status_2(void **state)
{
    static const char *const words[][2] = {
        {"", "a kind is missing"},
        {"sharpnes x", "did you mean 'sharpness'"},
        {"sharpness", "takes PICTURE, 0 given"},
        {"sharpness %s/none.png", "No such file"},
        {"sharpness %s/rubbish.png", "rubbish.png"},
        {"sharpness %s/tone.wav", "holds no picture"},
        {"audio %s/linear.pgm", "holds no sound"},
        {"sharpness %s/linear.pgm --roi 1,2,3", "--roi takes"},
        {"sharpness %s/linear.pgm --roi 150,0,20,20", "does not lie in the picture"},
        {"sharpness %s/linear.pgm --rio 1,2,3,4", "did you mean '--roi'"},
        {"sharpness %s/linear.pgm --frame 3", "has 1 frames"},
        {"color %s/linear.pgm --corners 1,1,2,2,3,3,4,4", "in one line"},
        {"color %s/linear.pgm --corners 1e300,1,2,2,3,3,4,9", "does not lie in the picture"},
        {"noise %s/a.pgm", "two or more"},
        {"noise %s/a.pgm %s/linear.pgm", "pixels"},
        {"deltae 1,2 3,4,5", "no colour"},
        {"sweep %s/silence.wav %s/silence.wav", "silent"},
        {"registration %s/a.pgm %s/linear.pgm", "one size expected"},
    };
    uint8_t rubbish[4096];
    for (size_t i = 0; i < sizeof rubbish; i++)
        rubbish[i] = (uint8_t)(i * i * 2654435761u >> 13);
    memcpy(rubbish, "\x89PNG\r\n\x1a\n", 8);
    put("rubbish.png", rubbish, sizeof rubbish);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char line[512];
        snprintf(line, sizeof line, words[i][0], folder, folder);
        int rc = run(STDERR_FILENO, line);
        const char *said = buffer_text(&output);
        if (rc != CLI_USAGE || !strstr(said, words[i][1]))
            fail_msg("'%s': status %d, said: %s", line, rc, said);
    }
}

static int setup(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/takt-measure-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    buffer_free(&output);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_edge_in_four_formats_has_one_sharpness),
        cmocka_unit_test(test_a_drawn_color_checker_has_no_error),
        cmocka_unit_test(test_eight_bits_of_colour_are_read_as_written),
        cmocka_unit_test(test_fields_noise_defects_and_shifts),
        cmocka_unit_test(test_a_tone_in_a_wav),
        cmocka_unit_test(test_a_sweep_in_two_wavs),
        cmocka_unit_test(test_every_mistake_is_one_line_and_status_2),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
