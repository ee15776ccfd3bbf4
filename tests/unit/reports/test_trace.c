/* Traceability, on both engines: from a unit to what touched it, from a batch to its units. */
#include "tests/unit/reports/engines_fixture.h"

#include "protocol/base/json.h"
#include "reports/trace.h"

/* Units 1 to 9: odd ones by li, even ones by wang; a second power supply from unit 6 on; limits
 * changed at unit 4. */
static void fill(struct store_fixture *f)
{
    struct error err = {0};
    for (int n = 1; n <= 9; n++) {
        char serial[24], chip[24];
        const struct instrument_record set[] = {{"power_supply", "psu", n < 6 ? "PS-1" : "PS-2",
                                                 n < 6 ? "C-1" : "C-2", "2026-01-05", "2027-01-05"},
                                                {"light", "box", "", "", "", ""}};
        snprintf(serial, sizeof serial, "SN%d", n);
        snprintf(chip, sizeof chip, "chip-%d", n);
        struct run_record run = record_of(n < 8 ? "O-1" : "O-2", serial, 1000 * n);
        run.product = "ptz";
        run.plan = "line";
        run.limits_sha256 = n < 4 ? PLAN_SHA256 : "";
        run.program_version = "1.2";
        run.station = "b";
        run.operator_name = n % 2 ? "li" : "wang";
        run.instruments = set;
        run.instrument_count = 2;
        assert_done(store_run_open(f->store, &run, &err), err);
        assert_done(store_run_unit(f->store, run.id, chip, serial, &err), err);
        assert_done(store_run_close(f->store, run.id, n == 5 ? VERDICT_FAIL : VERDICT_PASS, "",
                                    1000 * n + 500, &err),
                    err);
    }
}

static void check_batch(struct store *reader, const char *kind, const char *name, int64_t from,
                        int64_t to, const char *serials)
{
    struct error err = {0};
    struct trace_batch *batch = NULL;
    cJSON *units = NULL;
    char got[200] = "";
    assert_done(trace_batch_open(reader, kind, name, from, to, &batch, &err), err);
    /* Two pages: what the first leaves out the second begins with. */
    for (int page = 0; page < 2; page++) {
        const cJSON *unit;
        assert_done(trace_batch_page(batch, page ? 2 : 0, page ? 100 : 2, &units, &err), err);
        cJSON_ArrayForEach(unit, units)
        {
            strcat(got, json_string(unit, "serial", "?") + 2);
            strcat(got, " ");
        }
        cJSON_Delete(units);
    }
    assert_string_equal(got, serials);
    assert_done(trace_batch_page(batch, trace_batch_count(batch), 5, &units, &err), err);
    assert_int_equal(cJSON_GetArraySize(units), 0);
    cJSON_Delete(units);
    trace_batch_close(batch);
}

static void test_a_bad_batch_leads_to_its_units(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    struct store *reader = NULL;
    struct trace_batch *none = NULL;
    fill(f);
    struct defect_record d = {.unit = "chip-7", .code = "cold-joint", .operator_name = "zhao"};
    assert_done(store_defect(f->store, &d, &err), err);
    struct repair_record r = {
        .defect = d.id, .action = "replaced", .part = "lens L4", .operator_name = "zhao"};
    assert_done(store_repair(f->store, &r, &err), err);
    assert_done(store_open_reader(f->path, &reader, &err), err);
    const int64_t never = 0, always = INT64_MAX;
    check_batch(reader, "operator", "wang", never, always, "2 4 6 8 ");
    check_batch(reader, "instrument", "PS-2", never, always, "6 7 8 9 ");
    check_batch(reader, "instrument", "psu", 3000, 7000, "3 4 5 6 ");
    check_batch(reader, "calibration", "C-1", never, always, "1 2 3 4 5 ");
    check_batch(reader, "limits", PLAN_SHA256, never, always, "1 2 3 ");
    check_batch(reader, "plan", "line", never, 2000, "1 ");
    check_batch(reader, "program", "1.2", 9000, always, "9 ");
    check_batch(reader, "order", "O-2", never, always, "8 9 ");
    check_batch(reader, "station", "b", never, 1000, "");
    check_batch(reader, "product", "ptz", 8000, always, "8 9 ");
    check_batch(reader, "defect", "cold-joint", never, always, "7 ");
    check_batch(reader, "part", "lens L4", never, always, "7 ");
    check_batch(reader, "operator", "' OR '1'='1", never, always, "");
    assert_int_equal(trace_batch_open(reader, "weather", "rain", never, always, &none, &err),
                     ERROR_INPUT);
    store_close(reader);
    store_fixture_free(f);
}

