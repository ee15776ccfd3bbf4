/* A line by its usual times: against what can be reckoned by hand, and what must hold for any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "station/engine/simulate.h"
#include "tests/unit/engine/small_plan.h"

static struct simulate_result run(struct plan *plan, const double *usual_ms, int slots, int light,
                                  int sound)
{
    const struct simulate_line line = {.plan = plan,
                                       .usual_ms = usual_ms,
                                       .slots = slots,
                                       .lanes = SCHEDULE_LANES_MAX,
                                       .nests = 1,
                                       .instruments = {{"light", light}, {"sound", sound}},
                                       .instrument_count = 2};
    struct simulate_result r;
    struct error err;
    if (simulate(&line, 20, &r, &err))
        fail_msg("%s", err.text);
    return r;
}

static void one_slot_makes_what_its_steps_allow(void **state)
{
    struct plan *p = small_plan("{'id':'a'},{'id':'b'}", "");
    static const double usual[] = {4000, 6000};
    struct simulate_result r = run(p, usual, 1, 1, 1);
    assert_true(fabs(r.units_per_hour - 360) < 0.5); /* 3600 s / 10 s */
    assert_true(fabs(r.bound_per_hour - 360) < 0.5);
    assert_string_equal(r.bottleneck, "slots");
    assert_int_equal(r.bar_count, 2 * 14);
    simulate_free(&r);
    plan_free(p);
}

static void the_scarce_instrument_is_kept_busy(void **state)
{
    struct plan *p = small_plan("{'id':'a'},{'id':'b','needs':['light']},{'id':'c'}", "");
    static const double usual[] = {10000, 10000, 20000};
    struct simulate_result r = run(p, usual, 8, 1, 1);
    assert_string_equal(r.bottleneck, "light");
    assert_true(fabs(r.bound_per_hour - 360) < 0.5);
    assert_true(r.units_per_hour > 0.99 * 360 && r.units_per_hour < 1.01 * 360);
    assert_true(r.busy[0] > 0.99);
    simulate_free(&r);
    r = run(p, usual, 8, 2, 1); /* a second one: 720, or 8 slots of 40 s each: 720 */
    assert_true(r.units_per_hour > 0.98 * 720 && r.units_per_hour < 1.01 * 720);
    simulate_free(&r);
    plan_free(p);
}

static void side_by_side_is_as_short_as_the_longer(void **state)
{
    struct plan *p = small_plan("{'id':'flash','after':[],'parts':['flash']},"
                                "{'id':'audio','after':[],'parts':['sound']}",
                                "");
    static const double usual[] = {9000, 6000};
    struct simulate_result r = run(p, usual, 1, 1, 1);
    assert_true(fabs(r.units_per_hour - 400) < 0.5); /* 3600 / 9 */
    simulate_free(&r);
    plan_free(p);
}

static void a_free_order_shares_two_instruments(void **state)
{
    static const double usual[] = {10000, 10000};
    struct plan *list = small_plan("{'id':'a','needs':['light']},{'id':'b','needs':['light']}", "");
    struct plan *free_order = small_plan("{'id':'a','needs':['light'],'after':[]},"
                                         "{'id':'b','needs':['sound'],'after':[]}",
                                         "");
    struct simulate_result r = run(free_order, usual, 2, 1, 1);
    assert_true(fabs(r.units_per_hour - 360) < 4); /* neither ever waits */
    simulate_free(&r);
    r = run(list, usual, 2, 1, 1);
    assert_true(fabs(r.units_per_hour - 180) < 4);
    simulate_free(&r);
    plan_free(list);
    plan_free(free_order);
}

/* ---- any plan -------------------------------------------------------------------------------- */

static unsigned seed;

static int pick(int n)
{
    seed = seed * 1664525u + 1013904223u;
    return (int)((seed >> 16) % (unsigned)n);
}

