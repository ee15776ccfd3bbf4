/* A run's way through its plan, step by step, without a clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "station/engine/progress.h"
#include "tests/unit/engine/small_plan.h"

/* The ids of what may begin now, in a static buffer. */
static const char *ready(const struct progress *p)
{
    static char text[200];
    text[0] = '\0';
    for (int i = 0; i < p->count; i++)
        if (progress_ready(p, i, true)) {
            strcat(text, text[0] ? " " : "");
            strcat(text, p->plan->steps[i].id);
        }
    return text;
}

static int at(const struct progress *p, const char *id)
{
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->plan->steps[i].id, id) == 0)
            return i;
    fail_msg("no step %s", id);
    return -1;
}

static void done(struct progress *p, const char *id, enum verdict v)
{
    assert_true(progress_ready(p, at(p, id), true));
    progress_begin(p, at(p, id));
    progress_end(p, at(p, id), v, "because");
}

static struct progress start(const char *steps, const char *rest)
{
    struct progress p;
    struct error err;
    assert_int_equal(progress_init(&p, small_plan(steps, rest), NULL, 0, &err), 0);
    return p;
}

static void end(struct progress *p)
{
    struct plan *plan = (struct plan *)(uintptr_t)p->plan;
    progress_free(p);
    plan_free(plan);
}

static void steps_with_other_parts_are_side_by_side(void **state)
{
    struct progress p = start("{'id':'on'},{'id':'flash','after':['on'],'parts':['flash']},"
                              "{'id':'audio','after':['on'],'parts':['sound']},"
                              "{'id':'speaker','after':['on'],'parts':['sound']},"
                              "{'id':'all','after':['on']},"
                              "{'id':'last','after':['flash','audio','speaker','all']}",
                              "'teardown':[{'id':'off','step':'do','deadline_s':1}],");
    assert_string_equal(ready(&p), "on");
    done(&p, "on", VERDICT_PASS);
    assert_string_equal(ready(&p), "flash audio speaker all");
    progress_begin(&p, at(&p, "flash"));
    assert_string_equal(ready(&p), "audio speaker"); /* all of the unit is not free any more */
    progress_begin(&p, at(&p, "audio"));
    assert_string_equal(ready(&p), "");
    progress_end(&p, at(&p, "audio"), VERDICT_PASS, NULL);
    assert_string_equal(ready(&p), "speaker");
    done(&p, "speaker", VERDICT_PASS);
    progress_end(&p, at(&p, "flash"), VERDICT_PASS, NULL);
    done(&p, "all", VERDICT_PASS);
    done(&p, "last", VERDICT_PASS);
    assert_true(progress_first_pass(&p));
    done(&p, "off", VERDICT_PASS);
    assert_true(progress_over(&p));
    assert_int_equal(progress_worst(&p, NULL), VERDICT_PASS);
    end(&p);
}

static void a_group_is_tried_again_as_one(void **state)
{
    struct progress p = start("{'id':'cycle','group':'g'},{'id':'read','group':'g'},{'id':'next'}",
                              "'groups':{'g':{'attempts':3}},");
    done(&p, "cycle", VERDICT_PASS);
    assert_string_equal(ready(&p), "read");
    done(&p, "read", VERDICT_FAIL);
    assert_string_equal(ready(&p), "cycle"); /* the power cycle too, though it passed */
    assert_int_equal(progress_worst(&p, NULL), VERDICT_NONE);
    done(&p, "cycle", VERDICT_PASS);
    done(&p, "read", VERDICT_ERROR); /* even that, while a round is left */
    done(&p, "cycle", VERDICT_PASS);
    done(&p, "read", VERDICT_PASS);
    assert_int_equal(p.steps[1].attempt, 3);
    assert_int_equal(p.steps[1].first, VERDICT_FAIL);
    assert_string_equal(ready(&p), "next");
    done(&p, "next", VERDICT_PASS);
    assert_int_equal(progress_worst(&p, NULL), VERDICT_PASS);
    assert_false(progress_first_pass(&p)); /* last pass, not first */
    assert_true(progress_over(&p));
    end(&p);
}

static void a_group_that_never_passes_ends_the_run(void **state)
{
    struct progress p = start("{'id':'cycle','group':'g'},{'id':'read','group':'g'},{'id':'next'}",
                              "'groups':{'g':{'attempts':2}},");
    for (int i = 0; i < 2; i++) {
        done(&p, "cycle", VERDICT_PASS);
        done(&p, "read", VERDICT_FAIL);
    }
    int worst;
    assert_int_equal(progress_worst(&p, &worst), VERDICT_FAIL);
    assert_int_equal(worst, 1);
    assert_int_equal(p.steps[2].state, STEP_SKIPPED);
    assert_string_equal(p.steps[2].why, "not reached: read: fail");
    assert_true(progress_over(&p));
    end(&p);
}

