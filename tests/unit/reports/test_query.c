/* Documents: what was committed, as readers and renderers get it. */
#include "tests/unit/reports/engines_fixture.h"

#include "reports/render.h"

static struct store *reader_new(struct store_fixture *f)
{
    struct error err = {0};
    struct store *reader = NULL;
    assert_done(store_open_reader(f->path, &reader, &err), err);
    return reader;
}

static const cJSON *at(const cJSON *object, const char *path)
{
    char name[64];
    const cJSON *here = object;
    while (*path && here) {
        size_t n = strcspn(path, "/");
        snprintf(name, sizeof name, "%.*s", (int)n, path);
        here = cJSON_IsArray(here) ? cJSON_GetArrayItem(here, atoi(name))
                                   : cJSON_GetObjectItemCaseSensitive(here, name);
        path += n + (path[n] == '/');
    }
    if (!here)
        fail_msg("no %s in the document", path);
    return here;
}

static void assert_text(const cJSON *document, const char *path, const char *expected)
{
    const cJSON *value = at(document, path);
    assert_true(cJSON_IsString(value));
    assert_string_equal(value->valuestring, expected);
}

static void assert_number(const cJSON *document, const char *path, double expected)
{
    const cJSON *value = at(document, path);
    if (!cJSON_IsNumber(value) || value->valuedouble != expected)
        fail_msg("%s is %g, expected %g", path, cJSON_GetNumberValue(value), expected);
}

static void test_a_reader_cannot_write(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    run_new(f, "O-1", "SN1", 1000);
    struct store *reader = reader_new(f);
    static const char *const writes[] = {
        "INSERT INTO site(name) VALUES ('x')",
        "UPDATE run SET slot=9",
        "CREATE TABLE x(y)",
        "PRAGMA user_version=9",
        "PRAGMA query_only=OFF; INSERT INTO site(name) VALUES ('x')",
    };
    for (size_t k = 0; k < sizeof writes / sizeof writes[0]; k++)
        if (sqlite3_exec(store_handle(reader), writes[k], NULL, NULL, NULL) == SQLITE_OK)
            fail_msg("was allowed: %s", writes[k]);
    assert_int_equal(number_of(store_handle(reader), "SELECT count(*) FROM site"), 1);
    store_close(reader);
    assert_int_equal(store_open_reader("/nowhere/store.db", &reader, &err), ERROR_MISSING);
    store_fixture_free(f);
}

static void test_a_reader_sees_only_what_is_committed(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    cJSON *d = NULL;
    struct store *reader = reader_new(f);
    assert_done(store_begin(f->store, &err), err);
    run_new(f, "O-1", "SN1", 1000);
    assert_int_equal(query_unit(reader, "SN1", &d, &err), ERROR_MISSING);
    assert_int_equal(query_order(reader, "O-1", &d, &err), ERROR_MISSING);
    assert_done(store_commit(f->store, &err), err);
    assert_done(query_unit(reader, "SN1", &d, &err), err);
    cJSON_Delete(d);
    store_close(reader);
    store_fixture_free(f);
}

