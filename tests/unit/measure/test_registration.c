/* Shifts, turns and camera rotations planted in a scene known at every point. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "station/measure/registration.h"

enum { W = 960, H = 540 };
static float a[W * H], b[W * H];
static const struct plane plane_a = {a, W, H, W}, plane_b = {b, W, H, W};

static uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}

static double lattice(int x, int y, uint32_t seed)
{
    return mix((uint32_t)x * 2654435761u ^ mix((uint32_t)y ^ seed)) / 4294967295.0;
}

/* Smooth noise of five octaves: twice differentiable everywhere, texture from 16 to 256 pixels. */
static double scene(double x, double y)
{
    double sum = 0.3, amplitude = 0.35;
    for (int octave = 0; octave < 5; octave++, amplitude *= 0.62) {
        double period = 256 >> octave, u = x / period, v = y / period;
        int i = (int)floor(u), j = (int)floor(v);
        double s = u - i, t = v - j;
        s = s * s * s * (s * (6 * s - 15) + 10);
        t = t * t * t * (t * (6 * t - 15) + 10);
        uint32_t seed = 77u + (uint32_t)octave;
        double top = lattice(i, j, seed) * (1 - s) + lattice(i + 1, j, seed) * s;
        double bottom = lattice(i, j + 1, seed) * (1 - s) + lattice(i + 1, j + 1, seed) * s;
        sum += amplitude * (top * (1 - t) + bottom * t - 0.5);
    }
    return sum;
}

static double noise_gauss(uint64_t *state)
{
    double u[2];
    for (int i = 0; i < 2; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        u[i] = ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
    }
    return sqrt(-2 * log(u[0])) * cos(2 * M_PI * u[1]);
}

/* b: the scene turned clockwise about the centre, then moved. */
static void draw_rigid(double dx, double dy, double turn_deg, double gain, double noise)
{
    double c = cos(turn_deg * M_PI / 180), s = sin(turn_deg * M_PI / 180);
    uint64_t seed = 11;
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) {
            double px = x - (W - 1) / 2.0 - dx, py = y - (H - 1) / 2.0 - dy;
            a[y * W + x] =
                (float)(scene(x - (W - 1) / 2.0, y - (H - 1) / 2.0) + noise * noise_gauss(&seed));
            b[y * W + x] = (float)(gain * scene(c * px + s * py, -s * px + c * py) +
                                   noise * noise_gauss(&seed));
        }
    }
}

static void test_shifts_come_back_to_a_twentieth_of_a_pixel(void **state)
{
    static const double cases[][5] = {
        /* dx, dy, turn, gain, noise */
        {0, 0, 0, 1, 0},
        {0.37, -0.21, 0, 1, 0},
        {12.5, 7.25, 0, 0.7, 0},
        {-3.3, 0.8, 0, 1, 0.02},
        {160.4, -90.7, 0, 1.3, 0.01},
        {-380.6, 3.2, 0, 1, 0.01}, /* 40 % of the width */
        {20.2, 209.9, 0, 1, 0.01}, /* 39 % of its height */
        {5.5, -8.25, 1.5, 1, 0.01},
        {-30.1, 12.6, -4, 1, 0},
        {40, 25, 15, 1, 0},
    };
    double worst = 0, worst_turn = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct registration r;
        struct error err = {0};
        draw_rigid(cases[i][0], cases[i][1], cases[i][2], cases[i][3], cases[i][4]);
        assert_int_equal(registration_measure(plane_a, plane_b, &r, &err), 0);
        double off = hypot(r.dx_px - cases[i][0], r.dy_px - cases[i][1]);
        if (off > 0.05)
            print_message("case %zu: %.3f %.3f turn %.3f peak %.3f\n", i, r.dx_px, r.dy_px,
                          r.rotation_deg, r.peak);
        worst = fmax(worst, off);
        worst_turn = fmax(worst_turn, fabs(r.rotation_deg - cases[i][2]));
        assert_true(r.peak > 0.9);
    }
    print_message("worst %.4f px, %.5f degrees\n", worst, worst_turn);
    assert_true(worst < 0.05 && worst_turn < 0.01);
}

