/* The engine with plans that are graphs: side by side, retried as one, together, and killed in the
 * middle of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/engine/bench_line.h"

#define OFF "{'id':'off','step':'touch','deadline_s':5,'params':{'out':'@','says':'torn-down'}}"
#define SIDE(id, kind, deadline, params, rest)                                                     \
    "{'id':'" id "','step':'" kind "','deadline_s':" deadline ",'params':{'out':'@'" params        \
    "}" rest "}"

/* Most that were between enter and leave at once. */
static int most_inside(const struct bench_line *l)
{
    struct buffer all = {0};
    struct error err;
    int inside = 0, most = 0;
    assert_int_equal(file_read(l->out, &all, &err), 0);
    for (const char *p = buffer_text(&all); *p; p = strchr(p, '\n') + 1) {
        inside += strncmp(p, "enter", 5) == 0;
        inside -= strncmp(p, "leave", 5) == 0;
        most = inside > most ? inside : most;
    }
    buffer_free(&all);
    return most;
}

static void steps_of_one_unit_run_side_by_side(void **state)
{
    struct bench_line l;
    line_open(&l, 1);
    line_plan(&l, "p",
              SIDE("a", "busy", "20", ",'ms':700", ",'parts':['flash'],'after':[]") "," SIDE(
                  "b", "busy", "20", ",'ms':700",
                  ",'parts':['sound'],'after':[]") "," SIDE("c", "busy", "20", ",'ms':50",
                                                            ",'parts':['sound'],'"
                                                            "after':[]") "," SIDE("d",
                                                                                  "bus"
                                                                                  "y",
                                                                                  "20",
                                                                                  ",'"
                                                                                  "ms'"
                                                                                  ":5"
                                                                                  "0",
                                                                                  ",'"
                                                                                  "aft"
                                                                                  "er'"
                                                                                  ":['"
                                                                                  "a',"
                                                                                  "'b'"
                                                                                  ",'"
                                                                                  "c'"
                                                                                  "]"),
              OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_idle(&l, 20000);
    assert_int_equal(most_inside(&l), 2); /* never three: b and c share a part */
    assert_string_equal(line_sql(&l, "SELECT group_concat(step || ':' || verdict) FROM step"),
                        "0:1,1:1,2:1,3:1,4:1");
    assert_string_equal(line_sql(&l, "SELECT verdict FROM run"), "1");
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM engine_step"), "0");
    line_close(&l);
}

static void a_hung_step_leaves_its_neighbour_alone(void **state)
{
    struct bench_line l;
    line_open(&l, 1);
    line_plan(&l, "p",
              SIDE("a", "hang", "0.5", "", ",'parts':['x'],'after':[]") "," SIDE(
                  "b", "slow", "20", ",'ms':1500",
                  ",'parts':['y'],'after':[]") ","
                                               "{'id':'c','step':'quick','deadline_s':5,'after':['"
                                               "a','b']}",
              OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_idle(&l, 20000);
    assert_int_equal(line_count(&l, "slow-ended"), 1);
    assert_string_equal(line_sql(&l, "SELECT group_concat(step || ':' || verdict) FROM step"),
                        "0:4,1:1,2:6,3:1");
    assert_string_equal(line_sql(&l, "SELECT message FROM step WHERE step = 2"),
                        "not reached: a: timeout");
    assert_string_equal(line_sql(&l, "SELECT verdict FROM run"), "4");
    assert_int_equal(line_count(&l, "torn-down"), 1);
    line_close(&l);
}

static void a_group_is_done_again_and_every_attempt_is_kept(void **state)
{
    struct bench_line l;
    line_open(&l, 1);
    line_plan_with(
        &l, "p",
        SIDE("cycle", "touch", "5", ",'says':'cycled'", ",'group':'g'") "," SIDE(
            "read", "flaky", "5", "", ",'group':'g'") ","
                                                      "{'id':'next','step':'quick','deadline_s':5}",
        OFF, ",'groups':{'g':{'attempts':3}}");
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_idle(&l, 20000);
    assert_string_equal(
        line_sql(&l, "SELECT group_concat(step || ':' || attempt || ':' || verdict) FROM step"),
        "0:1:1,0:2:1,1:1:3,1:2:1,2:1:1,3:1:1");
    assert_int_equal(line_count(&l, "cycled"), 2);
    cJSON *status = line_status(&l);
    const cJSON *slot = cJSON_GetObjectItem(status, "slots")->child;
    assert_string_equal(json_string(slot, "verdict", ""), "pass");
    assert_false(json_bool(slot, "first_pass", true)); /* a pass, but not at first */
    cJSON_Delete(status);
    line_close(&l);
}

static void killed_in_the_middle_both_are_done_again(void **state)
{
    struct bench_line l;
    line_open(&l, 2);
    line_plan(
        &l, "p",
        "{'id':'on','step':'touch','deadline_s':5,'params':{'out':'@','says':'powered'}}," SIDE(
            "a", "slow", "20", ",'ms':600,'says':'a-on'",
            ",'parts':['x'],'after':['on']") "," SIDE("b", "slow", "20", ",'ms':600,'says':'b-on'",
                                                      ",'parts':['y'],'after':['on']") "," SIDE("c",
                                                                                                "to"
                                                                                                "uc"
                                                                                                "h",
                                                                                                "5",
                                                                                                ",'"
                                                                                                "sa"
                                                                                                "ys"
                                                                                                "':"
                                                                                                "'d"
                                                                                                "on"
                                                                                                "e"
                                                                                                "'",
                                                                                                ",'"
                                                                                                "af"
                                                                                                "te"
                                                                                                "r'"
                                                                                                ":["
                                                                                                "'a"
                                                                                                "',"
                                                                                                "'b"
                                                                                                "'"
                                                                                                "]"),
        OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_out(&l, "a-on", 2, 20000);
    line_wait_out(&l, "b-on", 2, 20000);
    line_kill(&l);
    line_start(&l);
    line_wait_idle(&l, 30000);
    for (int run = 1; run <= 2; run++) {
        char sql[200];
        snprintf(sql, sizeof sql,
                 "SELECT group_concat(step || ':' || attempt || ':' || verdict) FROM step "
                 "WHERE run = %d",
                 run);
        assert_string_equal(line_sql(&l, sql), "0:1:1,0:2:1,1:1:5,1:2:1,2:1:5,2:2:1,3:1:1,4:1:1");
    }
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 1"), "2");
    assert_int_equal(line_count(&l, "done"), 2);
    assert_int_equal(line_count(&l, "torn-down"), 2);
    line_close(&l);
}

static void an_abort_ends_all_that_run(void **state)
{
    struct bench_line l;
    struct error err;
    line_open(&l, 1);
    line_plan(
        &l, "p",
        SIDE("a", "slow", "60", ",'ms':50000,'says':'a-on'", ",'parts':['x'],'after':[]") "," SIDE(
            "b", "steadfast", "60", ",'ms':2500",
            ",'parts':['y'],'after':[]") ","
                                         "{'id':'c','step':'quick','deadline_s':5,'after':['a','b']"
                                         "}",
        OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_out(&l, "a-on", 1, 20000);
    line_wait_out(&l, "steadfast-began", 1, 20000);
    cJSON *params = cJSON_CreateObject();
    cJSON_AddTrueToObject(params, "all");
    assert_int_equal(line_call(&l, "run.abort", params, &err), 0);
    line_wait_idle(&l, 20000);
    assert_int_equal(line_count(&l, "steadfast-ended"), 1);
    assert_string_equal(line_sql(&l, "SELECT group_concat(step || ':' || verdict) FROM step"),
                        "0:5,1:1,2:6,3:1");
    assert_string_equal(line_sql(&l, "SELECT verdict FROM run"), "5");
    assert_int_equal(line_count(&l, "torn-down"), 1);
    line_close(&l);
}

/* Four nests of one room: nobody begins before all are there, whoever was late. */
static void units_of_one_fixture_begin_together(void **state)
{
    struct bench_line l;
    struct buffer file = {0}, shared = {0};
    struct error err;
    char path[200];
    line_open(&l, 4);
    snprintf(path, sizeof path, "%s/station.json", l.root);
    assert_int_equal(file_read(path, &file, &err), 0);
    for (const char *p = buffer_text(&file); *p; p++) {
        if (strncmp(p, "\"wiring\"", 8) == 0)
            buffer_append_text(&shared, "\"fixture\": \"dark room\", ");
        buffer_append(&shared, p, 1);
    }
    line_write(&l, "station.json", buffer_text(&shared));
    buffer_free(&file);
    buffer_free(&shared);
    line_plan(&l, "p",
              SIDE("a", "touch", "5", ",'says':'arrived'", "") "," SIDE(
                  "b", "busy", "20", ",'ms':300", ",'together':true,'needs':['access_point']"),
              OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_idle(&l, 20000);
    struct buffer all = {0};
    assert_int_equal(file_read(l.out, &all, &err), 0);
    const char *first = strstr(buffer_text(&all), "enter"), *last = NULL;
    for (const char *p = buffer_text(&all); (p = strstr(p, "arrived")); p++)
        last = p;
    assert_true(first && last && last < first);
    buffer_free(&all);
    assert_int_equal(most_inside(&l), 4); /* the instrument's capacity is two; they share it */
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 1"), "4");
    line_close(&l);
}

static void a_section_is_awaited_past_the_deadline(void **state)
{
    struct bench_line l;
    line_open(&l, 1);
    line_plan(&l, "p", "{'id':'a','step':'erase','deadline_s':0.5,'params':{'out':'@','ms':1500}}",
              OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_idle(&l, 20000);
    assert_int_equal(line_count(&l, "erased"), 1);  /* to its end ... */
    assert_int_equal(line_count(&l, "went on"), 0); /* ... and not a step further */
    assert_string_equal(line_sql(&l, "SELECT verdict FROM run"), "4");
    double ms = atof(line_sql(&l, "SELECT duration_ms FROM step WHERE verdict = 4"));
    if (ms < 1500 || ms > 2500)
        fail_msg("ended after %g ms, expected 1500 to 2500", ms);
    line_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_of_one_unit_run_side_by_side),
        cmocka_unit_test(a_hung_step_leaves_its_neighbour_alone),
        cmocka_unit_test(a_group_is_done_again_and_every_attempt_is_kept),
        cmocka_unit_test(killed_in_the_middle_both_are_done_again),
        cmocka_unit_test(an_abort_ends_all_that_run),
        cmocka_unit_test(units_of_one_fixture_begin_together),
        cmocka_unit_test(a_section_is_awaited_past_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
