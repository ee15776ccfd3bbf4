/* The platform's deliveries as OpenSSL's own command makes them: signed, encrypted, and nothing
 * else gets into the pool once they are agreed on. */
#include "tests/unit/provisioning/pool_fixture.h"

#include <stdlib.h>
#include <sys/stat.h>

static char folder[64];
static struct delivery_keys keys;

static void run(const char *format, ...)
{
    char command[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    assert_int_equal(system(command), 0);
}

static void in(char out[PATH_MAX], const char *name)
{
    snprintf(out, PATH_MAX, "%s/%s", folder, name);
}

/* A certificate and its key: NAME.pem, NAME.key. */
static void party(const char *name, const char *kind)
{
    run("cd %s && openssl req -x509 -newkey %s -nodes -keyout %s.key -out %s.pem -days 1 -subj "
        "/CN=%s 2>/dev/null && chmod 600 %s.key",
        folder, kind, name, name, name, name);
}

/* identities.csv signed by one and encrypted to another, with a cipher, as DELIVERY.p7m. */
static void deliver(const char *delivery, const char *signer, const char *to, const char *cipher)
{
    run("cd %s && openssl cms -sign -binary -nodetach -signer %s.pem -inkey %s.key -outform DER "
        "-in identities.csv | openssl cms -encrypt -binary %s -outform DER -out %s.p7m %s.pem",
        folder, signer, signer, cipher, delivery, to);
}

static int parties(void **state)
{
    strcpy(folder, "/tmp/takt-delivery.XXXXXX");
    assert_non_null(mkdtemp(folder));
    party("platform", "rsa:2048");
    party("factory", "ec -pkeyopt ec_paramgen_curve:P-256");
    party("old", "rsa:2048");
    party("stranger", "rsa:2048");
    run("cd %s && printf 'did,mac,key\\n101,5c:c3:36:00:00:01,"
        "000102030405060708090a0b0c0d0e0f\\n102,5c:c3:36:00:00:02,"
        "100102030405060708090a0b0c0d0e0f\\n' >identities.csv",
        folder);
    in(keys.platform, "platform.pem");
    in(keys.certificate, "factory.pem");
    in(keys.key, "factory.key");
    return 0;
}

static int parties_gone(void **state)
{
    run("rm -rf %s", folder);
    return 0;
}

static int import(struct pool_fixture *f, const char *name, int *count, struct error *err)
{
    char path[PATH_MAX];
    in(path, name);
    return pool_import(f->pool, path, &keys, "li", count, err);
}

static void test_a_delivery_goes_in_whole(void **state)
{
    static const char *const ciphers[] = {"-aes-256-gcm", "-aes-256-cbc"};
    for (size_t i = 0; i < 2; i++) {
        struct pool_fixture *f = fixture_new();
        struct error err = {0};
        int count = 0;
        deliver("good", "platform", "factory", ciphers[i]);
        assert_done(import(f, "good.p7m", &count, &err), err);
        assert_int_equal(count, 2);
        /* Once. */
        assert_int_equal(import(f, "good.p7m", &count, &err), ERROR_INPUT);
        assert_non_null(strstr(err.text, "did 101 was imported before"));
        fixture_free(f);
    }
}

static void test_an_rsa_factory_opens_it_as_well(void **state)
{
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct delivery_keys rsa = keys;
    char path[PATH_MAX];
    int count = 0;
    deliver("rsa", "platform", "old", "-aes-256-gcm");
    in(rsa.certificate, "old.pem");
    in(rsa.key, "old.key");
    in(path, "rsa.p7m");
    assert_done(pool_import(f->pool, path, &rsa, "li", &count, &err), err);
    assert_int_equal(count, 2);
    fixture_free(f);
}

static void refused(const char *name, int code, const char *words)
{
    struct pool_fixture *f = fixture_new();
    struct pool_counts counts;
    struct error err = {0};
    assert_int_equal(import(f, name, NULL, &err), code);
    if (!strstr(err.text, words))
        fail_msg("'%s' does not say '%s'", err.text, words);
    assert_int_equal(pool_counts(f->pool, &counts, NULL), 0);
    assert_int_equal(counts.of[IDENTITY_FREE], 0);
    fixture_free(f);
}

static void test_what_is_not_the_platforms_for_us_is_refused(void **state)
{
    deliver("forged", "stranger", "factory", "-aes-256-gcm");
    refused("forged.p7m", ERROR_REFUSED, "signed by somebody else");
    deliver("others", "platform", "stranger", "-aes-256-gcm");
    refused("others.p7m", ERROR_REFUSED, "does not open");
    refused("identities.csv", ERROR_INPUT, "expected CMS in DER");
    refused("nothing.p7m", ERROR_MISSING, "nothing.p7m");
    /* Encrypted, but never signed. */
    run("cd %s && openssl cms -encrypt -binary -aes-256-gcm -outform DER -in identities.csv -out "
        "unsigned.p7m factory.pem",
        folder);
    refused("unsigned.p7m", ERROR_INPUT, "not signed");
    /* Signed, but readable on its way. */
    run("cd %s && openssl cms -sign -binary -nodetach -signer platform.pem -inkey platform.key "
        "-outform DER -in identities.csv -out clear.p7m",
        folder);
    refused("clear.p7m", ERROR_REFUSED, "does not open");
}

/* No bit of it may be turned, and no end cut off. */
static void test_an_altered_or_cut_delivery_is_refused(void **state)
{
    char path[PATH_MAX], altered[PATH_MAX];
    struct buffer good = {0};
    deliver("good", "platform", "factory", "-aes-256-gcm");
    in(path, "good.p7m");
    in(altered, "altered.p7m");
    assert_int_equal(file_read(path, &good, NULL), 0);
    for (size_t i = 40; i < good.size; i += 97) {
        struct pool_fixture *f = fixture_new();
        struct pool_counts counts;
        good.data[i] ^= 1;
        assert_int_equal(file_write(altered, good.data, good.size, 0600, NULL), 0);
        good.data[i] ^= 1;
        const int rc = import(f, "altered.p7m", NULL, NULL);
        assert_true(rc == ERROR_REFUSED || rc == ERROR_INPUT);
        assert_int_equal(pool_counts(f->pool, &counts, NULL), 0);
        assert_int_equal(counts.of[IDENTITY_FREE], 0);
        fixture_free(f);
    }
    assert_int_equal(file_write(altered, good.data, good.size / 2, 0600, NULL), 0);
    refused("altered.p7m", ERROR_INPUT, "altered.p7m");
    buffer_free(&good);
}

static void test_a_line_that_does_not_hold_is_named_by_the_deliverys_line(void **state)
{
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    run("cd %s && cp identities.csv kept && printf '103,01:c3:36:00:00:03,"
        "200102030405060708090a0b0c0d0e0f\\n' >>identities.csv",
        folder);
    deliver("group", "platform", "factory", "-aes-256-gcm");
    run("cd %s && mv kept identities.csv", folder);
    assert_int_equal(import(f, "group.p7m", NULL, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "group.p7m:4: "));
    fixture_free(f);
}

static void test_a_key_that_others_can_read_is_not_used(void **state)
{
    run("chmod 644 %s", keys.key);
    deliver("good", "platform", "factory", "-aes-256-gcm");
    refused("good.p7m", ERROR_REFUSED, "0600");
    run("chmod 600 %s", keys.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_delivery_goes_in_whole),
        cmocka_unit_test(test_an_rsa_factory_opens_it_as_well),
        cmocka_unit_test(test_what_is_not_the_platforms_for_us_is_refused),
        cmocka_unit_test(test_an_altered_or_cut_delivery_is_refused),
        cmocka_unit_test(test_a_line_that_does_not_hold_is_named_by_the_deliverys_line),
        cmocka_unit_test(test_a_key_that_others_can_read_is_not_used),
    };
    return cmocka_run_group_tests(tests, parties, parties_gone);
}
