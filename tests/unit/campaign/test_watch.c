/* How a unit's samples are judged against limits and against its own start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "station/campaign/watch.h"
#include "tests/unit/campaign/campaigns.h"

static char folder[64];
static const char text[] =
    "{ \"campaign\": \"hot\", \"plan\": \"cam/aging\", \"duration_d\": 30,\n"
    "  \"watch\": { \"health\": { \"every_s\": 60 }, \"image\": { \"every_h\": 6 } },\n"
    "  \"figures\": {\n"
    "    \"health.rss_bytes\": { \"unit\": \"B\", \"max_percent\": 25 },\n"
    "    \"health.soc_c\": { \"unit\": \"degC\", \"max\": 105, \"max_change\": 12 },\n"
    "    \"health.uptime_s\": { \"unit\": \"s\", \"max_falls\": 1 } },\n"
    "  \"own_start\": { \"after_s\": 120, \"samples\": 4 },\n"
    "  \"failure\": { \"confirm\": 3, \"silent_s\": 600 } }";

struct rows {
    struct watch_row of[64];
    size_t figures[64], count;
};

static void take_row(void *context, size_t figure, const struct watch_row *row)
{
    struct rows *r = context;
    if (r->count < 64) {
        r->figures[r->count] = figure;
        r->of[r->count++] = *row;
    }
}

struct bench {
    struct campaign *c;
    struct unit_watch u;
    struct rows rows;
    struct watch_sink sink;
    int64_t at_ms;
};

static void bench_open(struct bench *b)
{
    struct error err = {0};
    memset(b, 0, sizeof *b);
    assert_int_equal(campaigns_parse(folder, text, &b->c, &err), 0);
    b->sink = (struct watch_sink){take_row, &b->rows};
    watch_join(&b->u, b->c, 0, true);
}

/* A minute later. */
static bool health(struct bench *b, double rss, double soc, double uptime)
{
    double values[CAMPAIGN_FIGURES_MAX] = {rss, soc, uptime, NAN};
    const struct watch_sample s = {.at_ms = b->at_ms += 60000, .watch = 0, .values = values};
    return watch_take(&b->u, b->c, &s, &b->sink);
}

static bool silent(struct bench *b)
{
    const struct watch_sample s = {.at_ms = b->at_ms += 60000,
                                   .watch = 0,
                                   .rc = ERROR_TIMEOUT,
                                   .text = "the unit did not answer"};
    return watch_take(&b->u, b->c, &s, &b->sink);
}

/* Two minutes to get warm, four samples. */
static void start(struct bench *b)
{
    for (int i = 1; i <= 6; i++)
        assert_false(health(b, 10e6 + 1e5 * (i % 2), 60, 60 * i));
    assert_int_equal(b->u.figures[0].start.samples, 4);
}

static void a_leak_is_found_against_the_units_own_start(void **state)
{
    struct bench b;
    bench_open(&b);
    start(&b);
    assert_float_equal(b.u.figures[0].start.mean, 10.05e6, 1);
    /* 25 % above 10.05 MB is 12.5625 MB: at 5 kB a minute that is minute 503 of the leak. */
    int n = 1;
    for (; !health(&b, 10.05e6 + 5000.0 * n, 60, 360 + 60.0 * n); n++)
        assert_in_range(n, 0, 600);
    assert_int_equal(n, 503 + 2); /* the third in a row */
    assert_int_equal(b.u.state, UNIT_FAILED);
    assert_string_equal(b.c->figures[b.u.cause_figure].name, "health.rss_bytes");
    assert_float_equal(b.u.cause_high, 12.5625e6, 1);
    assert_non_null(strstr(b.u.cause, "drifted from 1.005e+07"));
    assert_int_equal(watch_hours_ms(&b.u, b.at_ms + 5000), b.at_ms);
    /* Nothing is judged behind it. */
    assert_false(health(&b, 1e9, 200, 0));
    campaign_free(b.c);
}

