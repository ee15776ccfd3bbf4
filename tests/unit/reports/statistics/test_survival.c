/* The product-limit estimate against published figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reports/statistics/survival.h"

/* Freireich et al. 1963, remission under 6-mercaptopurine, the standard example: 21 patients, 9
 * relapses; estimate and Greenwood's deviation as R's survfit() prints them. */
static void the_remission_data_come_out_as_published(void **state)
{
    struct survival_unit units[] = {
        {6, true},   {6, true},   {6, true},   {6, false},  {7, true},   {9, false},  {10, true},
        {10, false}, {11, false}, {13, true},  {16, true},  {17, false}, {19, false}, {20, false},
        {22, true},  {23, true},  {25, false}, {32, false}, {32, false}, {34, false}, {35, false}};
    static const struct survival_step known[] = {
        {6, 21, 3, 0.857, 0.0764},  {7, 17, 1, 0.807, 0.0869},  {10, 15, 1, 0.753, 0.0963},
        {13, 12, 1, 0.690, 0.1068}, {16, 11, 1, 0.627, 0.1141}, {22, 7, 1, 0.538, 0.1282},
        {23, 6, 1, 0.448, 0.1346}};
    struct survival_step steps[21];
    assert_int_equal(survival_estimate(units, 21, steps), 7);
    for (int i = 0; i < 7; i++) {
        assert_float_equal(steps[i].hours, known[i].hours, 0);
        assert_int_equal(steps[i].at_risk, known[i].at_risk);
        assert_int_equal(steps[i].failed, known[i].failed);
        assert_float_equal(steps[i].good, known[i].good, 0.0006);
        assert_float_equal(steps[i].deviation, known[i].deviation, 0.00006);
    }
}

static void none_and_all_failed_are_no_special_cases(void **state)
{
    struct survival_unit good[] = {{5, false}, {7, false}}, bad[] = {{7, true}, {5, true}};
    struct survival_step steps[2];
    assert_int_equal(survival_estimate(good, 2, steps), 0);
    assert_int_equal(survival_estimate(good, 0, steps), 0);
    assert_int_equal(survival_estimate(bad, 2, steps), 2);
    assert_float_equal(steps[0].good, 0.5, 0);
    assert_float_equal(steps[1].good, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_remission_data_come_out_as_published),
        cmocka_unit_test(none_and_all_failed_are_no_special_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