static void test_a_unit_has_every_attempt_with_its_limits(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    cJSON *d = NULL;
    run_new(f, "O-1", "SN1", 1000);
    int64_t run = run_new(f, "O-1", "SN1", 1790000000123);
    assert_done(store_run_unit(f->store, run, "chip-1", "", &err), err);
    assert_done(step_new(f, run, 0, 1, "image", 0.125, &err), err);
    assert_done(step_new(f, run, 0, 2, "image", 0.25, &err), err);
    assert_done(step_new(f, run, 1, 1, "ir", 0.5, &err), err);
    struct store *reader = reader_new(f);
    assert_done(query_unit(reader, "chip-1", &d, &err), err);
    assert_text(d, "document", "unit");
    assert_text(d, "serial", "SN1");
    assert_text(d, "chip_id", "chip-1");
    assert_int_equal(cJSON_GetArraySize(at(d, "runs")), 2);
    assert_number(d, "runs/0/run", (double)run);
    assert_text(d, "runs/0/started", "2026-09-21T14:13:20.123Z");
    assert_text(d, "runs/0/plan_sha256", PLAN_SHA256);
    assert_text(d, "runs/0/verdict", "");
    assert_text(d, "runs/0/steps/0/id", "image");
    assert_text(d, "runs/0/steps/0/verdict", "pass");
    assert_int_equal(cJSON_GetArraySize(at(d, "runs/0/steps/0/attempts")), 2);
    assert_text(d, "runs/0/steps/0/attempts/0/verdict", "fail");
    assert_number(d, "runs/0/steps/0/attempts/0/measurements/0/value", 0.125);
    assert_number(d, "runs/0/steps/0/attempts/0/measurements/0/low", 0.14);
    assert_true(cJSON_IsNull(at(d, "runs/0/steps/0/attempts/0/measurements/0/high")));
    assert_text(d, "runs/0/steps/0/attempts/0/measurements/0/unit", "cycles/px");
    assert_text(d, "runs/0/steps/1/attempts/0/notes/0/text", "1.0.2");
    cJSON_Delete(d);
    assert_done(query_step(reader, run, "image", &d, &err), err);
    assert_number(d, "mtf50_centre", 0.25);
    assert_text(d, "firmware", "1.0.2");
    cJSON_Delete(d);
    assert_int_equal(query_step(reader, run, "ptz", &d, &err), ERROR_MISSING);
    assert_done(query_run(reader, run, &d, &err), err);
    assert_text(d, "steps/1/id", "ir");
    cJSON_Delete(d);
    assert_int_equal(query_run(reader, 4711, &d, &err), ERROR_MISSING);
    assert_int_equal(query_unit(reader, "nobody", &d, &err), ERROR_MISSING);
    assert_int_equal(query_unit(reader, "", &d, &err), ERROR_MISSING);
    store_close(reader);
    store_fixture_free(f);
}

static void finished_run(struct store_fixture *f, const char *serial, enum verdict verdict,
                         int64_t wall_ms)
{
    struct error err = {0};
    int64_t run = run_new(f, "O-7", serial, wall_ms);
    char chip[32];
    snprintf(chip, sizeof chip, "chip-of-%s", serial);
    assert_done(store_run_unit(f->store, run, chip, "", &err), err);
    assert_done(step_new(f, run, 0, 1, "image", verdict == VERDICT_FAIL ? 0.1 : 0.2, &err), err);
    if (verdict != VERDICT_NONE)
        assert_done(store_run_close(f->store, run, verdict, "", wall_ms + 500, &err), err);
}

/* By hand: A pass; B fail then pass; C fail, fail; D aborted then pass; E aborted only; F open.
 * Judged: A B C D. First pass: A, D = 2/4. Last pass: A, B, D = 3/4. image fails in 3 runs. */
static void test_yields_and_failures_are_counted_as_by_hand(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    cJSON *d = NULL;
    finished_run(f, "A", VERDICT_PASS, 1000);
    finished_run(f, "B", VERDICT_FAIL, 2000);
    finished_run(f, "B", VERDICT_PASS, 3000);
    finished_run(f, "C", VERDICT_FAIL, 4000);
    finished_run(f, "C", VERDICT_FAIL, 5000);
    finished_run(f, "D", VERDICT_ABORTED, 6000);
    finished_run(f, "D", VERDICT_PASS, 7000);
    finished_run(f, "E", VERDICT_ABORTED, 8000);
    finished_run(f, "F", VERDICT_NONE, 9000);
    run_new(f, "O-8", "G", 9500);
    struct store *reader = reader_new(f);
    assert_done(query_order(reader, "O-7", &d, &err), err);
    assert_text(d, "product", "ptz-indoor-3mp");
    assert_number(d, "unit_count", 6);
    assert_number(d, "run_count", 9);
    assert_number(d, "judged", 4);
    assert_number(d, "passed", 3);
    assert_number(d, "failed", 1);
    assert_number(d, "open", 1);
    assert_number(d, "first_pass_yield", 0.5);
    assert_number(d, "last_pass_yield", 0.75);
    assert_int_equal(cJSON_GetArraySize(at(d, "failures")), 1);
    assert_text(d, "failures/0/step", "image");
    assert_text(d, "failures/0/measurement", "mtf50_centre");
    assert_number(d, "failures/0/count", 3);
    assert_text(d, "units/2/serial", "C");
    assert_number(d, "units/2/failures/0/value", 0.1);
    assert_number(d, "units/2/failures/0/low", 0.14);
    cJSON_Delete(d);
    assert_done(query_station(reader, "bench", &d, &err), err);
    assert_text(d, "document", "station");
    assert_text(d, "line", "box");
    assert_number(d, "unit_count", 7);
    cJSON_Delete(d);
    assert_int_equal(query_station(reader, "other", &d, &err), ERROR_MISSING);
    store_close(reader);
    store_fixture_free(f);
}