static void one_wild_sample_is_no_failure(void **state)
{
    struct bench b;
    bench_open(&b);
    start(&b);
    for (int i = 0; i < 50; i++) {
        assert_false(health(&b, 20e6, 60, 400 + 180 * i));
        assert_false(health(&b, 20e6, 120, 460 + 180 * i));
        assert_false(health(&b, 10e6, 60, 520 + 180 * i));
    }
    assert_int_equal(b.u.state, UNIT_WATCHED);
    campaign_free(b.c);
}

static void an_absolute_limit_holds_from_the_first_sample(void **state)
{
    struct bench b;
    bench_open(&b);
    assert_false(health(&b, 10e6, 106, 60));
    assert_false(health(&b, 10e6, 106, 120));
    assert_true(health(&b, 10e6, 106, 180));
    assert_non_null(strstr(b.u.cause, "health.soc_c is 106 degC, expected at most 105, 3 times"));
    campaign_free(b.c);
}

static void the_tighter_of_limit_and_drift_counts(void **state)
{
    struct bench b;
    bench_open(&b);
    start(&b);
    for (int i = 0; i < 2; i++)
        assert_false(health(&b, 10e6, 72.1, 400 + 60 * i)); /* 60 + 12 */
    assert_true(health(&b, 10e6, 72.1, 520));
    assert_float_equal(b.u.cause_high, 72, 1e-9);
    campaign_free(b.c);
}

static void a_clock_that_starts_anew_too_often_is_a_restart(void **state)
{
    struct bench b;
    bench_open(&b);
    start(&b);
    assert_false(health(&b, 10e6, 60, 5));
    assert_false(health(&b, 10e6, 60, 65));
    assert_true(health(&b, 10e6, 60, 5));
    assert_non_null(strstr(b.u.cause, "health.uptime_s went back 2 times"));
    campaign_free(b.c);
}

static void the_stations_own_power_cycle_is_none(void **state)
{
    struct bench b;
    bench_open(&b);
    start(&b);
    for (int i = 0; i < 5; i++) {
        watch_resume(&b.u, b.at_ms);
        assert_false(health(&b, 10e6, 60, 5));
    }
    assert_int_equal(b.u.figures[2].falls, 0);
    campaign_free(b.c);
}

static void a_silent_unit_fails_after_its_time_and_one_that_comes_back_does_not(void **state)
{
    struct bench b;
    bench_open(&b);
    start(&b);
    for (int i = 0; i < 9; i++)
        assert_false(silent(&b));
    assert_false(health(&b, 10e6, 60, 900));
    for (int i = 0; i < 9; i++)
        assert_false(silent(&b));
    assert_true(silent(&b)); /* ten minutes */
    assert_non_null(
        strstr(b.u.cause, "health has not succeeded for 600 s, 10 times: the unit did"));
    assert_int_equal(b.u.cause_figure, -1);
    campaign_free(b.c);
}

static void a_limited_figure_that_does_not_come_is_a_failure(void **state)
{
    struct bench b;
    bench_open(&b);
    assert_false(health(&b, NAN, NAN, 60));
    assert_false(health(&b, NAN, NAN, 120));
    assert_true(health(&b, NAN, NAN, 180));
    assert_non_null(strstr(b.u.cause, "health.soc_c did not come, 3 times in a row"));
    campaign_free(b.c);
}

static void samples_are_kept_as_rows_with_their_spread(void **state)
{
    struct bench b;
    bench_open(&b);
    for (int i = 1; i <= 60; i++) /* minute 60 lies in the second hour */
        assert_false(health(&b, 1000 + i, 50, i * 60));
    assert_int_equal(b.rows.count, 3);
    const struct watch_row *r = &b.rows.of[0];
    assert_int_equal(b.rows.figures[0], 0);
    assert_int_equal(r->samples, 59);
    assert_float_equal(r->mean, 1030, 1e-9);
    assert_float_equal(r->lowest, 1001, 0);
    assert_float_equal(r->highest, 1059, 0);
    /* of 1..n: sqrt(n(n+1)/12) */
    assert_float_equal(watch_row_deviation(r), sqrt(59.0 * 60 / 12), 1e-9);
    watch_end(&b.u, b.c, UNIT_ENDED, b.at_ms, &b.sink);
    assert_int_equal(b.rows.count, 6);
    assert_int_equal(b.rows.of[3].from_ms, 3600000);
    assert_int_equal(b.rows.of[3].samples, 1);
    campaign_free(b.c);
}

