/* What the engine does with steps that pass, fail, crash, hang and share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/engine/bench_line.h"

#define OFF "{'id':'off','step':'touch','deadline_s':5,'params':{'out':'@','says':'torn-down'}}"

static void a_run_records_every_step_and_its_figures(void **state)
{
    struct bench_line l;
    line_open(&l, 3);
    line_write(&l, "products/cam/limits.json",
               "{\"a\":{\"level\":{\"min\":4.5,\"max\":5.5,\"unit\":\"V\"}}}");
    line_plan(&l, "p",
              "{'id':'a','step':'quick','deadline_s':5,'params':{'level':5}},"
              "{'id':'b','step':'facts','deadline_s':5,'params':{'of':'a'}}",
              OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_idle(&l, 20000);
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 1"), "3");
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM step WHERE verdict = 1"), "9");
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM measurement"), "9");
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM measurement JOIN figure ON figure = id "
                                     "WHERE name = 'level' AND value = 5 AND low = 4.5 AND "
                                     "high = 5.5 AND verdict = 1"),
                        "3");
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM note WHERE text = 'level=5'"), "3");
    /* printf hello | sha256sum */
    assert_string_equal(line_sql(&l, "SELECT sha256 FROM content"),
                        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM engine_open"), "0");
    assert_int_equal(line_count(&l, "torn-down"), 3);
    line_close(&l);
}

static void a_value_outside_its_limit_fails_and_stops_the_run(void **state)
{
    struct bench_line l;
    line_open(&l, 1);
    line_write(&l, "products/cam/limits.json", "{\"a\":{\"level\":{\"min\":4.5,\"unit\":\"V\"}}}");
    line_plan(&l, "stop",
              "{'id':'a','step':'quick','deadline_s':5,'params':{'level':4}},"
              "{'id':'b','step':'quick','deadline_s':5}",
              OFF);
    line_plan(&l, "goon",
              "{'id':'a','step':'quick','deadline_s':5,'on_fail':'continue','params':{'level':4}},"
              "{'id':'b','step':'quick','deadline_s':5}",
              OFF);
    line_start(&l);
    line_run(&l, "cam/stop");
    line_wait_idle(&l, 20000);
    cJSON *status = line_status(&l);
    const cJSON *slot = cJSON_GetObjectItem(status, "slots")->child;
    const cJSON *failure = cJSON_GetObjectItem(slot, "failure");
    assert_string_equal(json_string(slot, "verdict", ""), "fail");
    assert_string_equal(json_string(failure, "measurement", ""), "level");
    assert_true(json_number(failure, "value", 0) == 4);
    assert_true(json_number(failure, "min", 0) == 4.5);
    assert_string_equal(json_string(failure, "message", ""), "level is 4 V, expected at least 4.5");
    cJSON_Delete(status);
    assert_string_equal(line_sql(&l, "SELECT group_concat(verdict) FROM step"), "2,6,1");
    line_run(&l, "cam/goon");
    line_wait_idle(&l, 20000);
    assert_string_equal(line_sql(&l, "SELECT group_concat(verdict) FROM step WHERE run = 2"),
                        "2,1,1");
    assert_string_equal(line_sql(&l, "SELECT group_concat(verdict) FROM run"), "2,2");
    line_close(&l);
}