static int no_picture(void *context, const char *sha256, struct buffer *out, struct error *err)
{
    return store_attachment_read(context, sha256, out, err);
}

static char *render_as(const char *format, const cJSON *d, struct store_fixture *f,
                       const char *language)
{
    struct error err = {0};
    struct buffer b = {0};
    const struct render_options options = {
        .language = language, .attachment = no_picture, .context = f->attachments};
    const struct renderer *r = renderer_find(format);
    assert_non_null(r);
    assert_done(r->render(d, &options, &b, &err), err);
    char *text = strdup(buffer_text(&b));
    buffer_free(&b);
    return text;
}

#define HOSTILE "<script>alert('x')</script>&\"=cmd|'/C calc'!A0\xff"

/* A file of bytes that begins, and ends but for a line's end, as its kind does. */
static void assert_file(const char *kind, const cJSON *d, struct store_fixture *f,
                        const char *begins, const char *ends)
{
    struct error err = {0};
    struct buffer out = {0};
    const struct render_options options = {
        .language = "zh", .attachment = no_picture, .context = f->attachments};
    assert_done(renderer_find(kind)->render(d, &options, &out, &err), err);
    assert_true(out.size > 500);
    assert_memory_equal(out.data, begins, strlen(begins));
    if (ends)
        assert_memory_equal(out.data + out.size - strlen(ends) - 1, ends, strlen(ends));
    buffer_free(&out);
}

