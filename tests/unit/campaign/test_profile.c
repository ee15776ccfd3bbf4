/* What a condition is to be at every moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "station/campaign/profile.h"

enum { NONE = 3600000 };

/* IEC 60068-2-14 Nb: from 25 to 50 at 1 K/min, held an hour, and back. */
static const struct profile cycle = {
    .start = 25,
    .legs = {{50, 1500000}, {50, 3600000}, {25, 1500000}, {25, 3600000}},
    .leg_count = 4,
    .repeat = true,
};

static void a_slope_is_straight_and_a_hold_is_level(void **state)
{
    assert_float_equal(profile_at(&cycle, 0), 25, 0);
    assert_float_equal(profile_at(&cycle, 60000), 26, 1e-9);
    assert_float_equal(profile_at(&cycle, 1500000), 50, 0);
    assert_float_equal(profile_at(&cycle, 5000000), 50, 0);
    assert_float_equal(profile_at(&cycle, 5100000 + 750000), 37.5, 1e-9);
    assert_float_equal(profile_at(&cycle, -5), 25, 0);
}

static void a_cycle_comes_again_and_is_counted(void **state)
{
    const int64_t length = profile_length_ms(&cycle);
    assert_int_equal(length, 10200000);
    for (int64_t n = 0; n < 1000; n += 37) {
        assert_float_equal(profile_at(&cycle, n * length + 60000), 26, 1e-9);
        assert_int_equal(profile_cycles(&cycle, n * length), n);
        assert_int_equal(profile_cycles(&cycle, (n + 1) * length - 1), n);
    }
}

static void without_repeat_the_last_value_holds(void **state)
{
    struct profile once = cycle;
    once.repeat = false;
    once.leg_count = 2;
    assert_float_equal(profile_at(&once, INT64_MAX / 4), 50, 0);
    assert_true(profile_next_ms(&once, 2000000, 1000) == INT64_MAX);
    assert_int_equal(profile_cycles(&once, 99999999), 1);
}

static void a_step_happens_at_its_own_moment(void **state)
{
    /* 4.5 V and 5.5 V in turns of a second */
    const struct profile square = {.start = 4.5,
                                   .legs = {{4.5, 1000}, {5.5, 0}, {5.5, 1000}, {4.5, 0}},
                                   .leg_count = 4,
                                   .repeat = true};
    assert_float_equal(profile_at(&square, 999), 4.5, 0);
    assert_float_equal(profile_at(&square, 1000), 5.5, 0);
    assert_float_equal(profile_at(&square, 1999), 5.5, 0);
    assert_float_equal(profile_at(&square, 2000), 4.5, 0);
    assert_int_equal(profile_next_ms(&square, 0, 100), 1000);
    assert_int_equal(profile_next_ms(&square, 1000, 100), 2000);
}

static void what_is_next_is_a_part_of_a_slope_or_the_end_of_a_hold(void **state)
{
    assert_int_equal(profile_next_ms(&cycle, 0, 10000), 10000);
    assert_int_equal(profile_next_ms(&cycle, 1495000, 10000), 1500000);
    assert_int_equal(profile_next_ms(&cycle, 1500000, 10000), 5100000);
    const struct profile constant = {.start = 50};
    assert_true(profile_next_ms(&constant, 5, 10) == INT64_MAX);
    assert_float_equal(profile_at(&constant, NONE), 50, 0);
    assert_int_equal(profile_cycles(&constant, NONE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slope_is_straight_and_a_hold_is_level),
        cmocka_unit_test(a_cycle_comes_again_and_is_counted),
        cmocka_unit_test(without_repeat_the_last_value_holds),
        cmocka_unit_test(a_step_happens_at_its_own_moment),
        cmocka_unit_test(what_is_next_is_a_part_of_a_slope_or_the_end_of_a_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
