/* What a study keeps of its results when it is cut short; and the order of what goes through it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/json.h"
#include "station/study/study_items.h"
#include "station/study/study_journal.h"

static char path[64];

static int new_path(void **state)
{
    static int number;
    snprintf(path, sizeof path, "/tmp/test_journal.%d.%d", (int)getpid(), number++);
    return 0;
}

static int remove_path(void **state)
{
    unlink(path);
    return 0;
}

static struct study_journal *open_as(const char *subject, bool again)
{
    struct study_journal *j;
    struct error err = {0};
    if (study_journal_open(path, subject, 10, again, &j, &err))
        fail_msg("%s", err.text);
    return j;
}

static void add(struct study_journal *j, int item, const char *verdict)
{
    struct error err = {0};
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "verdict", verdict);
    assert_int_equal(study_journal_add(j, item, document, &err), 0);
}

static void test_results_are_there_again(void **state)
{
    struct study_journal *j = open_as("a study", false);
    add(j, 3, "pass");
    add(j, 0, "fail");
    study_journal_close(j);
    j = open_as("a study", false);
    assert_null(study_journal_result(j, 1));
    assert_string_equal(json_string(study_journal_result(j, 3), "verdict", ""), "pass");
    assert_string_equal(json_string(study_journal_result(j, 0), "verdict", ""), "fail");
    study_journal_close(j);
}

static void test_a_line_that_was_cut_off_is_done_again_and_hides_nothing_after_it(void **state)
{
    struct study_journal *j = open_as("a study", false);
    add(j, 3, "pass");
    study_journal_close(j);
    FILE *f = fopen(path, "a");
    fputs("{\"item\":4,\"resul", f);
    fclose(f);
    j = open_as("a study", false);
    assert_null(study_journal_result(j, 4));
    add(j, 5, "pass");
    study_journal_close(j);
    j = open_as("a study", false);
    assert_non_null(study_journal_result(j, 3));
    assert_null(study_journal_result(j, 4));
    assert_non_null(study_journal_result(j, 5));
    study_journal_close(j);
}

static void test_an_item_that_is_none_is_not_taken(void **state)
{
    struct study_journal *j = open_as("a study", false);
    add(j, 3, "pass");
    study_journal_close(j);
    FILE *f = fopen(path, "a");
    fputs("{\"item\":10,\"result\":{}}\n{\"item\":-1,\"result\":{}}\n", f);
    fclose(f);
    j = open_as("a study", false);
    assert_non_null(study_journal_result(j, 3));
    study_journal_close(j);
    /* Item 10 is a larger study's, which goes on with it; -1 is nobody's. */
    struct error err = {0};
    assert_int_equal(study_journal_open(path, "a study", 20, false, &j, &err), 0);
    assert_non_null(study_journal_result(j, 10));
    study_journal_close(j);
}

static void test_results_of_another_study_are_refused_unless_it_begins_anew(void **state)
{
    struct study_journal *j = open_as("a study", false);
    struct error err = {0};
    add(j, 3, "pass");
    study_journal_close(j);
    assert_int_equal(study_journal_open(path, "another", 10, false, &j, &err), ERROR_STATE);
    assert_non_null(strstr(err.text, "results of another study (a study)"));
    j = open_as("another", true);
    assert_null(study_journal_result(j, 3));
    study_journal_close(j);
}

static void test_every_run_of_the_gage_study_is_an_item_of_its_own(void **state)
{
    const struct study_items items = {study_find("gauge-senses"), 1, 7, true};
    bool seen[GAGE_RUNS] = {false};
    assert_int_equal(study_items_count(&items), 7 + GAGE_RUNS);
    assert_int_equal(study_item_gage(&items, GAGE_RUNS), -1);
    assert_int_equal(study_item_number(&items, GAGE_RUNS + 6), 6);
    assert_int_equal(study_items_together(&items, GAGE_RUNS + 2), 5);
    for (int i = 0; i < GAGE_RUNS; i++) {
        const int run = study_item_gage(&items, i);
        assert_true(run >= 0 && run < GAGE_RUNS && !seen[run]);
        seen[run] = true;
        assert_true(study_items_together(&items, i) <= GAGE_PARTS * GAGE_OPERATORS);
    }
    /* The same part in two places is the same hardware and two units to the station. */
    cJSON *a = study_item_unit(&items, 0), *b = study_item_unit(&items, GAGE_PARTS);
    assert_string_not_equal(json_string(a, "chip_id", ""), json_string(b, "chip_id", ""));
    assert_true(json_number(a, "mic_noise_dba", 0) == json_number(b, "mic_noise_dba", 1));
    assert_true(json_number(a, "power_ups", 0) != json_number(b, "power_ups", 0));
    cJSON_Delete(a);
    cJSON_Delete(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_results_are_there_again, new_path, remove_path),
        cmocka_unit_test_setup_teardown(
            test_a_line_that_was_cut_off_is_done_again_and_hides_nothing_after_it, new_path,
            remove_path),
        cmocka_unit_test_setup_teardown(test_an_item_that_is_none_is_not_taken, new_path,
                                        remove_path),
        cmocka_unit_test_setup_teardown(
            test_results_of_another_study_are_refused_unless_it_begins_anew, new_path, remove_path),
        cmocka_unit_test(test_every_run_of_the_gage_study_is_an_item_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
