/* What a campaign's file must be, and how a wrong one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "tests/unit/campaign/campaigns.h"

static char folder[64];

static const char good[] =
    "{ // high-temperature aging\n"
    "  \"campaign\": \"hot\", \"plan\": \"cam/aging\", \"duration_h\": 48,\n"
    "  \"conditions\": {\n"
    "    \"chamber_c\": { \"start\": 25, \"tolerance\": 2, \"reach_min\": 90,\n"
    "      \"profile\": [ { \"to\": 50, \"over_min\": 25 }, { \"for_h\": 48 } ] },\n"
    "    \"supply_v\": { \"start\": 4.5, \"repeat\": true,\n"
    "      \"profile\": [ { \"for_s\": 10 }, { \"to\": 5.5 }, { \"for_s\": 10 }, { \"to\": 4.5 } ] "
    "} },\n"
    "  \"watch\": { \"health\": { \"every_s\": 60 }, \"image\": { \"every_h\": 6 } },\n"
    "  \"figures\": {\n"
    "    \"health.rss_bytes\": { \"unit\": \"B\", \"max_percent\": 25 },\n"
    "    \"health.soc_c\": { \"unit\": \"degC\", \"max\": 105, \"max_change\": 12 },\n"
    "    \"health.uptime_s\": { \"unit\": \"s\", \"max_falls\": 0 },\n"
    "    \"image.mtf50_centre\": { \"unit\": \"cycles/px\", \"min_percent\": -15 } },\n"
    "  \"own_start\": { \"after_min\": 30, \"samples\": 8 },\n"
    "  \"failure\": { \"confirm\": 4, \"silent_min\": 10 }, \"stop\": { \"failed_units\": 3 },\n"
    "  \"interlocks\": { \"chamber_c_max\": 65, \"contact_s\": 30, \"every_s\": 2 },\n"
    "  \"report\": { \"confidence\": 0.9, \"activation_ev\": 0.7, \"use_c\": 25 }, \"seed\": 7 }\n";

static void a_good_campaign_is_read_whole(void **state)
{
    struct campaign *c;
    struct error err = {0};
    assert_int_equal(campaigns_parse(folder, good, &c, &err), 0);
    assert_string_equal(c->name, "hot");
    assert_int_equal(c->duration_ms, 48 * 3600000LL);
    assert_int_equal(c->condition_count, 2);
    assert_int_equal(c->conditions[0].kind, CONDITION_CHAMBER_C);
    assert_int_equal(c->conditions[0].reach_ms, 90 * 60000);
    assert_float_equal(profile_at(&c->conditions[0].profile, 25 * 60000), 50, 0);
    assert_float_equal(profile_at(&c->conditions[1].profile, 12000), 5.5, 0);
    assert_int_equal(c->watch_count, 2);
    assert_int_equal(c->watches[1].every_ms, 6 * 3600000);
    assert_int_equal(c->figure_count, 4);
    const struct campaign_figure *f = &c->figures[campaign_figure_find(c, "image.mtf50_centre")];
    /* The product's own limit holds as well. */
    assert_true(f->limit.has_min && f->limit.min == 0.2);
    assert_true(f->drift.min_percent == -15 && isnan(f->drift.max_percent));
    assert_int_equal(c->start_after_ms, 1800000);
    assert_int_equal(c->start_samples, 8);
    assert_int_equal(c->confirm, 4);
    assert_int_equal(c->silent_ms, 600000);
    assert_int_equal(c->stop_failed, 3);
    assert_int_equal(c->poll_ms, 2000);
    assert_int_equal(c->seed, 7);
    assert_int_equal(strlen(c->sha256), 64);
    campaign_free(c);
}

static void cycles_are_passes_of_the_longest_profile(void **state)
{
    struct campaign *c;
    struct error err = {0};
    static const char text[] =
        "{ \"campaign\": \"v\", \"plan\": \"cam/aging\", \"cycles\": 500,\n"
        "  \"conditions\": { \"supply_v\": { \"start\": 4.5, \"repeat\": true, \"profile\": [\n"
        "     { \"for_s\": 10 }, { \"to\": 5.5 }, { \"for_s\": 10 }, { \"to\": 4.5 } ] } },\n"
        "  \"watch\": { \"health\": { \"every_s\": 60 } } }";
    assert_int_equal(campaigns_parse(folder, text, &c, &err), 0);
    assert_int_equal(c->duration_ms, 500 * 20000);
    campaign_free(c);
}

/* The good one with one text for another. */
static char *instead(const char *what, const char *with)
{
    const char *at = strstr(good, what);
    if (!at)
        fail_msg("'%s' is not in the campaign", what);
    char *out = malloc(sizeof good + strlen(with));
    sprintf(out, "%.*s%s%s", (int)(at - good), good, with, at + strlen(what));
    return out;
}