static void a_step_kept_for_good_units_is_skipped_after_a_failure(void **state)
{
    struct bench_line l;
    line_open(&l, 1);
    line_write(&l, "products/cam/limits.json", "{\"a\":{\"level\":{\"min\":4.5,\"unit\":\"V\"}}}");
    line_plan(&l, "bad",
              "{'id':'a','step':'quick','deadline_s':5,'on_fail':'continue','params':{'level':4}},"
              "{'id':'lock','step':'quick','deadline_s':5,'when':'all_passed'},"
              "{'id':'c','step':'quick','deadline_s':5},"
              "{'id':'last','step':'quick','deadline_s':5,'when':'all_passed'}",
              OFF);
    line_plan(&l, "good",
              "{'id':'a','step':'quick','deadline_s':5,'params':{'level':5}},"
              "{'id':'lock','step':'quick','deadline_s':5,'when':'all_passed'}",
              OFF);
    line_start(&l);
    line_run(&l, "cam/bad");
    line_wait_idle(&l, 20000);
    assert_string_equal(line_sql(&l, "SELECT group_concat(verdict) FROM step WHERE run = 1"),
                        "2,6,1,6,1");
    line_run(&l, "cam/good");
    line_wait_idle(&l, 20000);
    assert_string_equal(line_sql(&l, "SELECT group_concat(verdict) FROM step WHERE run = 2"),
                        "1,1,1");
    assert_string_equal(line_sql(&l, "SELECT group_concat(verdict) FROM run"), "2,1");
    line_close(&l);
}

