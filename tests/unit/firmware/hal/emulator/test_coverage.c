/* Areas of polygons over pixels, against plane geometry. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "firmware/hal/emulator/coverage.h"

enum { W = 20, H = 16 };

static double covered(const float *cells, int x, int y)
{
    double sum = 0;
    for (int i = 0; i <= x; i++)
        sum += cells[y * (W + 2) + i];
    return sum;
}

static double whole(const float *cells)
{
    double sum = 0;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            sum += covered(cells, x, y);
    return sum;
}

static void test_a_rectangle_between_pixels(void **state)
{
    const struct point p[] = {{2.25, 3.5}, {5.5, 3.5}, {5.5, 6}, {2.25, 6}};
    float cells[(W + 2) * H] = {0};
    coverage_add(p, 4, 0, 0, W, H, cells);
    assert_float_equal(covered(cells, 2, 3), 0.75 * 0.5, 1e-6);
    assert_float_equal(covered(cells, 3, 4), 1, 1e-6);
    assert_float_equal(covered(cells, 5, 5), 0.5, 1e-6);
    assert_float_equal(covered(cells, 6, 5), 0, 1e-6);
    assert_float_equal(covered(cells, 3, 6), 0, 1e-6);
    assert_float_equal(whole(cells), 3.25 * 2.5, 1e-5);
}

static void test_a_triangle_cuts_pixels_in_half(void **state)
{
    const struct point p[] = {{0, 0}, {8, 8}, {0, 8}};
    float cells[(W + 2) * H] = {0};
    coverage_add(p, 3, 0, 0, W, H, cells);
    for (int i = 0; i < 8; i++) {
        assert_float_equal(covered(cells, i, i), 0.5, 1e-6);
        assert_float_equal(covered(cells, i + 1, i), 0, 1e-6);
    }
    assert_float_equal(whole(cells), 32, 1e-5);
}

/* A flat edge: it falls 1 in 8, so pixel i of its row is covered by 1 - (i + 1/2) / 8. */
static void test_a_flat_edge_is_spread_over_its_row(void **state)
{
    const struct point p[] = {{4, 2}, {12, 3}, {12, 9}, {4, 9}};
    float cells[(W + 2) * H] = {0};
    coverage_add(p, 4, 0, 0, W, H, cells);
    for (int i = 0; i < 8; i++)
        assert_float_equal(covered(cells, 4 + i, 2), 1 - (i + 0.5) / 8, 1e-6);
    assert_float_equal(covered(cells, 12, 2), 0, 1e-6);
}

static void test_a_turned_square_keeps_its_area(void **state)
{
    float cells[(W + 2) * H] = {0};
    struct point p[4];
    for (int i = 0; i < 4; i++) {
        double a = (i * 90 + 45 + 5) * M_PI / 180;
        p[i] = (struct point){9.3 + 5 * cos(a), 7.9 + 5 * sin(a)};
    }
    coverage_add(p, 4, 0, 0, W, H, cells);
    assert_float_equal(whole(cells), 50, 1e-4);
}

static void test_what_leaves_the_window_is_cut_off(void **state)
{
    const struct point p[] = {{-7, -5}, {30, -5}, {30, 40}, {-7, 40}};
    const struct point slanted[] = {{-4, -3}, {24, 5}, {15, 30}, {-9, 20}};
    float cells[(W + 2) * H] = {0};
    coverage_add(p, 4, 0, 0, W, H, cells);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            assert_float_equal(covered(cells, x, y), 1, 1e-6);
    /* the same pixels whether the window starts at 0 or elsewhere */
    float moved[(W + 2) * H] = {0};
    memset(cells, 0, sizeof cells);
    coverage_add(slanted, 4, 0, 0, W, H, cells);
    coverage_add(slanted, 4, -3, -2, W, H, moved);
    for (int y = 0; y < H - 2; y++)
        for (int x = 0; x < W - 3; x++)
            assert_float_equal(covered(cells, x, y), covered(moved, x + 3, y + 2), 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_rectangle_between_pixels),
        cmocka_unit_test(test_a_triangle_cuts_pixels_in_half),
        cmocka_unit_test(test_a_flat_edge_is_spread_over_its_row),
        cmocka_unit_test(test_a_turned_square_keeps_its_area),
        cmocka_unit_test(test_what_leaves_the_window_is_cut_off),
    };
    return cmocka_run_group_tests_name("coverage", tests, NULL, NULL);
}
