/* The sensor: noise against photon statistics, codes against sRGB, defects where they were planted.
 */
#include "firmware/hal/emulator/sensor.h"
#include "tests/unit/firmware/hal/emulator/rig.h"

enum { W = 512, H = 256 };

struct flat {
    struct board board;
    struct picture picture;
    uint16_t light[W * H];
    uint8_t frame[2][W * H * 3 / 2];
};

static struct flat *flat_make(void)
{
    struct flat *f = calloc(1, sizeof *f);
    assert_non_null(f);
    rig_board(&f->board);
    f->board.sensor_width_px = W;
    f->board.sensor_height_px = H;
    f->picture = (struct picture){.width = W, .height = H, .planes = 1, .lux_a_count = 0.001};
    for (int c = 0; c < 3; c++)
        f->picture.plane[c] = f->light;
    for (int i = 0; i < W * H; i++)
        f->light[i] = 10000; /* 10 lx on the sensor */
    return f;
}

static double srgb(double linear)
{
    return 255 * (linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055);
}

/* sigma^2 = N + read^2 electrons in each colour; luma adds them with BT.709's weights; the two
 * quantisers add a twelfth of a step squared each. */
static void test_noise_is_that_of_the_photons(void **state)
{
    static const double exposures_ms[] = {4, 12, 40}, gains[] = {8, 3, 1};
    struct flat *f = flat_make();
    struct physics p;
    struct error err = {0};
    struct sensor *s;
    physics_nominal(&p);
    p.dead_pixels = p.hot_pixels = p.dark_current_e_s = 0;
    assert_int_equal(sensor_create(&f->board, &p, &s, &err), 0);
    for (int k = 0; k < 3; k++) {
        for (uint32_t i = 0; i < 2; i++)
            sensor_expose(s, &f->picture, exposures_ms[k], gains[k], 25, 7 + i, f->frame[i]);
        double sum = 0, squares = 0;
        for (int i = 0; i < W * H; i++) {
            double d = (double)f->frame[1][i] - f->frame[0][i];
            sum += f->frame[0][i];
            squares += d * d;
        }
        double sigma = sqrt(squares / (W * H) / 2), mean = sum / (W * H);
        /* 4090 photons a um^2 lx s, half of them past the filter, 60 % counted, 2.5 um pixels */
        double n = 4090 * 2.5 * 2.5 * 0.5 * 0.6 * 10 * exposures_ms[k] / 1000;
        double full = p.full_well_e / gains[k], linear = n / full;
        double slope = (srgb(linear * 1.001) - srgb(linear * 0.999)) / (linear * 0.002);
        double weights = 0.2126 * 0.2126 + 0.7152 * 0.7152 + 0.0722 * 0.0722;
        double var = (n + p.read_noise_e * p.read_noise_e) / (full * full) + 1 / 12.0 / 959 / 959;
        double want = sqrt(var * weights * slope * slope + 1 / 12.0);
        assert_float_equal(mean, srgb(linear), 0.6);
        assert_float_equal(sigma / want, 1, 0.02);
    }
    sensor_free(s);
    free(f);
}

static void test_the_same_frame_comes_again(void **state)
{
    struct flat *f = flat_make();
    struct physics p;
    struct error err = {0};
    struct sensor *s;
    physics_nominal(&p);
    assert_int_equal(sensor_create(&f->board, &p, &s, &err), 0);
    sensor_expose(s, &f->picture, 10, 1, 25, 3, f->frame[0]);
    sensor_expose(s, &f->picture, 10, 1, 25, 3, f->frame[1]);
    assert_memory_equal(f->frame[0], f->frame[1], sizeof f->frame[0]);
    sensor_expose(s, &f->picture, 10, 1, 25, 4, f->frame[1]);
    assert_memory_not_equal(f->frame[0], f->frame[1], sizeof f->frame[0]);
    sensor_free(s);
    free(f);
}

static void test_defects_show_where_they_sit(void **state)
{
    struct flat *f = flat_make();
    struct physics p;
    struct error err = {0};
    struct sensor *s;
    size_t count, dead = 0, hot = 0;
    physics_nominal(&p);
    p.dead_pixels = 6;
    p.hot_pixels = 5;
    p.dead_cluster_px = 3;
    assert_int_equal(sensor_create(&f->board, &p, &s, &err), 0);
    const struct sensor_defect *d = sensor_defects(s, &count);
    assert_int_equal(count, 6 + 5 + 9);
    sensor_expose(s, &f->picture, 40, 1, 25, 1, f->frame[0]); /* lit */
    memset(f->light, 0, sizeof f->light);
    sensor_expose(s, &f->picture, 40, 1, 25, 2, f->frame[1]); /* dark: 1600 hot electrons */
    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)d[i].y * W + (size_t)d[i].x;
        if (d[i].kind == SENSOR_DEAD) {
            assert_true(f->frame[0][at] < 20);
            dead++;
        } else {
            assert_true(f->frame[1][at] > 100);
            hot++;
        }
    }
    assert_int_equal(dead, 15);
    assert_int_equal(hot, 5);
    size_t dark_in_light = 0, bright_in_dark = 0;
    for (size_t i = 0; i < W * H; i++) {
        dark_in_light += f->frame[0][i] < 60;
        bright_in_dark += f->frame[1][i] > 60;
    }
    assert_int_equal(dark_in_light, 15);
    assert_int_equal(bright_in_dark, 5);
    sensor_free(s);
    free(f);
}

/* BT.709 full range: pure sRGB red 255,0,0 is Y 54, Cb 99, Cr 256 (clipped to 255). */
static void test_colours_are_coded_as_bt709(void **state)
{
    struct flat *f = flat_make();
    struct physics p;
    struct error err = {0};
    struct sensor *s;
    static uint16_t none[W * H];
    physics_nominal(&p);
    p.read_noise_e = p.dark_current_e_s = p.dead_pixels = p.hot_pixels = 0;
    f->picture.planes = 3;
    f->picture.plane[1] = f->picture.plane[2] = none;
    for (int i = 0; i < W * H; i++)
        f->light[i] = 65535;
    assert_int_equal(sensor_create(&f->board, &p, &s, &err), 0);
    sensor_expose(s, &f->picture, 1000, 1, 25, 1, f->frame[0]);
    assert_in_range(f->frame[0][1000], 53, 55);
    assert_in_range(f->frame[0][W * H], 98, 100);
    assert_in_range(f->frame[0][W * H + 1], 254, 255);
    sensor_free(s);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noise_is_that_of_the_photons),
        cmocka_unit_test(test_the_same_frame_comes_again),
        cmocka_unit_test(test_defects_show_where_they_sit),
        cmocka_unit_test(test_colours_are_coded_as_bt709),
    };
    return cmocka_run_group_tests_name("sensor", tests, NULL, NULL);
}
