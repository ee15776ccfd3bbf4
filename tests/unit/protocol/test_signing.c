/* Signatures of both kinds: OpenSSL's own program makes what is checked here and checks what is
 * made here; every other key and scheme is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/base/buffer.h"
#include "protocol/base/digest.h"
#include "protocol/base/file.h"
#include "protocol/formats/signing.h"
#include "tests/unit/protocol/signatures_of_openssl.h"

enum { MESSAGE_BYTES = sizeof openssl_message - 1 };

static const struct {
    const char *public_pem, *signature;
} by_openssl[] = {{openssl_p256_public, openssl_p256_signature},
                  {openssl_rsa_public, openssl_rsa_signature}};

static size_t bytes_of(const char *hex, uint8_t out[SIGNATURE_BYTES_MAX])
{
    size_t size = strlen(hex) / 2;
    assert_true(size <= SIGNATURE_BYTES_MAX);
    assert_int_equal(hex_decode(hex, out, size), 0);
    return size;
}

static int verify(const char *public_pem, const char *hex, struct error *err)
{
    uint8_t signature[SIGNATURE_BYTES_MAX];
    size_t size = bytes_of(hex, signature);
    return signing_verify(public_pem, openssl_message, MESSAGE_BYTES, signature, size, err);
}

static void test_what_openssl_signed_holds(void **state)
{
    for (size_t i = 0; i < 2; i++) {
        struct error err = {0};
        int rc = verify(by_openssl[i].public_pem, by_openssl[i].signature, &err);
        assert_string_equal(err.text, "");
        assert_int_equal(rc, 0);
        assert_int_equal(signing_public_key_check(by_openssl[i].public_pem, &err), 0);
    }
}

static void test_a_signature_holds_for_its_key_bytes_and_scheme_alone(void **state)
{
    struct error err = {0};
    assert_int_equal(verify(openssl_rsa_public, openssl_p256_signature, &err), ERROR_REFUSED);
    assert_int_equal(verify(openssl_p256_public, openssl_rsa_signature, &err), ERROR_REFUSED);
    assert_int_equal(verify(openssl_rsa_public, openssl_pss_signature, &err), ERROR_REFUSED);
    assert_int_equal(verify(openssl_rsa_public, openssl_sha512_signature, &err), ERROR_REFUSED);
    for (size_t i = 0; i < 2; i++) {
        uint8_t signature[SIGNATURE_BYTES_MAX + 1] = {0};
        char message[sizeof openssl_message];
        const char *pem = by_openssl[i].public_pem;
        size_t size = bytes_of(by_openssl[i].signature, signature);
        for (size_t cut = 0; cut < size; cut += 5)
            assert_int_equal(
                signing_verify(pem, openssl_message, MESSAGE_BYTES, signature, cut, NULL),
                ERROR_REFUSED);
        assert_int_equal(
            signing_verify(pem, openssl_message, MESSAGE_BYTES, signature, size + 1, NULL),
            ERROR_REFUSED);
        for (size_t bit = 0; bit < 8 * size; bit += 29) {
            signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(
                signing_verify(pem, openssl_message, MESSAGE_BYTES, signature, size, NULL),
                ERROR_REFUSED);
            signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        memcpy(message, openssl_message, sizeof message);
        for (size_t bit = 0; bit < 8 * (size_t)MESSAGE_BYTES; bit += 7) {
            message[bit / 8] ^= (char)(1u << bit % 8);
            assert_int_equal(signing_verify(pem, message, MESSAGE_BYTES, signature, size, NULL),
                             ERROR_REFUSED);
            message[bit / 8] ^= (char)(1u << bit % 8);
        }
        assert_int_equal(signing_verify(pem, message, MESSAGE_BYTES, signature, size, NULL), 0);
    }
}

static void test_keys_of_other_kinds_are_refused_when_read(void **state)
{
    for (size_t i = 0; i < sizeof openssl_other_keys / sizeof openssl_other_keys[0]; i++) {
        struct error err = {0};
        const char *pem = openssl_other_keys[i].public_pem;
        if (signing_public_key_check(pem, &err) != ERROR_INPUT || !strstr(err.text, "3072"))
            fail_msg("%s was taken: %s", openssl_other_keys[i].what, err.text);
        assert_int_equal(verify(pem, openssl_rsa_signature, &err), ERROR_INPUT);
    }
    struct error err = {0};
    assert_int_equal(signing_private_key_check(openssl_rsa_public, &err), ERROR_INPUT);
    assert_int_equal(signing_public_key_check("", &err), ERROR_INPUT);
    assert_int_equal(signing_public_key_check(NULL, &err), ERROR_INPUT);
    struct signing_key key;
    assert_int_equal(signing_key_make_kind("rsa2048", &key, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "p256 or rsa3072"));
    assert_null(key.private_pem);
}

static void shell(const char *folder, const char *command)
{
    char line[1024];
    snprintf(line, sizeof line, "cd %s && %s", folder, command);
    if (system(line) != 0)
        fail_msg("%s", line);
}

static void put(const char *folder, const char *name, const void *data, size_t size)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_write(path, data, size, 0600, NULL), 0);
}

static void get(const char *folder, const char *name, struct buffer *out)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    *out = (struct buffer){.limit_bytes = 16384};
    assert_int_equal(file_read(path, out, NULL), 0);
    assert_non_null(buffer_text(out));
}

/* Keys that openssl made sign here, and what comes out is what openssl accepts; for RSA, which has
 * no random part, it is what openssl itself makes, byte for byte. */
