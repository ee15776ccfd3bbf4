/* The day's figures as runs come, end, and come again. */
#include "tests/unit/reports/engines_fixture.h"

#include "reports/dashboard.h"
#include "reports/line_day.h"
#include "reports/maintenance.h"

static const int64_t day_ms = 1790035200000, hour_ms = 3600000; /* 2026-09-22 00:00 UTC */

struct fixture {
    struct store_fixture *f;
    struct store *reader;
};

static struct fixture fixture_new(void **state)
{
    struct error err = {0};
    struct fixture x = {.f = engine_fixture(state)};
    assert_done(store_open_reader(x.f->path, &x.reader, &err), err);
    return x;
}

static void fixture_free(struct fixture *x)
{
    store_close(x->reader);
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
    cJSON *d = NULL;
    assert_done(line_day_document(x->reader, day_ms, 0, day_ms + 10 * hour_ms, &d, &err), err);
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(d, name);
    double number = cJSON_IsArray(value) ? cJSON_GetArraySize(value) : cJSON_GetNumberValue(value);
    cJSON_Delete(d);
    return number;
}

static void assert_whole(struct fixture *x)
{
    struct error err = {0};
    cJSON *found = NULL;
    assert_done(maintenance_check(x->f->path, x->f->attachments, &found, &err), err);
    cJSON_Delete(found);
}

static int steps_taken;

static int count_step(void *context)
{
    (void)context;
    steps_taken++;
    return 0;
}

static void test_units_are_counted_once_and_yields_follow_their_runs(void **state)
{
    struct fixture x = fixture_new(state);
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
    assert_true(figure(&x, "last_hour") == 3); /* asking again counts nothing again */
    fixture_free(&x);
}

static void test_a_run_under_way_counts_when_it_ends(void **state)
{
    struct fixture x = fixture_new(state);
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

/* Many units, tested again and again, against the store's own count. */
static void test_what_is_added_up_is_what_the_runs_say(void **state)
{
    struct fixture x = fixture_new(state);
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
    double units = (double)count_of(x.f, "SELECT count(DISTINCT unit) FROM run");
    double first = (double)count_of(x.f, "SELECT count(*) FILTER (WHERE verdict=1) FROM run WHERE "
                                         "id IN (SELECT min(id) FROM run GROUP BY unit)");
    double last = (double)count_of(x.f, "SELECT count(*) FILTER (WHERE verdict=1) FROM run WHERE "
                                        "id IN (SELECT max(id) FROM run GROUP BY unit)");
    assert_true(figure(&x, "unit_count") == units && units == 1999);
    assert_true(figure(&x, "first_pass_yield") == first / units);
    assert_true(figure(&x, "last_pass_yield") == last / units);
    assert_true(figure(&x, "failures") == 1);
    assert_whole(&x);
    fixture_free(&x);
}

/* A run that only knew its label becomes another unit's: so does what came before and after it. */
/* A golden unit that fails, a campaign's and an engineer's are nobody's first-pass yield. */
static void test_the_day_is_production_alone(void **state)
{
    static const char *const modes[] = {"golden", "qa", "engineering", "repair", "gauge"};
    struct fixture x = fixture_new(state);
    struct error err = {0};
    run_of(&x, "SN-1", VERDICT_PASS, day_ms + 1000);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct run_record run = record_of("O-1", "SN-1", day_ms + 10000 + (int64_t)i);
        run.mode = modes[i];
        assert_done(store_run_open(x.f->store, &run, &err), err);
        assert_done(step_new(x.f, run.id, 0, 1, "image", 0.1, &err), err);
        assert_int_equal((int)figure(&x, "open"), 0);
        close_run(&x, run.id, VERDICT_FAIL, day_ms + 11000 + (int64_t)i);
    }
    run_of(&x, "SN-2", VERDICT_FAIL, day_ms + 20000);
    run_of(&x, "SN-1", VERDICT_PASS, day_ms + 30000);
    assert_int_equal((int)figure(&x, "unit_count"), 2);
    assert_int_equal((int)figure(&x, "passed"), 1);
    assert_int_equal((int)figure(&x, "failed"), 1);
    assert_int_equal((int)figure(&x, "last_failures"), 1);
    assert_true(figure(&x, "first_pass_yield") == 0.5);
    assert_whole(&x);
    fixture_free(&x);
}

