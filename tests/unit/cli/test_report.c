/* takt report: what scripts rely on, its exit status and what is on stdout. */
#include "tests/unit/reports/store_fixture.h"

#include "tests/unit/cli/printed.h"

#define REPORT(f, text, ...) PRINTED(cli_report, text, __VA_ARGS__)

static struct store_fixture *filled_store(void)
{
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    for (int u = 0; u < 2; u++) {
        char serial[32], chip[32];
        snprintf(serial, sizeof serial, "SN%d", u);
        snprintf(chip, sizeof chip, "chip-%d", u);
        int64_t run = run_new(f, "O-1", serial, 1790000000000 + u);
        assert_done(store_run_unit(f->store, run, chip, "", &err), err);
        assert_done(step_new(f, run, 0, 1, "image", u ? 0.1 : 0.2, &err), err);
        assert_done(store_run_close(f->store, run, u ? VERDICT_FAIL : VERDICT_PASS, "",
                                    1790000009000, &err),
                    err);
    }
    return f;
}

static void test_json_is_one_document_and_nothing_else(void **state)
{
    (void)state;
    struct store_fixture *f = filled_store();
    char text[16384];
    assert_int_equal(
        REPORT(f, text, "report", "unit", "SN1", "--store", f->path, "--format", "json"), 0);
    const char *end = NULL;
    cJSON *d = cJSON_ParseWithOpts(text, &end, 1);
    assert_non_null(d);
    assert_string_equal(cJSON_GetObjectItem(d, "serial")->valuestring, "SN1");
    cJSON_Delete(d);
    store_fixture_free(f);
}

static void test_a_station_file_leads_to_its_store(void **state)
{
    (void)state;
    struct store_fixture *f = filled_store();
    struct error err = {0};
    char text[16384], station[128];
    static const char json[] = "{ // the state is here\n  \"state_dir\": \".\" }\n";
    snprintf(station, sizeof station, "%s/station.json", f->folder);
    assert_done(file_write(station, json, strlen(json), 0644, &err), err);
    assert_int_equal(
        REPORT(f, text, "report", "order", "O-1", "--station", station, "--format", "csv"), 0);
    assert_non_null(strstr(text, "SN0,chip-0,1,pass,pass,pass,"));
    assert_non_null(strstr(text, "SN1,chip-1,1,fail,fail,fail,"));
    store_fixture_free(f);
}

static void test_a_folder_gets_linked_pages(void **state)
{
    (void)state;
    struct store_fixture *f = filled_store();
    struct error err = {0};
    struct buffer page = {0};
    char text[4096], out[128], path[160];
    snprintf(out, sizeof out, "%s/pages/", f->folder);
    assert_int_equal(REPORT(f, text, "report", "order", "O-1", "--store", f->path, "--out", out),
                     0);
    snprintf(path, sizeof path, "%sindex.html", out);
    assert_done(file_read(path, &page, &err), err);
    assert_non_null(strstr(buffer_text(&page), "href=\"run-2.html\""));
    buffer_free(&page);
    snprintf(path, sizeof path, "%srun-2.html", out);
    page = (struct buffer){0};
    assert_done(file_read(path, &page, &err), err);
    assert_non_null(strstr(buffer_text(&page), "<h1>SN1</h1>"));
    buffer_free(&page);
    store_fixture_free(f);
}

static void test_wrong_use_is_said_in_a_line_and_is_2(void **state)
{
    (void)state;
    struct store_fixture *f = filled_store();
    char text[4096];
    assert_int_equal(REPORT(f, text, "report"), 2);
    assert_int_equal(REPORT(f, text, "report", "unit", "SN1"), 2);
    assert_int_equal(REPORT(f, text, "report", "camera", "SN1", "--store", f->path), 2);
    assert_non_null(strstr(text, "camera"));
    assert_int_equal(
        REPORT(f, text, "report", "unit", "SN1", "--store", f->path, "--format", "docx"), 2);
    assert_non_null(strstr(text, "docx"));
    assert_int_equal(REPORT(f, text, "report", "unit", "SN1", "--store", f->path, "--lang", "xx"),
                     2);
    assert_int_equal(REPORT(f, text, "report", "unit", "nobody", "--store", f->path), 2);
    assert_non_null(strstr(text, "nobody"));
    assert_int_equal(REPORT(f, text, "report", "unit", "SN1", "--store", "/nowhere/store.db"), 2);
    assert_int_equal(REPORT(f, text, "report", "--nonsense"), 2);
    assert_int_equal(REPORT(f, text, "report", "--help"), 0);
    store_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_is_one_document_and_nothing_else),
        cmocka_unit_test(test_a_station_file_leads_to_its_store),
        cmocka_unit_test(test_a_folder_gets_linked_pages),
        cmocka_unit_test(test_wrong_use_is_said_in_a_line_and_is_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
