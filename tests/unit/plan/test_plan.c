/* What a plan, product or limits file must be, and how a wrong one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "protocol/base/file.h"
#include "tests/unit/plan/words.h"

static const char good_product[] =
    "{ \"product\": \"cam\", \"board\": \"nand128\", \"limits\": \"limits.json\" }";
static const char good_limits[] =
    "{ \"image\": { \"mtf50_centre\": { \"min\": 0.14, \"unit\": \"cycles/px\" } } }";
static const char good_plan[] =
    "{ // what is done to a camera\n"
    "  \"plan\": \"line\", \"product\": \"cam\",\n"
    "  \"steps\": [\n"
    "    { \"id\": \"image\", \"step\": \"image\", \"deadline_s\": 2.5, \"attempts\": 3,\n"
    "      \"needs\": [\"light\"], \"params\": { \"frames\": 8 }, \"on_fail\": \"continue\" },\n"
    "    { \"id\": \"again\", \"step\": \"image\", \"deadline_s\": 1 }\n"
    "  ],\n"
    "  \"teardown\": [ { \"id\": \"off\", \"step\": \"power_off\", \"deadline_s\": 10 } ]\n"
    "}\n";

static int parse(const char *product, const char *limits, const char *plan, struct plan **out,
                 struct error *err)
{
    struct plan_source p = {"product.json", product, strlen(product)};
    struct plan_source l = {"limits.json", limits, strlen(limits)};
    struct plan_source s = {"line.json", plan, strlen(plan)};
    return plan_parse(&p, &l, &s, &words, out, err);
}

static void a_good_plan_is_read_whole(void **state)
{
    struct plan *p;
    struct error err = {0};
    assert_int_equal(parse(good_product, good_limits, good_plan, &p, &err), 0);
    assert_string_equal(p->name, "line");
    assert_string_equal(p->board, "nand128");
    assert_int_equal(p->step_count, 2);
    assert_int_equal(p->teardown_count, 1);
    const struct plan_step *image = &p->steps[0];
    assert_string_equal(image->id, "image");
    assert_int_equal(image->deadline_ms, 2500);
    assert_int_equal(image->attempts, 3);
    assert_true(image->continue_on_fail);
    assert_int_equal(image->need_count, 1);
    assert_string_equal(image->needs[0], "light");
    assert_int_equal(image->line, 4);
    assert_int_equal(image->limit_count, 1);
    assert_true(image->limits[0].has_min && !image->limits[0].has_max);
    assert_true(cJSON_GetObjectItem(image->params, "frames")->valuedouble == 8);
    assert_string_equal(cJSON_GetObjectItem(image->params, "chart")->valuestring, "slanted-edge");
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(image->params, "dark")));
    assert_int_equal(p->steps[1].attempts, 1);
    assert_false(p->steps[1].continue_on_fail);
    assert_string_equal(p->steps[2].id, "off");
    plan_free(p);
}

static void a_plan_of_part_of_the_steps_shares_the_products_limits(void **state)
{
    struct plan *p;
    struct error err = {0};
    static const char limits[] =
        "{ \"image\": { \"mtf50_centre\": { \"min\": 0.14, \"unit\": \"cycles/px\" } },\n"
        "  \"label\": { \"printed\": { \"min\": 1, \"unit\": \"bool\" } } }";
    static const char plan[] = "{ \"plan\": \"aging\", \"product\": \"cam\", \"part\": true,\n"
                               "  \"steps\": [ { \"id\": \"image\", \"step\": \"image\", "
                               "\"deadline_s\": 1 } ] }";
    static const char whole[] = "{ \"plan\": \"aging\", \"product\": \"cam\",\n"
                                "  \"steps\": [ { \"id\": \"image\", \"step\": \"image\", "
                                "\"deadline_s\": 1 } ] }";
    assert_int_equal(parse(good_product, limits, plan, &p, &err), 0);
    assert_true(p->part);
    assert_int_equal(p->steps[0].limit_count, 1);
    plan_free(p);
    assert_int_equal(parse(good_product, limits, whole, &p, &err), ERROR_INPUT);
}

static void a_step_may_wait_for_all_to_pass(void **state)
{
    struct plan *p;
    struct error err = {0};
    static const char plan[] =
        "{ \"plan\": \"line\", \"product\": \"cam\", \"steps\": [\n"
        "    { \"id\": \"image\", \"step\": \"image\", \"deadline_s\": 1 },\n"
        "    { \"id\": \"off\", \"step\": \"power_off\", \"deadline_s\": 1,\n"
        "      \"when\": \"all_passed\" } ] }";
    assert_int_equal(parse(good_product, good_limits, plan, &p, &err), 0);
    assert_int_equal(p->steps[0].when, PLAN_ALWAYS);
    assert_int_equal(p->steps[1].when, PLAN_ALL_PASSED);
    plan_free(p);
}

static void a_hash_is_that_of_the_bytes(void **state)
{
    /* sha256sum of the text above, without its final NUL */
    struct plan *p;
    struct error err = {0};
    uint8_t hash[DIGEST_BYTES];
    char hex[DIGEST_TEXT];
    assert_int_equal(parse(good_product, "{}", good_plan, &p, &err), 0);
    assert_string_equal(p->limits_sha256,
                        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    digest_bytes(good_plan, strlen(good_plan), hash);
    hex_encode(hash, sizeof hash, hex);
    assert_string_equal(p->plan_sha256, hex);
    plan_free(p);
}

