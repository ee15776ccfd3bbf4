/* When a held button restarts the unit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "firmware/camd/reset_watch.h"

/* Looks every 50 ms at a pin that is low from `from` to `until`; how often it fired. */
static int fired(struct reset_hold *h, int64_t from, int64_t until, int64_t end)
{
    int count = 0;
    for (int64_t t = 1; t < end; t += 50)
        count += reset_hold_look(h, t < from || t >= until, t);
    return count;
}

static void test_five_seconds_restart_once(void **state)
{
    struct reset_hold h = {0};
    assert_int_equal(fired(&h, 1000, 7000, 9000), 1);
}

static void test_a_press_is_no_reset(void **state)
{
    struct reset_hold h = {0};
    assert_int_equal(fired(&h, 1000, 5900, 9000), 0);
}

static void test_a_button_that_is_down_from_the_start_does_not_count(void **state)
{
    struct reset_hold h = {0};
    assert_int_equal(fired(&h, 0, 60000, 60000), 0);
    /* Let go and held again, it does. */
    assert_int_equal(fired(&h, 1000, 8000, 9000), 1);
}

static void test_one_that_stays_down_restarts_once(void **state)
{
    struct reset_hold h = {0};
    assert_int_equal(fired(&h, 1000, 60000, 60000), 1);
}

static void test_a_bounce_within_begins_anew(void **state)
{
    struct reset_hold h = {0};
    assert_int_equal(fired(&h, 1000, 5000, 5000), 0);
    assert_false(reset_hold_look(&h, true, 5000));
    assert_false(reset_hold_look(&h, false, 5050));
    assert_false(reset_hold_look(&h, false, 10000));
    assert_true(reset_hold_look(&h, false, 10051));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_five_seconds_restart_once),
        cmocka_unit_test(test_a_press_is_no_reset),
        cmocka_unit_test(test_a_button_that_is_down_from_the_start_does_not_count),
        cmocka_unit_test(test_one_that_stays_down_restarts_once),
        cmocka_unit_test(test_a_bounce_within_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
