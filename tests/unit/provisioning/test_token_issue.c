/* Tokens and the key they are signed with: of this user alone, good for one unit's door, and never
 * issued without a word in the audit chain. */
#include "tests/unit/provisioning/pool_fixture.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "protocol/base/digest.h"
#include "provisioning/token_issue.h"

struct office {
    struct pool_fixture *f;
    struct signing_key key;
    char path[96], address[112];
    struct signer *signer;
};

static void open_office(struct office *o)
{
    struct error err = {0};
    o->f = fixture_new();
    assert_done(signing_key_make(&o->key, &err), err);
    snprintf(o->path, sizeof o->path, "%s/token.key", o->f->folder);
    snprintf(o->address, sizeof o->address, "file:%s", o->path);
    assert_done(file_write(o->path, o->key.private_pem, strlen(o->key.private_pem), 0600, &err),
                err);
    assert_done(signer_open(o->address, &o->signer, &err), err);
}

static void close_office(struct office *o)
{
    signer_close(o->signer);
    signing_key_free(&o->key);
    fixture_free(o->f);
}

static const struct token_wish wish = {.chip_id = "5cc336000000000000000000000000a1",
                                       .nonce = "0123456789abcdef0123456789abcdef",
                                       .order = "ORDER-1",
                                       .station = "line 1",
                                       .actor = "Wu",
                                       .wall_ms = 1795802400999,
                                       .life_s = 600};

static int admit(const struct office *o, const struct token_issued *issued, int64_t now_s,
                 struct token *t)
{
    const struct token_door door = {.public_key_pem = o->key.public_pem,
                                    .chip_id = wish.chip_id,
                                    .nonce = wish.nonce,
                                    .now_s = now_s};
    uint8_t signature[SIGNATURE_BYTES_MAX];
    size_t size = strlen(issued->signature_hex) / 2;
    assert_int_equal(hex_decode(issued->signature_hex, signature, size), 0);
    return token_admit(&door, issued->text, strlen(issued->text), signature, size, t, NULL);
}

static void test_an_issued_token_opens_its_unit_for_its_time(void **state)
{
    struct office o;
    struct error err = {0};
    struct token_issued issued;
    struct token t;
    open_office(&o);
    assert_done(token_issue(o.f->db, o.signer, &wish, &issued, &err), err);
    assert_int_equal(admit(&o, &issued, 1795802400, &t), 0);
    assert_string_equal(t.order, "ORDER-1");
    assert_string_equal(t.station, "line 1");
    assert_int_equal(t.issued_s, 1795802400);
    assert_int_equal(admit(&o, &issued, 1795802999, &t), 0);
    assert_int_equal(admit(&o, &issued, 1795803000, &t), ERROR_REFUSED);
    close_office(&o);
}

static void test_every_token_is_in_the_audit_chain(void **state)
{
    struct office o;
    struct error err = {0};
    struct token_issued issued;
    int64_t entries = 0;
    open_office(&o);
    struct audit_head before, after;
    assert_done(audit_head(o.f->db, &before, &err), err);
    for (int i = 0; i < 3; i++)
        assert_done(token_issue(o.f->db, o.signer, &wish, &issued, &err), err);
    assert_done(audit_head(o.f->db, &after, &err), err);
    assert_int_equal(after.entries, before.entries + 3);
    assert_done(audit_verify(o.f->db, &entries, &err), err);

    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(o.f->db,
                                        "select actor, subject, detail from audit where action = "
                                        "'token.issue' limit 1",
                                        -1, &s, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(s, 0), "Wu");
    assert_string_equal((const char *)sqlite3_column_text(s, 1), wish.chip_id);
    assert_string_equal((const char *)sqlite3_column_text(s, 2),
                        "{\"order\":\"ORDER-1\",\"station\":\"line 1\",\"issued\":1795802400,"
                        "\"expires\":1795803000,\"nonce\":\"0123456789abcdef0123456789abcdef\"}");
    sqlite3_finalize(s);
    close_office(&o);
}

