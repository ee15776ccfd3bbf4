/* The order of a plan's steps, as its file gives it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/plan/words.h"

static int parse(const char *steps, const char *rest, struct plan **out, struct error *err)
{
    char text[2000];
    snprintf(text, sizeof text, "{ \"plan\": \"line\", \"product\": \"cam\",%s\n\"steps\": [%s] }",
             rest, steps);
    for (char *p = text; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    const struct plan_source product = {
        "product.json", "{\"product\":\"cam\",\"board\":\"b\",\"limits\":\"limits.json\"}",
        strlen("{\"product\":\"cam\",\"board\":\"b\",\"limits\":\"limits.json\"}")};
    const struct plan_source limits = {"limits.json", "{}", 2};
    const struct plan_source plan = {"line.json", text, strlen(text)};
    return plan_parse(&product, &limits, &plan, &words, out, err);
}

#define IMAGE(id, rest) "{'id':'" id "','step':'image','deadline_s':5" rest "}"

static void a_plain_list_is_done_in_its_order(void **state)
{
    struct plan *p;
    struct error err = {0};
    if (parse(IMAGE("a", "") "," IMAGE("b", "") "," IMAGE("c", ""), "", &p, &err))
        fail_msg("%s", err.text);
    assert_int_equal(p->steps[0].after_count, 0);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(p->steps[i].after_count, 1);
        assert_int_equal(p->steps[i].after[0], i - 1);
        assert_int_equal(p->steps[i].part_count, 0);
        assert_int_equal(p->steps[i].group, -1);
    }
    plan_free(p);
}

static void a_graph_is_read_whole(void **state)
{
    struct plan *p;
    struct error err = {0};
    if (parse(
            IMAGE("a", "") "," IMAGE("b", ",'after':['a'],'parts':['camera','light']") "," IMAGE(
                "c",
                ",'after':['a'],'parts':['microphone'],'group':'g'") "," IMAGE("d",
                                                                               ",'after':['b'],'"
                                                                               "when':{'failed':'c'"
                                                                               "}") "," IMAGE("e",
                                                                                              ",'"
                                                                                              "afte"
                                                                                              "r':["
                                                                                              "],'"
                                                                                              "when"
                                                                                              "':'"
                                                                                              "all_"
                                                                                              "pass"
                                                                                              "ed',"
                                                                                              "'ski"
                                                                                              "p':'"
                                                                                              "no "
                                                                                              "char"
                                                                                              "t "
                                                                                              "toda"
                                                                                              "y'") "," IMAGE("f",
                                                                                                              ",'after':[],'together':true"),
            "'groups':{'g':{'attempts':3}},", &p, &err))
        fail_msg("%s", err.text);
    assert_int_equal(p->steps[1].part_count, 2);
    assert_string_equal(p->steps[1].parts[1], "light");
    assert_int_equal(p->steps[2].group, 0);
    assert_int_equal(p->groups[0].attempts, 3);
    assert_int_equal(p->steps[3].when, PLAN_IF_FAILED);
    assert_int_equal(p->steps[3].when_step, 2);
    assert_int_equal(p->steps[3].after_count, 2); /* what its condition looks at comes before */
    assert_int_equal(p->steps[4].after_count, 4); /* all before it, whatever it says */
    assert_string_equal(p->steps[4].skip, "no chart today");
    assert_true(p->steps[5].together);
    plan_free(p);
}

static void what_could_never_come_to_its_end_is_refused(void **state)
{
    static const struct {
        const char *steps, *says;
    } circles[] = {
        {IMAGE("a", ",'after':['b']") "," IMAGE("b", ",'after':['a']"),
         "line.json:2: step 'a' could never begin"},
        {IMAGE("a", ",'after':['a']"), "line.json:2: step 'a' cannot wait for itself"},
        /* b is between the two of a group, which is over as one. */
        {IMAGE("a", ",'group':'g'") "," IMAGE("b", "") "," IMAGE("c", ",'group':'g'"),
         "could never begin: it waits for steps that wait for it"},
    };
    for (size_t i = 0; i < sizeof circles / sizeof *circles; i++) {
        struct plan *p = NULL;
        struct error err = {0};
        int rc = parse(circles[i].steps, "'groups':{'g':{'attempts':2}},", &p, &err);
        if (rc != ERROR_INPUT || !strstr(err.text, circles[i].says))
            fail_msg("case %zu: %d, '%s'", i, rc, err.text);
    }
}

static void a_teardown_is_a_plain_list(void **state)
{
    struct plan *p = NULL;
    struct error err = {0};
    int rc = parse(IMAGE("a", ""), "'teardown':[" IMAGE("off", ",'after':['a']") "],", &p, &err);
    assert_int_equal(rc, ERROR_INPUT);
    assert_non_null(strstr(err.text, "'after' is not for the teardown"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_list_is_done_in_its_order),
        cmocka_unit_test(a_graph_is_read_whole),
        cmocka_unit_test(what_could_never_come_to_its_end_is_refused),
        cmocka_unit_test(a_teardown_is_a_plain_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