static void test_hostile_text_stays_text_in_every_rendering(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    int64_t run = run_new(f, HOSTILE, HOSTILE, 1000);
    const struct measurement_record m = {
        .name = HOSTILE, .unit = HOSTILE, .value = 1, .has_high = true, .verdict = VERDICT_FAIL};
    const struct note_record n = {.name = HOSTILE, .text = HOSTILE};
    char sha256[65];
    assert_done(store_attachment_write(f->attachments, "PNG", 3, sha256, &err), err);
    const struct attachment_record a[] = {
        {.name = HOSTILE, .mime = "image/png", .sha256 = sha256, .bytes = 3},
        {.name = HOSTILE, .mime = HOSTILE, .sha256 = sha256, .bytes = 3},
        {.name = "gone", .mime = "image/jpeg", .sha256 = PLAN_SHA256, .bytes = 3},
    };
    const struct step_record step = {.run = run,
                                     .attempt = 1,
                                     .id = HOSTILE,
                                     .kind = HOSTILE,
                                     .verdict = VERDICT_FAIL,
                                     .message = HOSTILE,
                                     .measurements = &m,
                                     .measurement_count = 1,
                                     .notes = &n,
                                     .note_count = 1,
                                     .attachments = a,
                                     .attachment_count = 3};
    assert_done(store_step(f->store, &step, &err), err);
    assert_done(store_run_close(f->store, run, VERDICT_FAIL, HOSTILE, 2000, &err), err);
    struct store *reader = reader_new(f);
    cJSON *unit = NULL, *order = NULL;
    assert_done(query_unit(reader, HOSTILE, &unit, &err), err);
    assert_done(query_order(reader, HOSTILE, &order, &err), err);
    const cJSON *documents[] = {unit, order};
    for (int k = 0; k < 2; k++) {
        char *html = render_as("html", documents[k], f, "en");
        assert_null(strstr(html, "<script"));
        assert_null(strstr(html, "alert('x')"));
        assert_non_null(strstr(html, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;"));
        assert_null(strchr(html, '\xff'));
        free(html);
        char *json = render_as("json", documents[k], f, "en");
        cJSON *parsed = cJSON_Parse(json);
        assert_non_null(parsed);
        assert_null(strchr(json, '\xff'));
        cJSON_Delete(parsed);
        free(json);
        assert_file("pdf", documents[k], f, "%PDF-", "%%EOF");
        assert_file("xlsx", documents[k], f, "PK\3\4", NULL);
    }
    /* The picture is inside the page, and one that is gone is said to be. */
    char *html = render_as("html", unit, f, "en");
    assert_non_null(strstr(html, "src=\"data:image/png;base64,UE5H\"")); /* RFC 4648 of "PNG" */
    assert_non_null(strstr(html, "cannot open"));
    free(html);
    cJSON_Delete(unit);
    cJSON_Delete(order);
    store_close(reader);
    store_fixture_free(f);
}

static void test_a_formula_in_a_table_is_text_for_a_spreadsheet(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    finished_run(f, "=1+1", VERDICT_PASS, 1000);
    finished_run(f, "plain,\"quoted\"", VERDICT_PASS, 1001);
    /* The full width of =, which a spreadsheet of an East Asian language takes for it. */
    finished_run(f,
                 "\xef\xbc\x9d"
                 "1",
                 VERDICT_PASS, 1002);
    finished_run(f, "\t=1", VERDICT_PASS, 1003);
    struct store *reader = reader_new(f);
    cJSON *d = NULL;
    assert_done(query_order(reader, "O-7", &d, &err), err);
    char *csv = render_as("csv", d, f, "en");
    assert_non_null(strstr(csv, "\r\n\"'=1+1\",chip-of-=1+1,1,pass,"));
    assert_non_null(strstr(csv, "\r\n\"'\xef\xbc\x9d"
                                "1\","));
    assert_non_null(strstr(csv, "\r\n\"'\t=1\","));
    assert_non_null(strstr(csv, "\r\n\"plain,\"\"quoted\"\"\","));
    free(csv);
    cJSON_Delete(d);
    store_close(reader);
    store_fixture_free(f);
}

static void test_every_language_has_every_word(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    finished_run(f, "A", VERDICT_FAIL, 1000);
    struct store *reader = reader_new(f);
    cJSON *d = NULL;
    assert_done(query_unit(reader, "A", &d, &err), err);
    char *english = render_as("html", d, f, "en"), *chinese = render_as("html", d, f, "zh");
    assert_non_null(strstr(english, ">FAIL</span>"));
    assert_non_null(strstr(english, "What failed"));
    assert_non_null(strstr(chinese, "<html lang=\"zh\">"));
    assert_non_null(strstr(chinese, ">\xe4\xb8\x8d\xe5\x90\x88\xe6\xa0\xbc</span>"));
    assert_null(strstr(chinese, "What failed"));
    assert_null(strstr(chinese, "(null)"));
    free(english);
    free(chinese);
    cJSON_Delete(d);
    store_close(reader);
    store_fixture_free(f);
}

/* Forty units: values 0.20 and 0.22 in turn, three below 0.14. By hand: mean (17 * 0.20 + 20 * 0.22
 * + 3 * 0.10) / 40. */
static void forty_units(struct store_fixture *f)
{
    struct error err = {0};
    for (int i = 0; i < 40; i++) {
        char serial[16];
        bool bad = i % 16 == 4; /* 4, 20, 36 */
        snprintf(serial, sizeof serial, "N%02d", i);
        int64_t run = run_new(f, "O-9", serial, 3600000 + i * 120000);
        assert_done(step_new(f, run, 0, 1, "image", bad ? 0.10 : i % 2 ? 0.22 : 0.20, &err), err);
        if (bad) /* passes when the step is tried again */
            assert_done(step_new(f, run, 0, 2, "image", 0.21, &err), err);
        assert_done(step_new(f, run, 1, 1, "ir", i == 7 ? 0.1 : 0.2, &err), err);
        assert_done(store_run_close(f->store, run, i == 7 ? VERDICT_FAIL : VERDICT_PASS, "",
                                    3600000 + i * 120000 + 60000, &err),
                    err);
    }
}

static void assert_about(const cJSON *document, const char *path, double expected)
{
    double value = cJSON_GetNumberValue(at(document, path));
    if (!(value > expected - 1e-9 && value < expected + 1e-9))
        fail_msg("%s is %.12g, expected %.12g", path, value, expected);
}

static void test_an_order_has_yields_and_capability_as_by_hand(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    forty_units(f);
    struct store *reader = reader_new(f);
    cJSON *d = NULL;
    assert_done(query_order(reader, "O-9", &d, &err), err);
    assert_text(d, "steps/0/step", "image");
    assert_about(d, "steps/0/first_pass_yield", 37.0 / 40);
    assert_about(d, "steps/0/last_pass_yield", 1);
    assert_about(d, "steps/1/first_pass_yield", 39.0 / 40);
    assert_about(d, "rolled_throughput_yield", 37.0 / 40 * 39 / 40);
    assert_about(d, "first_pass_yield", 39.0 / 40);
    assert_number(d, "failures/0/count", 1);
    assert_about(d, "failures/0/cumulative", 1);
    assert_text(d, "figures/0/step", "image");
    assert_text(d, "figures/0/measurement", "mtf50_centre");
    assert_number(d, "figures/0/n", 40);
    assert_number(d, "figures/0/failed", 3);
    assert_about(d, "figures/0/mean", (17 * 0.20 + 20 * 0.22 + 3 * 0.10) / 40);
    assert_true(cJSON_IsNull(at(d, "figures/0/cp"))); /* one limit alone */
    double mean = cJSON_GetNumberValue(at(d, "figures/0/mean"));
    double sd = cJSON_GetNumberValue(at(d, "figures/0/sd"));
    assert_about(d, "figures/0/ppk", (mean - 0.14) / (3 * sd));
    assert_int_equal(cJSON_GetArraySize(at(d, "figures/0/chart/values")), 40);
    assert_number(d, "figures/0/chart/violations/0/point", 5); /* rule 1: the first bad unit */
    assert_number(d, "throughput/bucket_ms", 3600000);
    assert_number(d, "throughput/buckets/0/runs", 30);
    assert_number(d, "throughput/buckets/1/runs", 10);
    assert_number(d, "drift_rule/comparisons", 0); /* one slot has no others */
    cJSON_Delete(d);
    /* The second hour alone. */
    assert_done(query_shift(reader, "bench", 7200000, 10800000, &d, &err), err);
    assert_text(d, "document", "shift");
    assert_number(d, "unit_count", 10);
    assert_number(d, "figures/0/n", 10);
    assert_text(d, "from", "1970-01-01T02:00:00.000Z");
    cJSON_Delete(d);
    assert_done(query_shift(reader, "bench", 0, 10, &d, &err), err);
    assert_number(d, "unit_count", 0);
    assert_true(cJSON_IsNull(at(d, "rolled_throughput_yield")));
    cJSON_Delete(d);
    store_close(reader);
    store_fixture_free(f);
}

static void test_a_second_run_is_no_first_measurement(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    forty_units(f);
    for (int i = 0; i < 10; i++) { /* the same unit, over and over */
        int64_t run = run_new(f, "O-9", "N07", 9000000 + i);
        assert_done(step_new(f, run, 0, 1, "image", 0.9, &err), err);
        assert_done(store_run_close(f->store, run, VERDICT_PASS, "", 9000100 + i, &err), err);
    }
    struct store *reader = reader_new(f);
    cJSON *d = NULL;
    assert_done(query_order(reader, "O-9", &d, &err), err);
    assert_number(d, "figures/0/n", 40);
    assert_number(d, "unit_count", 40);
    assert_number(d, "run_count", 50);
    assert_number(d, "passed", 40);
    cJSON_Delete(d);
    store_close(reader);
    store_fixture_free(f);
}

/* Two supplies in turn in one slot; what the second touched measures otherwise. */
static void test_an_instrument_that_stands_off_is_named(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    cJSON *d = NULL;
    for (int i = 0; i < 40; i++) {
        char serial[24];
        const struct instrument_record set[] = {
            {"light", "box", "L-1", "C-0", "", ""},
            {"power_supply", "psu", i % 2 ? "PS-2" : "PS-1", "C-1", "", ""}};
        snprintf(serial, sizeof serial, "SN%d", i);
        struct run_record run = record_of("O-1", serial, 1000 * i);
        run.instruments = set;
        run.instrument_count = 2;
        assert_done(store_run_open(f->store, &run, &err), err);
        assert_done(step_new(f, run.id, 0, 1, "image",
                             0.2 + 0.001 * (i / 2 % 5) + (i % 2 ? 0.02 : 0), &err),
                    err);
        assert_done(store_run_close(f->store, run.id, VERDICT_PASS, "", 1000 * i + 9, &err), err);
    }
    struct store *reader = reader_new(f);
    assert_done(query_order(reader, "O-1", &d, &err), err);
    /* The light has no other beside it, nor has the slot: two comparisons. */
    assert_number(d, "drift_rule/comparisons", 2);
    assert_int_equal(cJSON_GetArraySize(at(d, "drift")), 2);
    assert_text(d, "drift/0/kind", "instrument");
    assert_text(d, "drift/0/class", "power_supply");
    assert_text(d, "drift/0/instrument", "psu");
    assert_text(d, "drift/1/serial", "PS-2");
    assert_number(d, "drift/1/n", 20);
    cJSON_Delete(d);
    store_close(reader);
    store_fixture_free(f);
}

/* Forty hours with one failure: NIST handbook 8.4.5.1, 80 % interval of one failure, 0.2571 and
 * 9.4912 of the MTBF. */
static void test_a_mode_of_its_own_bounds_the_time_between_failures(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    cJSON *d = NULL;
    for (int i = 0; i < 5; i++) {
        char serial[24];
        snprintf(serial, sizeof serial, "SN%d", i);
        struct run_record run = record_of("O-1", serial, 1000);
        run.mode = i == 4 ? "production" : "burn-in 7";
        assert_done(store_run_open(f->store, &run, &err), err);
        assert_done(step_new(f, run.id, 0, 1, "image", i ? 0.2 : 0.1, &err), err);
        assert_done(store_run_close(f->store, run.id, i ? VERDICT_PASS : VERDICT_FAIL, "",
                                    1000 + 36000000, &err),
                    err);
    }
    struct store *reader = reader_new(f);
    assert_done(query_mode(reader, "burn-in 7", &d, &err), err);
    assert_text(d, "document", "mode");
    assert_text(d, "mode", "burn-in 7");
    assert_number(d, "unit_count", 4);
    assert_number(d, "failed", 1);
    assert_number(d, "reliability/hours", 40);
    assert_number(d, "reliability/failures", 1);
    assert_number(d, "reliability/mtbf_hours", 40);
    assert_number(d, "reliability/bounds/1/confidence", 0.9);
    assert_float_equal(at(d, "reliability/bounds/1/lower_hours")->valuedouble / 40, 0.2571, 5e-5);
    assert_float_equal(at(d, "reliability/bounds/1/upper_hours")->valuedouble / 40, 9.4912, 5e-5);
    static const char *const formats[] = {"html", "pdf", "xlsx", "csv", "json"};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct buffer page = {0};
        assert_done(renderer_find(formats[i])->render(d, NULL, &page, &err), err);
        assert_true(page.size > 100);
        buffer_free(&page);
    }
    cJSON_Delete(d);
    assert_int_equal(query_mode(reader, "production", &d, &err), ERROR_MISSING);
    assert_int_equal(query_mode(reader, "burn-in 8", &d, &err), ERROR_MISSING);
    store_close(reader);
    store_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reader_cannot_write),
        ON_BOTH(test_a_reader_sees_only_what_is_committed),
        ON_BOTH(test_a_unit_has_every_attempt_with_its_limits),
        ON_BOTH(test_yields_and_failures_are_counted_as_by_hand),
        ON_BOTH(test_hostile_text_stays_text_in_every_rendering),
        ON_BOTH(test_a_formula_in_a_table_is_text_for_a_spreadsheet),
        ON_BOTH(test_every_language_has_every_word),
        ON_BOTH(test_an_order_has_yields_and_capability_as_by_hand),
        ON_BOTH(test_a_second_run_is_no_first_measurement),
        ON_BOTH(test_an_instrument_that_stands_off_is_named),
        ON_BOTH(test_a_mode_of_its_own_bounds_the_time_between_failures),
    };
    return cmocka_run_group_tests(tests, engines_up, engines_down);
}