struct refusal {
    const char *product, *limits, *plan; /* NULL: the good one */
    const char *starts, *says;
};

#define STEPS(text) "{\n\"plan\": \"line\", \"product\": \"cam\",\n\"steps\": [\n" text "\n] }"
#define STEP(text)  STEPS("{ \"id\": \"a\", \"step\": \"image\", \"deadline_s\": 1" text " }")
#define LIMIT(text) "{ \"image\": {\n" text "\n} }"

static void a_wrong_file_is_refused_with_its_line(void **state)
{
    static const struct refusal refusals[] = {
        {.plan = STEPS("{ \"id\": \"a\", \"step\": \"imaeg\", \"deadline_s\": 1 }"),
         .starts = "line.json:4:",
         .says = "unknown step 'imaeg', did you mean 'image'?"},
        {.plan = STEPS("{ \"id\": \"a\", \"step\": \"xyzzy\", \"deadline_s\": 1 }"),
         .starts = "line.json:4:",
         .says = "expected one of: image, power_on, power_off"},
        {.plan = STEPS("{ \"id\": \"a\", \"step\": \"image\" }"),
         .starts = "line.json:4:",
         .says = "step 'a' has no deadline"},
        {.plan = STEPS("{ \"id\": \"a\", \"step\": \"image\", \"deadline_s\": 0 }"),
         .starts = "line.json:4:",
         .says = "'deadline_s' is 0"},
        {.plan = STEPS("{ \"id\": \"a\", \"step\": \"image\", \"deadline_s\": 1 },\n"
                       "{ \"id\": \"a\", \"step\": \"image\", \"deadline_s\": 1 }"),
         .starts = "line.json:5:",
         .says = "id 'a' is used twice, first in line 4"},
        {.plan = STEPS("{ \"id\": \"../a\", \"step\": \"image\", \"deadline_s\": 1 }"),
         .starts = "line.json:4:",
         .says = "id '../a' must be"},
        {.plan = STEP(",\n\"params\": { \"frame\": 1 }"),
         .starts = "line.json:5:",
         .says = "unknown param 'frame', did you mean 'frames'?"},
        {.plan = STEP(",\n\"params\": { \"frames\": 17 }"),
         .starts = "line.json:5:",
         .says = "'frames' is 17, expected 1 to 16"},
        {.plan = STEP(",\n\"params\": { \"chart\": 1 }"),
         .starts = "line.json:5:",
         .says = "string"},
        {.plan = STEP(",\n\"params\": { \"dark\": \"no\" }"),
         .starts = "line.json:5:",
         .says = "'dark' must be true or false"},
        {.plan = STEPS("{ \"id\": \"a\", \"step\": \"power_on\", \"deadline_s\": 1 }"),
         .starts = "line.json:4:",
         .says = "param 'volts' is missing, expected a number"},
        {.plan = STEPS("{ \"id\": \"a\", \"step\": \"power_off\", \"deadline_s\": 1,\n"
                       "\"params\": { \"volts\": 5 } }"),
         .starts = "line.json:5:",
         .says = "takes no params"},
        {.plan = STEP(",\n\"needs\": [\"ligth\"]"),
         .starts = "line.json:5:",
         .says = "unknown class of instrument 'ligth', did you mean 'light'?"},
        {.plan = STEP(", \"needs\": [\"light\",\n\"light\"]"),
         .starts = "line.json:5:",
         .says = "needed twice"},
        {.plan = STEP(", \"attempts\": 6"), .starts = "line.json:4:", .says = "from 1 to 5"},
        {.plan = STEP(", \"on_fail\": \"retry\""),
         .starts = "line.json:4:",
         .says = "expected 'stop' or 'continue'"},
        {.plan = STEP(", \"when\": \"passed\""),
         .starts = "line.json:4:",
         .says = "expected 'always', 'all_passed' or an object"},
        {.plan = STEP(", \"when\": { \"pased\": \"a\" }"),
         .starts = "line.json:4:",
         .says = "unknown member 'pased', did you mean 'passed'?"},
        {.plan = STEP(", \"after\": [ \"on\" ]"),
         .starts = "line.json:4:",
         .says = "the plan has no step 'on'"},
        {.plan = STEP(", \"parts\": []"), .starts = "line.json:4:", .says = "must list parts"},
        {.plan = STEP(", \"group\": \"g\""),
         .starts = "line.json:4:",
         .says = "must name one of the plan's \"groups\""},
        {.plan = STEP(", \"skip\": \"\""), .starts = "line.json:4:", .says = "must say why"},
        {.plan = STEP(", \"together\": 1"), .starts = "line.json:4:", .says = "true or false"},
        {.plan = STEP(", \"deadlines\": 3"), .starts = "line.json:4:", .says = "'deadline_s'?"},
        {.plan = "{ \"plan\": \"line\",\n\"product\": \"other\", \"steps\": [] }",
         .starts = "line.json:2:",
         .says = "the plan is for 'other', but product.json is 'cam'"},
        {.plan = "{ \"plan\": \"line\",\n\"product\": \"cam\", \"steps\": [] }",
         .starts = "line.json:2:",
         .says = "at least one step"},
        {.plan = "{ \"plan\": \"line\", \"steps\": [] }",
         .starts = "line.json:1:",
         .says = "'product' is missing"},
        {.plan = "{ \"plan\": \"line\",", .starts = "line.json:1:", .says = "not valid JSON"},
        {.plan = "[]", .starts = "line.json:1:", .says = "must be an object"},
        {.limits = LIMIT("\"mtf50_centre\": { \"min\": 0.1 }"),
         .starts = "limits.json:2:",
         .says = "has no unit, expected \"unit\": \"cycles/px\""},
        {.limits = LIMIT("\"mtf50_centre\": { \"min\": 0.1, \"unit\": \"lp/mm\" }"),
         .starts = "limits.json:2:",
         .says = "is in 'lp/mm', but the step reports it in 'cycles/px'"},
        {.limits = LIMIT("\"mtf50_center\": { \"min\": 0.1, \"unit\": \"cycles/px\" }"),
         .starts = "limits.json:2:",
         .says = "does not measure 'mtf50_center', did you mean 'mtf50_centre'?"},
        {.limits = LIMIT("\"snr\": { \"min\": 41, \"max\": 40, \"unit\": \"dB\" }"),
         .starts = "limits.json:2:",
         .says = "min 41 is above max 40"},
        {.limits = LIMIT("\"snr\": { \"unit\": \"dB\" }"),
         .starts = "limits.json:2:",
         .says = "needs min, max or both"},
        {.limits = LIMIT("\"snr\": { \"min\": \"40\", \"unit\": \"dB\" }"),
         .starts = "limits.json:2:",
         .says = "'min' must be a number"},
        {.limits = LIMIT("\"snr\": { \"min\": 1, \"unit\": \"dB\" },\n\"snr\": { \"min\": 2, "
                         "\"unit\": \"dB\" }"),
         .starts = "limits.json:3:",
         .says = "given twice"},
        {.limits = "{\n\"imgae\": {} }",
         .starts = "limits.json:2:",
         .says = "has no step 'imgae', did you mean 'image'?"},
        {.product = "{ \"product\": \"cam\", \"limits\": \"l\" }",
         .starts = "product.json:1:",
         .says = "'board' is missing"},
        {.product = "{ \"product\": \"cam\", \"bord\": \"x\" }",
         .starts = "product.json:1:",
         .says = "did you mean 'board'?"},
        {.product = "{ \"product\": \"cam\", \"board\": \"../x\", \"limits\": \"l\" }",
         .starts = "product.json:1:",
         .says = "not the name of a board"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *r = &refusals[i];
        struct plan *p = NULL;
        struct error err = {0};
        int rc = parse(r->product ? r->product : good_product,
                       r->limits ? r->limits
                       : r->plan ? "{}"
                                 : good_limits,
                       r->plan ? r->plan : good_plan, &p, &err);
        if (rc != ERROR_INPUT || p || strncmp(err.text, r->starts, strlen(r->starts)) != 0 ||
            !strstr(err.text, r->says))
            fail_msg("case %zu: rc %d, said '%s', expected '%s ... %s'", i, rc, err.text, r->starts,
                     r->says);
    }
}

static void a_plan_is_found_by_product_and_name(void **state)
{
    char root[] = "/tmp/takt-plan-XXXXXX", path[256];
    struct error err = {0};
    struct plan *p = NULL;
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/cam", root);
    assert_int_equal(mkdir(path, 0700), 0);
    const char *files[][2] = {{"product.json", good_product},
                              {"limits.json", good_limits},
                              {"line.json", good_plan},
                              {"other.json", good_plan}};
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/cam/%s", root, files[i][0]);
        assert_int_equal(file_write(path, files[i][1], strlen(files[i][1]), 0600, &err), 0);
    }
    assert_int_equal(plan_load(root, "cam/line", &words, &p, &err), 0);
    plan_free(p);
    assert_int_equal(plan_load(root, "cam/none", &words, &p, &err), ERROR_MISSING);
    assert_non_null(strstr(err.text, "cam/none.json"));
    assert_int_equal(plan_load(root, "cam/other", &words, &p, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "asked for as 'cam/other'"));
    static const char *const wrong[] = {"cam", "../line", "cam/../cam/line", "/line", "cam/", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(plan_load(root, wrong[i], &words, &p, &err), ERROR_INPUT);
        assert_null(p);
    }
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/cam/%s", root, files[i][0]);
        remove(path);
    }
    snprintf(path, sizeof path, "%s/cam", root);
    remove(path);
    remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_plan_is_read_whole),
        cmocka_unit_test(a_plan_of_part_of_the_steps_shares_the_products_limits),
        cmocka_unit_test(a_step_may_wait_for_all_to_pass),
        cmocka_unit_test(a_hash_is_that_of_the_bytes),
        cmocka_unit_test(a_wrong_file_is_refused_with_its_line),
        cmocka_unit_test(a_plan_is_found_by_product_and_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
