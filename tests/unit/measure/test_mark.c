/* The time mark read off plain pictures, and what is frozen by what they show: planted standstills
 * of any kind, also after encoders that are not this project's. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "station/measure/coded.h"

enum { WIDTH = 640, HEIGHT = 360, PIXELS = WIDTH * HEIGHT, UNIT_PX = 40, FRAMES_MAX = 200 };

/* The first counts of the reflected binary code (Gray, US patent 2,632,058, table 1). */
static const char *const gray_codes[16] = {"0000", "0001", "0011", "0010", "0110", "0111",
                                           "0101", "0100", "1100", "1101", "1111", "1110",
                                           "1010", "1011", "1001", "1000"};

static const struct chart chart = {.to_pixel = {UNIT_PX, 0, -0.5, 0, UNIT_PX, -0.5, 0, 0, 1},
                                   .unit_px = UNIT_PX};

/* A grey paper with noise, and upper or lower LED of each pair as docs/measurements.md places them.
 * `uppers`: bit k, of pair k; `contrast` in codes. */
static void paint(uint8_t *out, unsigned uppers, int contrast, unsigned noise_seed)
{
    for (int i = 0; i < PIXELS; i++) {
        noise_seed = noise_seed * 1664525 + 1013904223;
        out[i] = (uint8_t)(110 + (int)(noise_seed >> 29) - 4);
    }
    for (int k = 0; k < 10; k++) {
        const double x = (4.85 + 0.7 * k) * UNIT_PX, y = (uppers >> k & 1 ? 0.55 : 1.05) * UNIT_PX;
        for (int row = (int)y - 8; row <= (int)y + 8; row++)
            for (int column = (int)x - 8; column <= (int)x + 8; column++)
                if (hypot(column + 0.5 - x, row + 0.5 - y) < 0.16 * UNIT_PX)
                    out[row * WIDTH + column] = (uint8_t)(out[row * WIDTH + column] + contrast);
    }
}

static int read_back(const uint8_t *picture)
{
    const struct luma luma = {picture, WIDTH, WIDTH, HEIGHT};
    return mark_read(&luma, &chart, WIDTH);
}

static uint8_t picture[PIXELS];

static void test_a_count_is_read_as_gray_had_it(void **state)
{
    for (int count = 0; count < 16; count++) {
        paint(picture, (unsigned)strtoul(gray_codes[count], NULL, 2), 50, (unsigned)count);
        assert_int_equal(read_back(picture), count);
    }
    /* All of them: none comes twice, and where the last pair alone is another, the count is the one
     * before or behind. */
    static bool came[1024];
    for (unsigned uppers = 0; uppers < 1024; uppers++) {
        paint(picture, uppers, 50, uppers);
        const int count = read_back(picture);
        assert_true(count >= 0 && count < 1024 && !came[count]);
        came[count] = true;
        paint(picture, uppers ^ 1, 50, uppers);
        assert_int_equal(abs(read_back(picture) - count), 1);
    }
}

static void test_what_is_not_lit_is_not_read(void **state)
{
    paint(picture, 0x155, 0, 1);
    assert_int_equal(read_back(picture), MARK_UNREAD);
    paint(picture, 0x155, 5, 1);
    assert_int_equal(read_back(picture), MARK_UNREAD);
    paint(picture, 0x155, 14, 1);
    assert_int_not_equal(read_back(picture), MARK_UNREAD);
    const struct luma narrow = {picture, WIDTH, WIDTH, 30};
    assert_int_equal(mark_read(&narrow, &chart, WIDTH), MARK_UNREAD);
}

