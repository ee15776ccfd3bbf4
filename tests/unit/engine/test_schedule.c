/* Who begins next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "station/engine/schedule.h"
#include "tests/unit/engine/small_plan.h"

enum { LIGHT, SOUND, RADIO };

static int resource_of(const void *context, const char *class_name)
{
    return class_name[0] == 'l' ? LIGHT : class_name[0] == 's' ? SOUND : RADIO;
}

struct line {
    struct schedule s;
    struct progress progress[8];
    struct plan *plans[8];
};

static void add(struct line *l, const char *steps, const double *usual_ms, int fixture)
{
    const int i = l->s.slot_count++;
    struct error err;
    struct schedule_slot *slot = &l->s.slots[i];
    l->plans[i] = small_plan(steps, "");
    assert_int_equal(progress_init(&l->progress[i], l->plans[i], NULL, 0, &err), 0);
    assert_int_equal(
        schedule_needs_init(&slot->needs, l->plans[i], usual_ms, resource_of, NULL, &err), 0);
    slot->progress = &l->progress[i];
    slot->plan_sha256 = l->plans[i]->plan_sha256;
    slot->fixture = fixture;
    slot->lanes = SCHEDULE_LANES_MAX;
}

static void clear(struct line *l)
{
    for (int i = 0; i < l->s.slot_count; i++) {
        schedule_needs_free(&l->s.slots[i].needs);
        progress_free(&l->progress[i]);
        plan_free(l->plans[i]);
    }
}

/* What begins now, as "slot.id slot.id", in a static buffer. */
static const char *begin(struct line *l, int64_t now_ms)
{
    static char text[300];
    int slot, step;
    text[0] = '\0';
    while (schedule_next(&l->s, now_ms, &slot, &step))
        sprintf(text + strlen(text), "%s%d.%s", text[0] ? " " : "", slot,
                l->plans[slot]->steps[step].id);
    return text;
}

static void end(struct line *l, int slot, int step)
{
    schedule_release(&l->s, slot, step);
    progress_end(&l->progress[slot], step, VERDICT_PASS, NULL);
}

static void a_unit_does_what_is_free_meanwhile(void **state)
{
    static const char steps[] = "{'id':'image','after':[],'needs':['light']},"
                                "{'id':'speak','after':[],'needs':['sound']}";
    static const double usual[] = {1000, 1000};
    struct line l = {.s.capacity = {1, 1, 1}};
    add(&l, steps, usual, -1);
    add(&l, steps, usual, -1);
    assert_string_equal(begin(&l, 1), "0.image 1.speak");
    end(&l, 0, 0);
    assert_string_equal(begin(&l, 2), "");
    end(&l, 1, 1);
    assert_string_equal(begin(&l, 3), "0.speak 1.image");
    clear(&l);
}

static void who_has_the_longest_way_goes_first(void **state)
{
    struct line l = {.s.capacity = {1, 1, 1}};
    static const double shorter[] = {1000, 10}, longer[] = {1000, 5000};
    add(&l, "{'id':'image','needs':['light']},{'id':'end'}", shorter, -1);
    add(&l, "{'id':'image','needs':['light']},{'id':'wifi','needs':['radio']}", longer, -1);
    assert_string_equal(begin(&l, 1), "1.image");
    clear(&l);
}

static void nobody_is_passed_over_for_ever(void **state)
{
    struct line l = {.s.capacity = {1, 1, 1}, .s.patience_ms = 5000};
    static const double one[] = {10}, both[] = {10}, big[] = {90000, 90000, 90000, 90000};
    static const char steps[] = "{'id':'a','needs':['light']},{'id':'b','needs':['light']},"
                                "{'id':'c','needs':['light']},{'id':'d','needs':['light']}";
    add(&l, "{'id':'pair','needs':['light','sound']}", both, -1);
    add(&l, steps, big, -1);
    add(&l, "{'id':'speak','needs':['sound']}", one, -1);
    assert_string_equal(begin(&l, 1000), "1.a 2.speak");
    end(&l, 1, 0);
    end(&l, 2, 0);
    assert_string_equal(begin(&l, 2000), "1.b"); /* its way is longer */
    end(&l, 1, 1);
    assert_string_equal(begin(&l, 6500), "0.pair"); /* has waited for 5.5 s */
    end(&l, 0, 0);
    assert_string_equal(begin(&l, 6600), "1.c");
    clear(&l);
}

