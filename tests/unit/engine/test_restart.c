/* taktd killed in mid-run, and started again; and started twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/resource.h>

#include "tests/unit/engine/bench_line.h"

#define OFF                                                                                        \
    "{'id':'off','step':'slow','deadline_s':5,'params':{'out':'@','says':'torn-down','ms':1}}"

static const char three_steps[] =
    "{'id':'on','step':'touch','deadline_s':5,'params':{'out':'@','says':'powered'}},"
    "{'id':'a','step':'quick','deadline_s':5},"
    "{'id':'b','step':'slow','deadline_s':30,'params':{'out':'@','ms':600,'says':'slow-began'}},"
    "{'id':'c','step':'quick','deadline_s':5}";

static void a_killed_taktd_goes_on_at_the_first_step_not_committed(void **state)
{
    struct bench_line l;
    line_open(&l, 4);
    line_plan(&l, "p", three_steps, OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_out(&l, "slow-began", 4, 20000);
    line_kill(&l);
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 0"), "4");
    line_start(&l);
    line_wait_idle(&l, 30000);
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 1"), "4");
    /* Step 0 restores: done again. Step 2 was under way: its attempt is on record. */
    for (int run = 1; run <= 4; run++) {
        char sql[200];
        snprintf(sql, sizeof sql,
                 "SELECT group_concat(step || ':' || attempt || ':' || verdict) FROM step "
                 "WHERE run = %d",
                 run);
        assert_string_equal(line_sql(&l, sql), "0:1:1,0:2:1,1:1:1,2:1:5,2:2:1,3:1:1,4:1:1");
    }
    assert_int_equal(line_count(&l, "powered"), 8);
    assert_int_equal(line_count(&l, "torn-down"), 4);
    line_close(&l);
}

static void killed_again_and_again_no_step_is_lost_or_twice(void **state)
{
    struct bench_line l;
    line_open(&l, 8);
    struct buffer steps = {0};
    for (int i = 0; i < 12; i++)
        buffer_printf(&steps,
                      "%s{'id':'s%d','step':'slow','deadline_s':20,'params':{'out':'@',"
                      "'ms':20,'says':'x'}}",
                      i ? "," : "", i);
    line_plan(&l, "p", buffer_text(&steps), OFF);
    buffer_free(&steps);
    line_start(&l);
    line_run(&l, "cam/p");
    int kills = 0, before = 0;
    for (unsigned ms = 37; kills < 12; ms = ms * 7 % 101 + 10, kills++) {
        clock_sleep_until_ns(clock_mono_ns() + (int64_t)ms * 1000000);
        line_kill(&l);
        int passed = atoi(line_sql(&l, "SELECT count(*) FROM step WHERE verdict = 1"));
        assert_true(passed >= before);
        before = passed;
        line_start(&l);
    }
    line_wait_idle(&l, 60000);
    /* Each of 12 steps and the teardown passed exactly once on each of 8 slots; unless a run was
     * given up after many restarts in one step, which is said. */
    int closed = atoi(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 1"));
    int given_up = atoi(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 5 AND message LIKE "
                                     "'%restarted % times in the same step%'"));
    assert_int_equal(closed + given_up, 8);
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM (SELECT run, step FROM step WHERE "
                                     "verdict = 1 GROUP BY run, step HAVING count(*) > 1)"),
                        "0");
    assert_int_equal(atoi(line_sql(&l, "SELECT count(*) FROM step WHERE verdict = 1 AND run IN "
                                       "(SELECT id FROM run WHERE verdict = 1)")),
                     closed * 13);
    assert_string_equal(line_sql(&l, "PRAGMA integrity_check"), "ok");
    line_close(&l);
}

