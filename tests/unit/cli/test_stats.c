/* takt stats: output fields that scripts rely on, and what is said about a bad table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <math.h>

#include "protocol/base/file.h"
#include "tests/unit/cli/printed.h"
#include "tests/unit/reports/statistics/data.h"

static char path[] = "/tmp/takt-stats-XXXXXX";

static void write_text(const char *text)
{
    assert_int_equal(file_write(path, text, strlen(text), 0600, NULL), 0);
}

/* A column `name` of the values, each with `digits` behind the point. */
static void write_column(const char *name, const double *values, size_t count, int digits)
{
    struct buffer b = {0};
    buffer_printf(&b, "%s\r\n", name);
    for (size_t i = 0; i < count; i++)
        buffer_printf(&b, "%.*f\r\n", digits, values[i]);
    write_text(buffer_text(&b));
    buffer_free(&b);
}

static cJSON *document(const char *text)
{
    const char *end = NULL;
    cJSON *d = cJSON_ParseWithOpts(text, &end, 1);
    if (!d)
        fail_msg("not one JSON document: %s", text);
    return d;
}

static double number(const cJSON *d, const char *name)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(d, name);
    if (!cJSON_IsNumber(v))
        fail_msg("%s is no number", name);
    return v->valuedouble;
}

#define assert_within(d, name, expected, tolerance)                                                \
    do {                                                                                           \
        if (!(fabs(number(d, name) - (expected)) <= (tolerance)))                                  \
            fail_msg("%s is %.17g, expected %.17g", name, number(d, name), (double)(expected));    \
    } while (0)

static void test_describe(void **state)
{
    (void)state;
    char text[4096];
    write_column("speed", nist_michelso, 100, 2);
    assert_int_equal(PRINTED(cli_stats, text, "stats", "describe", path, "--json"), 0);
    cJSON *d = document(text);
    assert_within(d, "n", 100, 0);
    assert_within(d, "mean", 299.8524, 1e-12);
    assert_within(d, "sd", 0.0790105478190518, 1e-14);
    assert_within(d, "lag1", 0.535199668621283, 1e-13);
    cJSON_Delete(d);
}

static void test_charts(void **state)
{
    (void)state;
    char text[4096];
    write_column("x", nist_flow, 10, 1);
    assert_int_equal(PRINTED(cli_stats, text, "stats", "imr", "--json", path), 0);
    cJSON *d = document(text);
    assert_within(d, "mean", 50.81, 1e-9);
    assert_within(d, "mr_bar", 1.8778, 5e-5);
    assert_within(d, "ucl", 55.8041, 5e-5);
    assert_within(d, "lcl", 45.8159, 5e-5);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(d, "violations")), 0);
    cJSON_Delete(d);
    write_column("x", nist_ewma, 20, 1);
    assert_int_equal(PRINTED(cli_stats, text, "stats", "ewma", path, "--lambda", "0.3", "--start",
                             "50", "--sigma", "2.0539", "--json"),
                     0);
    d = document(text);
    assert_within(d, "ucl", 52.5884, 5e-5);
    assert_within(d, "lcl", 47.4116, 5e-5);
    assert_within(d, "last", 51.988, 5e-4);
    cJSON_Delete(d);
}

static void test_violations_name_point_and_rule(void **state)
{
    (void)state;
    char text[4096];
    double values[30];
    for (int i = 0; i < 30; i++)
        values[i] = i % 2 ? 1 : -1;
    values[20] = 9;
    write_column("x", values, 30, 1);
    assert_int_equal(PRINTED(cli_stats, text, "stats", "imr", path, "--json"), 0);
    cJSON *d = document(text);
    const cJSON *v = cJSON_GetArrayItem(cJSON_GetObjectItem(d, "violations"), 0);
    assert_within(v, "point", 21, 0);
    assert_within(v, "rule", 1, 0);
    assert_within(v, "value", 9, 0);
    cJSON_Delete(d);
    assert_int_equal(PRINTED(cli_stats, text, "stats", "imr", path), 0);
    assert_non_null(strchr(text, 'x'));
    assert_non_null(strstr(text, "upper limit"));
}

static void test_capability(void **state)
{
    (void)state;
    char text[4096];
    /* Mean 16; overall deviation 2: +-2 around it, and the subgroups are those of one sign. */
    write_text("value,subgroup\n14,a\n14,a\n18,b\n18,b\n16,c\n");
    assert_int_equal(PRINTED(cli_stats, text, "stats", "capability", "--lsl", "8", "--usl", "20",
                             path, "--json"),
                     0);
    cJSON *d = document(text);
    assert_within(d, "pp", 1, 1e-12);
    assert_within(d, "ppk", 2.0 / 3, 1e-12);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(d, "cp"))); /* nothing varies within */
    cJSON_Delete(d);
    write_text("value\n14\n18\n14\n18\n");
    assert_int_equal(PRINTED(cli_stats, text, "stats", "capability", "--usl", "20", path, "--json"),
                     0);
    d = document(text);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(d, "cp")));
    assert_within(d, "cpk", 4 / (3 * 4 / 1.128), 1e-12);
    cJSON_Delete(d);
}