static void what_an_overdue_step_waits_for_is_kept_free(void **state)
{
    struct line l = {.s.capacity = {1, 1, 1}, .s.patience_ms = 100};
    static const double usual[] = {10, 10};
    add(&l, "{'id':'image','needs':['light']}", usual, -1);
    assert_string_equal(begin(&l, 10), "0.image");
    add(&l, "{'id':'pair','needs':['light','sound']}", usual, -1);
    assert_string_equal(begin(&l, 20), "");
    add(&l, "{'id':'speak','needs':['sound']},{'id':'more','needs':['sound']}", usual, -1);
    assert_string_equal(begin(&l, 30), "2.speak"); /* not overdue yet: nothing stands idle */
    end(&l, 2, 0);
    assert_string_equal(begin(&l, 500), ""); /* sound is free, but promised */
    end(&l, 0, 0);
    assert_string_equal(begin(&l, 510), "1.pair");
    assert_int_equal(l.s.used[LIGHT], 1);
    end(&l, 1, 0);
    assert_string_equal(begin(&l, 520), "2.more");
    clear(&l);
}

static void units_of_one_room_begin_together_and_share_its_light(void **state)
{
    static const char steps[] = "{'id':'on'},{'id':'dark','needs':['light'],'together':true},"
                                "{'id':'chart','needs':['light']}";
    static const double usual[] = {1, 1, 1};
    struct line l = {.s.capacity = {1, 1, 1}};
    for (int i = 0; i < 3; i++)
        add(&l, steps, usual, 7);
    assert_string_equal(begin(&l, 1), "0.on 1.on 2.on");
    end(&l, 0, 0);
    end(&l, 1, 0);
    assert_string_equal(begin(&l, 2), ""); /* the third has not come to it */
    char why[100];
    schedule_explain(&l.s, 0, why, sizeof why);
    assert_string_equal(why, "dark waits for the other units of the fixture");
    end(&l, 2, 0);
    assert_string_equal(begin(&l, 3), "0.dark 1.dark 2.dark");
    assert_int_equal(l.s.used[LIGHT], 1);
    end(&l, 0, 1);
    assert_string_equal(begin(&l, 4), ""); /* nobody turns the light on yet */
    end(&l, 1, 1);
    end(&l, 2, 1);
    assert_int_equal(l.s.used[LIGHT], 0);
    assert_string_equal(begin(&l, 5), "0.chart");
    clear(&l);
}

static void a_unit_that_leaves_holds_up_nobody_at_the_barrier(void **state)
{
    static const char steps[] = "{'id':'on'},{'id':'dark','together':true}";
    static const double usual[] = {1, 1};
    struct line l = {.s.capacity = {1, 1, 1}};
    add(&l, steps, usual, 7);
    add(&l, steps, usual, 7);
    begin(&l, 1);
    end(&l, 0, 0);
    assert_string_equal(begin(&l, 2), "");
    schedule_release(&l.s, 1, 0);
    progress_end(&l.progress[1], 0, VERDICT_FAIL, "no power");
    assert_string_equal(begin(&l, 3), "0.dark");
    clear(&l);
}

static void a_step_gets_all_it_needs_or_nothing(void **state)
{
    struct line l = {.s.capacity = {1, 1, 1}};
    static const double usual[] = {10};
    add(&l, "{'id':'ab','needs':['light','sound']}", usual, -1);
    add(&l, "{'id':'ba','needs':['sound','light']}", usual, -1);
    assert_string_equal(begin(&l, 1), "0.ab");
    assert_int_equal(l.s.used[LIGHT] + l.s.used[SOUND], 2);
    end(&l, 0, 0);
    assert_string_equal(begin(&l, 2), "1.ba");
    clear(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unit_does_what_is_free_meanwhile),
        cmocka_unit_test(who_has_the_longest_way_goes_first),
        cmocka_unit_test(nobody_is_passed_over_for_ever),
        cmocka_unit_test(what_an_overdue_step_waits_for_is_kept_free),
        cmocka_unit_test(units_of_one_room_begin_together_and_share_its_light),
        cmocka_unit_test(a_unit_that_leaves_holds_up_nobody_at_the_barrier),
        cmocka_unit_test(a_step_gets_all_it_needs_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
