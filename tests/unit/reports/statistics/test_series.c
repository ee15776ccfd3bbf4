/* Sums of a series against NIST StRD's certified values, and joined from pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "reports/statistics/series.h"
#include "tests/unit/reports/statistics/data.h"

/* Digits that agree: NIST's log relative error. */
static void assert_digits(double measured, double certified, double digits)
{
    double lre = measured == certified ? 15 : -log10(fabs(measured - certified) / fabs(certified));
    if (!(lre >= digits))
        fail_msg("%.17g agrees with %.17g to %.1f digits, expected %.1f", measured, certified, lre,
                 digits);
}

static struct series series_of(const double *values, size_t count)
{
    struct series s = {0};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(series_add(&s, values[i]), 0);
    return s;
}

static void test_nist_lottery(void **state)
{
    (void)state;
    struct series s = series_of(nist_lottery, 218);
    assert_digits(series_mean(&s), 518.958715596330, 14);
    assert_digits(series_deviation(&s), 291.699727470969, 14);
    assert_digits(series_lag1(&s), -0.120948622967393, 14);
}

static void test_nist_mavro(void **state)
{
    (void)state;
    struct series s = series_of(nist_mavro, 50);
    assert_digits(series_mean(&s), 2.001856, 15);
    /* 2.0018 as a double is off by 1e-16 of its size, 1e-13 of the spread. */
    assert_digits(series_deviation(&s), 0.000429123454003053, 12.5);
    assert_digits(series_lag1(&s), 0.937989183438248, 12.5);
}

static void test_nist_michelso(void **state)
{
    (void)state;
    struct series s = series_of(nist_michelso, 100);
    assert_digits(series_mean(&s), 299.8524, 15);
    assert_digits(series_deviation(&s), 0.0790105478190518, 13);
    assert_digits(series_lag1(&s), 0.535199668621283, 13);
}

/* NumAcc4.dat is 10000000.2, then 10000000.1 and 10000000.3 500 times. As doubles those values are
 * off by up to 9e-10, 1e-8 of the spread: 8 digits are all that any program has to work with. */
static struct series numacc4(size_t from, size_t to)
{
    struct series s = {0};
    for (size_t i = from; i < to; i++)
        series_add(&s, i == 0 ? 10000000.2 : i % 2 ? 10000000.1 : 10000000.3);
    return s;
}

static void test_nist_numacc4_keeps_the_digits_its_values_have(void **state)
{
    (void)state;
    struct series s = numacc4(0, 1001);
    assert_digits(series_mean(&s), 10000000.2, 15);
    assert_digits(series_deviation(&s), 0.1, 8.2);
    assert_digits(series_lag1(&s), -0.999, 10);
    /* And of those doubles it is right to the last place: their own deviation is exact in binary.
     */
    double up = 10000000.3 - 10000000.2, down = 10000000.2 - 10000000.1;
    double mean = (500 * up - 500 * down) / 1001;
    double squares =
        500 * (up - mean) * (up - mean) + 500 * (down + mean) * (down + mean) + mean * mean;
    assert_digits(series_deviation(&s), sqrt(squares / 1000), 15);
}

static void test_pieces_joined_are_the_whole(void **state)
{
    (void)state;
    struct series whole = numacc4(0, 1001), one = numacc4(0, 1), two = numacc4(1, 400),
                  three = numacc4(400, 1001), none = {0};
    series_join(&one, &none);
    series_join(&one, &two);
    series_join(&one, &three);
    assert_int_equal(one.count, 1001);
    assert_digits(series_mean(&one), series_mean(&whole), 15);
    assert_digits(series_deviation(&one), series_deviation(&whole), 14);
    assert_digits(series_lag1(&one), series_lag1(&whole), 14);
    assert_digits(series_moving_range(&one), series_moving_range(&whole), 14);
    for (size_t cut = 0; cut <= 218; cut++) {
        struct series a = series_of(nist_lottery, cut);
        struct series b = series_of(nist_lottery + cut, 218 - cut);
        series_join(&a, &b);
        assert_digits(series_mean(&a), 518.958715596330, 14);
        assert_digits(series_deviation(&a), 291.699727470969, 14);
        assert_digits(series_lag1(&a), -0.120948622967393, 13.5);
        assert_true(a.lowest == 4 && a.highest == 999 && a.first == 162 && a.last == 968);
    }
}

static void test_too_few_values_have_no_statistics(void **state)
{
    (void)state;
    struct series s = {0};
    assert_true(isnan(series_mean(&s)) && isnan(series_deviation(&s)));
    assert_int_equal(series_add(&s, NAN), -1);
    assert_int_equal(series_add(&s, INFINITY), -1);
    assert_int_equal(s.count, 0);
    series_add(&s, 5);
    assert_true(series_mean(&s) == 5 && isnan(series_deviation(&s)) && isnan(series_lag1(&s)));
    series_add(&s, 5);
    assert_true(series_deviation(&s) == 0 && isnan(series_lag1(&s)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nist_lottery),
        cmocka_unit_test(test_nist_mavro),
        cmocka_unit_test(test_nist_michelso),
        cmocka_unit_test(test_nist_numacc4_keeps_the_digits_its_values_have),
        cmocka_unit_test(test_pieces_joined_are_the_whole),
        cmocka_unit_test(test_too_few_values_have_no_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
