/* Quotas: what an order, a station or an operator may use, and not one more. */
#include "tests/unit/provisioning/pool_fixture.h"

#include "provisioning/pool_quota.h"

static int reserve(struct pool_fixture *f, const char *chip, const char *order,
                   const char *operator_name, struct error *err)
{
    struct identity i;
    const struct pool_request r = {.chip_id = chip,
                                   .serial = "S",
                                   .order = order,
                                   .station = "line 1",
                                   .operator_name = operator_name,
                                   .wall_ms = 1790000000000};
    const int rc = pool_reserve(f->pool, &r, &i, err);
    identity_wipe(&i);
    return rc;
}

static int64_t free_ones(struct pool_fixture *f)
{
    struct pool_counts counts;
    assert_int_equal(pool_counts(f->pool, &counts, NULL), 0);
    return counts.of[IDENTITY_FREE];
}

static void test_the_one_past_a_quota_is_refused_and_stays_free(void **state)
{
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    fixture_import(f, 0, 10);
    assert_done(pool_quota_set(f->pool, QUOTA_ORDER, "O-1", 2, "wu", 1, &err), err);
    assert_done(reserve(f, "a", "O-1", "li", &err), err);
    assert_done(reserve(f, "b", "O-1", "li", &err), err);
    assert_int_equal(reserve(f, "c", "O-1", "li", &err), ERROR_FULL);
    assert_non_null(strstr(err.text, "the quota of order O-1 is used up: 2 identities"));
    assert_int_equal(free_ones(f), 8);
    /* Not another order's business, and a unit that has its identity uses no more. */
    assert_done(reserve(f, "d", "O-2", "li", &err), err);
    assert_done(reserve(f, "a", "O-1", "li", &err), err);
    assert_done(pool_quota_set(f->pool, QUOTA_ORDER, "O-1", 3, "wu", 2, &err), err);
    assert_done(reserve(f, "c", "O-1", "li", &err), err);
    assert_int_equal(reserve(f, "e", "O-1", "li", &err), ERROR_FULL);
    fixture_free(f);
}

static void test_what_was_used_before_counts(void **state)
{
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    fixture_import(f, 0, 10);
    assert_done(reserve(f, "a", "O-1", "li", &err), err);
    assert_done(reserve(f, "b", "O-2", "li", &err), err);
    assert_done(pool_quota_set(f->pool, QUOTA_OPERATOR, "li", 2, "wu", 1, &err), err);
    assert_done(pool_quota_set(f->pool, QUOTA_STATION, "line 1", 5, "wu", 1, &err), err);
    assert_int_equal(reserve(f, "c", "O-3", "li", &err), ERROR_FULL);
    assert_non_null(strstr(err.text, "operator li"));
    for (const char *chip = "cde"; *chip; chip++)
        assert_done(reserve(f, (char[2]){*chip}, "O-3", "wu", &err), err);
    assert_int_equal(reserve(f, "f", "O-3", "wu", &err), ERROR_FULL);
    assert_non_null(strstr(err.text, "station line 1"));
    fixture_free(f);
}

/* A refused reservation, and one whose transaction is taken back, use nothing. */
static void test_only_what_is_committed_is_used(void **state)
{
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    fixture_import(f, 0, 10);
    assert_done(pool_quota_set(f->pool, QUOTA_ORDER, "O-1", 2, "wu", 1, &err), err);
    for (int i = 0; i < 5; i++) {
        sqlite3_exec(f->db, "BEGIN", NULL, NULL, NULL);
        assert_done(reserve(f, "a", "O-1", "li", &err), err);
        sqlite3_exec(f->db, "ROLLBACK", NULL, NULL, NULL);
    }
    assert_done(pool_quota_set(f->pool, QUOTA_OPERATOR, "li", 0, "wu", 1, &err), err);
    assert_int_equal(reserve(f, "a", "O-1", "li", &err), ERROR_FULL);
    assert_done(reserve(f, "a", "O-1", "wu", &err), err);
    assert_done(reserve(f, "b", "O-1", "wu", &err), err);
    assert_int_equal(reserve(f, "c", "O-1", "wu", &err), ERROR_FULL);
    fixture_free(f);
}

static void count(void *context, enum pool_quota_kind kind, const char *name, int64_t used,
                  int64_t allowed)
{
    (*(int *)context)++;
    assert_int_equal(kind, QUOTA_ORDER);
    assert_string_equal(name, "O'; DROP TABLE identity");
    assert_int_equal(used, 0);
    assert_int_equal(allowed, 7);
}

static void test_quotas_are_listed_audited_and_their_names_are_text(void **state)
{
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct audit_head before, after;
    enum pool_quota_kind kind;
    int quotas = 0;
    fixture_import(f, 0, 1);
    assert_done(audit_head(f->db, &before, &err), err);
    assert_done(pool_quota_set(f->pool, QUOTA_ORDER, "O'; DROP TABLE identity", 7, "wu", 1, &err),
                err);
    assert_done(audit_head(f->db, &after, &err), err);
    assert_int_equal(after.entries, before.entries + 1);
    assert_done(pool_quota_each(f->db, count, &quotas, &err), err);
    assert_int_equal(quotas, 1);
    assert_int_equal(pool_quota_set(f->pool, QUOTA_ORDER, "", 7, "wu", 1, &err), ERROR_INPUT);
    assert_int_equal(pool_quota_set(f->pool, QUOTA_ORDER, "O", -1, "wu", 1, &err), ERROR_INPUT);
    assert_int_equal(pool_quota_kind_find("shift", &kind, &err), ERROR_INPUT);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_one_past_a_quota_is_refused_and_stays_free),
        cmocka_unit_test(test_what_was_used_before_counts),
        cmocka_unit_test(test_only_what_is_committed_is_used),
        cmocka_unit_test(test_quotas_are_listed_audited_and_their_names_are_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
