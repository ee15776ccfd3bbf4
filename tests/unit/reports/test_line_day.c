/* The day's figures as runs come, end, and come again. */
#include "tests/unit/reports/store_fixture.h"

#include "reports/dashboard.h"
#include "reports/line_day.h"

static const int64_t day_ms = 1790035200000, hour_ms = 3600000; /* 2026-09-22 00:00 UTC */

struct fixture {
    struct store_fixture *f;
    sqlite3 *db;
    struct line_day *day;
};

static struct fixture fixture_new(void)
{
    struct error err = {0};
    struct fixture x = {.f = store_fixture_new()};
    assert_done(query_open(x.f->path, &x.db, &err), err);
    x.day = line_day_new(day_ms, 0);
    assert_non_null(x.day);
    return x;
}

static void fixture_free(struct fixture *x)
{
    line_day_free(x->day);
    sqlite3_close(x->db);
    store_fixture_free(x->f);
}

static void close_run(struct fixture *x, int64_t run, enum verdict verdict, int64_t at_ms)
{
    struct error err = {0};
    assert_done(store_run_close(x->f->store, run, verdict, "why", at_ms, &err), err);
}

static void run_of(struct fixture *x, const char *serial, enum verdict verdict, int64_t at_ms)
{
    struct error err = {0};
    int64_t run = run_new(x->f, "O-1", serial, at_ms);
    assert_done(step_new(x->f, run, 0, 1, "image", verdict == VERDICT_FAIL ? 0.1 : 0.2, &err), err);
    close_run(x, run, verdict, at_ms + 1000);
}

static double figure(struct fixture *x, const char *name)
{
    struct error err = {0};
    assert_done(line_day_update(x->day, x->db, &err), err);
    cJSON *d = line_day_document(x->day, day_ms + 10 * hour_ms);
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(d, name);
    double number = cJSON_IsArray(value) ? cJSON_GetArraySize(value) : cJSON_GetNumberValue(value);
    cJSON_Delete(d);
    return number;
}

static void test_units_are_counted_once_and_yields_follow_their_runs(void **state)
{
    (void)state;
    struct fixture x = fixture_new();
    assert_true(figure(&x, "unit_count") == 0);
    run_of(&x, "yesterday", VERDICT_FAIL, day_ms - 5000);
    assert_true(figure(&x, "unit_count") == 0);
    run_of(&x, "A", VERDICT_PASS, day_ms + 9 * hour_ms + 600000);
    run_of(&x, "B", VERDICT_FAIL, day_ms + 9 * hour_ms + 600000 + 1);
    run_of(&x, "C", VERDICT_ABORTED, day_ms + 9 * hour_ms + 600000 + 2);
    assert_true(figure(&x, "unit_count") == 2);
    assert_true(figure(&x, "first_pass_yield") == 0.5);
    assert_true(figure(&x, "failures") == 1);
    run_of(&x, "B", VERDICT_PASS, day_ms + 9 * hour_ms + 600000 + 3);
    assert_true(figure(&x, "unit_count") == 2);
    assert_true(figure(&x, "first_pass_yield") == 0.5);
    assert_true(figure(&x, "last_pass_yield") == 1);
    assert_true(figure(&x, "last_failures") == 1);
    assert_true(figure(&x, "last_hour") == 3);
    assert_true(figure(&x, "last_hour") == 3); /* an update that brings nothing counts nothing */
    fixture_free(&x);
}

static void test_a_run_under_way_counts_when_it_ends(void **state)
{
    (void)state;
    struct fixture x = fixture_new();
    int64_t slow = run_new(x.f, "O-1", "A", day_ms + 1000);
    run_of(&x, "B", VERDICT_PASS, day_ms + 2000);
    assert_true(figure(&x, "open") == 1);
    assert_true(figure(&x, "unit_count") == 1);
    run_of(&x, "A", VERDICT_PASS, day_ms + 3000); /* begun later, ended earlier */
    assert_true(figure(&x, "first_pass_yield") == 1);
    close_run(&x, slow, VERDICT_FAIL, day_ms + 5000);
    assert_true(figure(&x, "open") == 0);
    assert_true(figure(&x, "unit_count") == 2);
    assert_true(figure(&x, "first_pass_yield") == 0.5); /* A's first run is the slow one */
    assert_true(figure(&x, "last_pass_yield") == 1);
    fixture_free(&x);
}

/* Many units, in many updates, against the store's own count. */
static void test_a_thousand_updates_are_one_count(void **state)
{
    (void)state;
    struct fixture x = fixture_new();
    struct error err = {0};
    enum { RUNS = 3000 };
    assert_done(store_begin(x.f->store, &err), err);
    for (int i = 0; i < RUNS; i++) {
        char serial[16];
        snprintf(serial, sizeof serial, "S%d", i * 7 % 1999);
        run_of(&x, serial, i % 11 ? VERDICT_PASS : VERDICT_FAIL, day_ms + i * 1000);
        if (i % 100 == 99) {
            assert_done(store_commit(x.f->store, &err), err);
            figure(&x, "unit_count");
            assert_done(store_begin(x.f->store, &err), err);
        }
    }
    assert_done(store_commit(x.f->store, &err), err);
    double units = (double)number_of(x.db, "SELECT count(DISTINCT unit) FROM run");
    double first = (double)number_of(
        x.db, "SELECT sum(verdict=1) FROM run WHERE id IN (SELECT min(id) FROM run GROUP BY unit)");
    double last = (double)number_of(
        x.db, "SELECT sum(verdict=1) FROM run WHERE id IN (SELECT max(id) FROM run GROUP BY unit)");
    assert_true(figure(&x, "unit_count") == units && units == 1999);
    assert_true(figure(&x, "first_pass_yield") == first / units);
    assert_true(figure(&x, "last_pass_yield") == last / units);
    fixture_free(&x);
}

static void test_hostile_names_stay_text_on_the_screen(void **state)
{
    (void)state;
    struct fixture x = fixture_new();
    struct error err = {0};
    struct buffer page = {0};
    static const char hostile[] =
        "</td><script src=//evil></script><img onerror=alert(1) src=x>'\"&";
    int64_t run = run_new(x.f, hostile, hostile, day_ms + 1000);
    assert_done(step_new(x.f, run, 0, 1, hostile, 0.1, &err), err);
    close_run(&x, run, VERDICT_FAIL, day_ms + 2000);
    assert_done(line_day_update(x.day, x.db, &err), err);
    cJSON *d = line_day_document(x.day, day_ms + 3000);
    cJSON *slots = cJSON_AddArrayToObject(d, "slots"), *slot = cJSON_CreateObject();
    cJSON_AddItemToArray(slots, slot);
    cJSON_AddStringToObject(slot, "state", "running");
    cJSON_AddStringToObject(slot, "step", hostile);
    cJSON_AddStringToObject(slot, "serial", hostile);
    assert_done(dashboard_page(d, "zh", &page, &err), err);
    const char *html = buffer_text(&page);
    assert_null(strstr(html, "<img"));
    assert_null(strstr(html, "<script src=//"));
    assert_non_null(strstr(html, "&lt;script src=//evil&gt;"));
    assert_non_null(strstr(html, "\xe4\xbb\x8a\xe6\x97\xa5")); /* today, in Chinese */
    cJSON_Delete(d);
    buffer_free(&page);
    fixture_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units_are_counted_once_and_yields_follow_their_runs),
        cmocka_unit_test(test_a_run_under_way_counts_when_it_ends),
        cmocka_unit_test(test_a_thousand_updates_are_one_count),
        cmocka_unit_test(test_hostile_names_stay_text_on_the_screen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
