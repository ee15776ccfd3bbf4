/* What a plan's policy lets through, and what each refusal says to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/engine/bench_line.h"

#define POLICY(text) ",'policy':{" text "}"
static const char quick[] = "{'id':'a','step':'quick','deadline_s':20,'params':{'level':5}}";

/* Starts plan `cam/NAME` on slot 1 for a unit; 0 or the refusal in err. */
static int start(struct bench_line *l, const char *plan, const char *order, const char *serial,
                 const char *mode, bool again, struct error *err)
{
    char reference[80];
    cJSON *params = cJSON_CreateObject();
    snprintf(reference, sizeof reference, strchr(plan, '/') ? "%s" : "cam/%s", plan);
    cJSON_AddStringToObject(params, "plan", reference);
    cJSON_AddStringToObject(params, "order", order);
    cJSON_AddStringToObject(params, "mode", mode);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(params, "slots"), cJSON_CreateNumber(1));
    if (serial)
        cJSON_AddItemToArray(cJSON_AddArrayToObject(params, "serials"), cJSON_CreateString(serial));
    if (again)
        cJSON_AddTrueToObject(params, "again");
    int rc = line_call(l, "run.start", params, err);
    if (!rc)
        line_wait_idle(l, 60000);
    return rc;
}

static void passes(struct bench_line *l, const char *plan, const char *serial, const char *mode)
{
    struct error err;
    if (start(l, plan, "O1", serial, mode, false, &err))
        fail_msg("%s %s: %s", plan, serial ? serial : "", err.text);
}

static void refused(struct bench_line *l, const char *plan, const char *serial, const char *mode,
                    const char *says)
{
    struct error err;
    int rc = start(l, plan, "O1", serial, mode, false, &err);
    if (rc != ERROR_REFUSED || !strstr(err.text, says))
        fail_msg("%s %s: %d, '%s', expected '%s'", plan, serial, rc, rc ? err.text : "", says);
}

static const char *last_verdict(struct bench_line *l)
{
    return line_sql(l, "SELECT verdict FROM run ORDER BY id DESC LIMIT 1");
}

static const char *golden_state(struct bench_line *l)
{
    static char state[20];
    cJSON *status = line_status(l);
    snprintf(state, sizeof state, "%s",
             json_string(cJSON_GetObjectItem(status, "golden"), "state", ""));
    cJSON_Delete(status);
    return state;
}

static void write_golden(struct bench_line *l, const char *every_h, const char *level)
{
    char rest[400], steps[300];
    snprintf(rest, sizeof rest,
             POLICY("'golden':{'serials':['GOLD-1'],'every_h':%s,"
                    "'band':{'a':{'level':{'min':4.9,'max':5.1,'unit':'V'}}}}"),
             every_h);
    snprintf(steps, sizeof steps,
             "{'id':'a','step':'quick','deadline_s':20,'params':{'level':%s}},"
             "{'id':'lock','step':'touch','deadline_s':20,'modes':['production'],"
             "'params':{'out':'@','says':'locked'}}",
             level);
    line_plan_with(l, "p", steps, "", rest);
}

static void production_waits_for_the_golden_unit(void **state)
{
    struct bench_line l;
    line_open(&l, 1);
    line_write(&l, "products/cam/limits.json", "{\"a\":{\"level\":{\"min\":4,\"unit\":\"V\"}}}");
    write_golden(&l, "8", "5");
    line_start(&l);
    refused(&l, "p", "SN1", "production", "golden unit GOLD-1, which was never run here");
    assert_string_equal(golden_state(&l), "never");
    refused(&l, "p", "SN1", "golden", "SN1 is none of the golden units of plan p (GOLD-1)");
    passes(&l, "p", "GOLD-1", "golden");
    assert_string_equal(last_verdict(&l), "1");
    assert_int_equal(line_count(&l, "locked"), 0); /* it stays as it is */
    assert_string_equal(line_sql(&l, "SELECT message FROM step WHERE step = 1"),
                        "not done in mode golden");
    assert_string_equal(golden_state(&l), "ok");
    passes(&l, "p", "SN1", "production");
    assert_int_equal(line_count(&l, "locked"), 1);
    refused(&l, "p", "GOLD-1", "production", "GOLD-1 is the golden unit");
    /* The light gets weak: within the units' limits, out of the golden unit's band. */
    write_golden(&l, "8", "4.5");
    passes(&l, "p", "SN2", "production");
    passes(&l, "p", "GOLD-1", "golden");
    assert_string_equal(last_verdict(&l), "2");
    assert_string_equal(line_sql(&l, "SELECT low FROM measurement JOIN figure ON figure = id WHERE "
                                     "name = 'level' ORDER BY run DESC LIMIT 1"),
                        "4.9");
    refused(&l, "p", "SN3", "production", "the golden unit was out of its band in run");
    assert_string_equal(golden_state(&l), "out_of_band");
    passes(&l, "p", "SN3", "engineering"); /* what else is done is not held up */
    write_golden(&l, "0.001", "5");        /* 3.6 s */
    passes(&l, "p", "GOLD-1", "golden");
    clock_sleep_until_ns(clock_mono_ns() + 3700000000);
    refused(&l, "p", "SN3", "production", "the golden unit GOLD-1 is overdue");
    line_close(&l);
}