/* A stream of `n` frames every period_ms; source[i] is the frame whose picture frame i shows. */
static void watch(const size_t *source, size_t n, double period_ms, double step_ms,
                  struct mark_watch *out)
{
    const struct mark_seen right = {1234.5, (int)floor(777 / step_ms) % 1024};
    struct mark_seen frames[FRAMES_MAX];
    struct error err = {0};
    for (size_t i = 0; i < n; i++) {
        frames[i].time_ms = 1234.5 + (double)i * period_ms;
        frames[i].count = (int)floor((777 + (double)source[i] * period_ms) / step_ms) % 1024;
    }
    if (mark_watch(right, frames, n, step_ms, out, &err))
        fail_msg("%s", err.text);
}

static void test_what_moves_is_not_frozen_at_any_rate(void **state)
{
    static const double rates_hz[] = {5, 12.5, 15, 20, 24, 25, 29.97, 30, 40};
    size_t source[FRAMES_MAX];
    struct mark_watch w;
    for (size_t i = 0; i < FRAMES_MAX; i++)
        source[i] = i;
    for (size_t r = 0; r < sizeof rates_hz / sizeof *rates_hz; r++)
        for (double step_ms = 7; step_ms < 1000 / rates_hz[r]; step_ms += 1.5) {
            const size_t n = (size_t)fmin(FRAMES_MAX, 500 * step_ms / 1000 * rates_hz[r]);
            watch(source, n, 1000 / rates_hz[r], step_ms, &w);
            assert_int_equal(w.frozen, 0);
            assert_int_equal(w.read, n);
        }
}

static void test_a_standstill_is_counted_wherever_it_is(void **state)
{
    size_t source[FRAMES_MAX];
    struct mark_watch w;
    /* 400 ms of 5 s, from each frame on. */
    for (size_t from = 1; from + 8 <= 100; from++) {
        for (size_t i = 0; i < 100; i++)
            source[i] = i >= from && i < from + 8 ? from - 1 : i;
        watch(source, 100, 50, 20, &w);
        assert_int_equal(w.frozen, 8);
        assert_true(w.frozen_percent == 8 && w.frozen_longest_ms == 400);
    }
    /* One frame alone. */
    for (size_t i = 0; i < 100; i++)
        source[i] = i == 40 ? 39 : i;
    watch(source, 100, 50, 20, &w);
    assert_int_equal(w.frozen, 1);
    assert_true(w.frozen_longest_ms == 50);
    /* From before the watch to its tenth frame. */
    for (size_t i = 0; i < 100; i++)
        source[i] = i < 10 ? 0 : i;
    watch(source, 100, 50, 20, &w);
    assert_int_equal(w.frozen, 9);
    /* All of 10 s: the freshest is the first. */
    for (size_t i = 0; i < 200; i++)
        source[i] = 3;
    watch(source, 200, 50, 20, &w);
    assert_int_equal(w.frozen, 199);
    assert_true(w.frozen_longest_ms == 9950);
    /* Two buffers that take turns: each frame differs from the one before. */
    for (size_t i = 0; i < 100; i++)
        source[i] = i < 50 ? i : 48 + i % 2;
    watch(source, 100, 50, 20, &w);
    assert_int_equal(w.frozen, 50);
}

static void test_pictures_from_long_before_are_frozen(void **state)
{
    /* The first three are from 12 s ago, more than half a round of the counts. */
    struct mark_seen frames[20];
    struct mark_watch w;
    struct error err = {0};
    for (int i = 0; i < 20; i++)
        frames[i] = (struct mark_seen){15000 + i * 50, i < 3 ? 150 : (15000 + i * 50) / 20 % 1024};
    assert_int_equal(mark_watch((struct mark_seen){3000, 150}, frames, 20, 20, &w, &err), 0);
    assert_int_equal(w.frozen, 3);
}