static void test_openssl_accepts_what_is_signed_here(void **state)
{
    static const struct {
        const char *make;
        bool same_bytes;
    } cases[] = {
        {"openssl genrsa -out key 3072 2>/dev/null", true},
        {"openssl ecparam -genkey -name prime256v1 -noout -out key", false},
    };
    char folder[] = "/tmp/test_signing.XXXXXX";
    assert_non_null(mkdtemp(folder));
    put(folder, "m", openssl_message, MESSAGE_BYTES);
    for (size_t i = 0; i < 2; i++) {
        struct buffer key, public_key, theirs;
        struct error err = {0};
        uint8_t signature[SIGNATURE_BYTES_MAX];
        size_t size;
        shell(folder, cases[i].make);
        shell(folder, "openssl pkey -in key -pubout -out pub");
        shell(folder, "openssl dgst -sha256 -sign key -out theirs m");
        get(folder, "key", &key);
        get(folder, "pub", &public_key);
        get(folder, "theirs", &theirs);
        assert_int_equal(signing_private_key_check(buffer_text(&key), &err), 0);
        if (signing_sign(buffer_text(&key), openssl_message, MESSAGE_BYTES, signature, &size, &err))
            fail_msg("%s", err.text);
        put(folder, "s", signature, size);
        shell(folder, "openssl dgst -sha256 -verify pub -signature s m >/dev/null");
        assert_int_equal(signing_verify(buffer_text(&public_key), openssl_message, MESSAGE_BYTES,
                                        theirs.data, theirs.size, &err),
                         0);
        if (cases[i].same_bytes) {
            assert_int_equal(size, theirs.size);
            assert_memory_equal(signature, theirs.data, size);
        }
        buffer_free(&key);
        buffer_free(&public_key);
        buffer_free(&theirs);
    }
    shell(folder, "rm key pub theirs m s");
    assert_int_equal(rmdir(folder), 0);
}

/* What a key made here says of itself, by openssl's account. */
static void test_keys_made_here_are_what_openssl_calls_them(void **state)
{
    static const char *const kinds[][2] = {{"p256", "prime256v1"}, {"rsa3072", "(3072 bit"}};
    char folder[] = "/tmp/test_signing.XXXXXX", command[128];
    assert_non_null(mkdtemp(folder));
    size_t count = 2;
    if (getenv("RUNNER")) {
        print_message("left out: test_keys_made_here_are_what_openssl_calls_them for RSA: finding "
                      "primes in emulation takes a minute, and no camera makes keys\n");
        count = 1;
    }
    for (size_t i = 0; i < count; i++) {
        struct signing_key key;
        struct error err = {0};
        if (signing_key_make_kind(kinds[i][0], &key, &err))
            fail_msg("%s", err.text);
        put(folder, "key", key.private_pem, strlen(key.private_pem));
        put(folder, "pub", key.public_pem, strlen(key.public_pem));
        snprintf(command, sizeof command, "openssl pkey -in key -noout -text | grep -qF '%s'",
                 kinds[i][1]);
        shell(folder, command);
        shell(folder, "openssl pkey -in key -pubout | cmp -s - pub");
        assert_int_equal(signing_public_key_check(key.public_pem, &err), 0);
        assert_int_equal(signing_private_key_check(key.private_pem, &err), 0);
        signing_key_free(&key);
    }
    shell(folder, "rm key pub");
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_openssl_signed_holds),
        cmocka_unit_test(test_a_signature_holds_for_its_key_bytes_and_scheme_alone),
        cmocka_unit_test(test_keys_of_other_kinds_are_refused_when_read),
        cmocka_unit_test(test_openssl_accepts_what_is_signed_here),
        cmocka_unit_test(test_keys_made_here_are_what_openssl_calls_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