static void the_wrong_order_and_another_products_unit_are_refused(void **state)
{
    struct bench_line l;
    struct error err;
    char path[200];
    line_open(&l, 1);
    line_plan(&l, "p", quick, "");
    snprintf(path, sizeof path, "%s/products/door", l.root);
    assert_int_equal(file_make_folders(path, 0700, &err), 0);
    line_write(&l, "products/door/product.json",
               "{\"product\":\"door\",\"board\":\"ssc337de-nand128\",\"limits\":\"limits.json\"}");
    line_write(&l, "products/door/limits.json", "{}");
    line_write(&l, "products/door/p.json",
               "{\"plan\":\"p\",\"product\":\"door\",\"steps\":[{\"id\":\"a\",\"step\":\"quick\","
               "\"deadline_s\":20}]}");
    line_start(&l);
    passes(&l, "p", "SN1", "production");
    assert_int_equal(start(&l, "door/p", "O1", "SN2", "production", false, &err), ERROR_REFUSED);
    assert_non_null(strstr(err.text, "order O1 is for product cam, not for door: scan the order"));
    assert_int_equal(start(&l, "door/p", "O2", "SN1", "production", false, &err), ERROR_REFUSED);
    assert_non_null(strstr(err.text, "unit SN1 is a cam (run 1), not a door"));
    assert_int_equal(start(&l, "door/p", "O1", "SN1", "engineering", false, &err), 0);
    line_close(&l);
}

static void two_units_with_one_label_are_noticed_before_the_second_gets_an_identity(void **state)
{
    struct bench_line l;
    struct error err;
    char path[200];
    line_open(&l, 1);
    line_write(&l, "identities.csv",
               "did,mac,key\n"
               "80001,5c:c3:36:00:00:01,"
               "00000000000000000000000000000000000000000000000000000000000000a1\n"
               "80002,5c:c3:36:00:00:02,"
               "00000000000000000000000000000000000000000000000000000000000000a2\n");
    line_plan(&l, "one", "{'id':'g','step':'given','deadline_s':20,'params':{'chip':'chip-1'}}",
              "");
    line_plan(&l, "two", "{'id':'g','step':'given','deadline_s':20,'params':{'chip':'chip-2'}}",
              "");
    line_start(&l);
    snprintf(path, sizeof path, "%s/identities.csv", l.root);
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "path", path);
    assert_int_equal(line_call(&l, "pool.import", params, &err), 0);
    passes(&l, "one", "SN1", "production");
    assert_string_equal(last_verdict(&l), "1");
    passes(&l, "two", "SN1", "production"); /* it starts: who it is comes out on the way */
    assert_string_equal(last_verdict(&l), "3");
    assert_non_null(strstr(line_sql(&l, "SELECT message FROM run ORDER BY id DESC LIMIT 1"),
                           "serial SN1 belongs to chip chip-1"));
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM identity WHERE chip_id IS NOT NULL"),
                        "1");
    line_close(&l);
}

