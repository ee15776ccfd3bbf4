/* Spots planted on a shaded, noisy field made by formula. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "station/measure/blemish.h"

enum { W = 1152, H = 648 };
static float field[W * H];
static const struct plane whole = {field, W, H, W};

static double noise_gauss(uint64_t *state)
{
    double u[2];
    for (int i = 0; i < 2; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        u[i] = ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
    }
    return sqrt(-2 * log(u[0])) * cos(2 * M_PI * u[1]);
}

/* A cos^4 fall-off to 0.6 in the corner, its middle 2 % off; 1 % of noise a pixel. */
static void draw(uint64_t seed)
{
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            double r2 = (pow(x - W * 0.52, 2) + pow(y - H * 0.48, 2)) / (W * W / 4.0 + H * H / 4.0);
            field[y * W + x] =
                (float)(0.4 / pow(1 + 0.29 * r2, 2) * (1 + 0.01 * noise_gauss(&seed)));
        }
}

static void spot(double x0, double y0, double sigma, double depth)
{
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            double d2 = (pow(x - x0, 2) + pow(y - y0, 2)) / (sigma * sigma);
            field[y * W + x] *= (float)(1 - depth * exp(-d2 / 2));
        }
}

static void test_a_clean_field_has_no_spot(void **state)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct blemishes b;
        struct error err = {0};
        draw(seed * 7919);
        assert_int_equal(blemish_find(whole, 0.01, &b, &err), 0);
        print_message("worst %.4f, floor %.5f\n", b.worst, b.floor_sigma);
        assert_int_equal(b.count, 0);
        assert_true(b.worst < 0.01);
    }
}

static void test_spots_are_found_where_they_were_planted(void **state)
{
    static const struct {
        double x, y, sigma, depth;
    } planted[] = {
        {300, 200, 6, 0.3}, {700, 330, 20, 0.05}, {820, 480, 50, 0.04}, {150, 500, 30, 0.08}};
    struct blemishes b;
    struct error err = {0};
    draw(3);
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++)
        spot(planted[i].x, planted[i].y, planted[i].sigma, planted[i].depth);
    assert_int_equal(blemish_find(whole, 0.01, &b, &err), 0);
    for (size_t i = 0; i < b.count; i++)
        print_message("%.0f,%.0f %.0f px: %.4f\n", b.spots[i].x_px, b.spots[i].y_px,
                      b.spots[i].size_px, b.spots[i].contrast);
    for (size_t k = 0; k < sizeof planted / sizeof *planted; k++) {
        size_t near = 0;
        for (size_t i = 0; i < b.count; i++)
            near += hypot(b.spots[i].x_px - planted[k].x, b.spots[i].y_px - planted[k].y) <
                        12 + planted[k].sigma / 2 &&
                    b.spots[i].contrast < -0.3 * planted[k].depth;
        assert_true(near >= 1);
    }
    /* And none where there is nothing. */
    for (size_t i = 0; i < b.count; i++) {
        double nearest = 1e9;
        for (size_t k = 0; k < sizeof planted / sizeof *planted; k++)
            nearest = fmin(nearest,
                           hypot(b.spots[i].x_px - planted[k].x, b.spots[i].y_px - planted[k].y) /
                               planted[k].sigma);
        assert_true(nearest < 4);
    }
}

static void test_defective_pixels_are_no_spots(void **state)
{
    uint64_t seed = 5;
    struct blemishes b;
    struct error err = {0};
    draw(9);
    for (int i = 0; i < 300; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        field[(seed >> 20) % (W * H)] *= i % 2 ? 0.f : 3.f;
    }
    assert_int_equal(blemish_find(whole, 0.01, &b, &err), 0);
    assert_int_equal(b.count, 0);
    struct plane small = {field, 200, 100, W};
    assert_int_equal(blemish_find(small, 0.01, &b, &err), ERROR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clean_field_has_no_spot),
        cmocka_unit_test(test_spots_are_found_where_they_were_planted),
        cmocka_unit_test(test_defective_pixels_are_no_spots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