static void attempts_within_a_group_count_in_each_round(void **state)
{
    struct progress p =
        start("{'id':'a','attempts':2,'group':'g'}", "'groups':{'g':{'attempts':2}},");
    for (int i = 1; i <= 4; i++) {
        assert_string_equal(ready(&p), "a");
        done(&p, "a", VERDICT_TIMEOUT);
        assert_int_equal(p.steps[0].attempt, i);
    }
    assert_true(progress_over(&p));
    end(&p);
}

static void conditions_skip_with_their_reason(void **state)
{
    struct progress p = start("{'id':'image','on_fail':'continue'},"
                              "{'id':'again','when':{'failed':'image'}},"
                              "{'id':'fine','when':{'passed':'image'}},"
                              "{'id':'chart','skip':'the chart is at the workshop'},"
                              "{'id':'label','when':'all_passed'}",
                              "");
    done(&p, "image", VERDICT_FAIL);
    assert_string_equal(ready(&p), "again");
    done(&p, "again", VERDICT_PASS);
    assert_true(progress_over(&p));
    assert_string_equal(p.steps[2].why, "only when image passed: it was fail");
    assert_string_equal(p.steps[3].why, "the chart is at the workshop");
    assert_string_equal(p.steps[4].why,
                        "only for units that passed everything before: image did not");
    assert_int_equal(p.unsaid, 3);
    end(&p);
    p = start("{'id':'image'},{'id':'again','when':{'failed':'image'}},{'id':'end'}", "");
    done(&p, "image", VERDICT_PASS);
    assert_string_equal(ready(&p), "end"); /* a skipped step holds up nobody */
    assert_string_equal(p.steps[1].why, "only when image did not pass: it was pass");
    end(&p);
}

static void a_stop_lets_neighbours_end_and_then_tears_down(void **state)
{
    struct progress p = start("{'id':'a','parts':['x'],'after':[],'attempts':3},"
                              "{'id':'b','parts':['y'],'after':[]},{'id':'c'}",
                              "'teardown':[{'id':'off','step':'do','deadline_s':1},"
                              "{'id':'away','step':'do','deadline_s':1}],");
    progress_begin(&p, 0);
    progress_begin(&p, 1);
    progress_end(&p, 1, VERDICT_FAIL, "low");
    assert_string_equal(ready(&p), "");        /* a is still at it */
    progress_end(&p, 0, VERDICT_FAIL, "late"); /* and is not tried again */
    assert_string_equal(ready(&p), "off");
    done(&p, "off", VERDICT_ERROR); /* the teardown goes its way */
    done(&p, "away", VERDICT_PASS);
    assert_true(progress_over(&p));
    assert_int_equal(progress_worst(&p, NULL), VERDICT_ERROR);
    end(&p);
}

static void what_restores_is_done_once_more_before_the_rest(void **state)
{
    struct progress p = start("{'id':'on'},{'id':'a'},{'id':'b'}", "");
    done(&p, "on", VERDICT_PASS);
    done(&p, "a", VERDICT_PASS);
    progress_again(&p, 0);
    progress_settle(&p);
    assert_string_equal(ready(&p), "on");
    done(&p, "on", VERDICT_PASS);
    assert_int_equal(p.steps[0].attempt, 2);
    assert_string_equal(ready(&p), "b");
    progress_begin(&p, 2);
    progress_drop(&p, 2, true); /* on record as aborted, not counted */
    assert_int_equal(p.steps[2].tries, 0);
    assert_int_equal(progress_begin(&p, 2), 2);
    progress_end(&p, 2, VERDICT_PASS, NULL);
    assert_true(progress_over(&p));
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_with_other_parts_are_side_by_side),
        cmocka_unit_test(a_group_is_tried_again_as_one),
        cmocka_unit_test(a_group_that_never_passes_ends_the_run),
        cmocka_unit_test(attempts_within_a_group_count_in_each_round),
        cmocka_unit_test(conditions_skip_with_their_reason),
        cmocka_unit_test(a_stop_lets_neighbours_end_and_then_tears_down),
        cmocka_unit_test(what_restores_is_done_once_more_before_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