static void write_gage(size_t leave_out, const char *more)
{
    struct buffer b = {0};
    buffer_append_text(&b, "Part,Operator,Trial,Value\n");
    for (size_t i = 0; i < 90; i++)
        if (i != leave_out)
            buffer_printf(&b, "%zu,%c,%zu,%.2f\n", i / 9 + 1, (char)('A' + i / 3 % 3), i % 3 + 1,
                          aiag_gage[i]);
    buffer_append_text(&b, more);
    write_text(buffer_text(&b));
    buffer_free(&b);
}

static void test_gage_study(void **state)
{
    (void)state;
    char text[8192];
    write_gage(90, "");
    assert_int_equal(PRINTED(cli_stats, text, "stats", "grr", path, "--json"), 0);
    cJSON *d = document(text);
    assert_within(d, "percent_sv", 27.86, 5e-3);
    assert_within(d, "ndc", 4, 0);
    const cJSON *range = cJSON_GetObjectItem(d, "xbar_r");
    assert_within(range, "percent_sv", 26.68, 5e-3);
    assert_within(range, "ndc", 5, 0);
    const cJSON *anova = cJSON_GetObjectItem(d, "anova");
    assert_within(cJSON_GetArrayItem(cJSON_GetObjectItem(anova, "rows"), 0), "ss", 88.3619, 5e-5);
    cJSON_Delete(d);
    write_gage(89, "");
    assert_int_equal(PRINTED(cli_stats, text, "stats", "grr", path), 2);
    assert_non_null(strstr(text, ":90: the table ends without part 10, operator C, trial 3"));
    write_gage(90, "3,B,2,0.9\n");
    assert_int_equal(PRINTED(cli_stats, text, "stats", "grr", path), 2);
    assert_non_null(strstr(text, ":92: part 3, operator B, trial 2 again"));
}

static void test_a_bad_table_is_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *complaint;
    } tables[] = {
        {"value\n1\n\n2,5x\n", ":4: 2 fields, expected 1"},
        {"value\n1\n\n2.5x\n", ":4: '2.5x' in column 'value': expected a number"},
        {"value\n1\nnan\n", ":3: 'nan' in column 'value': expected a number"},
        {"value\n1e999\n", ":2: '1e999' in column 'value': expected a number"},
        {"value\n\"1\n", ":2: a quote is not closed"},
        {"value\n\"1\"x\n", ":2: text after a closing quote"},
        {"value\n", ":1: no values"},
        {"", ":1: no values"},
        {"a,b\n1,2\n", ":1: no column 'value' among a, b: say which with --column"},
    };
    char text[1024];
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        write_text(tables[i].text);
        assert_int_equal(PRINTED(cli_stats, text, "stats", "describe", path, "--json"), 2);
        if (!strstr(text, path) || !strstr(text, tables[i].complaint) ||
            strchr(text, '\n') != text + strlen(text) - 1)
            fail_msg("'%s' for %s", text, tables[i].complaint);
    }
    write_text("\xef\xbb\xbf\"a \"\"b\"\"\n\",value \r\n\"x,\n\",1\r\nz, 3 \r\n");
    assert_int_equal(
        PRINTED(cli_stats, text, "stats", "describe", path, "--json", "--column", "value "), 0);
    cJSON *d = document(text);
    assert_within(d, "mean", 2, 0);
    cJSON_Delete(d);
}

static void test_wrong_use_is_2(void **state)
{
    (void)state;
    char text[1024];
    write_text("value\n1\n2\n");
    assert_int_equal(PRINTED(cli_stats, text, "stats"), 2);
    assert_int_equal(PRINTED(cli_stats, text, "stats", "describ", path), 2);
    assert_non_null(strstr(text, "did you mean 'describe'?"));
    assert_int_equal(PRINTED(cli_stats, text, "stats", "describe"), 2);
    assert_int_equal(PRINTED(cli_stats, text, "stats", "describe", "/nowhere.csv"), 2);
    assert_non_null(strstr(text, "/nowhere.csv"));
    assert_int_equal(PRINTED(cli_stats, text, "stats", "capability", path), 2);
    assert_int_equal(
        PRINTED(cli_stats, text, "stats", "capability", "--lsl", "5", "--usl", "4", path), 2);
    assert_int_equal(PRINTED(cli_stats, text, "stats", "describe", "--lsl", "5", path), 2);
    assert_non_null(strstr(text, "takes no --lsl"));
    assert_int_equal(PRINTED(cli_stats, text, "stats", "ewma", "--lambda", "1.5", path), 2);
    assert_int_equal(PRINTED(cli_stats, text, "stats", "ewma", "--sigma", "x", path), 2);
    assert_int_equal(PRINTED(cli_stats, text, "stats", "--help"), 0);
}

int main(void)
{
    close(mkstemp(path));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_charts),
        cmocka_unit_test(test_violations_name_point_and_rule),
        cmocka_unit_test(test_capability),
        cmocka_unit_test(test_gage_study),
        cmocka_unit_test(test_a_bad_table_is_named_with_its_line),
        cmocka_unit_test(test_wrong_use_is_2),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