/* Whatever moment it is written down at, what comes after is the same. */
static void nothing_is_lost_by_writing_down_and_reading_back(void **state)
{
    struct bench straight, broken;
    bench_open(&straight);
    bench_open(&broken);
    bool one = false, other = false;
    for (int n = 1; !one && n < 1000; n++) {
        const double rss = 10e6 + 4321.0 * n, soc = 60 + n % 7, up = n == 300 ? 1 : 60 * n;
        one = health(&straight, rss, soc, up);
        other = health(&broken, rss, soc, up);
        cJSON *written = watch_write(&broken.u, broken.c);
        char *kept = cJSON_PrintUnformatted(written);
        cJSON_Delete(written);
        cJSON *read = cJSON_Parse(kept);
        struct error err = {0};
        assert_int_equal(watch_read(read, broken.c, &broken.u, &err), 0);
        cJSON_Delete(read);
        free(kept);
        assert_int_equal(one, other);
    }
    assert_true(one);
    assert_string_equal(straight.u.cause, broken.u.cause);
    assert_int_equal(straight.rows.count, broken.rows.count);
    for (size_t i = 0; i < straight.rows.count; i++) {
        assert_float_equal(straight.rows.of[i].mean, broken.rows.of[i].mean, 1e-6);
        assert_float_equal(straight.rows.of[i].squares, broken.rows.of[i].squares,
                           1e-9 * straight.rows.of[i].squares);
    }
    campaign_free(straight.c);
    campaign_free(broken.c);
}

static void what_was_kept_of_another_campaign_is_refused(void **state)
{
    struct bench b;
    struct error err = {0};
    bench_open(&b);
    static const char *const bad[] = {
        "{}", "[]", "{\"state\":\"watched\",\"times\":[0,0,0],\"steps\":[0,0],\"figures\":[]}",
        "{\"state\":\"asleep\",\"times\":[0,0,0],\"steps\":[0,0,0,0],\"figures\":[[],[],[],[]]}",
        "{\"state\":\"failed\",\"times\":[0,0,0],\"steps\":[0,0,0,0],\"figures\":[[],[],[],[]],"
        "\"cause\":[77,1,2,3]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cJSON *read = cJSON_Parse(bad[i]);
        assert_int_equal(watch_read(read, b.c, &b.u, &err), ERROR_INPUT);
        cJSON_Delete(read);
    }
    campaign_free(b.c);
}

static void a_unit_that_comes_back_keeps_its_start_and_its_hours(void **state)
{
    struct bench b;
    bench_open(&b);
    start(&b);
    watch_end(&b.u, b.c, UNIT_LEFT, b.at_ms, &b.sink);
    const int64_t left_ms = b.at_ms;
    b.at_ms += 7200000;
    assert_int_equal(watch_hours_ms(&b.u, b.at_ms), left_ms);
    watch_join(&b.u, b.c, b.at_ms, false);
    assert_int_equal(b.u.figures[0].start.samples, 4);
    assert_false(health(&b, 10e6, 60, 5));
    assert_int_equal(watch_hours_ms(&b.u, b.at_ms), left_ms + 60000);
    campaign_free(b.c);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leak_is_found_against_the_units_own_start),
        cmocka_unit_test(one_wild_sample_is_no_failure),
        cmocka_unit_test(an_absolute_limit_holds_from_the_first_sample),
        cmocka_unit_test(the_tighter_of_limit_and_drift_counts),
        cmocka_unit_test(a_clock_that_starts_anew_too_often_is_a_restart),
        cmocka_unit_test(the_stations_own_power_cycle_is_none),
        cmocka_unit_test(a_silent_unit_fails_after_its_time_and_one_that_comes_back_does_not),
        cmocka_unit_test(a_limited_figure_that_does_not_come_is_a_failure),
        cmocka_unit_test(samples_are_kept_as_rows_with_their_spread),
        cmocka_unit_test(nothing_is_lost_by_writing_down_and_reading_back),
        cmocka_unit_test(what_was_kept_of_another_campaign_is_refused),
        cmocka_unit_test(a_unit_that_comes_back_keeps_its_start_and_its_hours),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
