/* Capability, charts, gage studies, yields and bounds against published figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "protocol/base/splitmix.h"
#include "reports/statistics/association.h"
#include "reports/statistics/capability.h"
#include "reports/statistics/control_chart.h"
#include "reports/statistics/distribution.h"
#include "reports/statistics/drift.h"
#include "reports/statistics/gage_rr.h"
#include "reports/statistics/reliability.h"
#include "reports/statistics/yield.h"
#include "tests/unit/reports/statistics/data.h"

/* Equal once rounded to the digits that were printed. */
static void assert_printed(double measured, double printed, double last_place)
{
    if (!(fabs(measured - printed) <= last_place * 0.5000001))
        fail_msg("%.10g, expected %.10g", measured, printed);
}

static void assert_near(double measured, double expected, double relative)
{
    if (!(fabs(measured - expected) <= relative * fabs(expected)))
        fail_msg("%.17g, expected %.17g", measured, expected);
}

/* Standard normal, from two uniform numbers (Box-Muller). */
static double normal(uint64_t *random)
{
    double u = ((double)(splitmix_next(random) >> 11) + 0.5) * 0x1p-53;
    double v = (double)(splitmix_next(random) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static void test_distributions_match_their_tables(void **state)
{
    (void)state;
    /* Closed forms, and percentage points as NIST's handbook 1.3.6.7 prints them. */
    assert_near(distribution_f_upper(2, 2, 2), 1.0 / 3, 1e-14);
    assert_near(distribution_f_upper(3, 2, 10), pow(1 + 3 * 2 / 10.0, -5), 1e-13);
    assert_printed(distribution_f_upper(4.965, 1, 10), 0.05, 1e-4);
    assert_printed(distribution_f_upper(2.321, 9, 23), 0.05, 1e-3);
    assert_near(distribution_t_upper(1, 1), 0.25, 1e-14);
    assert_printed(distribution_t_upper(2.228, 10), 0.025, 1e-4);
    assert_near(distribution_t_upper(-1, 2), 1 - (0.5 - 0.5 / sqrt(3)), 1e-14);
    assert_near(distribution_normal_upper(1.959963984540054), 0.025, 1e-12);
    assert_near(distribution_chi_square_quantile(0.95, 2), -2 * log(0.05), 1e-12);
    assert_printed(distribution_chi_square_quantile(0.95, 10), 18.307, 1e-3);
    assert_printed(distribution_chi_square_quantile(0.99, 100), 135.807, 1e-3);
    assert_printed(distribution_chi_square_quantile(0.05, 30), 18.493, 1e-3);
    assert_near(distribution_gamma_upper(1, 700), exp(-700), 1e-12);
    assert_true(isnan(distribution_beta(0.5, 0, 1)) && isnan(distribution_f_upper(-1, 1, 1)));
}

static void test_capability_of_nist_6_1_6(void **state)
{
    (void)state;
    struct capability c = capability_of(16, 2, 2, 8, 20);
    assert_printed(c.cp, 1.0, 1e-12);
    assert_printed(c.cpk, 0.6667, 1e-4);
    assert_printed(c.ppk, 0.6667, 1e-4);
    c = capability_of(16, 2, 4, NAN, 20); /* one limit */
    assert_true(isnan(c.cp) && isnan(c.pp));
    assert_printed(c.cpk, 0.6667, 1e-4);
    assert_printed(c.ppk, 0.3333, 1e-4);
    c = capability_of(16, 2, 4, 8, NAN);
    assert_printed(c.cpk, 1.3333, 1e-4);
    c = capability_of(16, 0, 0, 8, 20);
    assert_true(isnan(c.cp) && isnan(c.cpk));
}

static void test_spread_within_subgroups_is_pooled(void **state)
{
    (void)state;
    /* 1 2 3 | 11 12 13 | 7: variances 1 and 1, the single value adds nothing. */
    struct subgroups g = {0};
    const double first[] = {1, 2, 3}, second[] = {11, 12, 13};
    struct series s = {0}, t = {0}, one = {0};
    for (int i = 0; i < 3; i++) {
        series_add(&s, first[i]);
        series_add(&t, second[i]);
    }
    series_add(&one, 7);
    assert_true(isnan(subgroups_sigma(&g)));
    subgroups_add(&g, &s);
    subgroups_add(&g, &t);
    subgroups_add(&g, &one);
    assert_near(subgroups_sigma(&g), 1, 1e-15);
}

static void test_individuals_chart_of_nist_6_3_2_2(void **state)
{
    (void)state;
    struct series s = {0};
    for (int i = 0; i < 10; i++)
        series_add(&s, nist_flow[i]);
    struct imr_limits l = imr_limits_of(&s);
    assert_printed(l.mean, 50.81, 1e-10);
    assert_printed(l.mr_bar, 1.8778, 1e-4);
    assert_printed(l.ucl, 55.8041, 1e-4);
    assert_printed(l.lcl, 45.8159, 1e-4);
}

static void test_ewma_chart_of_nist_6_3_2_4(void **state)
{
    (void)state;
    struct ewma_limits l = ewma_limits_of(0.3, 50, 2.0539);
    double z = 50;
    for (int i = 0; i < 20; i++)
        z = ewma_next(0.3, z, nist_ewma[i]);
    assert_printed(l.ucl, 52.5884, 1e-4);
    assert_printed(l.lcl, 47.4116, 1e-4);
    assert_printed(z, 51.988, 1e-3);
}

/* The rules broken at the last of the values, in sigmas about 0. */
static unsigned broken_at_end(const double *values, size_t count)
{
    struct control_rules r = {0};
    unsigned broken = 0;
    for (size_t i = 0; i < count; i++)
        broken = control_rules_add(&r, values[i], 0, 1);
    return broken;
}
#define BROKEN(...)                                                                                \
    broken_at_end((const double[]){__VA_ARGS__},                                                   \
                  sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static void test_western_electric_rules(void **state)
{
    (void)state;
    assert_int_equal(BROKEN(3.1), 1);
    assert_int_equal(BROKEN(-3.1), 1);
    assert_int_equal(BROKEN(3.0), 0); /* on the limit is not beyond */
    assert_int_equal(BROKEN(2.1, 0.1, 2.1), 2);
    assert_int_equal(BROKEN(2.1, -0.1, -2.1), 0); /* not the same side */
    assert_int_equal(BROKEN(2.1, 0.1, -0.1, 2.1), 0);
    assert_int_equal(BROKEN(2.1, 2.1, 0.1), 0); /* spoken of where it was completed */
    assert_int_equal(BROKEN(1.1, 1.1, -0.1, 1.1, 1.1), 4);
    assert_int_equal(BROKEN(1.1, 1.1, -0.1, 1.1, -1.1), 0);
    assert_int_equal(BROKEN(.1, .1, .1, .1, .1, .1, .1, .1), 8);
    assert_int_equal(BROKEN(.1, .1, .1, .1, .1, .1, .1), 0);
    assert_int_equal(BROKEN(-.1, -.1, 0, -.1, -.1, -.1, -.1, -.1, -.1),
                     0); /* the line is no side */
    assert_int_equal(BROKEN(2.1, 2.1, 2.1, 2.1, 2.1, 2.1, 2.1, 3.1), 15);
}

/* Champ & Woodall (1987): 91.75 points to the first false alarm of the four rules together. */
static void test_a_steady_process_alarms_once_in_91_75_points(void **state)
{
    (void)state;
    enum { RUNS = 40000 };
    uint64_t random = 9175;
    int64_t points = 0;
    for (int run = 0; run < RUNS; run++) {
        struct control_rules r = {0};
        do
            points++;
        while (!control_rules_add(&r, normal(&random), 0, 1));
    }
    /* Run lengths are nearly geometric: the mean of 40000 is good to 91/200 = 0.46. */
    assert_true(fabs((double)points / RUNS - 91.75) < 4 * 0.46);
}

static void test_gage_study_of_the_aiag_manual(void **state)
{
    (void)state;
    const struct gage_study study = {10, 3, 3, aiag_gage};
    struct gage_anova a;
    struct gage_range g;
    assert_int_equal(gage_rr(&study, 0.25, &a, &g, NULL), 0);
    assert_printed(a.rows[GAGE_PART].ss, 88.3619, 1e-4);
    assert_printed(a.rows[GAGE_OPERATOR].ss, 3.1673, 1e-4);
    assert_printed(a.rows[GAGE_INTERACTION].ss, 0.3590, 1e-4);
    assert_printed(a.rows[GAGE_REPEATABILITY].ss, 2.7589, 1e-4);
    assert_printed(a.rows[GAGE_TOTAL].ss, 94.6471, 1e-4);
    assert_printed(a.rows[GAGE_INTERACTION].p, 0.974, 1e-3);
    assert_true(a.pooled);
    assert_printed(a.var_grr, 0.09143, 1e-5);
    assert_printed(a.var_repeatability, 0.03997, 1e-5);
    assert_printed(a.var_reproducibility, 0.05146, 1e-5);
    assert_printed(a.var_part, 1.08645, 1e-5);
    assert_printed(a.percent_sv, 27.86, 1e-2);
    assert_int_equal(a.ndc, 4);
    assert_printed(g.ev, 0.20186, 1e-5);
    assert_printed(g.av, 0.22967, 1e-5);
    assert_printed(g.grr, 0.30577, 1e-5);
    assert_printed(g.pv, 1.1046, 1e-4);
    assert_printed(g.tv, 1.14613, 1.5e-5); /* AIAG adds what it has rounded */
    assert_printed(g.percent_sv, 26.68, 1e-2);
    assert_int_equal(g.ndc, 5);
}

static void test_an_interaction_that_matters_is_kept(void **state)
{
    (void)state;
    /* Operator 2 reads part 2 lower by 1; trials differ by 0.2. By hand: cell means 10.1, 10.1,
     * 20.1, 19.1; grand 14.85; SS interaction 2 * 4 * 0.25^2 = 0.5, repeatability 4 * 0.02 = 0.08
     * with 4 freedoms, F = 0.5 / 0.02 = 25. */
    const double values[] = {10, 10.2, 10, 10.2, 20, 20.2, 19, 19.2};
    const struct gage_study study = {2, 2, 2, values};
    struct gage_anova a;
    struct gage_range g;
    assert_int_equal(gage_rr(&study, 0.25, &a, &g, NULL), 0);
    assert_false(a.pooled);
    assert_near(a.rows[GAGE_INTERACTION].ss, 0.5, 1e-10);
    assert_near(a.rows[GAGE_REPEATABILITY].ss, 0.08, 1e-10);
    assert_near(a.rows[GAGE_INTERACTION].f, 25, 1e-10);
    assert_near(a.var_interaction, (0.5 - 0.02) / 2, 1e-10);
    assert_true(a.var_operator == 0); /* MS 0.5 is no more than the interaction's */
}

static void test_a_gage_study_too_small_is_refused(void **state)
{
    (void)state;
    const double same[8] = {0};
    struct gage_study study = {2, 2, 1, same};
    struct gage_anova a;
    struct gage_range g;
    struct error err = {0};
    assert_int_equal(gage_rr(&study, 0.25, &a, &g, &err), ERROR_INPUT);
    assert_string_equal(err.text, "a gage study takes 2 to 25 trials, not 1");
    study.trials = 2;
    assert_int_equal(gage_rr(&study, 0.25, &a, &g, &err), ERROR_INPUT);
}

static void test_yields(void **state)
{
    (void)state;
    const struct yield steps[] = {{100, 98, 100}, {98, 95, 96}, {0, 0, 0}};
    struct yield none = {0};
    double low, high;
    assert_near(yield_first(&steps[0]), 0.98, 1e-15);
    assert_near(yield_rolled(steps, 3), 0.98 * 95 / 98, 1e-15);
    assert_true(isnan(yield_first(&none)) && isnan(yield_rolled(&none, 1)));
    yield_interval(10, 20, &low, &high); /* Wilson, as Brown, Cai & DasGupta (2001) give it */
    assert_printed(low, 0.2993, 1e-4);
    assert_printed(high, 0.7007, 1e-4);
    yield_interval(0, 10, &low, &high);
    assert_true(low == 0);
    assert_printed(high, 0.2775, 1e-4);
}

static void test_drift_between_stations(void **state)
{
    (void)state;
    const struct drift_rule rule = {.rate = 0.01, .least = 0.5, .comparisons = 3};
    uint64_t random = 3;
    struct series others = {0}, same = {0}, shifted = {0}, few = {0};
    for (int i = 0; i < 500; i++) {
        series_add(&others, 10 + normal(&random));
        series_add(&same, 10.2 + normal(&random)); /* within what does not matter */
        series_add(&shifted, 11 + normal(&random));
    }
    series_add(&few, 40);
    assert_false(drift_test(&same, &others, &rule).alarm);
    struct drift d = drift_test(&shifted, &others, &rule);
    assert_true(d.alarm && fabs(d.sigmas - 1) < 0.2);
    assert_false(drift_test(&few, &others, &rule).alarm);
    /* Two small samples, means and variances by hand. */
    const double a[] = {27, 21, 24, 23}, b[] = {19, 20, 18, 25, 17, 22};
    const struct drift_rule plain = {.rate = 0.05, .least = 0, .comparisons = 1};
    struct series sa = {0}, sb = {0};
    for (int i = 0; i < 6; i++) {
        if (i < 4)
            series_add(&sa, a[i]);
        series_add(&sb, b[i]);
    }
    d = drift_test(&sa, &sb, &plain);
    double v1 = 6.25 / 4, v2 = 8.5666666666666667 / 6, t = (23.75 - 20.1666666666666667);
    assert_near(d.p, 2 * distribution_t_upper(t / sqrt(v1 + v2), 3), 1e-12);
}

/* Of 2000 lines that are steady, at most the stated rate may alarm, whatever their noise. */
static void test_drift_keeps_its_false_alarm_rate(void **state)
{
    (void)state;
    enum { LINES = 2000, STATIONS = 4 };
    const struct drift_rule rule = {.rate = 0.05, .least = 0, .comparisons = STATIONS};
    uint64_t random = 11;
    int alarms = 0;
    for (int line = 0; line < LINES; line++) {
        struct series s[STATIONS] = {{0}};
        bool any = false;
        for (int k = 0; k < STATIONS; k++)
            for (int i = 0; i < 30; i++)
                series_add(&s[k], normal(&random));
        for (int k = 0; k < STATIONS; k++) {
            struct series rest = {0};
            for (int j = 0; j < STATIONS; j++)
                if (j != k)
                    series_join(&rest, &s[j]);
            any |= drift_test(&s[k], &rest, &rule).alarm;
        }
        alarms += any;
    }
    /* 5 % of 2000 are 100, give or take 4 deviations of 9.7; a test that never alarms is none. */
    assert_in_range(alarms, 40, 139);
}

/* An instrument that came into use a moment ago: its few readings may lie close together by chance.
 */
static void test_drift_says_nothing_of_a_few_readings_that_are_close(void **state)
{
    (void)state;
    enum { LINES = 2000 };
    const struct drift_rule rule = {.rate = 0.01, .least = 0, .comparisons = 1};
    uint64_t random = 5;
    for (int few = 2; few <= 5; few++) {
        int alarms = 0;
        for (int line = 0; line < LINES; line++) {
            struct series one = {0}, others = {0};
            for (int i = 0; i < few; i++)
                series_add(&one, normal(&random));
            for (int i = 0; i < 200; i++)
                series_add(&others, normal(&random));
            alarms += drift_test(&one, &others, &rule).alarm;
            alarms += drift_test(&others, &one, &rule).alarm;
        }
        /* Two sides of one comparison: 20 each, give or take 4 deviations of 4.4. */
        assert_in_range(alarms, 0, 2 * 38);
    }
}

static void test_mtbf_bounds_and_arrhenius(void **state)
{
    (void)state;
    assert_printed(1 / reliability_mtbf_bound(1, 0, 0.60), 0.916, 1e-3);
    assert_printed(1 / reliability_mtbf_bound(1, 0, 0.90), 2.303, 1e-3);
    assert_printed(1 / reliability_mtbf_bound(1, 0, 0.95), 2.996, 1e-3);
    /* MIL-HDBK-338B's factors: 1 failure at 90 % 3.89, 5 failures at 60 % 6.29. */
    assert_printed(1 / reliability_mtbf_bound(1, 1, 0.90), 3.890, 1e-3);
    assert_printed(1 / reliability_mtbf_bound(1, 5, 0.60), 6.292, 1e-3);
    assert_true(isnan(reliability_mtbf_bound(0, 0, 0.9)) &&
                isnan(reliability_mtbf_bound(1, 0, 1)) && isnan(reliability_mtbf_bound(1, -1, .9)));
    /* The test length guide of the NIST handbook, 8.3.1.2: hours for each hour of MTBF. */
    static const double guide[3][4] = {/* 60, 80, 90, 95 % */
                                       {0.916, 1.61, 2.30, 3.00},
                                       {2.02, 2.99, 3.89, 4.74},
                                       {3.11, 4.28, 5.32, 6.30}};
    static const double confidences[4] = {0.60, 0.80, 0.90, 0.95};
    for (int failures = 0; failures < 3; failures++)
        for (int i = 0; i < 4; i++)
            assert_printed(reliability_test_hours(1, failures, confidences[i]), guide[failures][i],
                           0.01);
    /* Success run and binomial plans: 22 units show 90 % at 90 %, 59 show 95 % at 95 %, 230 and 299
     * show 99 %; with one failure 38 and 93, with two 52 and 124. */
    assert_int_equal(reliability_test_units(0.90, 0, 0.90), 22);
    assert_int_equal(reliability_test_units(0.95, 0, 0.95), 59);
    assert_int_equal(reliability_test_units(0.99, 0, 0.90), 230);
    assert_int_equal(reliability_test_units(0.99, 0, 0.95), 299);
    assert_int_equal(reliability_test_units(0.90, 1, 0.90), 38);
    assert_int_equal(reliability_test_units(0.95, 1, 0.95), 93);
    assert_int_equal(reliability_test_units(0.90, 2, 0.90), 52);
    assert_int_equal(reliability_test_units(0.95, 2, 0.95), 124);
    assert_int_equal(reliability_test_units(1, 0, 0.9), -1);
    assert_int_equal(reliability_test_units(0.9, -1, 0.9), -1);
    assert_int_equal(reliability_test_units(0.9999999999, 0, 0.9), -1);
    /* By hand: 0.7 / 8.617333e-5 (1/328.15 - 1/398.15) = 4.3522. */
    assert_near(reliability_arrhenius(0.7, 55, 125), exp(4.3522), 1e-4);
    assert_near(reliability_arrhenius(0.7, 40, 40), 1, 1e-15);
}

static void test_failures_that_come_together(void **state)
{
    (void)state;
    struct association a = {8, 2, 2, 88};
    assert_near(association_phi(&a), (8 * 88 - 2 * 2) / sqrt(10.0 * 90 * 10 * 90), 1e-14);
    a = (struct association){3, 1, 1, 3}; /* Fisher's tea: 17/70 */
    assert_near(association_p(&a), 17.0 / 70, 1e-12);
    assert_near(association_phi(&a), 0.5, 1e-14);
    a = (struct association){0, 0, 5, 5};
    assert_true(isnan(association_phi(&a)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distributions_match_their_tables),
        cmocka_unit_test(test_capability_of_nist_6_1_6),
        cmocka_unit_test(test_spread_within_subgroups_is_pooled),
        cmocka_unit_test(test_individuals_chart_of_nist_6_3_2_2),
        cmocka_unit_test(test_ewma_chart_of_nist_6_3_2_4),
        cmocka_unit_test(test_western_electric_rules),
        cmocka_unit_test(test_a_steady_process_alarms_once_in_91_75_points),
        cmocka_unit_test(test_gage_study_of_the_aiag_manual),
        cmocka_unit_test(test_an_interaction_that_matters_is_kept),
        cmocka_unit_test(test_a_gage_study_too_small_is_refused),
        cmocka_unit_test(test_yields),
        cmocka_unit_test(test_drift_between_stations),
        cmocka_unit_test(test_drift_keeps_its_false_alarm_rate),
        cmocka_unit_test(test_drift_says_nothing_of_a_few_readings_that_are_close),
        cmocka_unit_test(test_mtbf_bounds_and_arrhenius),
        cmocka_unit_test(test_failures_that_come_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
