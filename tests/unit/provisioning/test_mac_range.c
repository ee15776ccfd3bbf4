/* MAC addresses by the IEEE's prefixes: each is given once, and none that is not the factory's. */
#include "tests/unit/provisioning/pool_fixture.h"

#include "provisioning/mac.h"

#define KEY(n) "00112233445566778899aabbccddee" #n

static void test_a_prefix_is_one_the_ieee_assigns(void **state)
{
    (void)state;
    static const struct {
        const char *prefix, *first, *last, *says; /* NULL: fine */
    } cases[] = {
        /* 24, 28 and 36 bits; 8C-1F-64 is the registry's own block of MA-S. */
        {"50:ec:50", "50:ec:50:00:00:00", "50:ec:50:ff:ff:ff", NULL},
        {"50-EC-50-1", "50:ec:50:10:00:00", "50:ec:50:1f:ff:ff", NULL},
        {"8c:1f:64:12:3", "8c:1f:64:12:30:00", "8c:1f:64:12:3f:ff", NULL},
        {"50:ec:50:1", "50:ec:50:10:00:00", "50:ec:50:20:00:00", "leaves its prefix"},
        {"8c:1f:64:12:3", "8c:1f:64:12:2f:ff", "8c:1f:64:12:3f:ff", "leaves its prefix"},
        {"50:ec:50", "50:ec:50:00:00:09", "50:ec:50:00:00:08", "before it begins"},
        {"51:ec:50", "51:ec:50:00:00:00", "51:ec:50:00:00:09", "group bit"},
        {"52:ec:50", "52:ec:50:00:00:00", "52:ec:50:00:00:09", "local bit"},
        {"50:ec", "50:ec:50:00:00:00", "50:ec:50:00:00:09", "6, 7 or 9"},
        {"50:ec:50:00", "50:ec:50:00:00:00", "50:ec:50:00:00:09", "6, 7 or 9"},
        {"50:ec-50", "50:ec:50:00:00:00", "50:ec:50:00:00:09", "6, 7 or 9"},
        {"50:ec:50:00:00:00:0", "50:ec:50:00:00:00", "50:ec:50:00:00:09", "6, 7 or 9"},
        {"50:ec:50", "50:ec:50", "50:ec:50:00:00:09", "50:ec:50:01:02:03"},
        {"50:ec:50", "50:ec:50:00:00:00", "", "50:ec:50:01:02:03"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mac_range r;
        const char *why = mac_range_parse(cases[i].prefix, cases[i].first, cases[i].last, &r);
        if (!why != !cases[i].says || (why && !strstr(why, cases[i].says)))
            fail_msg("%s %s %s: %s", cases[i].prefix, cases[i].first, cases[i].last,
                     why ? why : "was taken");
    }
}

static void reserved_mac(struct pool_fixture *f, const char *chip, const char *mac)
{
    struct error err = {0};
    struct identity i;
    assert_done(fixture_reserve(f, chip, &i, &err), err);
    assert_string_equal(i.mac, mac);
}

/* The first delivery's range lasts into the second, which brings its own. */
static void test_identities_take_the_next_address_of_the_oldest_range(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    int count = 0;
    assert_done(fixture_import_text(f,
                                    "prefix,first,last\n"
                                    "50:ec:50:1,50:ec:50:1f:ff:fe,50:ec:50:1f:ff:ff\n"
                                    "did,key\na," KEY(01) "\n",
                                    &count, &err),
                err);
    assert_int_equal(count, 1);
    assert_done(fixture_import_text(f,
                                    "prefix,first,last\n"
                                    "8c:1f:64:12:3,8c:1f:64:12:30:07,8c:1f:64:12:30:08\n\n"
                                    "key,did\n" KEY(02) ",b\n" KEY(03) ",c\n",
                                    &count, &err),
                err);
    assert_int_equal(count, 2);
    reserved_mac(f, "chip-a", "50:ec:50:1f:ff:fe");
    reserved_mac(f, "chip-b", "50:ec:50:1f:ff:ff");
    reserved_mac(f, "chip-c", "8c:1f:64:12:30:07");
    fixture_free(f);
}

static void test_what_overlaps_is_refused_by_its_line_and_nothing_goes_in(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"prefix,first,last\n50:ec:50,50:ec:50:00:00:03,50:ec:50:00:00:20\ndid,key\nx," KEY(11),
         ":2: the range overlaps what was imported before"},
        {"prefix,first,last\n50:ec:50,50:ec:50:01:00:00,50:ec:50:01:00:09\n"
         "50:ec:50,50:ec:50:01:00:09,50:ec:50:01:00:0a\ndid,key\nx," KEY(11),
         ":3: the range overlaps line 2 of this file"},
        {"did,mac,key\nx,50:ec:50:00:00:03," KEY(11),
         ":2: mac 50:ec:50:00:00:03 is within a range"},
        {"prefix,first,last\n50:ec:50,50:ec:50:00:77:00,50:ec:50:00:77:99\ndid,key\nx," KEY(11),
         ":2: the range holds a mac of what was imported before"},
        {"did,key\nx," KEY(11) "\ny," KEY(12) "\nz," KEY(13), ":4: no mac is left for did z"},
        {"did,key\nx," KEY(11) "\nb,50:ec:50:00:55:01," KEY(12), ":3: expected the two fields"},
    };
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    int count;
    /* Three addresses, one of them taken; and one that was given by itself. */
    assert_done(
        fixture_import_text(f,
                            "prefix,first,last\n"
                            "50:ec:50,50:ec:50:00:00:01,50:ec:50:00:00:03\n"
                            "did,key\na," KEY(01) "\n"
                                                  "prefix,first,last\n"
                                                  "did,mac,key\nb,50:ec:50:00:77:10," KEY(02) "\n",
                            &count, &err),
        err);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct pool_counts counts;
        assert_int_equal(fixture_import_text(f, bad[i].text, &count, &err), ERROR_INPUT);
        if (!strstr(err.text, bad[i].says))
            fail_msg("%s\nsaid: %s", bad[i].text, err.text);
        assert_done(pool_counts(f->pool, &counts, &err), err);
        assert_int_equal(counts.of[IDENTITY_FREE], 2);
    }
    /* What was refused gave back the addresses it had taken. */
    assert_done(fixture_import_text(f, "did,key\nx," KEY(11) "\ny," KEY(12), &count, &err), err);
    assert_int_equal(count, 2);
    fixture_free(f);
}

static void test_the_tables_give_no_address_twice(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    int count;
    assert_done(fixture_import_text(f,
                                    "prefix,first,last\n"
                                    "50:ec:50,50:ec:50:00:00:01,50:ec:50:00:00:03\n"
                                    "did,key\na," KEY(01) "\n",
                                    &count, &err),
                err);
    static const char *const forbidden[] = {
        "UPDATE mac_range SET next=next-1",
        "UPDATE mac_range SET last=last+100",
        "DELETE FROM mac_range",
        "INSERT INTO mac_range SELECT 9, prefix, first, last, first, import, 1 FROM mac_range",
    };
    for (size_t k = 0; k < sizeof forbidden / sizeof forbidden[0]; k++)
        if (sqlite3_exec(f->db, forbidden[k], NULL, NULL, NULL) != SQLITE_CONSTRAINT)
            fail_msg("was allowed: %s", forbidden[k]);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_prefix_is_one_the_ieee_assigns),
        cmocka_unit_test(test_identities_take_the_next_address_of_the_oldest_range),
        cmocka_unit_test(test_what_overlaps_is_refused_by_its_line_and_nothing_goes_in),
        cmocka_unit_test(test_the_tables_give_no_address_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
