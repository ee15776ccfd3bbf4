/* Hex text of unknown length, as it comes from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/base/digest.h"
#include "protocol/base/error.h"

static void hex_of_any_length_stays_in_its_room(void **state)
{
    uint8_t out[4] = {0, 0, 0, 0x77};
    assert_int_equal(hex_decode_some("00fFa5", out, 3), 3);
    assert_memory_equal(out, "\x00\xff\xa5\x77", 4);
    assert_int_equal(hex_decode_some("", out, 3), 0);
    assert_int_equal(hex_decode_some("01020304", out, 3), ERROR_INPUT);
    assert_int_equal(hex_decode_some("01020", out, 3), ERROR_INPUT);
    assert_int_equal(hex_decode_some("0102 3", out, 3), ERROR_INPUT);
    assert_int_equal(out[3], 0x77);
    (void)state;
}

/* FIPS 180-4's example of one block, and of none. */
static void sha256_has_its_published_values(void **state)
{
    uint8_t hash[DIGEST_BYTES];
    char hex[2 * DIGEST_BYTES + 1];
    assert_int_equal(digest_bytes("abc", 3, hash), 0);
    hex_encode(hash, sizeof hash, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(digest_bytes("", 0, hash), 0);
    hex_encode(hash, sizeof hash, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_of_any_length_stays_in_its_room),
        cmocka_unit_test(sha256_has_its_published_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
