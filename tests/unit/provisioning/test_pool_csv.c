/* A file of identities goes in whole or not at all, and the complaint names the line. */
#include "tests/unit/provisioning/pool_fixture.h"

#define KEY  "00112233445566778899aabbccddeeff"
#define KEY2 "10112233445566778899aabbccddeeff"

static void test_what_spreadsheets_write_is_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "did,mac,key\n1,50:ec:50:00:00:01," KEY "\n",
        "did,mac,key\r\n1,50:ec:50:00:00:01," KEY "\r\n",
        "\xef\xbb\xbf"
        "did,mac,key\r\n1,50:ec:50:00:00:01," KEY,
        "did,mac,key\n\n  \r\n1,50:ec:50:00:00:01," KEY "\n\n",
        "KEY,Did,mac\n" KEY ",1,50-EC-50-00-00-01\n",
        "\"did\",\"mac\",\"key\"\n\"1\", \"50:ec:50:00:00:01\" ,\"" KEY "\"\n",
    };
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
        struct pool_fixture *f = fixture_new();
        struct error err = {0};
        struct identity i;
        int count = 0;
        assert_done(fixture_import_text(f, texts[k], &count, &err), err);
        assert_int_equal(count, 1);
        assert_done(fixture_reserve(f, "chip-a", &i, &err), err);
        assert_string_equal(i.did, "1");
        assert_string_equal(i.mac, "50:ec:50:00:00:01");
        assert_int_equal(i.key[1], 0x11);
        fixture_free(f);
    }
}

static void test_a_bad_line_is_named_and_refuses_the_file(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } bad[] = {
        {"2,51:ec:50:00:00:02," KEY2, "group bit"},
        {"2,52:ec:50:00:00:02," KEY2, "local bit"},
        {"2,00:00:00:00:00:00," KEY2, "zeros"},
        {"2,50:ec:50:00:00," KEY2, "50:ec:50:01:02:03"},
        {"2,50:ec:50:00:00:0g," KEY2, "50:ec:50:01:02:03"},
        {"2,50:ec:50-00:00:02," KEY2, "50:ec:50:01:02:03"},
        {"2,50:ec:50:00:00:02,0011", "16 to 64 bytes"},
        {"2,50:ec:50:00:00:02," KEY2 "0", "16 to 64 bytes"},
        {"2,50:ec:50:00:00:02,zz112233445566778899aabbccddeeff", "16 to 64 bytes"},
        {"2,50:ec:50:00:00:02", "three fields"},
        {"2,50:ec:50:00:00:02," KEY2 ",extra", "more than the three"},
        {",50:ec:50:00:00:02," KEY2, "1 to 32"},
        {"123456789012345678901234567890123,50:ec:50:00:00:02," KEY2, "1 to 32"},
        {"a b,50:ec:50:00:00:02," KEY2, "letters"},
        {"\"2,50:ec:50:00:00:02," KEY2, "quote"},
        {"\"2\"x,50:ec:50:00:00:02," KEY2, "after a closing quote"},
        {"1,50:ec:50:00:00:02," KEY2, "twice, first on line 2"},
        {"2,50:EC:50:00:00:01," KEY2, "twice, first on line 2"},
        {"2,50:ec:50:00:00:02," KEY, "twice, first on line 2"},
    };
    struct pool_fixture *f = fixture_new();
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        struct error err = {0};
        struct pool_counts counts;
        char text[512], where[128];
        int count = -1;
        snprintf(text, sizeof text, "did,mac,key\n1,50:ec:50:00:00:01," KEY "\n\n%s\n",
                 bad[k].line);
        snprintf(where, sizeof where, "%s:4: ", f->csv);
        assert_int_equal(fixture_import_text(f, text, &count, &err), ERROR_INPUT);
        if (strncmp(err.text, where, strlen(where)) != 0 || !strstr(err.text, bad[k].says))
            fail_msg("%s: %s", bad[k].line, err.text);
        assert_null(strstr(err.text, KEY)); /* a key is no text for a log */
        assert_done(pool_counts(f->pool, &counts, &err), err);
        assert_int_equal(counts.of[IDENTITY_FREE], 0);
    }
    fixture_free(f);
}

static void test_a_file_without_its_header_or_identities_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "\n\n",
                                        "did,mac,key\n",
                                        "did,mac\n1,2\n",
                                        "1,50:ec:50:00:00:01," KEY "\n",
                                        "did,did,key\n1,1,1\n"};
    struct pool_fixture *f = fixture_new();
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
        struct error err = {0};
        int count = -1;
        if (fixture_import_text(f, texts[k], &count, &err) != ERROR_INPUT)
            fail_msg("was accepted: %s", texts[k]);
        assert_non_null(strstr(err.text, f->csv));
    }
    struct error err = {0};
    assert_int_equal(pool_import(f->pool, "/nowhere/pool.csv", NULL, "li", NULL, &err),
                     ERROR_MISSING);
    fixture_free(f);
}

static void test_what_was_ever_imported_is_refused_with_its_source(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct identity i;
    struct pool_counts counts;
    int count = 0;
    fixture_import(f, 0, 3);
    assert_done(fixture_reserve(f, "chip-a", &i, &err), err);
    char text[256];
    snprintf(text, sizeof text,
             "did,mac,key\n9,50:ec:50:00:99:01," KEY "\n%s,50:ec:50:00:99:02," KEY2 "\n", i.did);
    assert_int_equal(fixture_import_text(f, text, &count, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "imported before"));
    assert_non_null(strstr(err.text, "line 2"));
    assert_done(pool_counts(f->pool, &counts, &err), err);
    assert_int_equal(counts.of[IDENTITY_FREE], 2);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_spreadsheets_write_is_read),
        cmocka_unit_test(test_a_bad_line_is_named_and_refuses_the_file),
        cmocka_unit_test(test_a_file_without_its_header_or_identities_is_refused),
        cmocka_unit_test(test_what_was_ever_imported_is_refused_with_its_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
