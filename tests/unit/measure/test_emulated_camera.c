/* Measure and emulator were written apart, from docs/measurements.md alone; here they meet: what is
 * planted in a camera's physics comes back as a figure. */
#include "firmware/hal/emulator/parts.h"
#include "station/measure/chart.h"
#include "station/measure/color.h"
#include "station/measure/noise.h"
#include "station/measure/registration.h"
#include "station/measure/shading.h"
#include "station/measure/sharpness.h"
#include "tests/unit/firmware/hal/emulator/rig.h"

struct seen {
    float *luma;
    struct plane plane;
    struct nv12 frame;
    uint8_t *data;
    struct chart chart;
    double mtf50[CHART_SQUARES];
};

static struct nv12 shoot(struct rig *r, uint8_t **data)
{
    struct camera_frame f;
    struct error err = {0};
    if (r->hal.camera->capture(r->hal.camera_state, &f, &err))
        fail_msg("%s", err.text);
    *data = malloc(f.bytes);
    assert_non_null(*data);
    memcpy(*data, f.data, f.bytes);
    return (struct nv12){*data, f.bytes, (int)f.width_px, (int)f.height_px};
}

static void look(struct rig *r, const char *unit, struct seen *s)
{
    struct error err = {0};
    rig_start(r, unit);
    rig_open(r);
    atomic_store(&r->world->scene, WORLD_SCENE_CHART);
    struct camera_settings day = {
        .ir_cut = IR_CUT_DAY, .ir_led = 0, .auto_exposure = true, .exposure_ms = 0, .gain = 0};
    assert_int_equal(r->hal.camera->stream(r->hal.camera_state, true, &err), 0);
    assert_int_equal(r->hal.camera->configure(r->hal.camera_state, &day, &err), 0);
    s->frame = shoot(r, &s->data);
    assert_int_equal(nv12_plane(&s->frame, &s->luma, &s->plane, &err), 0);
    if (chart_find(s->plane, &s->chart, &err))
        fail_msg("%s: %s", unit, err.text);
    for (int i = 0; i < CHART_SQUARES; i++) {
        s->mtf50[i] = 0;
        for (int e = 0; e < CHART_EDGES; e++) {
            struct region region;
            struct plane part;
            struct sharpness m;
            if (chart_edge(&s->chart, s->plane, i, e, &region, &err) ||
                plane_crop(s->plane, region, &part, &err) || sharpness_edge(part, &m, &err))
                fail_msg("%s: square %d edge %d: %s", unit, i, e, err.text);
            s->mtf50[i] += m.mtf50_cpp / CHART_EDGES;
        }
    }
    print_message("%s: turn %.3f unit %.2f mtf50 %.4f | %.4f %.4f %.4f %.4f\n", unit,
                  s->chart.rotation_deg, s->chart.unit_px, s->mtf50[0], s->mtf50[1], s->mtf50[2],
                  s->mtf50[3], s->mtf50[4]);
}

static void done(struct rig *r, struct seen *s)
{
    free(s->luma);
    free(s->data);
    rig_end(r);
}

static void test_planted_blur_comes_back_as_mtf50(void **state)
{
    static const struct {
        const char *unit;
        double sigma;
    } units[] = {
        {"{\"boot_ms\":0,\"field_blur_px\":0,\"lens_blur_px\":0.5}", 0.5},
        {"{\"boot_ms\":0,\"field_blur_px\":0,\"lens_blur_px\":2}", 2},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct rig r;
        struct seen s;
        look(&r, units[i].unit, &s);
        /* Gaussian and square pixel; the sensor's colour filters take a little more. */
        double low = 1e-4, high = 1;
        while (high - low > 1e-9) {
            double f = (low + high) / 2, x = M_PI * f;
            double m = exp(-2 * x * x * units[i].sigma * units[i].sigma) * sin(x) / x;
            *(m > 0.5 ? &low : &high) = f;
        }
        print_message("  a lens and a pixel alone: %.4f\n", low);
        assert_true(s.mtf50[0] < 1.05 * low);
        assert_true(s.mtf50[0] > (units[i].sigma < 1 ? 0.6 : 0.93) * low);
        done(&r, &s);
    }
}