static void a_changed_plan_closes_the_run_as_aborted(void **state)
{
    struct bench_line l;
    line_open(&l, 1);
    line_plan(&l, "p", three_steps, OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_out(&l, "slow-began", 1, 20000);
    line_kill(&l);
    line_plan(&l, "p", "{'id':'a','step':'quick','deadline_s':5}", OFF);
    line_start(&l);
    line_wait_idle(&l, 20000);
    assert_string_equal(line_sql(&l, "SELECT verdict FROM run"), "5");
    assert_non_null(strstr(line_sql(&l, "SELECT message FROM run"), "were changed"));
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM step"), "2");
    /* The slot is free again. */
    line_run(&l, "cam/p");
    line_wait_idle(&l, 20000);
    assert_string_equal(line_sql(&l, "SELECT verdict FROM run WHERE id = 2"), "1");
    line_close(&l);
}

static void workers_and_what_they_started_die_with_taktd(void **state)
{
    struct bench_line l;
    struct buffer all = {0};
    struct error err;
    int child, worker;
    line_open(&l, 1);
    line_plan(&l, "p", "{'id':'a','step':'hang','deadline_s':60,'params':{'out':'@'}}", OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_out(&l, "child", 1, 20000);
    line_kill(&l);
    assert_int_equal(file_read(l.out, &all, &err), 0);
    assert_int_equal(sscanf(buffer_text(&all), "child %d worker %d", &child, &worker), 2);
    buffer_free(&all);
    int64_t until = clock_mono_ms() + 5000;
    while ((kill(child, 0) == 0 || kill(worker, 0) == 0) && clock_mono_ms() < until)
        line_pause();
    assert_int_equal(kill(worker, 0), -1);
    assert_int_equal(kill(child, 0), -1);
    line_close(&l);
}

static void a_second_taktd_is_refused(void **state)
{
    struct bench_line l, second;
    char said[500];
    line_open(&l, 1);
    line_start(&l);
    second = l;
    second.client = NULL;
    line_launch(&second, said);
    assert_int_equal(atoi(said), ERROR_BUSY);
    assert_non_null(strstr(said, l.store));
    line_reap(&second);
    assert_true(line_is_idle(&l)); /* the first still serves its socket */
    line_close(&l);
}

static void a_wrong_station_file_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"{ \"station\": \"s\",\n\"lime\": \"l\" }",
         "station.json:2: unknown member 'lime', did you mean 'line'?"},
        {"{ \"station\": \"s\", \"line\": \"l\" }", "station.json:1: 'site' is missing"},
        {"{ \"station\": \"s\", \"line\": \"l\", \"site\": \"x\", \"state_dir\": \"state\",\n"
         "\"products_dir\": \"p\", \"boards_dir\": \"b\", \"instruments\": {},\n\"slots\": [] }",
         "station.json:3: 0 slots, expected 1 to 64"},
        {"{ \"station\": \"s\", \"line\": \"l\", \"site\": \"x\", \"state_dir\": \"state\",\n"
         "\"products_dir\": \"p\", \"boards_dir\": \"b\", \"instruments\": {}, \"slots\": [\n"
         "{ \"slot\": 1, \"port\": \"unix:x\", \"wiring\": {} },\n"
         "{ \"slot\": 1, \"port\": \"unix:y\", \"wiring\": {} } ] }",
         "station.json:4: slot 1 is there already, in line 3"},
        {"{ \"station\": \"s\", \"line\": \"l\", \"site\": \"x\", \"state_dir\": \"state\",\n"
         "\"products_dir\": \"p\", \"boards_dir\": \"b\", \"instruments\": {}, \"slots\": [\n"
         "{ \"slot\": 1, \"port\": \"unix:x\", \"wiring\": {} } ],\n"
         "\"credentials\": {\n\"certificate\": \"none.pem\", \"key\": \"k\" } }",
         "station.json:5: cannot open"},
#define TO_CREDENTIALS                                                                             \
    "{ \"station\": \"s\", \"line\": \"l\", \"site\": \"x\", \"state_dir\": \"state\",\n"          \
    "\"products_dir\": \"p\", \"boards_dir\": \"b\", \"instruments\": {}, \"slots\": [\n"          \
    "{ \"slot\": 1, \"port\": \"unix:x\", \"wiring\": {} } ],\n"                                   \
    "\"credentials\": {\n\"certificate\": \"a.pem\", \"key\": \"a.pem\",\n"
        {TO_CREDENTIALS "\"token_key\": \"none.key\" } }",
         "station.json:6: cannot open the token key"},
        {TO_CREDENTIALS "\"token_key\": \"open.key\" } }", "station.json:6: the token key"},
        {TO_CREDENTIALS "\"token_key\": \"a.pem\" } }", "the private key is not PEM text"},
        {TO_CREDENTIALS "\"token_key\": \"tpm:1\" } }",
         "station.json:6: token key 'tpm:1' is not of a kind this program knows: file:PATH"},
        {TO_CREDENTIALS "\"token_life_s\": 5 } }", "station.json:6: 'token_life_s'"},
        {TO_CREDENTIALS "\"token_kay\": \"a.pem\" } }",
         "station.json:6: unknown member 'token_kay', did you mean 'token_key'?"},
    };
    struct bench_line l;
    char said[500], path[200];
    line_open(&l, 1);
    line_write(&l, "a.pem", "no key");
    line_write(&l, "open.key", "no key");
    snprintf(path, sizeof path, "%s/open.key", l.root);
    assert_int_equal(chmod(path, 0644), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        line_write(&l, "station.json", wrong[i].text);
        line_launch(&l, said);
        line_reap(&l);
        if (atoi(said) != ERROR_INPUT || !strstr(said, wrong[i].says))
            fail_msg("case %zu: '%s', expected '%s'", i, said, wrong[i].says);
    }
    line_close(&l);
}

