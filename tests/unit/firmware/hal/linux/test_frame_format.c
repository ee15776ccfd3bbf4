/* Frames of drivers against the numbers of ITU-R BT.601, BT.709 and BT.2020. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "firmware/hal/linux/frame_format.h"

/* 75 % colour bars in BT.601 limited range (EBU Tech 3280 rounded): Y, Cb, Cr; their R'G'B' is
 * 0 or 0.75, and what BT.709 at full range makes of that by its own equations. */
static const struct bar {
    uint8_t y, cb, cr;
    double r, g, b;
} bars[] = {
    {180, 128, 128, .75, .75, .75}, {162, 44, 142, .75, .75, 0}, {131, 156, 44, 0, .75, .75},
    {112, 72, 58, 0, .75, 0},       {84, 184, 198, .75, 0, .75}, {65, 100, 212, .75, 0, 0},
    {35, 212, 114, 0, 0, .75},      {16, 128, 128, 0, 0, 0},
};

static void check_709(const uint8_t *out, const struct bar *b)
{
    double y = 0.2126 * b->r + 0.7152 * b->g + 0.0722 * b->b;
    double cb = (b->b - y) / 1.8556, cr = (b->r - y) / 1.5748;
    assert_true(fabs(out[0] - 255 * y) <= 2);
    assert_true(fabs(out[4] - (128 + 255 * cb)) <= 2);
    assert_true(fabs(out[5] - (128 + 255 * cr)) <= 2);
}

static void test_bars_of_bt601_become_bt709(void **state)
{
    for (size_t i = 0; i < sizeof bars / sizeof bars[0]; i++) {
        const struct bar *b = &bars[i];
        uint8_t nv12[6] = {b->y, b->y, b->y, b->y, b->cb, b->cr}, out[6];
        uint8_t yuyv[8] = {b->y, b->cb, b->y, b->cr, b->y, b->cb, b->y, b->cr};
        struct frame_format f = {FRAME_NV12, 2, 2, 2, FRAME_BT601, false};
        struct frame_colour c;
        frame_colour_make(&f, &c);
        frame_convert(&f, &c, nv12, out);
        check_709(out, b);
        f.layout = FRAME_YUYV;
        f.stride_bytes = 4;
        frame_convert(&f, &c, yuyv, out);
        check_709(out, b);
    }
}

/* Green of BT.2020 at full range: Y 0.6780, Cb -0.3604, Cr -0.4598 of 1 (its own equations). */
static void test_bt2020_becomes_bt709(void **state)
{
    uint8_t in[6] = {173, 173, 173, 173, 128 - 92, 128 - 117}, out[6];
    const struct frame_format f = {FRAME_NV12, 2, 2, 2, FRAME_BT2020, true};
    struct frame_colour c;
    frame_colour_make(&f, &c);
    frame_convert(&f, &c, in, out);
    assert_true(fabs(out[0] - 255 * 0.7152) <= 2);
    assert_true(fabs(out[4] - (128 - 255 * 0.7152 / 1.8556)) <= 2);
    assert_true(fabs(out[5] - (128 - 255 * 0.7152 / 1.5748)) <= 2);
}

static void test_limited_range_is_widened(void **state)
{
    const struct frame_format f = {FRAME_NV12, 2, 2, 2, FRAME_BT709, false};
    uint8_t in[6] = {16, 235, 0, 255, 240, 16}, out[6];
    struct frame_colour c;
    frame_colour_make(&f, &c);
    frame_convert(&f, &c, in, out);
    const uint8_t expected[6] = {0, 255, 0, 255, 255, 1}; /* 128 +- 127.5, clipped and rounded */
    assert_int_equal(out[0], expected[0]);
    assert_int_equal(out[1], expected[1]);
    assert_int_equal(out[2], expected[2]);
    assert_int_equal(out[3], expected[3]);
    assert_true(abs(out[4] - expected[4]) <= 1 && abs(out[5] - expected[5]) <= 1);
}

static void test_rows_lose_their_padding(void **state)
{
    const struct frame_format f = {FRAME_NV12, 4, 4, 6, FRAME_BT709, true};
    uint8_t in[36], out[24];
    struct frame_colour c;
    assert_int_equal(frame_format_bytes(&f), sizeof in);
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = i % 6 < 4 ? (uint8_t)(i / 6 * 4 + i % 6) : 0xee;
    frame_colour_make(&f, &c);
    frame_convert(&f, &c, in, out);
    for (size_t i = 0; i < sizeof out; i++)
        assert_int_equal(out[i], i);
}

static void test_yuyv_of_the_promised_colours_is_only_sorted(void **state)
{
    const struct frame_format f = {FRAME_YUYV, 2, 2, 6, FRAME_BT709, true};
    const uint8_t in[12] = {10, 100, 20, 200, 0, 0, 30, 110, 40, 210, 0, 0};
    const uint8_t expected[6] = {10, 20, 30, 40, 105, 205};
    uint8_t out[6];
    struct frame_colour c;
    frame_colour_make(&f, &c);
    frame_convert(&f, &c, in, out);
    assert_memory_equal(out, expected, sizeof out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bars_of_bt601_become_bt709),
        cmocka_unit_test(test_bt2020_becomes_bt709),
        cmocka_unit_test(test_limited_range_is_widened),
        cmocka_unit_test(test_rows_lose_their_padding),
        cmocka_unit_test(test_yuyv_of_the_promised_colours_is_only_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