static void a_unit_comes_by_its_route(void **state)
{
    struct bench_line l;
    line_open(&l, 1);
    line_write(&l, "products/cam/limits.json", "{\"a\":{\"level\":{\"min\":4,\"unit\":\"V\"}}}");
    line_plan(&l, "board", quick, "");
    line_plan(&l, "bad", "{'id':'a','step':'quick','deadline_s':20,'params':{'level':1}}", "");
    line_plan_with(&l, "p", quick, "", POLICY("'passed_before':['board']"));
    line_start(&l);
    refused(&l, "p", "SN1", "production",
            "unit SN1 has not been through plan board: take it there first");
    passes(&l, "board", "SN1", "engineering"); /* does not count */
    refused(&l, "p", "SN1", "production", "been through plan board");
    passes(&l, "board", "SN1", "production");
    passes(&l, "p", "SN1", "production");
    assert_string_equal(last_verdict(&l), "1");
    line_close(&l);
}

static void retests_have_an_end(void **state)
{
    struct bench_line l;
    struct error err;
    line_open(&l, 1);
    line_write(&l, "products/cam/limits.json", "{\"a\":{\"level\":{\"min\":6,\"unit\":\"V\"}}}");
    line_plan_with(&l, "p", quick, "", POLICY("'retests':1,'pass_is_final':true"));
    line_plan_with(&l, "r", quick, "", POLICY("'retests':0,'after_repair':true"));
    line_start(&l);
    passes(&l, "p", "SN1", "production");
    passes(&l, "p", "SN1", "production"); /* the one retest */
    assert_string_equal(last_verdict(&l), "2");
    refused(&l, "p", "SN1", "production",
            "unit SN1 did not pass 2 times, 1 retests are allowed: set it aside");
    if (start(&l, "p", "O1", "SN1", "production", true, &err)) /* by someone who may */
        fail_msg("%s", err.text);
    /* After repair. */
    passes(&l, "r", "SN2", "production");
    refused(&l, "r", "SN2", "production", "it goes to repair");
    cJSON *defect = cJSON_CreateObject();
    cJSON_AddStringToObject(defect, "unit", "SN2");
    cJSON_AddStringToObject(defect, "code", "solder");
    cJSON *found = NULL;
    assert_int_equal(client_call(l.client, "defect.add", defect, 10000, &found, &err), 0);
    cJSON *repair = cJSON_CreateObject();
    cJSON_AddNumberToObject(repair, "defect", json_number(found, "defect", 1));
    cJSON_AddStringToObject(repair, "action", "resoldered");
    cJSON_Delete(found);
    if (line_call(&l, "defect.repair", repair, &err))
        fail_msg("%s", err.text);
    passes(&l, "r", "SN2", "production");
    refused(&l, "r", "SN2", "production", "it goes to repair");
    /* A pass is final. */
    line_write(&l, "products/cam/limits.json", "{}");
    passes(&l, "p", "SN3", "production");
    refused(&l, "p", "SN3", "production", "unit SN3 passed already, in run");
    line_close(&l);
}

static void a_sample_is_one_unit_in_so_many(void **state)
{
    struct bench_line l;
    line_open(&l, 1);
    line_plan(&l, "p",
              "{'id':'a','step':'quick','deadline_s':20},"
              "{'id':'s','step':'touch','deadline_s':20,'sample':3,'params':{'out':'@','says':"
              "'sampled'}}",
              "");
    line_start(&l);
    for (int i = 0; i < 7; i++)
        passes(&l, "p", NULL, "production");
    assert_int_equal(line_count(&l, "sampled"), 3); /* the first, fourth and seventh */
    assert_string_equal(line_sql(&l, "SELECT group_concat(run) FROM step WHERE step = 1 AND "
                                     "verdict = 1"),
                        "1,4,7");
    assert_string_equal(line_sql(&l, "SELECT message FROM step WHERE run = 2 AND step = 1"),
                        "done on 1 unit in 3: this is number 2 of its order");
    passes(&l, "p", NULL, "engineering"); /* not of the order's production */
    assert_int_equal(line_count(&l, "sampled"), 4);
    line_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(production_waits_for_the_golden_unit),
        cmocka_unit_test(the_wrong_order_and_another_products_unit_are_refused),
        cmocka_unit_test(two_units_with_one_label_are_noticed_before_the_second_gets_an_identity),
        cmocka_unit_test(a_unit_comes_by_its_route),
        cmocka_unit_test(retests_have_an_end),
        cmocka_unit_test(a_sample_is_one_unit_in_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
