/* What the screen counts and keeps of the status documents that taktd sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "station/console/tiles.h"

static void take(struct tiles *t, int run, const char *state, const char *verdict)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"station\":\"s\",\"slots\":[{\"slot\":1,\"run\":%d,\"state\":\"%s\","
             "\"verdict\":\"%s\"}]}",
             run, state, verdict);
    cJSON *status = cJSON_Parse(text);
    assert_non_null(status);
    tiles_update(t, status);
    cJSON_Delete(status);
}

static void test_each_run_counts_once_and_an_aborted_one_not_at_all(void **state)
{
    struct tiles t = {0};
    take(&t, 0, "idle", "");
    static const struct {
        const char *verdict;
        int passed, failed;
    } runs[] = {{"pass", 1, 0},    {"fail", 1, 1},  {"fail", 1, 2}, {"aborted", 1, 2},
                {"timeout", 1, 3}, {"error", 1, 4}, {"pass", 2, 4}};
    for (int i = 0; i < (int)(sizeof runs / sizeof runs[0]); i++) {
        take(&t, i + 1, "running", "");
        take(&t, i + 1, "idle", runs[i].verdict);
        take(&t, i + 1, "idle", runs[i].verdict);
        assert_int_equal(t.passed, runs[i].passed);
        assert_int_equal(t.failed, runs[i].failed);
    }
}

static void test_what_ended_before_the_screen_watched_is_not_counted(void **state)
{
    struct tiles t = {0};
    take(&t, 7, "idle", "fail");
    assert_int_equal(t.failed, 0);
    assert_string_equal(t.slots[0].verdict, "fail");
}

static void test_what_waits_for_its_turn_is_no_trouble(void **state)
{
    static const struct {
        const char *destinations;
        int unsent, refused;
    } cases[] = {
        {"[]", 0, 0},
        {"[{\"name\":\"a\",\"waiting\":3,\"parked\":0,\"reason\":\"\"}]", 0, 0},
        {"[{\"name\":\"a\",\"waiting\":3,\"parked\":0,\"reason\":\"no route\"},"
         "{\"name\":\"b\",\"waiting\":9,\"parked\":2,\"reason\":\"\"}]",
         3, 2},
    };
    struct tiles t = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[300];
        snprintf(text, sizeof text, "{\"slots\":[],\"destinations\":%s}", cases[i].destinations);
        cJSON *status = cJSON_Parse(text);
        assert_non_null(status);
        tiles_update(&t, status);
        cJSON_Delete(status);
        assert_int_equal(t.unsent, cases[i].unsent);
        assert_int_equal(t.refused, cases[i].refused);
    }
}

static void test_a_low_pool_is_shown_until_it_is_filled(void **state)
{
    static const struct {
        const char *pool;
        bool low;
        int free;
    } cases[] = {
        {"{\"warn_below\":9,\"low\":true,\"free\":4}", true, 4},
        {"{\"warn_below\":9,\"low\":true,\"free\":0}", true, 0},
        {"{\"warn_below\":9,\"low\":false}", false, 0},
        {"null", false, 0},
    };
    struct tiles t = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"slots\":[],\"pool\":%s}", cases[i].pool);
        cJSON *status = cJSON_Parse(text);
        tiles_update(&t, status);
        cJSON_Delete(status);
        assert_int_equal(t.pool_low, cases[i].low);
        assert_int_equal(t.pool_free, cases[i].free);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_run_counts_once_and_an_aborted_one_not_at_all),
        cmocka_unit_test(test_what_ended_before_the_screen_watched_is_not_counted),
        cmocka_unit_test(test_what_waits_for_its_turn_is_no_trouble),
        cmocka_unit_test(test_a_low_pool_is_shown_until_it_is_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
