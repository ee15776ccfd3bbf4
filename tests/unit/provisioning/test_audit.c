/* The audit chain: whatever is done to an entry, verifying names the first bad one. */
#include "tests/unit/provisioning/pool_fixture.h"

#include "provisioning/audit_witness.h"

enum { ENTRIES = 12 };

static struct pool_fixture *chain_new(void)
{
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    for (int n = 0; n < ENTRIES; n++) {
        char subject[32];
        snprintf(subject, sizeof subject, "unit-%d", n + 1);
        const struct audit_entry e = {.wall_ms = 1790000000000 + n,
                                      .actor = "li",
                                      .action = "run.abort",
                                      .subject = subject,
                                      .detail = "{}"};
        assert_done(audit_append(f->db, &e, &err), err);
    }
    return f;
}

/* What a person with an SQLite shell can do once the triggers are gone. */
static void tamper(struct pool_fixture *f, const char *sql)
{
    static const char open_up[] =
        "DROP TRIGGER audit_stays; DROP TRIGGER audit_kept; DROP TRIGGER audit_head_goes_on;"
        "DROP TRIGGER audit_head_kept;";
    assert_int_equal(sqlite3_exec(f->db, open_up, NULL, NULL, NULL), SQLITE_OK);
    if (sqlite3_exec(f->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(f->db));
}

static void test_tampering_is_found_at_the_right_entry(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        int entry;
    } cases[] = {
        {"UPDATE audit SET actor='nobody' WHERE n=5", 5},
        {"UPDATE audit SET wall_ms=wall_ms+1 WHERE n=1", 1},
        {"UPDATE audit SET detail='' WHERE n=12", 12},
        {"UPDATE audit SET hash=zeroblob(32) WHERE n=7", 7},
        /* the boundary between two texts moved: same bytes, another record */
        {"UPDATE audit SET actor='lirun', action='.abort' WHERE n=4", 4},
        {"DELETE FROM audit WHERE n=1", 1},
        {"DELETE FROM audit WHERE n=6", 6},
        {"DELETE FROM audit WHERE n>10", 11},
        {"DELETE FROM audit", 1},
        {"DELETE FROM audit WHERE n=6; UPDATE audit SET n=n-1 WHERE n>6", 6},
        {"UPDATE audit SET n=100 WHERE n=3; UPDATE audit SET n=3 WHERE n=8;"
         "UPDATE audit SET n=8 WHERE n=100",
         3},
        {"INSERT INTO audit SELECT 13, wall_ms, actor, action, subject, detail, hash FROM audit"
         " WHERE n=12",
         13},
        {"UPDATE audit_head SET hash=zeroblob(32)", 12},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        struct pool_fixture *f = chain_new();
        struct error err = {0};
        int64_t entries = 0;
        char expected[32];
        assert_done(audit_verify(f->db, &entries, &err), err);
        assert_int_equal(entries, ENTRIES);
        tamper(f, cases[k].sql);
        snprintf(expected, sizeof expected, "audit entry %d ", cases[k].entry);
        assert_int_equal(audit_verify(f->db, &entries, &err), ERROR_MISMATCH);
        if (!strstr(err.text, expected))
            fail_msg("%s: expected %d: %s", cases[k].sql, cases[k].entry, err.text);
        fixture_free(f);
    }
}

/* By sha256sum, over the bytes that audit.h describes put together by another program (Python's
 * struct): 32 zeros, ">QQ" of 1 and the time, then ">I" of the length and the bytes of each text.
 */
#define FIRST_HASH "ced106dbb539159a8335e3cfdbd788bf205780abfdad5a48969720ee98f38db1"

static void test_the_first_link_is_what_the_header_says(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct audit_head head;
    const struct audit_entry e = {.wall_ms = 1790000000000,
                                  .actor = "li",
                                  .action = "run.abort",
                                  .subject = "unit-1",
                                  .detail = "{}"};
    assert_done(audit_append(f->db, &e, &err), err);
    assert_done(audit_head(f->db, &head, &err), err);
    assert_int_equal(head.entries, 1);
    assert_string_equal(head.hash, FIRST_HASH);
    fixture_free(f);
}

