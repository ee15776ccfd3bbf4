/* A value against limits: the whole table of answers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "station/plan/judge.h"

static void a_bound_itself_is_good_and_beyond_it_is_not(void **state)
{
    const struct limit both = {"x", "V", true, true, 4.75, 5.25};
    const struct limit least = {"x", "V", true, false, 4.75, 0};
    const struct limit most = {"x", "V", false, true, 0, 5.25};
    const struct {
        const struct limit *limit;
        double value;
        enum judgement expected;
    } table[] = {
        {&both, 4.75, JUDGED_PASS},
        {&both, 5.25, JUDGED_PASS},
        {&both, nextafter(4.75, 0), JUDGED_FAIL},
        {&both, nextafter(5.25, 9), JUDGED_FAIL},
        {&least, 1e300, JUDGED_PASS},
        {&least, -1e300, JUDGED_FAIL},
        {&most, -1e300, JUDGED_PASS},
        {&most, 1e300, JUDGED_FAIL},
        {&least, INFINITY, JUDGED_FAIL},
        {&most, -INFINITY, JUDGED_FAIL},
        {&both, NAN, JUDGED_FAIL},
        {NULL, 1, JUDGED_FREE},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(judge_value(table[i].limit, table[i].value), table[i].expected);
}

static void a_value_that_did_not_come_outranks_one_that_failed(void **state)
{
    const struct limit limits[] = {{"a", "V", true, false, 1, 0}, {"b", "V", true, false, 1, 0}};
    const struct limit *worst;
    struct judged values[] = {{.measurement = "a", .unit = "V", .value = 0},
                              {.measurement = "free", .unit = "V", .value = 7},
                              {.measurement = "b", .unit = "V", .value = 2}};
    assert_int_equal(judge_step(limits, 2, values, 3, &worst), JUDGED_FAIL);
    assert_ptr_equal(worst, &limits[0]);
    assert_int_equal(values[0].judgement, JUDGED_FAIL);
    assert_int_equal(values[1].judgement, JUDGED_FREE);
    assert_null(values[1].limit);
    assert_int_equal(values[2].judgement, JUDGED_PASS);
    assert_ptr_equal(values[2].limit, &limits[1]);

    assert_int_equal(judge_step(limits, 2, values, 2, &worst), JUDGED_MISSING);
    assert_ptr_equal(worst, &limits[1]);
    assert_int_equal(judge_step(limits, 2, NULL, 0, NULL), JUDGED_MISSING);
    assert_int_equal(judge_step(NULL, 0, values, 3, &worst), JUDGED_PASS);
    assert_null(worst);
}

static void a_value_in_another_unit_is_a_missing_one(void **state)
{
    const struct limit limit = {"a", "V", true, false, 1, 0};
    struct judged value = {.measurement = "a", .unit = "mV", .value = 5000};
    assert_int_equal(judge_step(&limit, 1, &value, 1, NULL), JUDGED_MISSING);
    assert_int_equal(value.judgement, JUDGED_FREE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bound_itself_is_good_and_beyond_it_is_not),
        cmocka_unit_test(a_value_that_did_not_come_outranks_one_that_failed),
        cmocka_unit_test(a_value_in_another_unit_is_a_missing_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