static void every_attempt_is_kept(void **state)
{
    struct bench_line l;
    line_open(&l, 1);
    line_plan(&l, "p", "{'id':'a','step':'flaky','deadline_s':5,'attempts':3,'params':{'out':'@'}}",
              OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_idle(&l, 20000);
    assert_string_equal(line_sql(&l, "SELECT group_concat(attempt || ':' || verdict) FROM step "
                                     "WHERE step = 0"),
                        "1:3,2:1");
    assert_string_equal(line_sql(&l, "SELECT message FROM step WHERE verdict = 3"),
                        "the first time it never works");
    assert_string_equal(line_sql(&l, "SELECT verdict FROM run"), "1");
    line_close(&l);
}

static void a_killed_slot_keeps_its_steps(void **state)
{
    struct bench_line l;
    line_open(&l, 2);
    line_plan(&l, "p",
              "{'id':'a','step':'quick','deadline_s':5},"
              "{'id':'b','step':'crash','deadline_s':5,'params':{'out':'@','signal':9}},"
              "{'id':'c','step':'quick','deadline_s':5}",
              OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_idle(&l, 20000);
    assert_string_equal(line_sql(&l, "SELECT group_concat(verdict) FROM step WHERE run = 1"),
                        "1,3,6,1");
    assert_string_equal(line_sql(&l, "SELECT message FROM step WHERE run = 1 AND step = 1"),
                        "slot worker killed by signal 9 during step b");
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 3"), "2");
    assert_int_equal(line_count(&l, "torn-down"), 2);
    line_close(&l);
}

static bool gone(pid_t pid)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return true;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    const char *after = n ? strrchr(text, ')') : NULL;
    return !after || after[2] == 'Z';
}

static void hung_pids(const struct bench_line *l, int *child, int *worker)
{
    struct buffer all = {0};
    struct error err;
    assert_int_equal(file_read(l->out, &all, &err), 0);
    const char *line = strstr(buffer_text(&all), "child ");
    assert_int_equal(sscanf(line, "child %d worker %d", child, worker), 2);
    buffer_free(&all);
}

static void a_hung_step_is_killed_with_its_children(void **state)
{
    struct bench_line l;
    int child, worker;
    line_open(&l, 1);
    line_plan(&l, "p", "{'id':'a','step':'hang','deadline_s':0.7,'params':{'out':'@'}}", OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_idle(&l, 20000);
    hung_pids(&l, &child, &worker);
    assert_true(gone(child));
    assert_true(gone(worker));
    assert_string_equal(line_sql(&l, "SELECT group_concat(verdict) FROM step"), "4,1");
    assert_string_equal(line_sql(&l, "SELECT verdict FROM run"), "4");
    /* How late it may be: test_deadlines. */
    assert_true(atof(line_sql(&l, "SELECT duration_ms FROM step WHERE verdict = 4")) >= 700);
    assert_int_equal(line_count(&l, "torn-down"), 1);
    line_close(&l);
}

static void an_abort_ends_a_deaf_step_and_tears_down(void **state)
{
    struct bench_line l;
    struct error err;
    int child, worker;
    line_open(&l, 2);
    line_plan(&l, "p",
              "{'id':'a','step':'hang','deadline_s':60,'params':{'out':'@'}},"
              "{'id':'b','step':'quick','deadline_s':5}",
              OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_out(&l, "child", 2, 20000);
    cJSON *params = cJSON_CreateObject();
    cJSON_AddTrueToObject(params, "all");
    cJSON_AddStringToObject(params, "operator", "bob");
    assert_int_equal(line_call(&l, "run.abort", params, &err), 0);
    line_wait_idle(&l, 20000);
    hung_pids(&l, &child, &worker);
    assert_true(gone(child) && gone(worker));
    assert_string_equal(line_sql(&l, "SELECT group_concat(verdict) FROM step WHERE run = 1"),
                        "5,6,1");
    assert_string_equal(line_sql(&l, "SELECT message FROM run WHERE id = 1"), "aborted by bob");
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 5"), "2");
    assert_string_equal(line_sql(&l, "SELECT actor FROM audit WHERE action = 'run.abort'"), "bob");
    assert_int_equal(line_count(&l, "torn-down"), 2);
    line_close(&l);
}

static void an_abort_waits_for_a_step_that_must_not_be_interrupted(void **state)
{
    struct bench_line l;
    struct error err;
    line_open(&l, 1);
    line_plan(&l, "p",
              "{'id':'a','step':'steadfast','deadline_s':20,'params':{'out':'@','ms':2500}},"
              "{'id':'b','step':'quick','deadline_s':5}",
              OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_out(&l, "steadfast-began", 1, 20000);
    cJSON *params = cJSON_CreateObject();
    cJSON_AddNumberToObject(params, "slot", 1);
    assert_int_equal(line_call(&l, "run.abort", params, &err), 0);
    line_wait_idle(&l, 20000);
    assert_int_equal(line_count(&l, "steadfast-ended"), 1);
    assert_string_equal(line_sql(&l, "SELECT group_concat(verdict) FROM step"), "1,6,1");
    assert_string_equal(line_sql(&l, "SELECT verdict FROM run"), "5");
    line_close(&l);
}

static void an_instrument_serves_no_more_slots_than_it_can(void **state)
{
    struct bench_line l;
    struct buffer all = {0};
    struct error err;
    int inside = 0, most = 0;
    line_open(&l, 6);
    line_plan(&l, "p",
              "{'id':'a','step':'busy','deadline_s':20,'needs':['access_point'],"
              "'params':{'out':'@','ms':150}}",
              OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_idle(&l, 30000);
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 1"), "6");
    assert_int_equal(file_read(l.out, &all, &err), 0);
    for (const char *p = buffer_text(&all); *p; p = strchr(p, '\n') + 1) {
        inside += strncmp(p, "enter", 5) == 0;
        inside -= strncmp(p, "leave", 5) == 0;
        most = inside > most ? inside : most;
    }
    assert_int_equal(inside, 0);
    assert_int_equal(most, 2); /* the access point's capacity: no more, and no fewer either */
    buffer_free(&all);
    line_close(&l);
}

static void a_chatty_step_holds_up_nobody(void **state)
{
    struct bench_line l;
    line_open(&l, 2);
    line_plan(&l, "p", "{'id':'a','step':'chatty','deadline_s':60,'params':{'count':20000}}", OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_idle(&l, 60000);
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 1"), "2");
    line_close(&l);
}

static void a_start_that_cannot_be_is_refused_with_the_reason(void **state)
{
    struct bench_line l;
    struct error err;
    line_open(&l, 2);
    line_plan(&l, "bad", "{'id':'a','step':'quikc','deadline_s':5}", "");
    line_plan(&l, "named", "{'id':'a','step':'named','deadline_s':5}", "");
    line_plan(&l, "lit", "{'id':'a','step':'quick','deadline_s':5,'needs':['light']}", "");
    line_plan(&l, "good", "{'id':'a','step':'slow','deadline_s':5,'params':{'out':'@','ms':700}}",
              "");
    line_start(&l);
    static const struct {
        const char *plan;
        int code;
        const char *says;
    } refusals[] = {
        {"cam/bad", ERROR_INPUT, "bad.json:1: unknown step 'quikc', did you mean 'quick'?"},
        {"cam/none", ERROR_MISSING, "none.json"},
        {"cam/named", ERROR_FULL, "the pool has 0 free identities, expected at least 2"},
        {"cam/lit", ERROR_INPUT, "slot 1 has no 'light' in its wiring"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        int rc = line_call(&l, "run.start", line_start_params(refusals[i].plan), &err);
        if (rc != refusals[i].code || !strstr(err.text, refusals[i].says))
            fail_msg("%s: %d, '%s'", refusals[i].plan, rc, err.text);
    }
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run"), "0");
    line_run(&l, "cam/good");
    assert_int_equal(line_call(&l, "run.start", line_start_params("cam/good"), &err), ERROR_BUSY);
    assert_int_equal(line_call(&l, "stop", NULL, &err), ERROR_BUSY);
    line_wait_idle(&l, 20000);
    line_close(&l);
}

/* N identities by the running taktd; numbers from `first`. */
static void import_some(struct bench_line *l, int first, int count)
{
    struct error err = {0};
    struct buffer csv = {0};
    char path[100];
    buffer_printf(&csv, "did,mac,key\n");
    for (int i = first; i < first + count; i++)
        buffer_printf(&csv, "%d,50:ec:50:00:00:%02x,%032x\n", i, i, i);
    line_write(l, "ids.csv", buffer_text(&csv));
    buffer_free(&csv);
    snprintf(path, sizeof path, "%s/ids.csv", l->root);
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "path", path);
    if (line_call(l, "pool.import", params, &err))
        fail_msg("%s", err.text);
}

static void expect_pool(struct bench_line *l, bool low, const char *notice)
{
    cJSON *status = line_status(l);
    const cJSON *pool = cJSON_GetObjectItemCaseSensitive(status, "pool");
    assert_int_equal(json_bool(pool, "low", !low), low);
    assert_string_equal(json_string(pool, "notice", "?"), notice);
    cJSON_Delete(status);
}

static void a_pool_that_runs_low_or_empty_is_told_of(void **state)
{
    struct bench_line l;
    line_open(&l, 1);
    line_start(&l);
    expect_pool(&l, true, "the pool of identities is empty: import more (takt identity import)");
    import_some(&l, 1, 2);
    expect_pool(&l, true, "the pool is low: 2 free identities, warned below 3: import more");
    import_some(&l, 3, 1);
    expect_pool(&l, false, "");
    line_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_records_every_step_and_its_figures),
        cmocka_unit_test(a_value_outside_its_limit_fails_and_stops_the_run),
        cmocka_unit_test(a_step_kept_for_good_units_is_skipped_after_a_failure),
        cmocka_unit_test(every_attempt_is_kept),
        cmocka_unit_test(a_killed_slot_keeps_its_steps),
        cmocka_unit_test(a_hung_step_is_killed_with_its_children),
        cmocka_unit_test(an_abort_ends_a_deaf_step_and_tears_down),
        cmocka_unit_test(an_abort_waits_for_a_step_that_must_not_be_interrupted),
        cmocka_unit_test(an_instrument_serves_no_more_slots_than_it_can),
        cmocka_unit_test(a_chatty_step_holds_up_nobody),
        cmocka_unit_test(a_start_that_cannot_be_is_refused_with_the_reason),
        cmocka_unit_test(a_pool_that_runs_low_or_empty_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
