/* Campaigns in the store, on both engines: what must never change, what stands where it is. */
#include "tests/unit/reports/engines_fixture.h"

#include <math.h>

#include "reports/campaign.h"
#include "reports/campaign_summary.h"

static int64_t open_campaign(struct store_fixture *f)
{
    struct error err = {0};
    struct campaign_record c = {.name = "hot",
                                .file = "{ \"campaign\": \"hot\" }",
                                .sha256 = PLAN_SHA256,
                                .plan = "cam/aging",
                                .plan_sha256 = PLAN_SHA256,
                                .limits_sha256 = PLAN_SHA256,
                                .lot = "L-7",
                                .operator_name = "anna",
                                .station = "qa1",
                                .program_version = "1",
                                .clock = "system",
                                .seed = 7,
                                .started_ms = 1000,
                                .confidence = 0.9,
                                .activation_ev = NAN,
                                .use_c = NAN};
    assert_done(store_campaign_open(f->store, &c, &err), err);
    assert_true(c.id > 0);
    return c.id;
}

static void put_unit(struct store_fixture *f, int64_t campaign, int number, const char *state)
{
    struct error err = {0};
    const struct campaign_unit_record u = {.number = number,
                                           .place = "slot 1",
                                           .port = "tcp://10.0.0.1:1",
                                           .chip_id = "ab",
                                           .serial = "S1",
                                           .state = state,
                                           .cause = "",
                                           .cause_figure = -1,
                                           .joined_ms = 5,
                                           .watched_ms = 60000,
                                           .watch = "{\"state\":1}"};
    assert_done(store_campaign_unit(f->store, campaign, &u, &err), err);
}

static void a_station_conducts_one_campaign_at_a_time(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    int64_t first = open_campaign(f);
    struct campaign_record second = {.name = "cold",
                                     .file = "{}",
                                     .sha256 = PLAN_SHA256,
                                     .plan = "cam/aging",
                                     .plan_sha256 = PLAN_SHA256,
                                     .limits_sha256 = PLAN_SHA256,
                                     .lot = "",
                                     .operator_name = "",
                                     .station = "",
                                     .program_version = "",
                                     .clock = "",
                                     .confidence = 0.9,
                                     .activation_ev = 0.7,
                                     .use_c = 25};
    assert_int_equal(store_campaign_open(f->store, &second, &err), ERROR_STATE);
    assert_done(store_campaign_progress(f->store, first, "held", "door open", 1, 2, "", &err), err);
    assert_int_equal(store_campaign_open(f->store, &second, &err), ERROR_STATE);
    assert_done(store_campaign_progress(f->store, first, "stopped", "", 1, 2, "", &err), err);
    assert_done(store_campaign_open(f->store, &second, &err), err);
    /* One that ended is never gone on with. */
    assert_int_equal(store_campaign_progress(f->store, first, "running", "", 1, 2, "", &err),
                     ERROR_STATE);
    assert_int_equal(store_campaign_progress(f->store, 77, "running", "", 1, 2, "", &err),
                     ERROR_STATE);
    assert_int_equal(count_of(f, "SELECT count(*) FROM campaign WHERE use_c IS NULL"), 1);
    store_fixture_free(f);
}

static void a_units_row_is_where_it_stands_and_events_stay(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    int64_t id = open_campaign(f);
    put_unit(f, id, 1, "watched");
    put_unit(f, id, 2, "watched");
    put_unit(f, id, 1, "failed");
    assert_int_equal(count_of(f, "SELECT count(*) FROM campaign_unit"), 2);
    assert_int_equal(count_of(f, "SELECT count(*) FROM campaign_unit WHERE state='failed'"), 1);
    for (int n = 0; n < 3; n++) {
        const struct campaign_event_record e = {n, n, 1000 + n, "failed", "it's \"so\""};
        assert_done(store_campaign_event(f->store, id, &e, &err), err);
    }
    assert_int_equal(count_of(f, "SELECT max(n) FROM campaign_event"), 3);
    const struct campaign_row_record r = {1, 0, 0, 60, 1, 3, 2, 0.5};
    assert_done(store_campaign_row(f->store, id, &r, &err), err);
    assert_int_equal(store_campaign_row(f->store, id, &r, &err), ERROR_STATE);
    store_fixture_free(f);
}

