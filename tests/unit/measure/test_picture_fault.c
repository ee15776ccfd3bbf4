/* Faults of pictures, drawn into frames with a sensor's noise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/splitmix.h"
#include "station/measure/picture_fault.h"

enum { W = 320, H = 192 };

static uint8_t pixels[2][W * H * 3 / 2];
static const struct nv12 a = {
    .data = pixels[0], .bytes = sizeof pixels[0], .width_px = W, .height_px = H};
static const struct nv12 b = {
    .data = pixels[1], .bytes = sizeof pixels[1], .width_px = W, .height_px = H};

/* Normal, from twelve uniforms (Irwin-Hall). */
static double noise(uint64_t *state)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += (double)(splitmix_mix(*state += SPLITMIX_STEP) >> 11) / 9007199254740992.0;
    return sum;
}

/* A textured scene; each frame has its own noise of `sigma` DN. */
static void draw(uint8_t *out, uint64_t seed, double sigma, double light)
{
    uint64_t state = seed * 7919;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            const double scene = light * (110 + 60 * sin(x / 9.0) * cos(y / 7.0));
            const double v = round(scene + sigma * noise(&state));
            out[y * W + x] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
    memset(out + W * H, 128, W * H / 2);
}

static struct picture_fault measured(void)
{
    struct picture_fault f;
    struct error err = {0};
    assert_int_equal(picture_fault_measure(&a, &b, &f, &err), 0);
    return f;
}

static void whole_frames_of_a_stream_show_nothing(void **state)
{
    for (uint64_t seed = 1; seed < 40; seed += 2) {
        draw(pixels[0], seed, 2, 1);
        draw(pixels[1], seed + 1, 2, 1);
        const struct picture_fault f = measured();
        /* The difference of two normals of sigma 2 is 0 with p = 1/sqrt(2 pi 8) = 0.141. */
        assert_float_equal(f.same_ratio, 0.141, 0.01);
        assert_true(f.tear_ratio < 1.2);
        assert_float_equal(f.corrupt_ratio, 0, 0);
        assert_float_equal(f.mean_luma, 110, 3);
        assert_in_range(f.bright_luma, 160, 176);
    }
}

static void a_frozen_picture_is_the_same_in_every_sample(void **state)
{
    draw(pixels[0], 1, 2, 1);
    memcpy(pixels[1], pixels[0], sizeof pixels[0]);
    const struct picture_fault f = measured();
    assert_float_equal(f.same_ratio, 1, 0);
    assert_true(f.tear_ratio < 1.01);
}

static void a_black_picture_is_dark_and_not_frozen(void **state)
{
    draw(pixels[0], 1, 1, 0);
    draw(pixels[1], 2, 1, 0);
    struct picture_fault f = measured();
    assert_true(f.bright_luma < 5);
    assert_true(f.same_ratio < 0.6);
    memset(pixels, 0, sizeof pixels); /* not even noise */
    f = measured();
    assert_float_equal(f.bright_luma, 0, 0);
    assert_float_equal(f.same_ratio, 0, 0);
}

static void a_torn_frame_differs_from_some_row_on(void **state)
{
    for (int from = 24; from < H - 16; from += 40) {
        draw(pixels[0], 1, 2, 1);
        draw(pixels[1], 2, 2, 1);
        for (int y = from; y < H; y++) /* lines that lost 5 samples */
            memmove(pixels[1] + y * W, pixels[1] + y * W + 5, W - 5);
        const struct picture_fault f = measured();
        if (!(f.tear_ratio > 3))
            fail_msg("torn at row %d: %g", from, f.tear_ratio);
    }
}

static void lost_blocks_are_counted(void **state)
{
    draw(pixels[0], 1, 2, 1);
    draw(pixels[1], 2, 2, 1);
    for (int y = 32; y < 64; y++) /* 2 x 3 blocks grey */
        memset(pixels[1] + y * W + 48, 130, 48);
    assert_float_equal(measured().corrupt_ratio, 6.0 / (W / 16 * (H / 16)), 1e-9);
    memset(pixels[1] + W * H, 0, W * H / 2); /* all green */
    assert_float_equal(measured().corrupt_ratio, 1, 0);
}

static void frames_of_two_sizes_are_refused(void **state)
{
    struct nv12 other = b;
    struct picture_fault f;
    struct error err = {0};
    other.width_px = W / 2;
    assert_int_equal(picture_fault_measure(&a, &other, &f, &err), ERROR_INPUT);
    other = b;
    other.bytes--;
    assert_int_equal(picture_fault_measure(&a, &other, &f, &err), ERROR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_frames_of_a_stream_show_nothing),
        cmocka_unit_test(a_frozen_picture_is_the_same_in_every_sample),
        cmocka_unit_test(a_black_picture_is_dark_and_not_frozen),
        cmocka_unit_test(a_torn_frame_differs_from_some_row_on),
        cmocka_unit_test(lost_blocks_are_counted),
        cmocka_unit_test(frames_of_two_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
