/* The one next thing: what an operator is told in each situation, and in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "station/console/next.h"

static void test_what_comes_first_is_told_first(void **state)
{
    struct tile free_tile = {.slot = 3, .state = "idle"};
    struct next_scene s = {.paused = "", .target = NULL};
    char text[200];
    assert_true(next_thing(&s, text, sizeof text));
    assert_non_null(strstr(text, "taktd does not answer"));
    s.connected = true;
    s.paused = "the disk is full";
    assert_true(next_thing(&s, text, sizeof text));
    assert_non_null(strstr(text, "call the technician"));
    s.paused = "";
    assert_false(next_thing(&s, text, sizeof text));
    assert_non_null(strstr(text, "first engineer"));
    s.accounts = true;
    next_thing(&s, text, sizeof text);
    assert_non_null(strstr(text, "scan your badge"));
    s.signed_in = true;
    next_thing(&s, text, sizeof text);
    assert_non_null(strstr(text, "scan the order"));
    s.order = true;
    next_thing(&s, text, sizeof text);
    assert_string_equal(text, "every slot is at work: wait");
    s.target = &free_tile;
    next_thing(&s, text, sizeof text);
    assert_string_equal(text, "insert a unit and scan the label of slot 3");
}

static void test_each_verdict_has_its_own(void **state)
{
    static const struct {
        const char *verdict, *tells;
    } cases[] = {{"pass", "slot 7: take it out"},
                 {"fail", "slot 7: to the rejects"},
                 {"error", "slot 7: call the technician"},
                 {"timeout", "slot 7: call the technician"},
                 {"aborted", "slot 7: scan its label to test it again"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tile t = {.slot = 7, .state = "idle"};
        const struct next_scene s = {.connected = true,
                                     .paused = "",
                                     .accounts = true,
                                     .signed_in = true,
                                     .order = true,
                                     .target = &t};
        char text[200];
        strcpy(t.verdict, cases[i].verdict);
        assert_false(next_thing(&s, text, sizeof text));
        assert_non_null(strstr(text, cases[i].tells));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_comes_first_is_told_first),
        cmocka_unit_test(test_each_verdict_has_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
