/* The vision study's table against what it speaks of: physics, steps, limits; and its truths
 * against figures from elsewhere. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "firmware/hal/emulator/physics.h"
#include "protocol/base/json.h"
#include "station/steps/step.h"
#include "station/study/population.h"

static const struct study *study(void)
{
    const struct study *s = study_find("gauge-vision");
    assert_non_null(s);
    return s;
}

static void test_every_defect_is_a_parameter_within_its_range(void **state)
{
    const struct study *s = study();
    assert_true(s->kind_count >= 12 && s->kind_count <= STUDY_KINDS_MAX);
    for (int k = 0; k < s->kind_count; k++) {
        assert_true(s->kinds[k].figure >= 0 && s->kinds[k].figure < s->figure_count);
        for (int i = 0; i < 3 && s->kinds[k].changes[i].parameter; i++) {
            const struct physics_parameter *p = physics_parameters();
            while (p->name && strcmp(p->name, s->kinds[k].changes[i].parameter) != 0)
                p++;
            if (!p->name)
                fail_msg("%s: no parameter %s", s->kinds[k].name, s->kinds[k].changes[i].parameter);
            assert_true(s->kinds[k].changes[i].weak >= p->low);
            assert_true(s->kinds[k].changes[i].strong <= p->high);
        }
    }
}

static void test_every_figure_is_a_steps_measurement(void **state)
{
    const struct study *s = study();
    assert_true(s->figure_count <= STUDY_FIGURES_MAX);
    for (int f = 0; f < s->figure_count; f++) {
        const struct step_kind *kind = step_kind_find(s->figures[f].step);
        assert_non_null(kind);
        const struct step_measurement *m = kind->measurements;
        while (m->name && strcmp(m->name, s->figures[f].measurement) != 0)
            m++;
        if (!m->name)
            fail_msg("%s does not measure %s", s->figures[f].step, s->figures[f].measurement);
    }
}

static double truth(const char *measurement, const char *unit)
{
    const struct study *s = study();
    double value = NAN;
    cJSON *u = cJSON_Parse(unit);
    for (int f = 0; f < s->figure_count; f++)
        if (strcmp(s->figures[f].measurement, measurement) == 0)
            value = s->figures[f].truth(u);
    cJSON_Delete(u);
    return value;
}

static void test_truths_are_those_of_the_books(void **state)
{
    /* Gaussian times a pixel: 0.32309 at sigma 0.5, 0.17996 at 1; diffraction of 0.1848 is part of
     * it. */
    assert_float_equal(truth("mtf50_centre", "{\"lens_blur_px\":0.46459}"), 0.32309, 2e-4);
    assert_float_equal(truth("mtf50_centre", "{\"lens_blur_px\":0.98278}"), 0.17996, 2e-4);
    /* 5.76 mm behind 3.6 mm: 77.3 degrees. */
    assert_float_equal(truth("field_of_view_deg", "{\"distortion\":0}"), 77.32, 0.01);
    /* A barrel of 1 % at the corner, 0.76 % at the edge's middle: 1161 px behind 1440. */
    assert_float_equal(truth("field_of_view_deg", "{}"), 77.75, 0.01);
    assert_float_equal(truth("light_middle_percent", "{\"decentre_x_px\":23.04}"), 1, 1e-9);
    assert_float_equal(truth("pan_range_deg", "{\"pan_jam_deg\":185}"), 185, 1e-9);
    assert_float_equal(
        truth("pan_range_deg", "{\"pan_backlash_deg\":0.5,\"pan_gear_error\":0.001}"), 349.85,
        1e-9);
    /* A curved field alone is the same in all corners. Tilted by 2 px at the edge, the squares at
     * 0.8 of the way and 0.600 of the diagonal's square are 1.330 px before and 1.870 px behind
     * the focus: 0.12820 and 0.09532. */
    assert_float_equal(truth("mtf50_corner_spread", "{}"), 0, 1e-9);
    assert_float_equal(truth("mtf50_corner_spread", "{\"tilt_px\":2}"), 0.29424, 1e-4);
    /* One step of a hundred: 3.5 degrees of 350, and the play of the last way up. */
    assert_float_equal(
        truth("accuracy_deg_max", "{\"pan_lost_per_1000\":10,\"pan_backlash_deg\":0.5}"), 4,
        1e-9);
}

static void test_one_in_five_is_defective_and_every_kind_comes(void **state)
{
    const struct study *s = study();
    int defective = 0, of_kind[STUDY_KINDS_MAX] = {0};
    for (int i = 0; i < 2000; i++) {
        const struct study_unit u = population_unit(s, 7, i);
        defective += u.kind >= 0;
        if (u.kind >= 0)
            of_kind[u.kind]++;
    }
    assert_int_equal(defective, 400);
    for (int k = 0; k < s->kind_count; k++)
        assert_true(of_kind[k] >= 400 / s->kind_count);
}

static void test_every_placement_is_another_one(void **state)
{
    cJSON *a = cJSON_CreateObject(), *b = cJSON_CreateObject();
    assert_true(population_place(a, 3, 1) && population_place(b, 3, 2));
    assert_true(json_number(a, "seat_x_px", 0) != json_number(b, "seat_x_px", 0));
    assert_true(json_number(a, "power_ups", 0) != json_number(b, "power_ups", 0));
    assert_true(fabs(json_number(a, "seat_turn_deg", 9)) < 0.3);
    cJSON_Delete(a);
    cJSON_Delete(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_defect_is_a_parameter_within_its_range),
        cmocka_unit_test(test_every_figure_is_a_steps_measurement),
        cmocka_unit_test(test_truths_are_those_of_the_books),
        cmocka_unit_test(test_one_in_five_is_defective_and_every_kind_comes),
        cmocka_unit_test(test_every_placement_is_another_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