static void test_gaps_are_no_standstill_nor_is_a_misread_frame_the_measure_of_others(void **state)
{
    struct mark_seen frames[60];
    size_t n = 0;
    struct mark_watch w;
    struct error err = {0};
    for (size_t i = 0; i < 80; i++)
        if (i % 4 != 1)
            frames[n++] = (struct mark_seen){(double)i * 50, (int)(i * 50 / 20)};
    assert_int_equal(mark_watch(frames[0], frames, n, 20, &w, &err), 0);
    assert_int_equal(w.frozen, 0);
    frames[30].count += 30; /* ahead of its time: the freshest, if it were believed */
    frames[31].count = MARK_UNREAD;
    assert_int_equal(mark_watch(frames[0], frames, n, 20, &w, &err), 0);
    assert_int_equal(w.frozen, 0);
    assert_int_equal(w.unread, 1);
    for (size_t i = 0; i < n; i++)
        frames[i].count = MARK_UNREAD;
    assert_int_equal(mark_watch(frames[0], frames, n, 20, &w, &err), 0);
    assert_true(w.frozen_percent == 100 && w.frozen_longest_ms == frames[n - 1].time_ms);
}

static void test_what_cannot_be_told_is_refused(void **state)
{
    const struct mark_seen frames[] = {{0, 0}, {50, 2}, {100, 5}};
    const struct mark_seen back[] = {{0, 0}, {50, 2}, {50, 5}};
    const struct mark_seen longer[] = {{0, 0}, {50, 2}, {11000, 5}};
    struct mark_watch w;
    struct error err = {0};
    assert_int_equal(mark_watch(frames[0], frames, 1, 20, &w, &err), ERROR_INPUT);
    assert_int_equal(mark_watch(frames[0], frames, 3, 50, &w, &err), ERROR_INPUT);
    assert_int_equal(mark_watch(frames[0], frames, 3, 0, &w, &err), ERROR_INPUT);
    assert_int_equal(mark_watch(back[0], back, 3, 20, &w, &err), ERROR_INPUT);
    assert_int_equal(mark_watch(longer[0], longer, 3, 20, &w, &err), ERROR_INPUT);
}

static void test_a_late_picture_is_as_late_as_it_is(void **state)
{
    const struct mark_seen right = {100, 5};
    assert_true(mark_late_ms(right, (struct mark_seen){1100, 55}, 20) == 0);
    assert_true(mark_late_ms(right, (struct mark_seen){1100, 60}, 20) == -100);
    assert_true(mark_late_ms(right, (struct mark_seen){1100, 5}, 20) == 1000);
    assert_true(mark_late_ms(right, (struct mark_seen){15100, 5}, 20) == 15000);
    /* Past the last count. */
    assert_true(mark_late_ms((struct mark_seen){100, 1000}, (struct mark_seen){1100, 26}, 20) == 0);
}

/* ---- encoded -------------------------------------------------------------------------------- */

static struct mark_seen seen[FRAMES_MAX];
static size_t shown;

static void look(void *context, size_t number, const struct luma *luma)
{
    assert_true(number < FRAMES_MAX);
    seen[number].count = mark_read(luma, &chart, WIDTH);
    shown = number + 1;
}

/* 5 s at 20 Hz, of which frames 40 to 47 show the 39th once more, through FFmpeg's encoder. */
static void encode(const char *options, uint8_t **data, size_t *bytes)
{
    char command[512];
    char path[] = "/tmp/takt-mark-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(command, sizeof command,
             "ffmpeg -nostdin -loglevel error -y -f rawvideo -pix_fmt gray -s %dx%d -framerate 20 "
             "-i pipe:0 -pix_fmt yuv420p %s %s",
             WIDTH, HEIGHT, options, path);
    FILE *f = popen(command, "w");
    assert_non_null(f);
    for (unsigned i = 0; i < 100; i++) {
        const unsigned source = i >= 40 && i < 48 ? 39 : i, count = (333 + source * 50) / 20 % 1024;
        paint(picture, count ^ count >> 1, 50, source);
        assert_int_equal(fwrite(picture, 1, PIXELS, f), PIXELS);
    }
    assert_int_equal(pclose(f), 0);
    assert_non_null(f = fopen(path, "rb"));
    fseek(f, 0, SEEK_END);
    *bytes = (size_t)ftell(f);
    rewind(f);
    *data = malloc(*bytes);
    assert_int_equal(fread(*data, 1, *bytes, f), *bytes);
    fclose(f);
    unlink(path);
}