/* Units that came once to three times, one among the other, and runs that never learnt theirs. */
static void test_a_large_batch_is_counted_and_listed_as_the_rows_say(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    struct store *reader = NULL;
    struct trace_batch *batch = NULL;
    cJSON *units = NULL;
    const cJSON *row;
    int64_t runs = 0, last_ms = 0;
    assert_done(store_begin(f->store, &err), err);
    for (int i = 0; i < 3000; i++) {
        char serial[24];
        snprintf(serial, sizeof serial, "SN%d", i * 7 % 1300);
        run_new(f, "O-1", i % 100 ? serial : "", 1000 + i);
    }
    assert_done(store_commit(f->store, &err), err);
    assert_done(store_open_reader(f->path, &reader, &err), err);
    assert_done(trace_batch_open(reader, "order", "O-1", INT64_MIN, INT64_MAX, &batch, &err), err);
    assert_int_equal(trace_batch_count(batch),
                     count_of(f, "SELECT count(DISTINCT coalesce(unit, -id)) FROM run"));
    assert_done(trace_batch_page(batch, 0, 5000, &units, &err), err);
    assert_int_equal(cJSON_GetArraySize(units), trace_batch_count(batch));
    cJSON_ArrayForEach(row, units)
    {
        assert_true(json_number(row, "last_ms", 0) > (double)last_ms);
        assert_true(json_number(row, "first_ms", 0) <= json_number(row, "last_ms", 0));
        last_ms = (int64_t)json_number(row, "last_ms", 0);
        runs += (int64_t)json_number(row, "runs", 0);
    }
    assert_int_equal(runs, 3000);
    cJSON_Delete(units);
    trace_batch_close(batch);
    store_close(reader);
    store_fixture_free(f);
}

static const cJSON *member(const cJSON *document, const char *list, int index)
{
    return cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(document, list), index);
}

static void test_a_unit_leads_to_all_that_touched_it(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    struct store *reader = NULL;
    cJSON *t = NULL;
    fill(f);
    assert_done(store_open_reader(f->path, &reader, &err), err);
    assert_done(trace_unit(reader, "SN6", &t, &err), err);
    assert_string_equal(json_string(member(t, "units", 0), "chip_id", ""), "chip-6");
    assert_string_equal(json_string(member(t, "operators", 0), "name", ""), "wang");
    assert_string_equal(json_string(member(t, "plans", 0), "sha256", ""), PLAN_SHA256);
    assert_string_equal(json_string(member(t, "limits", 0), "sha256", "x"), "");
    assert_string_equal(json_string(member(t, "programs", 0), "version", ""), "1.2");
    assert_string_equal(json_string(member(t, "stations", 0), "line", ""), "box");
    assert_string_equal(json_string(member(t, "instruments", 1), "serial", ""), "PS-2");
    assert_string_equal(json_string(member(t, "instruments", 1), "certificate", ""), "C-2");
    assert_string_equal(json_string(member(t, "instruments", 0), "name", ""), "box");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(t, "instruments")), 2);
    cJSON_Delete(t);
    assert_int_equal(trace_unit(reader, "SN60", &t, &err), ERROR_MISSING);
    store_close(reader);
    store_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(test_a_bad_batch_leads_to_its_units),
        ON_BOTH(test_a_large_batch_is_counted_and_listed_as_the_rows_say),
        ON_BOTH(test_a_unit_leads_to_all_that_touched_it),
    };
    return cmocka_run_group_tests(tests, engines_up, engines_down);
}