/* RLIMIT_FSIZE stands for the full disk: every write beyond it fails. */
static void a_full_disk_loses_nothing_and_says_so(void **state)
{
    struct bench_line l;
    struct error err = {0};
    struct stat wal;
    char path[128];
    line_open(&l, 4);
    line_plan(
        &l, "p",
        "{'id':'a','step':'slow','deadline_s':30,'params':{'out':'@','ms':300,'says':'a-on'}},"
        "{'id':'b','step':'slow','deadline_s':30,'params':{'out':'@','ms':1,'says':'b-on'}}",
        OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_out(&l, "a-on", 4, 20000);
    snprintf(path, sizeof path, "%s-wal", l.store);
    assert_int_equal(stat(path, &wal), 0);
    struct rlimit before, tight;
    assert_int_equal(prlimit(l.taktd, RLIMIT_FSIZE, NULL, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)wal.st_size;
    assert_int_equal(prlimit(l.taktd, RLIMIT_FSIZE, &tight, NULL), 0);
    for (int64_t until = clock_mono_ms() + 10000;;) {
        cJSON *status = line_status(&l);
        bool paused = json_string(status, "paused", "")[0] != '\0';
        cJSON_Delete(status);
        if (paused)
            break;
        assert_true(clock_mono_ms() < until);
        line_pause();
    }
    /* Step a is over but not committed: step b must not have begun, nor anything new begin. */
    clock_sleep_until_ns(clock_mono_ns() + 1500000000);
    assert_int_equal(line_count(&l, "b-on"), 0);
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM step"), "0");
    cJSON *params = line_start_params("cam/p");
    assert_int_equal(line_call(&l, "run.start", params, &err), ERROR_FULL);
    assert_non_null(strstr(err.text, "nothing can be recorded now"));
    assert_int_equal(prlimit(l.taktd, RLIMIT_FSIZE, &before, NULL), 0);
    line_wait_idle(&l, 20000);
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 1"), "4");
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM step WHERE verdict = 1"), "12");
    assert_int_equal(line_count(&l, "a-on"), 4);
    line_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_taktd_goes_on_at_the_first_step_not_committed),
        cmocka_unit_test(killed_again_and_again_no_step_is_lost_or_twice),
        cmocka_unit_test(a_changed_plan_closes_the_run_as_aborted),
        cmocka_unit_test(workers_and_what_they_started_die_with_taktd),
        cmocka_unit_test(a_full_disk_loses_nothing_and_says_so),
        cmocka_unit_test(a_second_taktd_is_refused),
        cmocka_unit_test(a_wrong_station_file_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
