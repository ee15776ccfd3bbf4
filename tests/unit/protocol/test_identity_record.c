/* The identity as bytes: what goes in comes out, and nothing damaged does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/formats/identity_record.h"
#include "protocol/wire/crc32c.h"

static struct identity_record example(void)
{
    struct identity_record r = {.sequence = 0x01020304,
                                .locked = true,
                                .did = "460123456",
                                .mac = {0x02, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e},
                                .key_bytes = 32,
                                .serial = "SN-2611-000042"};
    for (size_t i = 0; i < r.key_bytes; i++)
        r.key[i] = (uint8_t)(0xa0 + i);
    return r;
}

static void test_a_record_comes_back_as_it_was(void **state)
{
    (void)state;
    uint8_t bytes[IDENTITY_RECORD_BYTES];
    struct identity_record in = example(), out;
    identity_record_encode(&in, bytes);
    assert_int_equal(identity_record_decode(bytes, &out, NULL), 0);
    assert_memory_equal(&in, &out, sizeof in);
}

static void test_the_longest_of_everything_fits(void **state)
{
    (void)state;
    uint8_t bytes[IDENTITY_RECORD_BYTES];
    struct identity_record in = example(), out;
    memset(in.did, 'd', IDENTITY_DID_MAX);
    memset(in.serial, 's', IDENTITY_SERIAL_MAX);
    in.key_bytes = IDENTITY_KEY_MAX;
    memset(in.key, 0xff, IDENTITY_KEY_MAX);
    identity_record_encode(&in, bytes);
    assert_int_equal(identity_record_decode(bytes, &out, NULL), 0);
    assert_memory_equal(&in, &out, sizeof in);
}

/* The layout of the header's table, byte by byte. */
static void test_the_bytes_are_where_the_header_says(void **state)
{
    (void)state;
    uint8_t bytes[IDENTITY_RECORD_BYTES];
    struct identity_record in = example();
    identity_record_encode(&in, bytes);
    assert_memory_equal(bytes,
                        "TKID\x01\x00\x01\x00\x04\x03\x02\x01"
                        "460123456\0",
                        22);
    assert_memory_equal(bytes + 45, in.mac, 6);
    assert_int_equal(bytes[76], 0xa0);
    assert_memory_equal(bytes + 140, "SN-2611-000042", 15);
    assert_int_equal(bytes[173], 32);
    uint32_t crc = crc32c(0, bytes, 252);
    assert_int_equal(bytes[252] | bytes[253] << 8 | bytes[254] << 16 | (uint32_t)bytes[255] << 24,
                     crc);
}

static void test_every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    uint8_t bytes[IDENTITY_RECORD_BYTES];
    struct identity_record in = example(), out;
    identity_record_encode(&in, bytes);
    for (int bit = 0; bit < IDENTITY_RECORD_BYTES * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(identity_record_decode(bytes, &out, NULL), ERROR_MISMATCH);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void test_a_unit_with_a_key_of_its_own_keeps_its_certificate(void **state)
{
    struct identity_record in = {.sequence = 3, .made_here = true, .key_bytes = UNIT_KEY_BYTES},
                           out;
    uint8_t bytes[IDENTITY_RECORD_BYTES];
    strcpy(in.did, "CAM-1");
    in.certificate_bytes = UNIT_CERTIFICATE_MAX;
    memset(in.certificate, 0x30, sizeof in.certificate);
    identity_record_encode(&in, bytes);
    assert_int_equal(bytes[4], 2);
    assert_int_equal(identity_record_decode(bytes, &out, NULL), 0);
    assert_true(out.made_here);
    assert_int_equal(out.certificate_bytes, UNIT_CERTIFICATE_MAX);
    assert_memory_equal(out.certificate, in.certificate, sizeof in.certificate);
    for (int bit = 0; bit < IDENTITY_RECORD_BYTES * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(identity_record_decode(bytes, &out, NULL), ERROR_MISMATCH);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void test_erased_flash_is_empty_and_not_damaged(void **state)
{
    (void)state;
    uint8_t bytes[IDENTITY_RECORD_BYTES];
    struct identity_record out;
    struct error err = {0};
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(identity_record_decode(bytes, &out, &err), ERROR_MISSING);
    memset(bytes, 0, sizeof bytes);
    assert_true(identity_record_decode(bytes, &out, &err) < 0);
}

static void test_a_mac_is_that_of_one_device(void **state)
{
    (void)state;
    uint8_t mac[6];
    char text[18];
    struct error err = {0};
    assert_int_equal(identity_mac_parse("02:1A:2b:3C:4d:5E", mac, &err), 0);
    identity_mac_format(mac, text);
    assert_string_equal(text, "02:1a:2b:3c:4d:5e");
    static const char *const wrong[] = {
        "",
        "02:1a:2b:3c:4d",
        "02-1a-2b-3c-4d-5e",
        "02:1a:2b:3c:4d:5g",
        "02:1a:2b:3c:4d:5e:",
        "01:00:5e:00:00:01",
        "ff:ff:ff:ff:ff:ff",
        "00:00:00:00:00:00",
        "021:a:2b:3c:4d:5e",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(identity_mac_parse(wrong[i], mac, &err), ERROR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_comes_back_as_it_was),
        cmocka_unit_test(test_the_longest_of_everything_fits),
        cmocka_unit_test(test_the_bytes_are_where_the_header_says),
        cmocka_unit_test(test_every_flipped_bit_is_noticed),
        cmocka_unit_test(test_a_unit_with_a_key_of_its_own_keeps_its_certificate),
        cmocka_unit_test(test_erased_flash_is_empty_and_not_damaged),
        cmocka_unit_test(test_a_mac_is_that_of_one_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