static struct plan *random_plan(int steps)
{
    static const char *const needs[] = {"", ",'needs':['light']", ",'needs':['sound']",
                                        ",'needs':['light','sound']"};
    static const char *const parts[] = {"", ",'parts':['x']", ",'parts':['y']",
                                        ",'parts':['x','z']"};
    char text[4000];
    int n = 0;
    for (int i = 0; i < steps; i++) {
        char after[40] = "";
        if (i && pick(2))
            snprintf(after, sizeof after, ",'after':['s%d']", pick(i));
        else if (pick(4) == 0)
            snprintf(after, sizeof after, ",'after':[]");
        n += snprintf(text + n, sizeof text - (size_t)n, "%s{'id':'s%d'%s%s%s}", i ? "," : "", i,
                      needs[pick(4)], parts[pick(4)], after);
    }
    return small_plan(text, "'teardown':[{'id':'off','step':'do','deadline_s':1}],");
}

static bool parts_meet(const struct plan_step *a, const struct plan_step *b)
{
    if (!a->part_count || !b->part_count)
        return true;
    for (size_t i = 0; i < a->part_count; i++)
        for (size_t k = 0; k < b->part_count; k++)
            if (strcmp(a->parts[i], b->parts[k]) == 0)
                return true;
    return false;
}

static bool needs(const struct plan_step *s, const char *class_name)
{
    for (size_t i = 0; i < s->need_count; i++)
        if (strcmp(s->needs[i], class_name) == 0)
            return true;
    return false;
}

/* Every two bars of a chart against the plan's rules. */
static void check_bars(const struct plan *p, const struct simulate_result *r, int light, int sound)
{
    const struct simulate_bar *b = r->bars;
    for (size_t i = 0; i < r->bar_count; i++) {
        int lights = 0, sounds = 0;
        const struct plan_step *mine = &p->steps[b[i].step];
        for (size_t k = 0; k < r->bar_count; k++) {
            const struct plan_step *other = &p->steps[b[k].step];
            bool at_once = b[k].from_ms <= b[i].from_ms && b[i].from_ms < b[k].to_ms;
            lights += at_once && needs(other, "light");
            sounds += at_once && needs(other, "sound");
            if (i == k || b[i].slot != b[k].slot)
                continue;
            if (at_once && (b[i].unit != b[k].unit || parts_meet(mine, other)))
                fail_msg("%s while %s is at it", mine->id, other->id);
            for (size_t a = 0; a < mine->after_count && b[i].unit == b[k].unit; a++)
                if (mine->after[a] == b[k].step && b[k].to_ms > b[i].from_ms)
                    fail_msg("%s before %s is over", mine->id, other->id);
        }
        if (lights > light || sounds > sound)
            fail_msg("%d of %d lights, %d of %d sounds at once", lights, light, sounds, sound);
    }
}

static void no_plan_breaks_its_own_rules_or_the_bound(void **state)
{
    double least = 1;
    for (int cases = 1; cases <= 250; cases++) {
        seed = (unsigned)cases * 2654435761u;
        const int steps = 1 + pick(9), slots = 1 + pick(9), light = 1 + pick(3),
                  sound = 1 + pick(3);
        struct plan *p = random_plan(steps);
        double usual[12];
        for (int i = 0; i <= steps; i++)
            usual[i] = 200 + 100 * pick(90);
        struct simulate_result r = run(p, usual, slots, light, sound);
        check_bars(p, &r, light, sound);
        double share = r.units_per_hour / r.bound_per_hour;
        /* A count of 10 units a slot may catch the last wave: a slot's worth of the ten. */
        if (share > 1.1)
            fail_msg("case %d: %.1f units/h, but no line makes more than %.1f", cases,
                     r.units_per_hour, r.bound_per_hour);
        least = share < least ? share : least;
        simulate_free(&r);
        plan_free(p);
    }
    print_message("least share of the bound: %.2f\n", least);
    assert_true(least > 0.4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_slot_makes_what_its_steps_allow),
        cmocka_unit_test(the_scarce_instrument_is_kept_busy),
        cmocka_unit_test(side_by_side_is_as_short_as_the_longer),
        cmocka_unit_test(a_free_order_shares_two_instruments),
        cmocka_unit_test(no_plan_breaks_its_own_rules_or_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
