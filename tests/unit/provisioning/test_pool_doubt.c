/* What of a pool read back from a damaged file may still be handed out. */
#include "tests/unit/provisioning/pool_fixture.h"

#include "provisioning/pool_doubt.h"

static void run(struct pool_fixture *f, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(f->db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

static int64_t count(struct pool_fixture *f, enum identity_state state)
{
    struct pool_counts counts;
    struct error err = {0};
    assert_done(pool_counts(f->pool, &counts, &err), err);
    return counts.of[state];
}

static struct pool_doubt doubt(struct pool_fixture *f)
{
    struct pool_doubt found;
    struct error err = {0};
    assert_done(pool_doubt_free(f->db, "tester", 1790000000001, &found, &err), err);
    return found;
}

/* Five identities, of which unit "c1" has the first. */
static struct pool_fixture *pool_of_five(void)
{
    struct pool_fixture *f = fixture_new();
    struct identity taken;
    struct error err = {0};
    fixture_import(f, 0, 5);
    assert_done(fixture_reserve(f, "c1", &taken, &err), err);
    identity_wipe(&taken);
    return f;
}

static void test_a_whole_pool_keeps_its_free_identities(void **state)
{
    (void)state;
    struct pool_fixture *f = pool_of_five();
    struct pool_doubt found = doubt(f);
    assert_true(found.chain_whole);
    assert_int_equal(found.quarantined, 0);
    assert_int_equal(found.lost, 0);
    assert_int_equal(count(f, IDENTITY_FREE), 4);
    fixture_free(f);
}

/* A page as it was before the reservation: the row says free, the chain knows better. */
static void test_a_forgotten_reservation_is_not_handed_out_again(void **state)
{
    (void)state;
    struct pool_fixture *f = pool_of_five();
    struct identity next;
    struct error err = {0};
    run(f, "DROP TRIGGER identity_goes_forward; DROP TRIGGER identity_is_one_units;"
           "UPDATE identity SET state=0, chip_id=NULL WHERE id=1");
    assert_int_equal(count(f, IDENTITY_FREE), 5);
    struct pool_doubt found = doubt(f);
    assert_true(found.chain_whole);
    assert_int_equal(found.quarantined, 1);
    assert_int_equal(count(f, IDENTITY_QUARANTINED), 1);
    assert_done(fixture_reserve(f, "c2", &next, &err), err);
    assert_string_equal(next.did, "100001");
    identity_wipe(&next);
    fixture_free(f);
}

static void test_without_a_whole_chain_no_free_identity_is_trusted(void **state)
{
    (void)state;
    struct pool_fixture *f = pool_of_five();
    struct identity next;
    struct error err = {0};
    run(f, "DROP TRIGGER audit_kept; DELETE FROM audit WHERE n=2");
    struct pool_doubt found = doubt(f);
    assert_false(found.chain_whole);
    assert_int_equal(found.quarantined, 4);
    assert_int_equal(count(f, IDENTITY_FREE), 0);
    assert_int_equal(count(f, IDENTITY_RESERVED), 1); /* c1's stays c1's */
    assert_int_equal(fixture_reserve(f, "c2", &next, &err), ERROR_FULL);
    /* The line goes on with new ones. */
    fixture_import(f, 100, 2);
    assert_done(fixture_reserve(f, "c2", &next, &err), err);
    identity_wipe(&next);
    fixture_free(f);
}

static void test_a_chain_without_its_head_goes_on(void **state)
{
    (void)state;
    struct pool_fixture *f = pool_of_five();
    run(f, "DROP TRIGGER audit_head_kept; DELETE FROM audit_head");
    struct pool_doubt found = doubt(f);
    assert_false(found.chain_whole);
    assert_int_equal(found.quarantined, 4);
    fixture_import(f, 100, 1);
    fixture_free(f);
}

static void test_lost_rows_are_counted(void **state)
{
    (void)state;
    struct pool_fixture *f = pool_of_five();
    run(f, "DROP TRIGGER identity_kept; DELETE FROM identity WHERE id IN (2, 3)");
    struct pool_doubt found = doubt(f);
    assert_int_equal(found.lost, 2);
    assert_int_equal(found.quarantined, 0);
    fixture_free(f);
}

static void test_a_store_without_a_pool_is_left_alone(void **state)
{
    (void)state;
    struct pool_doubt found;
    struct error err = {0};
    sqlite3 *db;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_done(pool_doubt_free(db, "tester", 1, &found, &err), err);
    assert_int_equal(found.quarantined, 0);
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_pool_keeps_its_free_identities),
        cmocka_unit_test(test_a_forgotten_reservation_is_not_handed_out_again),
        cmocka_unit_test(test_without_a_whole_chain_no_free_identity_is_trusted),
        cmocka_unit_test(test_a_chain_without_its_head_goes_on),
        cmocka_unit_test(test_lost_rows_are_counted),
        cmocka_unit_test(test_a_store_without_a_pool_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