static void test_a_rolled_back_entry_leaves_no_gap(void **state)
{
    (void)state;
    struct pool_fixture *f = chain_new();
    struct error err = {0};
    int64_t entries = 0;
    const struct audit_entry e = {.wall_ms = 1, .actor = "li", .action = "a", .subject = NULL};
    sqlite3_exec(f->db, "BEGIN", NULL, NULL, NULL);
    assert_done(audit_append(f->db, &e, &err), err);
    sqlite3_exec(f->db, "ROLLBACK", NULL, NULL, NULL);
    assert_done(audit_append(f->db, &e, &err), err);
    assert_done(audit_verify(f->db, &entries, &err), err);
    assert_int_equal(entries, ENTRIES + 1);
    fixture_free(f);
}

/* ---- witnesses ---------------------------------------------------------------------------- */

struct notary {
    struct pool_fixture *f;
    struct signing_key key;
    struct signer *signer;
    struct buffer witness; /* of the chain at ENTRIES */
};

static struct notary *notary_new(void)
{
    struct notary *n = calloc(1, sizeof *n);
    struct error err = {0};
    char path[96], address[112];
    n->f = chain_new();
    assert_done(signing_key_make(&n->key, &err), err);
    snprintf(path, sizeof path, "%s/token.key", n->f->folder);
    snprintf(address, sizeof address, "file:%s", path);
    assert_done(file_write(path, n->key.private_pem, strlen(n->key.private_pem), 0600, &err), err);
    assert_done(signer_open(address, &n->signer, &err), err);
    assert_done(audit_witness_make(n->f->db, n->signer, "line 1", 1790000000000, &n->witness, &err),
                err);
    return n;
}

static void notary_free(struct notary *n)
{
    buffer_free(&n->witness);
    signer_close(n->signer);
    signing_key_free(&n->key);
    fixture_free(n->f);
    free(n);
}

static int check(struct notary *n, struct error *err)
{
    struct audit_head head;
    return audit_witness_check(n->f->db, "witness", (const char *)n->witness.data, n->witness.size,
                               n->key.public_pem, &head, err);
}

static void append(struct notary *n, const char *actor)
{
    const struct audit_entry e = {.wall_ms = 2, .actor = actor, .action = "a", .subject = "s"};
    struct error err = {0};
    assert_done(audit_append(n->f->db, &e, &err), err);
}

static void test_a_chain_that_went_on_still_has_its_witness(void **state)
{
    struct notary *n = notary_new();
    struct error err = {0};
    assert_done(check(n, &err), err);
    append(n, "wu");
    assert_done(check(n, &err), err);
    notary_free(n);
}

/* All of it made anew, every hash right: the chain by itself finds nothing. */
static void test_a_forged_chain_is_not_the_witnessed_one(void **state)
{
    struct notary *n = notary_new();
    struct error err = {0};
    int64_t entries;
    tamper(n->f, "DELETE FROM audit; UPDATE audit_head SET n=0, hash=zeroblob(32)");
    for (int i = 0; i < ENTRIES - 1; i++)
        append(n, "forger");
    assert_done(audit_verify(n->f->db, &entries, &err), err);
    assert_int_equal(check(n, &err), ERROR_MISMATCH);
    assert_non_null(strstr(err.text, "ends before entry 12"));
    append(n, "forger");
    assert_done(audit_verify(n->f->db, &entries, &err), err);
    assert_int_equal(check(n, &err), ERROR_MISMATCH);
    assert_non_null(strstr(err.text, "entry 12 is not the one that witness is a witness of"));
    notary_free(n);
}

static void test_a_witness_is_its_signers_word_for_word(void **state)
{
    struct notary *n = notary_new(), *other = notary_new();
    struct error err = {0};
    for (size_t i = 0; i < n->witness.size; i++) {
        n->witness.data[i] ^= 1;
        assert_true(check(n, &err) < 0);
        n->witness.data[i] ^= 1;
    }
    const size_t whole = n->witness.size;
    for (n->witness.size = 0; n->witness.size + 1 < whole; n->witness.size++)
        assert_true(check(n, &err) < 0);
    n->witness.size = whole;
    assert_done(check(n, &err), err);
    buffer_free(&n->witness);
    assert_int_equal(buffer_append(&n->witness, other->witness.data, other->witness.size), 0);
    assert_int_equal(check(n, &err), ERROR_REFUSED);
    notary_free(other);
    notary_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tampering_is_found_at_the_right_entry),
        cmocka_unit_test(test_the_first_link_is_what_the_header_says),
        cmocka_unit_test(test_a_rolled_back_entry_leaves_no_gap),
        cmocka_unit_test(test_a_chain_that_went_on_still_has_its_witness),
        cmocka_unit_test(test_a_forged_chain_is_not_the_witnessed_one),
        cmocka_unit_test(test_a_witness_is_its_signers_word_for_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
