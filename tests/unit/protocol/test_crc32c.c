#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/wire/crc32c.h"

/* RFC 3720, appendix B.4. */
static void test_values_of_rfc_3720(void **state)
{
    uint8_t data[32];
    memset(data, 0, sizeof data);
    assert_int_equal(crc32c(0, data, sizeof data), 0x8A9136AA);
    memset(data, 0xFF, sizeof data);
    assert_int_equal(crc32c(0, data, sizeof data), 0x62A8AB43);
    for (int i = 0; i < 32; i++)
        data[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, data, sizeof data), 0x46DD794E);
    for (int i = 0; i < 32; i++)
        data[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c(0, data, sizeof data), 0x113FDB5C);
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
}

/* Bit by bit, as the polynomial says, against the table, at every length and cut. */
static void test_the_table_agrees_with_the_polynomial(void **state)
{
    uint8_t data[67];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37 + 11);
    uint32_t crc = 0xFFFFFFFF;
    for (size_t n = 0; n <= sizeof data; n++) {
        for (size_t cut = 0; cut <= n; cut++)
            assert_int_equal(crc32c(crc32c(0, data, cut), data + cut, n - cut), ~crc);
        if (n < sizeof data) {
            crc ^= data[n];
            for (int bit = 0; bit < 8; bit++)
                crc = crc & 1 ? crc >> 1 ^ 0x82F63B78 : crc >> 1;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_of_rfc_3720),
        cmocka_unit_test(test_the_table_agrees_with_the_polynomial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