static void decode(const char *type, const uint8_t *data, size_t bytes, struct mark_watch *out)
{
    struct coded coded;
    struct error err = {0};
    shown = 0;
    if (coded_watch(type, data, bytes, look, NULL, &coded, &err))
        fail_msg("%s", err.text);
    coded_free(&coded);
    assert_int_equal(shown, 100);
    for (size_t i = 0; i < 100; i++)
        seen[i].time_ms = (double)i * 50;
    if (mark_watch(seen[0], seen, 100, 20, out, &err))
        fail_msg("%s", err.text);
    print_message("%s, %.0f kbit/s: %zu unread, %zu frozen, longest %.0f ms\n", type,
                  (double)bytes * 8 / 5000, out->unread, out->frozen, out->frozen_longest_ms);
}

static void test_every_encoder_leaves_the_standstill_to_be_seen(void **state)
{
    static const struct {
        const char *type, *options;
    } encoders[] = {
        {"video/h264", "-c:v libx264 -preset ultrafast -b:v 500k -f h264"},
        {"video/h264", "-c:v libx264 -preset veryfast -tune zerolatency -b:v 80k -f h264"},
        {"video/h264", "-c:v libx264 -preset veryfast -bf 2 -b:v 100k -f h264"},
        {"video/h265",
         "-c:v libx265 -x265-params log-level=none -preset ultrafast -b:v 40k -f hevc"},
        {"image/jpeg", "-c:v mjpeg -q:v 20 -f mjpeg"},
    };
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++) {
        uint8_t *data;
        size_t bytes;
        struct mark_watch w;
        encode(encoders[i].options, &data, &bytes);
        decode(encoders[i].type, data, bytes, &w);
        free(data);
        assert_int_equal(w.unread, 0);
        assert_int_equal(w.frozen, 8);
        assert_true(w.frozen_longest_ms == 400);
    }
}

/* An encoder that gives out the same coded picture again: the 70th JPEG in place of the next ten.
 */
static void test_a_coded_picture_once_more_is_frozen(void **state)
{
    size_t begins[101] = {0}, n = 0, bytes, used = 0;
    uint8_t *data;
    struct mark_watch w;
    encode("-c:v mjpeg -q:v 8 -f mjpeg", &data, &bytes);
    for (size_t i = 0; i + 2 < bytes; i++)
        if (data[i] == 0xff && data[i + 1] == 0xd8 && data[i + 2] == 0xff)
            begins[n++] = i;
    assert_int_equal(n, 100);
    begins[n] = bytes;
    uint8_t *again = malloc(2 * bytes);
    for (size_t i = 0; i < 100; i++) {
        const size_t of = i > 70 && i <= 80 ? 70 : i;
        memcpy(again + used, data + begins[of], begins[of + 1] - begins[of]);
        used += begins[of + 1] - begins[of];
    }
    decode("image/jpeg", again, used, &w);
    free(again);
    free(data);
    assert_int_equal(w.frozen, 18);
    assert_true(w.frozen_longest_ms == 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_count_is_read_as_gray_had_it),
        cmocka_unit_test(test_what_is_not_lit_is_not_read),
        cmocka_unit_test(test_what_moves_is_not_frozen_at_any_rate),
        cmocka_unit_test(test_a_standstill_is_counted_wherever_it_is),
        cmocka_unit_test(test_gaps_are_no_standstill_nor_is_a_misread_frame_the_measure_of_others),
        cmocka_unit_test(test_pictures_from_long_before_are_frozen),
        cmocka_unit_test(test_what_cannot_be_told_is_refused),
        cmocka_unit_test(test_a_late_picture_is_as_late_as_it_is),
        cmocka_unit_test(test_every_encoder_leaves_the_standstill_to_be_seen),
        cmocka_unit_test(test_a_coded_picture_once_more_is_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