static void test_runs_that_change_their_unit_are_counted_with_it(void **state)
{
    struct fixture x = fixture_new(state);
    struct error err = {0};
    int64_t at_ms = day_ms + 1000;
    for (int i = 0; i < 3; i++)
        run_of(&x, "LABEL", i ? VERDICT_PASS : VERDICT_FAIL, at_ms + i * 1000);
    assert_true(figure(&x, "unit_count") == 1);
    int64_t other = run_new(x.f, "O-1", "", at_ms + 5000);
    assert_done(store_run_unit(x.f->store, other, "chip-9", "", &err), err);
    close_run(&x, other, VERDICT_PASS, at_ms + 6000);
    assert_true(figure(&x, "unit_count") == 2);
    assert_true(figure(&x, "first_pass_yield") == 0.5);
    other = run_new(x.f, "O-1", "LABEL", at_ms + 7000);
    assert_done(store_run_unit(x.f->store, other, "chip-9", "LABEL", &err), err);
    close_run(&x, other, VERDICT_FAIL, at_ms + 8000);
    double units = (double)count_of(x.f, "SELECT count(DISTINCT unit) FROM run");
    assert_true(figure(&x, "unit_count") == units && units == 1);
    assert_true(figure(&x, "first_pass_yield") == 0);
    assert_true(figure(&x, "last_pass_yield") == 0);
    assert_whole(&x);
    fixture_free(&x);
}

/* Asked of a day, the store reads the day's tallies and not its runs. */
static void test_a_day_is_not_read_run_by_run(void **state)
{
    struct fixture x = fixture_new(state);
    struct error err = {0};
    int steps[2];
    for (int round = 0; round < 2; round++) {
        assert_done(store_begin(x.f->store, &err), err);
        for (int i = 0; i < 2000; i++) {
            char serial[32];
            snprintf(serial, sizeof serial, "S%d-%d", round, i);
            run_of(&x, serial, VERDICT_PASS, day_ms + 5000);
        }
        assert_done(store_commit(x.f->store, &err), err);
        steps_taken = 0;
        sqlite3_progress_handler(store_handle(x.reader), 1, count_step, NULL);
        assert_true(figure(&x, "unit_count") == 2000 * (round + 1));
        sqlite3_progress_handler(store_handle(x.reader), 0, NULL, NULL);
        steps[round] = steps_taken;
    }
    assert_in_range(steps[1], 1, steps[0] + 200);
    fixture_free(&x);
}

static void test_hostile_names_stay_text_on_the_screen(void **state)
{
    struct fixture x = fixture_new(state);
    struct error err = {0};
    struct buffer page = {0};
    static const char hostile[] =
        "</td><script src=//evil></script><img onerror=alert(1) src=x>'\"&";
    int64_t run = run_new(x.f, hostile, hostile, day_ms + 1000);
    assert_done(step_new(x.f, run, 0, 1, hostile, 0.1, &err), err);
    close_run(&x, run, VERDICT_FAIL, day_ms + 2000);
    cJSON *d = NULL;
    assert_done(line_day_document(x.reader, day_ms, 0, day_ms + 3000, &d, &err), err);
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
        ON_BOTH(test_units_are_counted_once_and_yields_follow_their_runs),
        ON_BOTH(test_a_run_under_way_counts_when_it_ends),
        ON_BOTH(test_what_is_added_up_is_what_the_runs_say),
        ON_BOTH(test_the_day_is_production_alone),
        ON_BOTH(test_runs_that_change_their_unit_are_counted_with_it),
        {"test_a_day_is_not_read_run_by_run (sqlite)", test_a_day_is_not_read_run_by_run, NULL,
         NULL, "sqlite"},
        ON_BOTH(test_hostile_names_stay_text_on_the_screen),
    };
    return cmocka_run_group_tests(tests, engines_up, engines_down);
}
