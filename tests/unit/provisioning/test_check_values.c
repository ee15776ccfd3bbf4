/* The two ways keys are derived and wrapped around here, held against their standards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "protocol/base/digest.h"

static void unhex(const char *text, uint8_t *out, size_t size)
{
    assert_int_equal(hex_decode(text, out, size), 0);
}

/* HKDF with SHA-256, as TLS 1.3 derives its keys. */
static void test_hkdf_gives_rfc_5869_case_1(void **state)
{
    (void)state;
    uint8_t ikm[22], salt[13], info[10], okm[42], expected[42];
    memset(ikm, 0x0b, sizeof ikm);
    unhex("000102030405060708090a0b0c", salt, sizeof salt);
    unhex("f0f1f2f3f4f5f6f7f8f9", info, sizeof info);
    unhex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
          expected, sizeof expected);
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *c = EVP_KDF_CTX_new(kdf);
    char sha256[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha256, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, ikm, sizeof ikm),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, sizeof salt),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof info),
        OSSL_PARAM_construct_end()};
    assert_int_equal(EVP_KDF_derive(c, okm, sizeof okm, params), 1);
    assert_memory_equal(okm, expected, sizeof okm);
    EVP_KDF_CTX_free(c);
    EVP_KDF_free(kdf);
}

/* AES key wrap, section 4.1: 128 bits of key under a KEK of 128 bits. */
static void test_aes_key_wrap_gives_rfc_3394_4_1(void **state)
{
    (void)state;
    uint8_t kek[16], key[16], wrapped[24], expected[24], back[24];
    int n = 0, last = 0;
    unhex("000102030405060708090A0B0C0D0E0F", kek, sizeof kek);
    unhex("00112233445566778899AABBCCDDEEFF", key, sizeof key);
    unhex("1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5", expected, sizeof expected);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    EVP_CIPHER_CTX_set_flags(c, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_128_wrap(), NULL, kek, NULL), 1);
    assert_int_equal(EVP_EncryptUpdate(c, wrapped, &n, key, sizeof key), 1);
    assert_int_equal(EVP_EncryptFinal_ex(c, wrapped + n, &last), 1);
    assert_int_equal(n + last, sizeof wrapped);
    assert_memory_equal(wrapped, expected, sizeof wrapped);
    assert_int_equal(EVP_DecryptInit_ex(c, EVP_aes_128_wrap(), NULL, kek, NULL), 1);
    assert_int_equal(EVP_DecryptUpdate(c, back, &n, wrapped, sizeof wrapped), 1);
    assert_int_equal(n, sizeof key);
    assert_memory_equal(back, key, sizeof key);
    wrapped[0] ^= 1;
    assert_int_equal(EVP_DecryptInit_ex(c, EVP_aes_128_wrap(), NULL, kek, NULL), 1);
    assert_true(EVP_DecryptUpdate(c, back, &n, wrapped, sizeof wrapped) <= 0);
    EVP_CIPHER_CTX_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hkdf_gives_rfc_5869_case_1),
        cmocka_unit_test(test_aes_key_wrap_gives_rfc_3394_4_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