static void a_bad_campaign_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *what, *with, *says;
    } cases[] = {
        {"\"duration_h\": 48", "\"duration_h\": 48, \"cycles\": 3", "c.json:1: a campaign has"},
        {"\"duration_h\": 48", "\"duration\": 48", "c.json:2: "},
        {"\"duration_h\": 48", "\"duration_h\": 48, \"duration_s\": 4", "given in two units"},
        {"\"duration_h\": 48", "\"duration_h\": 1e9", "'duration_h' is 1e+09, expected"},
        {"cam/aging", "cam/agin", "c.json:2: "},
        {"chamber_c\": { \"start\"", "chamber\": { \"start\"", "did you mean 'chamber_c'?"},
        {"\"start\": 25,", "", "c.json:4: 'chamber_c' has no \"start\""},
        {"\"to\": 50, \"over_min\": 25", "\"to\": 50, \"for_min\": 25", "c.json:5: a leg goes"},
        {"\"to\": 50", "\"to\": 500", "c.json:5: 'to' is 500, expected -80 to 200"},
        {"\"health\": { \"every_s\": 60 }", "\"helth\": { \"every_s\": 60 }",
         "c.json:8: plan 'aging' has no step 'helth', did you mean 'health'?"},
        {"\"every_s\": 60", "\"every_s\": 0", "c.json:8: 'every_s' is 0, expected 0.05"},
        {"{ \"every_h\": 6 }", "{ }", "c.json:8: 'image' has no \"every_s\""},
        {"health.soc_c", "health.soc",
         "c.json:11: no watched step measures 'health.soc', did you "
         "mean 'health.soc_c'?"},
        {"\"unit\": \"degC\"", "\"unit\": \"K\"", "limited in 'K', but the step reports it in"},
        {"\"min_percent\": -15", "\"min_percent\": 15", "would fail at its own start"},
        {"\"samples\": 8", "\"samples\": 0", "c.json:14: "},
        {"\"chamber_c_max\": 65, ", "", "has no \"chamber_c_max\""},
        {"\"chamber_c_max\": 65", "\"chamber_c_max\": 45", "which the interlock at 45 would end"},
        {"\"activation_ev\": 0.7, ", "", "needs both"},
        {"\"seed\": 7", "\"seeds\": 7", "did you mean 'seed'?"},
        {"\"stop\": {", "\"stop\": [", "c.json:"},
        {"\"campaign\": \"hot\"", "\"campaign\": \"../hot\"", "without blanks or slashes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct campaign *c = NULL;
        struct error err = {0};
        char *text = instead(cases[i].what, cases[i].with);
        assert_int_equal(campaigns_parse(folder, text, &c, &err), ERROR_INPUT);
        if (!strstr(err.text, cases[i].says))
            fail_msg("case %zu says '%s', expected '%s'", i, err.text, cases[i].says);
        free(text);
    }
}

/* A condition of what the unit does stands for a step that puts it on and says what was done. */
static void what_the_unit_is_at_is_a_condition(void **state)
{
    static const struct {
        const char *profile, *watch, *says;
    } cases[] = {
        {"{ \"for_min\": 1 }, { \"to\": 1 }, { \"for_min\": 1 }", "work", NULL},
        {"{ \"to\": 1, \"over_s\": 5 }", "work", "unit_motors changes at once"},
        {"{ \"to\": 0.5 }", "work", "'to' is 0.5, unit_motors takes whole numbers"},
        {"{ \"to\": 2 }", "work", "'to' is 2, expected 0 to 1"},
        {"{ \"to\": 1 }", "health", "by a step of kind 'load', none is under \"watch\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct campaign *c = NULL;
        struct error err = {0};
        char text[500];
        snprintf(text, sizeof text,
                 "{ \"campaign\": \"w\", \"plan\": \"cam/aging\", \"duration_h\": 1,\n"
                 "  \"conditions\": { \"unit_motors\": { \"start\": 0, \"profile\": [ %s ] } },\n"
                 "  \"watch\": { \"health\": { \"every_s\": 60 }, \"%s\": { \"every_s\": 9 } } }",
                 cases[i].profile, cases[i].watch);
        assert_int_equal(campaigns_parse(folder, text, &c, &err), cases[i].says ? ERROR_INPUT : 0);
        if (cases[i].says && !strstr(err.text, cases[i].says))
            fail_msg("case %zu says '%s', expected '%s'", i, err.text, cases[i].says);
        if (cases[i].says)
            continue;
        assert_int_equal(c->conditions[0].kind, CONDITION_UNIT_MOTORS);
        assert_null(condition_class(c->conditions[0].kind));
        assert_string_equal(c->figures[c->conditions[0].figure].name, "work.motors");
        campaign_free(c);
    }
}

static int begin(void **state)
{
    campaigns_products(folder);
    return 0;
}

static int end(void **state)
{
    campaigns_remove(folder);
    return 0;
}

/* The same watches, figures and plan; one pass, whose seed is the one that was asked for. */
static void a_replay_is_one_pass_with_a_seed(void **state)
{
    struct campaign *c, *one;
    struct error err = {0};
    assert_int_equal(campaigns_parse(folder, good, &c, &err), 0);
    assert_true(c->replay == 0);
    assert_int_equal(
        campaign_replay(c, INT64_C(281474976710655), folder, &campaigns_words, &one, &err), 0);
    assert_true(one->replay == INT64_C(281474976710655));
    assert_int_equal(one->duration_ms, 1000);
    assert_int_equal(one->watch_count, c->watch_count);
    assert_int_equal(one->figure_count, c->figure_count);
    assert_string_equal(one->plan->plan_sha256, c->plan->plan_sha256);
    assert_string_not_equal(one->sha256, c->sha256);
    campaign_free(one);
    campaign_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_campaign_is_read_whole),
        cmocka_unit_test(cycles_are_passes_of_the_longest_profile),
        cmocka_unit_test(what_the_unit_is_at_is_a_condition),
        cmocka_unit_test(a_replay_is_one_pass_with_a_seed),
        cmocka_unit_test(a_bad_campaign_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
