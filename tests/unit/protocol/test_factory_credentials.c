/* Factory credentials as bytes: what goes in comes out, and nothing damaged or foreign does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/formats/factory_credentials.h"
#include "protocol/formats/signing.h"
#include "protocol/wire/certificate.h"
#include "protocol/wire/crc32c.h"

static struct factory_credentials credentials;

static int make(void **state)
{
    struct certificate ca;
    struct signing_key key;
    assert_int_equal(certificate_make_ca("factory", 10, &ca, NULL), 0);
    assert_int_equal(signing_key_make(&key, NULL), 0);
    strcpy(credentials.ca_pem, ca.certificate_pem);
    strcpy(credentials.token_key_pem, key.public_pem);
    certificate_free(&ca);
    signing_key_free(&key);
    return 0;
}

static void test_credentials_come_back_as_they_were(void **state)
{
    uint8_t bytes[FACTORY_CREDENTIALS_BYTES];
    struct factory_credentials back;
    size_t size;
    assert_int_equal(factory_credentials_encode(&credentials, bytes, &size, NULL), 0);
    assert_memory_equal(bytes, "TKFC\x01\0\0\0", 8);
    assert_true(size > 16 && size < sizeof bytes);
    assert_int_equal(bytes[size], 0xff); /* the rest of the page is left erased */
    assert_int_equal(factory_credentials_decode(bytes, sizeof bytes, &back, NULL), 0);
    assert_string_equal(back.ca_pem, credentials.ca_pem);
    assert_string_equal(back.token_key_pem, credentials.token_key_pem);
    assert_int_equal(factory_credentials_decode(bytes, size, &back, NULL), 0);
}

static void test_no_damaged_byte_is_taken(void **state)
{
    uint8_t bytes[FACTORY_CREDENTIALS_BYTES];
    struct factory_credentials back;
    size_t size;
    factory_credentials_encode(&credentials, bytes, &size, NULL);
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x20;
        assert_int_equal(factory_credentials_decode(bytes, sizeof bytes, &back, NULL),
                         ERROR_MISMATCH);
        assert_string_equal(back.ca_pem, "");
        bytes[i] ^= 0x20;
    }
    for (size_t n = 1; n < size; n++)
        assert_int_equal(factory_credentials_decode(bytes, n, &back, NULL), ERROR_MISMATCH);
    /* Half-written: the rest is erased. */
    memset(bytes + size / 2, 0xff, sizeof bytes - size / 2);
    assert_int_equal(factory_credentials_decode(bytes, sizeof bytes, &back, NULL), ERROR_MISMATCH);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(factory_credentials_decode(bytes, sizeof bytes, &back, NULL), ERROR_MISSING);
    assert_int_equal(factory_credentials_decode(bytes, 0, &back, NULL), ERROR_MISSING);
}

/* Whole by its CRC, and yet nothing a unit could use. */
static void test_what_is_no_certificate_or_key_is_refused(void **state)
{
    uint8_t bytes[FACTORY_CREDENTIALS_BYTES];
    struct factory_credentials wrong = credentials, back;
    struct error err = {0};
    size_t size;
    strcpy(wrong.ca_pem, credentials.token_key_pem);
    assert_int_equal(factory_credentials_encode(&wrong, bytes, &size, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "factory CA"));
    wrong = credentials;
    strcpy(wrong.token_key_pem, "-----BEGIN PUBLIC KEY-----\n");
    assert_int_equal(factory_credentials_encode(&wrong, bytes, &size, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "token key"));

    factory_credentials_encode(&credentials, bytes, &size, NULL);
    bytes[20] ^= 1; /* within -----BEGIN */
    uint32_t crc = crc32c(0, bytes, size - 4);
    for (int i = 0; i < 4; i++)
        bytes[size - 4 + (size_t)i] = (uint8_t)(crc >> 8 * i);
    assert_int_equal(factory_credentials_decode(bytes, sizeof bytes, &back, NULL), ERROR_INPUT);
}

static void test_lengths_that_lie_are_refused(void **state)
{
    static const uint32_t lies[] = {0, 0x7fffffff, 0xffffffff, 0xfffffff0, 6145, 8192};
    uint8_t bytes[FACTORY_CREDENTIALS_BYTES];
    struct factory_credentials back;
    size_t size;
    factory_credentials_encode(&credentials, bytes, &size, NULL);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++)
        for (size_t at = 8; at <= 12; at += 4) {
            uint8_t kept[4];
            memcpy(kept, bytes + at, 4);
            for (int b = 0; b < 4; b++)
                bytes[at + (size_t)b] = (uint8_t)(lies[i] >> 8 * b);
            assert_int_equal(factory_credentials_decode(bytes, sizeof bytes, &back, NULL),
                             ERROR_MISMATCH);
            memcpy(bytes + at, kept, 4);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_credentials_come_back_as_they_were),
        cmocka_unit_test(test_no_damaged_byte_is_taken),
        cmocka_unit_test(test_what_is_no_certificate_or_key_is_refused),
        cmocka_unit_test(test_lengths_that_lie_are_refused),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