/* What a unit says about itself ends up in a token only when it can be one. */
static void test_a_wish_that_makes_no_token_is_refused_and_not_recorded(void **state)
{
    static const struct {
        const char *chip_id, *nonce;
    } wrong[] = {{"", "0123456789abcdef0123456789abcdef"},
                 {"a\nb", "0123456789abcdef0123456789abcdef"},
                 {"000000000000000000000000000000000", "0123456789abcdef0123456789abcdef"},
                 {"a1", ""},
                 {"a1", "0123456789ABCDEF0123456789ABCDEF"},
                 {"a1", "0123456789abcdef0123456789abcdef0"}};
    struct office o;
    struct error err = {0};
    struct token_issued issued;
    struct audit_head before, after;
    open_office(&o);
    assert_done(audit_head(o.f->db, &before, &err), err);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct token_wish w = wish;
        w.chip_id = wrong[i].chip_id;
        w.nonce = wrong[i].nonce;
        err = (struct error){0};
        assert_int_equal(token_issue(o.f->db, o.signer, &w, &issued, &err), ERROR_INPUT);
        assert_true(err.text[0]);
    }
    struct token_wish w = wish;
    w.life_s = TOKEN_LIFE_MAX_S + 1;
    assert_int_equal(token_issue(o.f->db, o.signer, &w, &issued, &err), ERROR_INPUT);
    assert_done(audit_head(o.f->db, &after, &err), err);
    assert_int_equal(after.entries, before.entries);
    close_office(&o);
}

static void refuses(const char *address, int code, const char *words)
{
    struct signer *s;
    struct error err = {0};
    int rc = signer_open(address, &s, &err);
    if (rc != code || !strstr(err.text, words))
        fail_msg("%s: %d '%s', expected '%s'", address, rc, err.text, words);
}

static void test_a_key_that_others_may_read_or_that_is_none_is_refused(void **state)
{
    struct office o;
    char link[112];
    open_office(&o);
    chmod(o.path, 0640);
    refuses(o.address, ERROR_REFUSED, "mode 0640");
    chmod(o.path, 0600);
    snprintf(link, sizeof link, "file:%s/link", o.f->folder);
    assert_int_equal(symlink(o.path, link + 5), 0);
    refuses(link, ERROR_IO, "cannot open the token key");
    assert_int_equal(file_write(o.path, o.key.public_pem, strlen(o.key.public_pem), 0600, NULL), 0);
    refuses(o.address, ERROR_INPUT, "the private key is not PEM text");
    assert_int_equal(file_write(o.path, "", 0, 0600, NULL), 0);
    refuses(o.address, ERROR_INPUT, "0 bytes");
    unlink(o.path);
    refuses(o.address, ERROR_MISSING, "cannot open the token key");
    refuses("token.key", ERROR_INPUT, "file:PATH");
    refuses("tpm:1", ERROR_INPUT, "file:PATH");
    refuses("file:", ERROR_INPUT, "file:PATH");
    close_office(&o);
}

/* A slot's worker is forked from the station: it must ask, it cannot sign. */
static void test_a_forked_process_has_no_key(void **state)
{
    struct office o;
    int status = -1;
    open_office(&o);
    pid_t pid = fork();
    if (pid == 0) {
        uint8_t signature[SIGNATURE_BYTES_MAX];
        size_t size;
        struct error err = {0};
        int rc = signer_sign(o.signer, "x", 1, signature, &size, &err);
        _exit(rc == ERROR_STATE && strstr(err.text, "forked") ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close_office(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_issued_token_opens_its_unit_for_its_time),
        cmocka_unit_test(test_every_token_is_in_the_audit_chain),
        cmocka_unit_test(test_a_wish_that_makes_no_token_is_refused_and_not_recorded),
        cmocka_unit_test(test_a_key_that_others_may_read_or_that_is_none_is_refused),
        cmocka_unit_test(test_a_forked_process_has_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