static void test_roll_tilt_colour_and_shading_are_where_they_were_planted(void **state)
{
    struct rig r;
    struct seen s;
    struct error err = {0};
    look(&r,
         "{\"boot_ms\":0,\"roll_deg\":1.5,\"tilt_px\":3,\"field_blur_px\":0,\"defocus_px\":3,"
         "\"corner_light\":0.5}",
         &s);
    /* The sensor turned clockwise sees the chart turned back. */
    assert_true(fabs(fabs(s.chart.rotation_deg) - 1.5) < 0.05);
    assert_true(s.mtf50[1] > 1.5 * s.mtf50[2] && s.mtf50[3] > 1.5 * s.mtf50[4]);
    struct shading shade;
    assert_int_equal(shading_chart(s.plane, &s.chart, &shade, &err), 0);
    print_message("corner light %.3f\n", shade.darkest_corner_ratio);
    assert_true(fabs(shade.darkest_corner_ratio - 0.5) < 0.06);
    done(&r, &s);

    double balance[2], mean[2];
    for (int k = 0; k < 2; k++) {
        double rgb[COLOR_PATCHES][3];
        struct color c;
        look(&r, k ? "{\"boot_ms\":0,\"blue_gain\":1.25}" : "{\"boot_ms\":0}", &s);
        for (int i = 0; i < COLOR_PATCHES; i++) {
            struct region region;
            assert_int_equal(chart_patch(&s.chart, s.plane, i, &region, &err), 0);
            assert_int_equal(nv12_mean_rgb(&s.frame, region, rgb[i], &err), 0);
        }
        color_check(rgb, true, &c);
        balance[k] = c.white_balance_de;
        mean[k] = c.de2000_mean;
        print_message("mean %.2f max %.2f (%s) balance %.2f exposure %.3f\n", c.de2000_mean,
                      c.de2000_max, color_references[c.worst].name, c.white_balance_de, c.exposure);
        done(&r, &s);
    }
    assert_true(mean[0] < 4 && balance[0] < 1.5);
    assert_true(balance[1] > 4 && mean[1] > mean[0]);
}

static void move(struct rig *r, enum motor_axis axis, double deg)
{
    struct error err = {0};
    if (r->hal.motor->move_to(r->hal.motor_state, axis, (int32_t)lround(deg * 181.1454), 0, &err))
        fail_msg("%s", err.text);
}

/* The motors say where they were sent; the emulator alone knows where the lens looks. */
static void test_pan_and_tilt_are_read_off_the_panorama(void **state)
{
    static const double moves[][2] = {{180, 40}, {181, 40}, {196, 40}, {180, 48}};
    struct rig r;
    struct error err = {0};
    uint8_t *data[2] = {NULL, NULL};
    float *luma[2] = {NULL, NULL};
    struct plane plane[2];
    double pan[2], tilt[2];
    rig_start(&r, "{\"boot_ms\":0,\"pan_backlash_deg\":0.7,\"pan_gear_error\":0.03}");
    rig_open(&r);
    atomic_store(&r.world->scene, WORLD_SCENE_PANORAMA);
    assert_int_equal(r.hal.camera->stream(r.hal.camera_state, true, &err), 0);
    assert_int_equal(r.hal.motor->home(r.hal.motor_state, MOTOR_PAN, &err), 0);
    assert_int_equal(r.hal.motor->home(r.hal.motor_state, MOTOR_TILT, &err), 0);
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++) {
        move(&r, MOTOR_PAN, moves[i][0]);
        move(&r, MOTOR_TILT, moves[i][1]);
        emulated_motor_angles(r.hal.motor_state, &pan[1], &tilt[1]);
        struct nv12 f = shoot(&r, &data[1]);
        assert_int_equal(nv12_plane(&f, &luma[1], &plane[1], &err), 0);
        if (i > 0) {
            struct pan_tilt seen;
            struct registration moved;
            if (registration_pan_tilt(plane[0], plane[1], 3600 / 2.5, &seen, &err) ||
                registration_measure(plane[0], plane[1], &moved, &err))
                fail_msg("%s", err.text);
            /* 50 degrees from the homing edge looks level. */
            struct pan_tilt axes = pan_tilt_at_elevation(seen, tilt[0] - 50);
            print_message("pan %.3f for %.3f, tilt %.3f for %.3f, peak %.3f; shift %.1f %.1f\n",
                          axes.pan_deg, pan[1] - pan[0], axes.tilt_deg, tilt[1] - tilt[0],
                          seen.peak, moved.dx_px, moved.dy_px);
            /* Barrel distortion of 1 % at the corner is not in the model: under 1 % of the way. */
            double way = hypot(pan[1] - pan[0], tilt[1] - tilt[0]);
            double off =
                hypot(axes.pan_deg - (pan[1] - pan[0]), axes.tilt_deg - (tilt[1] - tilt[0]));
            assert_true(off < 0.02 + 0.01 * way);
            assert_true(seen.peak > 0.85);
        }
        free(data[0]);
        free(luma[0]);
        data[0] = data[1];
        luma[0] = luma[1];
        plane[0] = plane[1];
        pan[0] = pan[1];
        tilt[0] = tilt[1];
    }
    free(data[0]);
    free(luma[0]);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planted_blur_comes_back_as_mtf50),
        cmocka_unit_test(test_roll_tilt_colour_and_shading_are_where_they_were_planted),
        cmocka_unit_test(test_pan_and_tilt_are_read_off_the_panorama),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
