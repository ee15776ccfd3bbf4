/* What ships holds together: every kind's own list, and every product's plans with their limits. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "station/engine/vocabulary.h"
#include "station/plan/plan.h"
#include "station/steps/step.h"

static void test_defaults_lie_in_their_ranges(void **state)
{
    for (const struct step_kind *const *k = step_kinds(); *k; k++)
        for (const struct step_param *p = (*k)->params; p && p->name; p++) {
            char *end;
            if (p->kind != PARAM_NUMBER || !p->fallback[0])
                continue;
            const double value = strtod(p->fallback, &end);
            if (*end || value < p->low || value > p->high)
                fail_msg("%s.%s: %s is not in %g..%g", (*k)->name, p->name, p->fallback, p->low,
                         p->high);
        }
}

static void test_every_figure_has_a_unit_and_a_meaning_once(void **state)
{
    for (const struct step_kind *const *k = step_kinds(); *k; k++) {
        assert_ptr_equal(step_kind_find((*k)->name), *k);
        assert_true((*k)->about[0]);
        for (const struct step_measurement *m = (*k)->measurements; m && m->name; m++) {
            assert_true(m->unit[0] && m->about[0]);
            for (const struct step_measurement *n = (*k)->measurements; n < m; n++)
                assert_string_not_equal(m->name, n->name);
        }
    }
    assert_null(step_kind_find("no such kind"));
}

/* Of all plans a product folder holds. */
static int load_plans(const char *product)
{
    char path[512], reference[512];
    struct vocabulary words;
    int count = 0;
    vocabulary_fill(&words, step_kinds());
    snprintf(path, sizeof path, "station/products/%s", product);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *e; (e = readdir(folder));) {
        char *dot = strstr(e->d_name, ".json");
        struct plan *plan = NULL;
        struct error err;
        if (!dot || strcmp(e->d_name, "product.json") == 0 || strcmp(e->d_name, "limits.json") == 0)
            continue;
        *dot = '\0';
        snprintf(reference, sizeof reference, "%s/%s", product, e->d_name);
        if (plan_load("station/products", reference, &words.words, &plan, &err) < 0)
            fail_msg("%s", err.text);
        plan_free(plan);
        count++;
    }
    closedir(folder);
    return count;
}

static void test_shipped_plans_load(void **state)
{
    int count = 0;
    DIR *products = opendir("station/products");
    assert_non_null(products);
    for (struct dirent *e; (e = readdir(products));)
        if (e->d_name[0] != '.')
            count += load_plans(e->d_name);
    closedir(products);
    assert_true(count >= 1);
}

static const struct limit *limit_of(const struct plan *p, const char *id, const char *name)
{
    for (size_t i = 0; i < p->step_count; i++)
        for (size_t l = 0; strcmp(p->steps[i].id, id) == 0 && l < p->steps[i].limit_count; l++)
            if (strcmp(p->steps[i].limits[l].measurement, name) == 0)
                return &p->steps[i].limits[l];
    fail_msg("no limit %s.%s", id, name);
    return NULL;
}

/* The product's own table of functional tests; of the position's degree a guard band is kept, its
 * uncertainty (docs/measurements.md). */
static void test_the_tables_criteria_are_the_limits(void **state)
{
    struct vocabulary words;
    struct plan *p = NULL;
    struct error err;
    vocabulary_fill(&words, step_kinds());
    assert_int_equal(plan_load("station/products", "ptz-indoor-3mp/line", &words.words, &p, &err),
                     0);
    assert_float_equal(limit_of(p, "ptz", "accuracy_deg_max")->max, 1 - 0.015, 1e-9);
    assert_true(limit_of(p, "microphone", "snr_db")->min == 40);
    assert_true(limit_of(p, "wifi", "up_mbit_s")->min == 10);
    assert_true(limit_of(p, "wifi", "down_mbit_s")->min == 10);
    assert_true(limit_of(p, "card", "write_mb_s")->min == 10);
    assert_true(limit_of(p, "card", "read_mb_s")->min == 10);
    assert_true(limit_of(p, "power", "standby_w")->max == 2);
    assert_true(limit_of(p, "power", "all_on_w")->max == 5);
    assert_true(limit_of(p, "button", "transitions")->min == 2);
    assert_true(limit_of(p, "infrared", "darkest_corner_ratio")->has_min);
    /* Only a unit without a fault is locked, and nothing but the label follows. */
    static const char *const last[] = {"lock", "label", "label_check"};
    for (size_t i = 0; i < 3; i++) {
        const struct plan_step *s = &p->steps[p->step_count - 3 + i];
        assert_string_equal(s->id, last[i]);
        assert_int_equal(s->when, PLAN_ALL_PASSED);
    }
    assert_true(limit_of(p, "label_check", "label_matches")->min == 1);
    plan_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_lie_in_their_ranges),
        cmocka_unit_test(test_every_figure_has_a_unit_and_a_meaning_once),
        cmocka_unit_test(test_shipped_plans_load),
        cmocka_unit_test(test_the_tables_criteria_are_the_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
