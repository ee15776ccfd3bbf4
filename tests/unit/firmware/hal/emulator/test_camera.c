/* The camera at its pace: frames, settings taking effect, exposure control, the IR-cut. */
#include "protocol/base/clock.h"
#include "tests/unit/firmware/hal/emulator/rig.h"

static double luma(const struct camera_frame *f, uint32_t x0, uint32_t y0, uint32_t side)
{
    double sum = 0;
    for (uint32_t y = y0; y < y0 + side; y++)
        for (uint32_t x = x0; x < x0 + side; x++)
            sum += f->data[(size_t)y * f->width_px + x];
    return sum / side / side;
}

static struct camera_frame shoot(struct rig *r)
{
    struct camera_frame f;
    struct error err = {0};
    if (r->hal.camera->capture(r->hal.camera_state, &f, &err))
        fail_msg("%s", err.text);
    return f;
}

static void set(struct rig *r, struct camera_settings s)
{
    struct error err = {0};
    if (r->hal.camera->configure(r->hal.camera_state, &s, &err))
        fail_msg("%s", err.text);
}

static void test_frames_follow_each_other(void **state)
{
    struct rig r;
    struct error err = {0};
    rig_start(&r, "{\"boot_ms\": 0}");
    rig_open(&r);
    assert_int_equal(r.hal.camera->stream(r.hal.camera_state, true, &err), 0);
    struct camera_frame f = shoot(&r), g = shoot(&r);
    assert_int_equal(f.bytes, 2304 * 1296 * 3 / 2);
    assert_in_range(g.sequence, f.sequence + 1, f.sequence + 6); /* 1 unless the machine hiccups */
    assert_true(g.timestamp_us >= f.timestamp_us + 50000);
    usleep(220000); /* 20 a second: at least three went by unseen */
    assert_true(shoot(&r).sequence >= g.sequence + 4);
    rig_end(&r);
}

/* Exposure control: the background is 0.40 / 0.37 of the chart's mean, more or less; what counts
 * is that ten times the light changes the exposure and not the picture. */
static void test_exposure_follows_the_light(void **state)
{
    struct rig r;
    rig_start(&r, "{\"boot_ms\": 0}");
    rig_open(&r);
    atomic_store(&r.world->scene, WORLD_SCENE_CHART);
    set(&r,
        (struct camera_settings){
            .ir_cut = IR_CUT_DAY, .ir_led = 0, .auto_exposure = true, .exposure_ms = 0, .gain = 0});
    struct camera_frame f = shoot(&r);
    double bright = luma(&f, 1140, 940, 40), product = f.exposure_ms * f.gain;
    atomic_store(&r.world->illuminance_lux, 50);
    struct camera_frame g = shoot(&r);
    assert_float_equal(luma(&g, 1140, 940, 40), bright, 2);
    assert_float_equal(g.exposure_ms * g.gain / product, 10, 0.2);
    assert_true(bright > 100 && bright < 180);
    rig_end(&r);
}

static void test_settings_hold_for_the_next_frame(void **state)
{
    struct rig r;
    struct error err = {0};
    rig_start(&r, "{\"boot_ms\": 0}");
    rig_open(&r);
    atomic_store(&r.world->scene, WORLD_SCENE_CHART);
    assert_int_equal(r.hal.camera->stream(r.hal.camera_state, true, &err), 0);
    double codes[2];
    for (int i = 0; i < 2; i++) {
        set(&r, (struct camera_settings){.ir_cut = IR_CUT_DAY,
                                         .ir_led = 0,
                                         .auto_exposure = false,
                                         .exposure_ms = 5 * (i + 1),
                                         .gain = 1});
        struct camera_frame f = shoot(&r);
        assert_true(f.exposure_ms == 5 * (i + 1));
        codes[i] = luma(&f, 1140, 940, 40) / 255;
    }
    /* undoing sRGB, twice the exposure is twice the signal */
    double a = pow((codes[0] + 0.055) / 1.055, 2.4), b = pow((codes[1] + 0.055) / 1.055, 2.4);
    assert_float_equal(b / a, 2, 0.02);
    for (int i = 0; i < 8; i++)
        shoot(&r);
    set(&r, (struct camera_settings){.ir_cut = IR_CUT_DAY,
                                     .ir_led = 0,
                                     .auto_exposure = false,
                                     .exposure_ms = 1000,
                                     .gain = 1});
    int64_t began = clock_mono_ms();
    struct camera_frame f = shoot(&r);
    assert_true(f.exposure_ms == 1000);
    assert_in_range(clock_mono_ms() - began, 1000, 5000); /* not the frames before, a second each */
    struct camera_settings bad = {
        .ir_cut = IR_CUT_DAY, .ir_led = 2, .auto_exposure = true, .exposure_ms = 0, .gain = 0};
    assert_int_equal(r.hal.camera->configure(r.hal.camera_state, &bad, &err), ERROR_INPUT);
    rig_end(&r);
}

static void test_the_filter_moves_unless_it_is_stuck(void **state)
{
    static const char *const units[] = {"{\"boot_ms\": 0}",
                                        "{\"boot_ms\": 0, \"ir_cut_stuck\": 1}"};
    double night[2];
    for (int k = 0; k < 2; k++) {
        struct rig r;
        struct error err = {0};
        rig_start(&r, units[k]);
        rig_open(&r);
        assert_int_equal(r.hal.camera->stream(r.hal.camera_state, true, &err), 0);
        set(&r, (struct camera_settings){.ir_cut = IR_CUT_DAY,
                                         .ir_led = 1,
                                         .auto_exposure = false,
                                         .exposure_ms = 50,
                                         .gain = 4});
        struct camera_frame f = shoot(&r);
        assert_true(luma(&f, 1140, 640, 16) < 20);
        int64_t began = clock_mono_ms();
        set(&r, (struct camera_settings){.ir_cut = IR_CUT_NIGHT,
                                         .ir_led = 1,
                                         .auto_exposure = false,
                                         .exposure_ms = 50,
                                         .gain = 4});
        f = shoot(&r);
        if (k == 0)
            assert_true(clock_mono_ms() - began >= 120);
        night[k] = luma(&f, 1140, 640, 16);
        rig_end(&r);
    }
    assert_true(night[0] > 80);
    assert_true(night[1] < 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_follow_each_other),
        cmocka_unit_test(test_exposure_follows_the_light),
        cmocka_unit_test(test_settings_hold_for_the_next_frame),
        cmocka_unit_test(test_the_filter_moves_unless_it_is_stuck),
    };
    return cmocka_run_group_tests_name("camera", tests, NULL, NULL);
}
