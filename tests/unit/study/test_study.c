/* A gauge study's arithmetic, on results that are made up: what the bench measures is shown by
 * tests/integration/gauge.sh and tests/soak/gauge.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/study/study_judge.h"
#include "station/study/study_report.h"

static const struct study *senses(void)
{
    const struct study *s = study_find("gauge-senses");
    assert_non_null(s);
    return s;
}

static void test_the_same_seed_makes_the_same_units_and_another_one_others(void **state)
{
    const struct study *s = senses();
    for (int n = 0; n < 30; n++) {
        cJSON *a = population_json(s, 7, n), *b = population_json(s, 7, n),
              *c = population_json(s, 8, n);
        assert_true(cJSON_Compare(a, b, true));
        assert_false(cJSON_Compare(a, c, true));
        cJSON_Delete(a);
        cJSON_Delete(b);
        cJSON_Delete(c);
    }
}

static void test_one_in_five_has_a_defect_and_every_kind_its_share(void **state)
{
    const struct study *s = senses();
    int kinds[STUDY_KINDS_MAX] = {0}, defects = 0, low = 0, high = 0;
    assert_true(s->kind_count >= 12);
    for (int n = 0; n < 2000; n++) {
        const struct study_unit u = population_unit(s, 1, n);
        if (u.kind < 0)
            continue;
        defects++;
        kinds[u.kind]++;
        assert_true(u.strength > 0 && u.strength <= 1);
        low += !s->kinds[u.kind].whole && u.strength < 0.5;
        high += !s->kinds[u.kind].whole && u.strength >= 0.5;
    }
    assert_int_equal(defects, 400);
    for (int k = 0; k < s->kind_count; k++)
        assert_true(kinds[k] >= 400 / s->kind_count);
    assert_true(abs(low - high) < 80); /* even over the degrees */
}

static void test_a_strength_is_a_way_between_two_values(void **state)
{
    const struct study_kind even = {.changes = {{"leak_ma", 0, 400, false}}};
    const struct study_kind ratio = {.changes = {{"leak_ma", 0.001, 10, true}}};
    cJSON *unit = cJSON_Parse("{\"leak_ma\": 3}");
    assert_true(population_spoil(unit, &even, 0.25));
    assert_true(json_number(unit, "leak_ma", 0) == 100);
    assert_true(population_spoil(unit, &ratio, 0.5));
    assert_float_equal(json_number(unit, "leak_ma", 0), 0.1, 1e-9);
    assert_int_equal(cJSON_GetArraySize(unit), 1);
    cJSON_Delete(unit);
}

static void test_a_runs_document_is_read_with_its_limits(void **state)
{
    static const char text[] =
        "{\"verdict\": \"fail\", \"message\": \"m\", \"steps\": [{\"id\": \"microphone\","
        "\"attempts\": [{\"measurements\": ["
        "{\"name\": \"snr_db\", \"value\": 39.5, \"low\": 40, \"high\": null, \"verdict\": "
        "\"fail\"},"
        "{\"name\": \"sensitivity_dbfs\", \"value\": -26, \"low\": -29, \"high\": -23, "
        "\"verdict\": \"pass\"}]}]}]}";
    const struct study *s = senses();
    struct study_result r;
    cJSON *doc = cJSON_Parse(text);
    study_result_read(s, doc, &r);
    cJSON_Delete(doc);
    assert_string_equal(r.verdict, "fail");
    assert_string_equal(r.failed, "microphone.snr_db");
    for (int f = 0; f < s->figure_count; f++) {
        const bool snr = strcmp(s->figures[f].measurement, "snr_db") == 0;
        const bool sensitivity = strcmp(s->figures[f].measurement, "sensitivity_dbfs") == 0;
        if (snr)
            assert_true(r.figures[f].value == 39.5 && r.figures[f].low == 40 &&
                        isnan(r.figures[f].high));
        else if (sensitivity)
            assert_true(r.figures[f].value == -26 && r.figures[f].high == -23);
        else
            assert_true(isnan(r.figures[f].value));
    }
}

