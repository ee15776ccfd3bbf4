/* The product-limit estimate against published figures. */
#include <math.h>
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

/* Their 21 other patients, under placebo. */
static void two_lots_are_compared_as_published(void **state)
{
    struct survival_unit treated[] = {
        {6, true},   {6, true},   {6, true},   {6, false},  {7, true},   {9, false},  {10, true},
        {10, false}, {11, false}, {13, true},  {16, true},  {17, false}, {19, false}, {20, false},
        {22, true},  {23, true},  {25, false}, {32, false}, {32, false}, {34, false}, {35, false}};
    static const double placebo_weeks[21] = {1, 1, 2,  2,  3,  4,  4,  5,  5,  8, 8,
                                             8, 8, 11, 11, 12, 12, 15, 17, 22, 23};
    struct survival_unit placebo[21];
    struct survival_comparison c;
    (void)state;
    for (int i = 0; i < 21; i++)
        placebo[20 - i] = (struct survival_unit){placebo_weeks[i], true};
    survival_log_rank(treated, 21, placebo, 21, &c);
    /* R: survdiff(Surv(time, status) ~ group); Kleinbaum and Klein, Survival Analysis, 2: expected
     * 19.25 and 10.75, chi-square 16.79, p 0.00004. */
    assert_int_equal(c.failed[0], 9);
    assert_int_equal(c.failed[1], 21);
    assert_float_equal(c.expected[0], 19.25, 0.005);
    assert_float_equal(c.expected[1], 10.75, 0.005);
    assert_float_equal(c.chi_square, 16.79, 0.005);
    assert_float_equal(c.p, 4.17e-5, 0.01e-5);
}

static void lots_without_failures_cannot_be_compared(void **state)
{
    struct survival_unit a[] = {{5, false}, {7, false}}, b[] = {{3, false}};
    struct survival_comparison c;
    (void)state;
    survival_log_rank(a, 2, b, 1, &c);
    assert_true(isnan(c.p) && isnan(c.chi_square));
    survival_log_rank(a, 2, b, 0, &c);
    assert_true(isnan(c.p));
    a[0].failed = true; /* alone at risk with nobody beside it: says nothing either */
    survival_log_rank(a, 2, b, 1, &c);
    assert_int_equal(c.failed[0], 1);
    assert_float_equal(c.expected[0], 1, 0);
    assert_true(isnan(c.p));
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
        cmocka_unit_test(two_lots_are_compared_as_published),
        cmocka_unit_test(lots_without_failures_cannot_be_compared),
        cmocka_unit_test(none_and_all_failed_are_no_special_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