/* All at once, and none of it chosen by hand. */
static void test_shifted_turned_and_noisy_at_once(void **state)
{
    uint64_t seed = 4711;
    double worst = 0, worst_turn = 0;
    for (int i = 0; i < 5; i++) {
        double u[3];
        for (int k = 0; k < 3; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            u[k] = (double)(seed >> 11) / 9007199254740992.0 * 2 - 1;
        }
        const double dx = 150 * u[0], dy = 80 * u[1], turn = 8 * u[2];
        struct registration r;
        struct error err = {0};
        draw_rigid(dx, dy, turn, 0.9, 0.01);
        assert_int_equal(registration_measure(plane_a, plane_b, &r, &err), 0);
        double off = hypot(r.dx_px - dx, r.dy_px - dy);
        if (off > 0.05)
            print_message("%.3f %.3f turned %.3f: %.3f %.3f, %.3f\n", dx, dy, turn, r.dx_px,
                          r.dy_px, r.rotation_deg);
        worst = fmax(worst, off);
        worst_turn = fmax(worst_turn, fabs(r.rotation_deg - turn));
    }
    print_message("worst %.4f px, %.5f degrees\n", worst, worst_turn);
    assert_true(worst < 0.05 && worst_turn < 0.01);
}

static void test_a_camera_that_turned_is_measured_through_its_perspective(void **state)
{
    /* 90 degrees across. Pan about the upright, then tilt: both drawn from their definition. */
    static const double cases[][2] = {{1, 0}, {-0.3, 0.2}, {15, 0}, {-20, 6}, {0, -12}, {30, 0}};
    const double f = W / 2.0;
    double worst = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double pan = cases[i][0] * M_PI / 180, tilt = cases[i][1] * M_PI / 180;
        for (int y = 0; y < H; y++) {
            for (int x = 0; x < W; x++) {
                double X = x - (W - 1) / 2.0, Y = y - (H - 1) / 2.0;
                a[y * W + x] = (float)scene(X, Y);
                /* The ray in the room: up by the tilt (y down), right by the pan. */
                double y1 = cos(tilt) * Y - sin(tilt) * f, z1 = sin(tilt) * Y + cos(tilt) * f;
                double x2 = cos(pan) * X + sin(pan) * z1, z2 = -sin(pan) * X + cos(pan) * z1;
                b[y * W + x] = (float)scene(f * x2 / z2, f * y1 / z2);
            }
        }
        struct pan_tilt r;
        struct error err = {0};
        assert_int_equal(registration_pan_tilt(plane_a, plane_b, f, &r, &err), 0);
        double off = hypot(r.pan_deg - cases[i][0], r.tilt_deg - cases[i][1]);
        if (off > 0.01)
            print_message("case %zu: pan %.4f tilt %.4f roll %.4f peak %.3f\n", i, r.pan_deg,
                          r.tilt_deg, r.roll_deg, r.peak);
        worst = fmax(worst, fmax(off, fabs(r.roll_deg)));
    }
    print_message("worst %.5f degrees\n", worst);
    assert_true(worst < 0.01);
    /* 1920 px across 90 degrees: 1 degree is 16.76 px at the centre. */
    assert_true(fabs(registration_angle_deg(16.757, 960) - 1) < 1e-3);
}

static void test_pictures_with_nothing_in_common_have_no_peak(void **state)
{
    struct registration r;
    struct error err = {0};
    draw_rigid(0, 0, 0, 1, 0);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            b[y * W + x] = (float)scene(x + 70000, y - 30000);
    assert_int_equal(registration_measure(plane_a, plane_b, &r, &err), 0);
    print_message("peak %.3f\n", r.peak);
    assert_true(r.peak < 0.6);
    for (int i = 0; i < W * H; i++)
        b[i] = 0.5f;
    assert_int_equal(registration_measure(plane_a, plane_b, &r, &err), ERROR_INPUT);
    struct plane small = {b, 320, 200, W};
    assert_int_equal(registration_measure(plane_a, small, &r, &err), ERROR_INPUT);
    small.height_px = 10;
    assert_int_equal(registration_measure(small, small, &r, &err), ERROR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shifts_come_back_to_a_twentieth_of_a_pixel),
        cmocka_unit_test(test_shifted_turned_and_noisy_at_once),
        cmocka_unit_test(test_a_camera_that_turned_is_measured_through_its_perspective),
        cmocka_unit_test(test_pictures_with_nothing_in_common_have_no_peak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
