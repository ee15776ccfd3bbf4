/* The key that seals keys: of this user alone, and what it sealed opens for its DID alone. */
#include "tests/unit/provisioning/pool_fixture.h"

#include <openssl/evp.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void address_of(char *out, size_t size, const struct pool_fixture *f, const char *name)
{
    snprintf(out, size, "file:%s/%s", f->folder, name);
}

static void test_a_sealed_key_opens_for_its_did_alone(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    uint8_t key[32], sealed[32 + CUSTODY_OVERHEAD], again[sizeof sealed], opened[sizeof sealed];
    size_t size = 0;
    for (int i = 0; i < 32; i++)
        key[i] = (uint8_t)i;
    assert_done(custody_seal(f->custody, "did-1", key, sizeof key, sealed, &err), err);
    assert_done(custody_seal(f->custody, "did-1", key, sizeof key, again, &err), err);
    assert_memory_not_equal(sealed, again, sizeof sealed); /* a fresh nonce every time */
    assert_done(custody_unseal(f->custody, "did-1", sealed, sizeof sealed, opened, &size, &err),
                err);
    assert_int_equal(size, sizeof key);
    assert_memory_equal(opened, key, sizeof key);
    assert_int_equal(
        custody_unseal(f->custody, "did-2", sealed, sizeof sealed, opened, &size, &err),
        ERROR_REFUSED);
    for (size_t i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= 0x40;
        assert_int_equal(
            custody_unseal(f->custody, "did-1", sealed, sizeof sealed, opened, &size, &err),
            ERROR_REFUSED);
        sealed[i] ^= 0x40;
    }
    assert_int_equal(
        custody_unseal(f->custody, "did-1", sealed, CUSTODY_OVERHEAD, opened, &size, &err),
        ERROR_REFUSED);
    fixture_free(f);
}

/* OpenSSL's primitive opens what custody sealed,
 * by the layout custody_backend.h states: nonce, ciphertext, tag; key from the file. */
static void test_the_sealed_form_is_plain_aes_256_gcm(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct buffer text = {0};
    uint8_t custody_key[32], sealed[16 + CUSTODY_OVERHEAD], opened[16];
    static const uint8_t key[16] = "sixteen bytes..";
    int n = 0;
    assert_done(file_read(f->custody_address + 5, &text, &err), err);
    assert_int_equal(text.size, 65);
    for (int i = 0; i < 32; i++)
        assert_int_equal(sscanf((const char *)text.data + 2 * i, "%2hhx", &custody_key[i]), 1);
    assert_done(custody_seal(f->custody, "did-1", key, sizeof key, sealed, &err), err);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, custody_key, sealed), 1);
    assert_int_equal(EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *)"did-1", 5), 1);
    assert_int_equal(EVP_DecryptUpdate(ctx, opened, &n, sealed + 12, 16), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, 16, sealed + 28), 1);
    assert_int_equal(EVP_DecryptFinal_ex(ctx, opened + n, &n), 1);
    assert_memory_equal(opened, key, sizeof key);
    EVP_CIPHER_CTX_free(ctx);
    buffer_free(&text);
    fixture_free(f);
}

static void test_a_key_others_may_read_is_refused(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct custody *c = NULL;
    struct stat st;
    assert_int_equal(stat(f->custody_address + 5, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(chmod(f->custody_address + 5, 0640), 0);
    assert_int_equal(custody_open(f->custody_address, &c, &err), ERROR_REFUSED);
    assert_non_null(strstr(err.text, "0600"));
    assert_int_equal(custody_open("vault:somewhere", &c, &err), ERROR_INPUT);
    assert_int_equal(custody_open("file:", &c, &err), ERROR_INPUT);
    fixture_free(f);
}

static void test_a_damaged_key_file_is_refused_and_kept(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    char address[128];
    address_of(address, sizeof address, f, "short.key");
    static const char *const contents[] = {"", "abc\n", "00112233"};
    for (size_t k = 0; k < sizeof contents / sizeof contents[0]; k++) {
        struct error err = {0};
        struct custody *c = NULL;
        struct buffer after = {0};
        assert_done(file_write(address + 5, contents[k], strlen(contents[k]), 0600, &err), err);
        assert_int_equal(custody_open(address, &c, &err), ERROR_INPUT);
        assert_done(file_read(address + 5, &after, &err), err);
        assert_int_equal(after.size, strlen(contents[k]));
        buffer_free(&after);
    }
    fixture_free(f);
}

static void test_a_forked_worker_has_no_key(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    pid_t child = fork();
    if (child == 0) {
        struct error err = {0};
        uint8_t key[16] = {0}, sealed[16 + CUSTODY_OVERHEAD];
        _exit(custody_seal(f->custody, "did-1", key, sizeof key, sealed, &err) == ERROR_STATE ? 0
                                                                                              : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    fixture_free(f);
}

static void test_two_that_make_the_key_at_once_have_the_same(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    char address[128];
    for (int round = 0; round < 20; round++) {
        char name[32];
        snprintf(name, sizeof name, "fresh-%d.key", round);
        address_of(address, sizeof address, f, name);
        int told[2], status = 1;
        assert_int_equal(pipe(told), 0);
        uint8_t key[16] = {7}, sealed[16 + CUSTODY_OVERHEAD], opened[sizeof sealed];
        struct error err = {0};
        struct custody *c = NULL;
        pid_t child = fork();
        if (child == 0) {
            if (custody_open(address, &c, &err) ||
                custody_seal(c, "d", key, sizeof key, sealed, &err) ||
                write(told[1], sealed, sizeof sealed) != sizeof sealed)
                _exit(1);
            _exit(0);
        }
        assert_done(custody_open(address, &c, &err), err);
        assert_int_equal(read(told[0], sealed, sizeof sealed), sizeof sealed);
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
        size_t size = 0;
        assert_done(custody_unseal(c, "d", sealed, sizeof sealed, opened, &size, &err), err);
        custody_close(c);
        close(told[0]);
        close(told[1]);
    }
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sealed_key_opens_for_its_did_alone),
        cmocka_unit_test(test_the_sealed_form_is_plain_aes_256_gcm),
        cmocka_unit_test(test_a_key_others_may_read_is_refused),
        cmocka_unit_test(test_a_damaged_key_file_is_refused_and_kept),
        cmocka_unit_test(test_a_forked_worker_has_no_key),
        cmocka_unit_test(test_two_that_make_the_key_at_once_have_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