static void test_what_was_measured_is_judged_by_the_limits_of_today(void **state)
{
    static const char text[] =
        "{\"verdict\": \"fail\", \"message\": \"\", \"steps\": [{\"id\": \"microphone\","
        "\"attempts\": [{\"measurements\": ["
        "{\"name\": \"snr_db\", \"value\": 39.5, \"low\": 40, \"high\": 60, \"verdict\": "
        "\"fail\"}, {\"name\": \"level\", \"value\": 7, \"verdict\": \"pass\"}]}]}]}";
    struct limit limits[2] = {
        {.measurement = "snr_db", .unit = "dB", .has_min = true, .min = 39.5}};
    struct plan_step step = {.id = "microphone", .limits = limits, .limit_count = 1};
    const struct plan plan = {.steps = &step, .step_count = 1};
    struct study_result r;
    cJSON *doc = cJSON_Parse(text);
    study_judge(&plan, doc);
    study_result_read(senses(), doc, &r);
    assert_string_equal(r.verdict, "pass");
    for (int f = 0; f < senses()->figure_count; f++)
        if (strcmp(senses()->figures[f].measurement, "snr_db") == 0)
            assert_true(r.figures[f].low == 39.5 && isnan(r.figures[f].high));
    limits[1] = (struct limit){.measurement = "level", .unit = "", .has_max = true, .max = 6};
    step.limit_count = 2;
    study_judge(&plan, doc);
    study_result_read(senses(), doc, &r);
    assert_string_equal(r.verdict, "fail");
    assert_string_equal(r.failed, "microphone.level");
    /* An error is none of the limits'. */
    cJSON_ReplaceItemInObject(doc, "verdict", cJSON_CreateString("error"));
    study_judge(&plan, doc);
    assert_string_equal(json_string(doc, "verdict", ""), "error");
    cJSON_Delete(doc);
}

/* A measurement that tells the truth and a judge that knows its limits, for a study of one graded
 * and one whole kind. */
static double truth(const cJSON *unit)
{
    return json_number(unit, "leak_ma", NAN);
}

static const struct study_figure one_figure[] = {{"power", "leak", truth, 0}};
static const struct study_kind two_kinds[] = {
    {.name = "leak", .changes = {{"leak_ma", 0, 100, false}}, .gage_strength = 1},
    {.name = "broken", .changes = {{"led_1_dead", 0, 1, false}}, .whole = true},
};
static const struct study small = {
    .name = "small", .kinds = two_kinds, .kind_count = 2, .figures = one_figure, .figure_count = 1};

enum { UNITS = 1000 };

static struct study_result *perfect(void)
{
    struct study_result *r = calloc(UNITS, sizeof *r);
    for (int n = 0; n < UNITS; n++) {
        const struct study_unit u = population_unit(&small, 3, n);
        cJSON *unit = population_json(&small, 3, n);
        r[n].figures[0] = (struct study_value){truth(unit), NAN, 40};
        const bool bad = u.kind == 1 || r[n].figures[0].value > 40;
        strcpy(r[n].verdict, bad ? "fail" : "pass");
        cJSON_Delete(unit);
    }
    return r;
}

static void test_a_perfect_gauge_has_neither_escapes_nor_false_fails(void **state)
{
    struct study_report report;
    struct error err = {0};
    struct study_result *r = perfect();
    assert_int_equal(study_report_make(&small, 3, r, UNITS, NULL, &report, &err), 0);
    assert_int_equal(report.good, 800);
    assert_true(study_report_holds(&report));
    const struct study_kind_report *leak = &report.kinds[0], *broken = &report.kinds[1];
    assert_int_equal(broken->found, 100);
    assert_int_equal(broken->beyond, 100);
    /* Strengths are even and the limit lies at 0.4 of the way. */
    assert_int_equal(leak->beyond, leak->found);
    assert_true(abs(leak->found - 60) < 16);
    assert_float_equal(leak->strength_50, 0.4, 0.03);
    assert_true(leak->first_all >= 0.4 && leak->first_all < 0.45);
    assert_true(leak->strength_999 > leak->strength_50);
    assert_float_equal(report.figures[0].bias, 0, 1e-9);
    free(r);
}

static void test_escapes_and_false_fails_are_counted_one_by_one(void **state)
{
    struct study_report report;
    struct error err = {0};
    struct study_result *r = perfect();
    int escaped = 0, spoilt = 0;
    for (int n = 0; n < UNITS; n++) {
        const struct study_unit u = population_unit(&small, 3, n);
        if (u.kind == 0 && u.strength > 0.9 && escaped < 2 && ++escaped)
            strcpy(r[n].verdict, "pass");
        if (u.kind == 0 && u.strength > 0.39 && u.strength < 0.4)
            strcpy(r[n].verdict, "fail"); /* short of the limit: no matter */
        if (u.kind < 0 && spoilt < 3 && ++spoilt)
            strcpy(r[n].verdict, spoilt == 3 ? "timeout" : "fail");
    }
    assert_int_equal(study_report_make(&small, 3, r, UNITS, NULL, &report, &err), 0);
    assert_int_equal(report.escapes, 2);
    assert_int_equal(report.kinds[0].escapes, 2);
    assert_int_equal(report.false_fails, 2);
    assert_int_equal(report.false_errors, 1);
    assert_float_equal(report.false_fail_percent, 100 * 3.0 / 800, 1e-9);
    assert_false(study_report_holds(&report));
    free(r);
}

