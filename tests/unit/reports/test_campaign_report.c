/* The page of a campaign: from the document of it to what an auditor sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reports/campaign_summary.h"
#include "reports/render.h"

/* Unit 1 drifts from its own start of 200 B by 30 %, where 25 are allowed; unit 2 has no own start
 * yet; the chamber was set to 50 degC and reached 49. */
static const char text[] =
    "{\"id\": 3, \"name\": \"hot <b>\", \"lot\": \"L-7\", \"state\": \"finished\","
    " \"unit_count\": 2, \"confidence\": 0.9, \"activation_ev\": 0.7, \"use_c\": 25, \"seed\": 42,"
    " \"file\": \"{ \\\"conditions\\\": { \\\"chamber_c\\\": {} } }\","
    " \"figures\": [{\"number\": 0, \"name\": \"health.rss_bytes\", \"unit\": \"B\","
    "   \"max_percent\": 25}],"
    " \"instruments\": [{\"class\": \"chamber\", \"name\": \"oven\", \"serial\": \"CH-9\","
    "   \"certificate\": \"C-2026-1\", \"due_on\": \"2027-01-05\"}],"
    " \"units\": [{\"number\": 1, \"place\": \"slot 1\", \"chip_id\": \"aa01\", \"state\": "
    "\"failed\","
    "   \"cause\": \"health.rss_bytes drifted\", \"cause_figure\": 0, \"watched_ms\": 36000000,"
    "   \"watch\": \"{\\\"figures\\\": [[0, 0, 260, 0, 5, 200, 200, 200, 0]]}\"},"
    "  {\"number\": 2, \"place\": \"slot 2\", \"chip_id\": \"aa02\", \"state\": \"ended\","
    "   \"cause\": \"\", \"cause_figure\": -1, \"watched_ms\": 72000000,"
    "   \"watch\": \"{\\\"figures\\\": [[0, 0, null, 0, 0, 0, 0, 0, 0]]}\"}],"
    " \"events\": [{\"unit\": 1, \"elapsed_ms\": 36000000, \"kind\": \"failed\","
    "   \"text\": \"<script>drifted</script>\"}],"
    " \"rows\": ["
    "  {\"unit\": 0, \"figure\": 0, \"from_ms\": 0, \"samples\": 9, \"mean\": 50},"
    "  {\"unit\": 0, \"figure\": 0, \"from_ms\": 3600000, \"samples\": 9, \"mean\": 50},"
    "  {\"unit\": 0, \"figure\": 1, \"from_ms\": 0, \"samples\": 9, \"mean\": 49},"
    "  {\"unit\": 0, \"figure\": 1, \"from_ms\": 3600000, \"samples\": 9, \"mean\": 49},"
    "  {\"unit\": 1, \"figure\": 0, \"from_ms\": 0, \"samples\": 9, \"mean\": 200},"
    "  {\"unit\": 1, \"figure\": 0, \"from_ms\": 3600000, \"samples\": 9, \"mean\": 260},"
    "  {\"unit\": 2, \"figure\": 0, \"from_ms\": 0, \"samples\": 9, \"mean\": 900}]}";

static char *page_of(const char *language)
{
    struct error err = {0};
    struct buffer page = {0};
    const struct render_options options = {.language = language};
    cJSON *c = cJSON_Parse(text), *summary;
    assert_non_null(c);
    assert_int_equal(campaign_summary(c, &summary, &err), 0);
    cJSON_AddItemToObject(c, "summary", summary);
    cJSON_AddStringToObject(c, "document", "campaign");
    assert_int_equal(renderer_find("html")->render(c, &options, &page, &err), 0);
    assert_int_equal(buffer_append(&page, "", 1), 0);
    cJSON_Delete(c);
    return (char *)page.data;
}

