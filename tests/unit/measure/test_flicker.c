/* Flicker, crawling and standing bands, against waves that are known, and against lamps on the
 * mains before the emulated sensor, whose light is worked out apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "firmware/hal/emulator/picture.h"
#include "firmware/hal/emulator/sensor.h"
#include "protocol/world.h"
#include "station/measure/flicker.h"

enum { HEIGHT = 1296, WIDTH = 2304, FRAMES = 6 };

static double rows[FRAMES * HEIGHT];

/* Shading, a wave over the rows that moves on by `crawl` of its length a frame, a step a frame. */
static void fill(double wave, double crawl, double step)
{
    for (int k = 0; k < FRAMES; k++)
        for (int y = 0; y < HEIGHT; y++) {
            const double x = (2.0 * y + 1) / HEIGHT - 1;
            rows[k * HEIGHT + y] = 0.4 * (1 - 0.2 * x * x + 0.03 * x + (k % 2 ? step : -step)) *
                                   (1 + wave * sin(2 * M_PI * (9.0 * y / HEIGHT + crawl * k)));
        }
}

static struct flicker measured(double sigma)
{
    struct flicker f;
    struct error err = {0};
    assert_int_equal(flicker_measure(rows, FRAMES, HEIGHT, WIDTH, sigma, &f, &err), 0);
    return f;
}

static void test_a_shaded_field_has_none(void **state)
{
    fill(0, 0, 0);
    const struct flicker f = measured(0);
    assert_true(f.flicker_percent < 1e-6);
    assert_true(f.banding_percent < 1e-6);
    assert_true(f.standing_percent < 1e-6);
}

/* A sine's standard deviation is its amplitude over the square root of 2. */
static void test_bands_that_stand_still_are_seen_though_frames_are_alike(void **state)
{
    fill(0.02, 0, 0);
    const struct flicker f = measured(0);
    assert_true(f.banding_percent < 1e-6);
    assert_float_equal(f.standing_percent, 2 / M_SQRT2, 0.05 * 2 / M_SQRT2);
}

static void test_bands_that_crawl_are_seen_between_frames(void **state)
{
    fill(0.02, 0.5, 0); /* each frame is the other's opposite: the difference is twice the wave */
    const struct flicker f = measured(0);
    assert_float_equal(f.banding_percent, 2, 0.1);
    assert_true(f.standing_percent < 0.01);
}

static void test_a_step_a_frame_is_flicker(void **state)
{
    fill(0, 0, 0.01);
    const struct flicker f = measured(0);
    /* +-1 % of six frames: a standard deviation of sqrt(6/5) % over the shaded mean. */
    assert_float_equal(f.flicker_percent, sqrt(6.0 / 5) / (1 - 0.2 / 3), 0.01);
    assert_true(f.banding_percent < 1e-6 && f.standing_percent < 1e-6);
}

/* Frames of a panel under lamps that swing by `depth` at 100 Hz. 20 frames a second keep time with
 * the mains, so that their bands stand still. */
static struct flicker lamps(double depth, double exposure_ms)
{
    const struct board board = {.sensor_width_px = 640,
                                .sensor_height_px = 360,
                                .pixel_um = 2.5,
                                .focal_mm = 3.6,
                                .f_number = 2};
    const struct view view = {.scene = WORLD_SCENE_FLAT, .illuminance_lux = 500, .ir_filter = true};
    const struct region all = {0, 0, 640, 360};
    static uint8_t frame[640 * 360 * 3 / 2];
    static float luma[640 * 360];
    double mean[FRAMES * 360];
    const struct picture *picture;
    struct physics physics;
    struct painter *painter;
    struct sensor *sensor;
    struct flicker f;
    struct error err = {0};
    physics_nominal(&physics);
    physics.lamp_flicker = depth;
    assert_int_equal(painter_create(&board, &physics, &painter, &err), 0);
    assert_int_equal(sensor_create(&board, &physics, &sensor, &err), 0);
    assert_int_equal(painter_paint(painter, &view, &picture, &err), 0);
    for (int k = 0; k < FRAMES; k++) {
        sensor_expose(sensor, picture, exposure_ms, 15 / exposure_ms, 25, (uint32_t)k, frame);
        const struct nv12 nv12 = {frame, sizeof frame, 640, 360};
        assert_int_equal(nv12_luma(&nv12, all, luma, &err), 0);
        flicker_rows((struct plane){luma, 640, 360, 640}, mean + k * 360);
    }
    assert_int_equal(flicker_measure(mean, FRAMES, 360, 640, 0.02, &f, &err), 0);
    sensor_free(sensor);
    painter_free(painter);
    return f;
}

static void test_lamps_on_the_mains_are_measured_by_what_an_exposure_leaves_of_them(void **state)
{
    const struct flicker steady = lamps(0, 15), whole = lamps(0.3, 20), part = lamps(0.3, 15);
    assert_true(steady.standing_percent < 0.1);
    /* Two whole swings leave nothing; one and a half leave |sinc(1.5)| = 2 / (3 pi) of them. */
    assert_true(whole.standing_percent < 0.1);
    const double expected = 100 * 0.3 * 2 / (3 * M_PI) / M_SQRT2;
    assert_float_equal(part.standing_percent, expected, 0.08 * expected);
    assert_true(part.banding_percent < 0.2);
}

static void test_what_is_no_row_of_frames_is_refused(void **state)
{
    struct flicker f;
    struct error err = {0};
    fill(0, 0, 0);
    assert_int_equal(flicker_measure(rows, 1, HEIGHT, WIDTH, 0, &f, &err), ERROR_INPUT);
    assert_int_equal(flicker_measure(rows, 2, 8, WIDTH, 0, &f, &err), ERROR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_shaded_field_has_none),
        cmocka_unit_test(test_bands_that_stand_still_are_seen_though_frames_are_alike),
        cmocka_unit_test(test_bands_that_crawl_are_seen_between_frames),
        cmocka_unit_test(test_a_step_a_frame_is_flicker),
        cmocka_unit_test(test_lamps_on_the_mains_are_measured_by_what_an_exposure_leaves_of_them),
        cmocka_unit_test(test_what_is_no_row_of_frames_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
