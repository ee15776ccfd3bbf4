/* The spline: it gives back a cubic whole, by single places and by its table. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "station/measure/spline.h"

enum { POINTS = 400, INTERVALS = 12, PARTS = 4 };

static double cubic(double x)
{
    return 0.5 - 1.25 * x + 0.3 * x * x - 0.07 * x * x * x;
}

static double cubic_slope(double x)
{
    return -1.25 + 0.6 * x - 0.21 * x * x;
}

static void test_a_cubic_is_given_back_by_place_and_by_table(void **state)
{
    double x[POINTS], y[POINTS], weight[POINTS], coefficients[INTERVALS + 3], value, slope;
    struct spline_point table[PARTS * INTERVALS + 1];
    double *scratch = malloc(spline_scratch(INTERVALS) * sizeof *scratch);
    struct spline s = {-1.5, 0.25, INTERVALS, coefficients};
    assert_non_null(scratch);
    for (int i = 0; i < POINTS; i++) {
        x[i] = -1.5 + 3.0 * (i + 0.5) / POINTS;
        y[i] = cubic(x[i]);
        weight[i] = 1;
    }
    assert_int_equal(spline_fit(&s, x, y, weight, POINTS, scratch), 0);
    free(scratch);
    spline_table(&s, PARTS, table);
    for (int k = 0; k <= PARTS * INTERVALS; k++) {
        const double at = -1.5 + 0.25 * k / PARTS;
        spline_at(&s, at, &value, &slope);
        /* The penalty on the third difference, 6 * 0.07 * 0.25^3 a knot, costs the fourth digit at
         * the ends. */
        assert_true(fabs(value - cubic(at)) < 3e-4);
        assert_true(fabs(slope - cubic_slope(at)) < 6e-3);
        assert_true(fabs(table[k].value - value) < 1e-6);
        assert_true(fabs(table[k].slope - slope) < 1e-6);
    }
}

static void test_places_outside_are_held_at_the_ends(void **state)
{
    double x[] = {0.1, 0.4, 0.6, 0.9}, y[] = {1, 2, 3, 4}, weight[] = {1, 1, 1, 1};
    double coefficients[4 + 3], scratch[(4 + 3) * 4], at_end, beyond;
    struct spline s = {0, 0.25, 4, coefficients};
    assert_true(spline_scratch(4) <= sizeof scratch / sizeof *scratch);
    assert_int_equal(spline_fit(&s, x, y, weight, 4, scratch), 0);
    spline_at(&s, 1, &at_end, NULL);
    spline_at(&s, 7, &beyond, NULL);
    assert_true(at_end == beyond);
}

static void test_points_of_no_weight_make_no_curve(void **state)
{
    double x[] = {0.1, 0.9}, y[] = {1, 2}, weight[] = {0, 0};
    double coefficients[4 + 3], scratch[(4 + 3) * 4];
    struct spline s = {0, 0.25, 4, coefficients};
    assert_int_equal(spline_fit(&s, x, y, weight, 2, scratch), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cubic_is_given_back_by_place_and_by_table),
        cmocka_unit_test(test_places_outside_are_held_at_the_ends),
        cmocka_unit_test(test_points_of_no_weight_make_no_curve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