/* The chamber is not the first condition of this file: 5 V are no temperature. */
static void the_chambers_temperature_is_the_stress(void **state)
{
    struct error err = {0};
    cJSON *c = cJSON_Parse(
        "{ \"activation_ev\": 0.7, \"use_c\": 25, \"units\": [],"
        " \"file\": \"{ \\\"conditions\\\": { \\\"supply_v\\\": {}, \\\"chamber_c\\\": {} } }\","
        " \"rows\": [ {\"unit\": 0, \"figure\": 1, \"samples\": 9, \"mean\": 5},"
        " {\"unit\": 0, \"figure\": 2, \"samples\": 9, \"mean\": 50},"
        " {\"unit\": 0, \"figure\": 3, \"samples\": 9, \"mean\": 49}] }");
    cJSON *summary;
    (void)state;
    assert_non_null(c);
    assert_int_equal(campaign_summary(c, &summary, &err), 0);
    assert_float_equal(cJSON_GetObjectItem(summary, "stress_c")->valuedouble, 49, 0);
    cJSON_Delete(summary);
    cJSON_ReplaceItemInObject(c, "file",
                              cJSON_CreateString("{ \"conditions\": { \"supply_v\": {} } }"));
    assert_int_equal(campaign_summary(c, &summary, &err), 0);
    assert_null(cJSON_GetObjectItem(summary, "stress_c"));
    cJSON_Delete(summary);
    cJSON_Delete(c);
}

static void shows(const char *page, const char *what)
{
    if (!strstr(page, what))
        fail_msg("the page has no '%s'", what);
}

static void the_page_has_what_an_auditor_asks_for(void **state)
{
    char *page = page_of("en");
    (void)state;
    shows(page, "Survival (Kaplan");
    shows(page, "<td class=\"num\">50 %</td>"); /* one of two is good from 10 h on */
    shows(page, "Arrhenius factor 49 → 25 °C, 0.7 eV");
    /* exp(0.7 / 8.617333e-5 (1 / 298.15 - 1 / 322.15)) = 7.612, by hand */
    shows(page, "<div class=\"n\">7.61");
    /* Exponential, time-censored, one failure in 30 h (NIST 8.4.5.1): 30 / 3.8897 */
    shows(page, "<div class=\"n\">7.71");
    shows(page, "CH-9");
    shows(page, "C-2026-1");
    shows(page, "2027-01-05");
    /* Another campaign of 20 h at 49 degC: 58.7 h are shown, so 100 h come next, and 200: 100 x
     * 2.3026 / 7.612 / 20 = 1.51 units, 200 x 3.8897 / 152.2 = 5.1; 22 units for 90 % at 90 %. */
    shows(page, "MTBF ≥ 100 h</td><td class=\"num\">2</td>");
    shows(page, "MTBF ≥ 200 h</td><td class=\"num\">4</td><td class=\"num\">6</td>");
    shows(page, "R ≥ 90 %</td><td class=\"num\">22</td><td class=\"num\">38</td>");
    shows(page, "aa02");
    shows(page, ">42<");
    shows(page, "stroke-dasharray=\"4\""); /* as commanded */
    free(page);
}

static void a_drift_is_drawn_against_the_units_own_start(void **state)
{
    char *page = page_of("en");
    (void)state;
    shows(page, "%, change against the unit&#39;s own start");
    shows(page, ">30</text>"); /* the scale's end: 260 of 200; not 900, whose start is not known */
    shows(page, ">25</text>"); /* the limit */
    assert_null(strstr(page, ">900</text>"));
    free(page);
}

static void what_units_say_is_text_in_the_page(void **state)
{
    char *page = page_of("en");
    (void)state;
    assert_null(strstr(page, "<script>"));
    assert_null(strstr(page, "hot <b>"));
    shows(page, "&lt;script&gt;drifted");
    free(page);
}

static void the_page_comes_in_chinese(void **state)
{
    char *page = page_of("zh");
    (void)state;
    shows(page, "生存曲线");
    shows(page, "阿伦尼乌斯加速因子");
    assert_null(strstr(page, "Survival"));
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_has_what_an_auditor_asks_for),
        cmocka_unit_test(the_chambers_temperature_is_the_stress),
        cmocka_unit_test(a_drift_is_drawn_against_the_units_own_start),
        cmocka_unit_test(what_units_say_is_text_in_the_page),
        cmocka_unit_test(the_page_comes_in_chinese),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