/* A transaction that is not committed leaves the campaign where it was. */
static void what_was_not_committed_is_not_there(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    int64_t id = open_campaign(f);
    put_unit(f, id, 1, "watched");
    assert_done(store_begin(f->store, &err), err);
    put_unit(f, id, 1, "failed");
    const struct campaign_row_record r = {1, 0, 0, 60, 1, 3, 2, 0.5};
    assert_done(store_campaign_row(f->store, id, &r, &err), err);
    assert_done(store_campaign_progress(f->store, id, "finished", "", 9, 9, "", &err), err);
    store_rollback(f->store);
    assert_int_equal(count_of(f, "SELECT count(*) FROM campaign_row"), 0);
    assert_int_equal(count_of(f, "SELECT count(*) FROM campaign_unit WHERE state='watched'"), 1);
    assert_int_equal(count_of(f, "SELECT count(*) FROM campaign WHERE state='running'"), 1);
    store_fixture_free(f);
}

static void what_is_read_is_what_was_written(void **state)
{
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    cJSON *read = NULL;
    struct store *db = f->store;
    assert_done(campaign_current(db, true, true, &read, &err), err);
    assert_null(read);
    assert_int_equal(campaign_whole(db, 0, &read, &err), ERROR_MISSING);

    int64_t id = open_campaign(f);
    const struct campaign_figure_record figure = {
        0, "health.rss_bytes", "B", NAN, NAN, NAN, 25, NAN, NAN};
    const struct instrument_record oven = {"chamber",    "oven",       "CH-9",
                                           "C-2026-114", "2026-01-05", "2027-01-05"};
    assert_done(store_campaign_figure(f->store, id, &figure, &err), err);
    assert_done(store_campaign_instrument(f->store, id, &oven, &err), err);
    put_unit(f, id, 1, "watched");
    const struct campaign_row_record row = {1, 0, 3600000, 60, 1, 3, 2, 0.5};
    assert_done(store_campaign_row(f->store, id, &row, &err), err);
    assert_done(store_campaign_progress(f->store, id, "running", "", 4000, 5000, "[1]", &err), err);

    assert_done(campaign_current(db, false, true, &read, &err), err);
    assert_string_equal(cJSON_GetObjectItem(read, "file")->valuestring,
                        "{ \"campaign\": \"hot\" }");
    assert_int_equal(cJSON_GetObjectItem(read, "elapsed_ms")->valuedouble, 4000);
    const cJSON *unit = cJSON_GetObjectItem(read, "units")->child;
    assert_string_equal(cJSON_GetObjectItem(unit, "watch")->valuestring, "{\"state\":1}");
    cJSON_Delete(read);

    assert_done(campaign_whole(db, id, &read, &err), err);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(read, "rows")), 1);
    assert_true(
        cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(read, "figures")->child, "low")));
    assert_string_equal(
        cJSON_GetObjectItem(cJSON_GetObjectItem(read, "instruments")->child, "certificate")
            ->valuestring,
        "C-2026-114");
    cJSON_Delete(read);
    assert_done(campaign_unit(db, 1, &read, &err), err);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(read, "rows")), 1);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(read, "figures")), 1);
    assert_string_equal(
        cJSON_GetObjectItem(cJSON_GetObjectItem(read, "unit"), "chip_id")->valuestring, "ab");
    cJSON_Delete(read);
    assert_int_equal(campaign_unit(db, 2, &read, &err), ERROR_MISSING);
    assert_done(campaign_list(db, &read, &err), err);
    assert_int_equal(cJSON_GetArraySize(read), 1);
    cJSON_Delete(read);
    store_fixture_free(f);
}

static void a_campaign_is_a_document_by_its_number(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    cJSON *c = NULL;
    char number[24];
    static const char *const none[] = {"", "0", "-1", "1x", "hot"};
    const int64_t id = open_campaign(f);
    put_unit(f, id, 1, "failed");
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(campaign_document(f->store, none[i], &c, &err), ERROR_INPUT);
    assert_int_equal(campaign_document(f->store, "99999", &c, &err), ERROR_MISSING);
    assert_null(c);
    snprintf(number, sizeof number, "%lld", (long long)id);
    assert_done(campaign_document(f->store, number, &c, &err), err);
    assert_string_equal(cJSON_GetObjectItem(c, "document")->valuestring, "campaign");
    assert_int_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(c, "summary"), "failures")->valueint,
                     1);
    cJSON_Delete(c);
    store_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_station_conducts_one_campaign_at_a_time),
        ON_BOTH(a_units_row_is_where_it_stands_and_events_stay),
        ON_BOTH(what_was_not_committed_is_not_there),
        ON_BOTH(a_campaign_is_a_document_by_its_number),
        cmocka_unit_test(what_is_read_is_what_was_written),
    };
    return cmocka_run_group_tests(tests, engines_up, engines_down);
}