static void test_a_unit_within_the_uncertainty_of_its_limit_is_no_escape(void **state)
{
    struct study_report report;
    struct error err = {0};
    struct study_result *r = perfect();
    struct study_result gage[GAGE_RUNS];
    memset(gage, 0, sizeof gage);
    /* Parts from 0 to 90, each reading 1 off to one side or the other. */
    for (int i = 0; i < GAGE_RUNS; i++)
        gage[i].figures[0].value = 10.0 * (i / (GAGE_OPERATORS * GAGE_TRIALS)) + (i * 7 % 3 - 1.0);
    int near = 0, far = 0;
    for (int n = 0; n < UNITS; n++) {
        const struct study_unit u = population_unit(&small, 3, n);
        if (u.kind != 0)
            continue;
        if (u.strength > 0.4 && u.strength < 0.41 && ++near)
            strcpy(r[n].verdict, "pass");
        if (u.strength > 0.6 && u.strength < 0.65 && ++far)
            strcpy(r[n].verdict, "pass");
    }
    assert_int_equal(study_report_make(&small, 3, r, UNITS, gage, &report, &err), 0);
    assert_true(report.figures[0].sigma_grr > 0.7 && report.figures[0].sigma_grr < 1.1);
    assert_float_equal(report.figures[0].u, 3 * report.figures[0].sigma_grr, 1e-6);
    /* 1 of 29: the parts' sigma is that of 0, 10 ... 90. */
    assert_true(report.figures[0].percent_sv > 2 && report.figures[0].percent_sv < 4);
    assert_true(near > 0 && far > 0);
    assert_int_equal(report.kinds[0].escapes, far);
    free(r);
}

/* Of parts that are alike every reading differs by the gauge alone: %SV of themselves is 100. */
static void test_parts_that_are_alike_are_held_against_the_way_to_the_limit(void **state)
{
    struct study_kind kinds[2] = {two_kinds[0], two_kinds[1]};
    struct study alike = small;
    struct study_report report;
    struct error err = {0};
    struct study_result *r = perfect();
    struct study_result gage[GAGE_RUNS];
    memset(gage, 0, sizeof gage);
    for (int i = 0; i < GAGE_RUNS; i++)
        gage[i].figures[0].value = 10 + (i * 7 % 3 - 1.0);
    kinds[0].gage_strength = 0;
    alike.kinds = kinds;
    assert_int_equal(study_report_make(&alike, 3, r, UNITS, gage, &report, &err), 0);
    const struct study_figure_report *f = &report.figures[0];
    assert_float_equal(f->mean, 10, 1e-9);
    assert_float_equal(f->percent_sv, 100 * 3 * f->sigma_grr / (40 - 10), 1e-6);
    assert_float_equal(report.worst_percent_sv, f->percent_sv, 1e-9);
    free(r);
}

static void test_the_document_says_what_holds(void **state)
{
    struct study_report report;
    struct error err = {0};
    struct study_result *r = perfect();
    assert_int_equal(study_report_make(&small, 3, r, UNITS, NULL, &report, &err), 0);
    cJSON *doc = study_report_json(&small, &report);
    assert_true(json_bool(doc, "holds", false));
    const cJSON *kind = cJSON_GetArrayItem(cJSON_GetObjectItem(doc, "kinds"), 1);
    assert_string_equal(json_string(kind, "kind", ""), "broken");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(kind, "strength_50"))); /* it has no degrees */
    cJSON_Delete(doc);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_seed_makes_the_same_units_and_another_one_others),
        cmocka_unit_test(test_one_in_five_has_a_defect_and_every_kind_its_share),
        cmocka_unit_test(test_a_strength_is_a_way_between_two_values),
        cmocka_unit_test(test_a_runs_document_is_read_with_its_limits),
        cmocka_unit_test(test_what_was_measured_is_judged_by_the_limits_of_today),
        cmocka_unit_test(test_a_perfect_gauge_has_neither_escapes_nor_false_fails),
        cmocka_unit_test(test_escapes_and_false_fails_are_counted_one_by_one),
        cmocka_unit_test(test_a_unit_within_the_uncertainty_of_its_limit_is_no_escape),
        cmocka_unit_test(test_parts_that_are_alike_are_held_against_the_way_to_the_limit),
        cmocka_unit_test(test_the_document_says_what_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
