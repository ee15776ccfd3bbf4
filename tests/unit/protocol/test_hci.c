/* HCI packets against the bytes that hcidump and btmon print for the same commands, and against the
 * tables of Bluetooth Core 5.4, vol 4, part E. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/formats/hci.h"

static void is(const uint8_t *packet, size_t size, const char *bytes, size_t expected)
{
    assert_int_equal(size, expected);
    assert_memory_equal(packet, bytes, expected);
    assert_int_equal(hci_packet_bytes(packet, size), (int)expected);
}
#define IS(call, bytes) is(p, call, bytes, sizeof bytes - 1)

static void test_commands_are_the_specifications_bytes(void **unused)
{
    uint8_t p[HCI_PACKET_MAX];
    IS(hci_command(p, HCI_RESET, NULL, 0), "\x01\x03\x0c\x00");
    IS(hci_command(p, HCI_READ_BD_ADDR, NULL, 0), "\x01\x09\x10\x00");
    /* hcidump of `hcitool lescan --passive`: 10 ms are 0x0010; here 30 ms. */
    IS(hci_scan_parameters(p, 30), "\x01\x0b\x20\x07\x00\x30\x00\x30\x00\x00\x00");
    IS(hci_scan_enable(p, true), "\x01\x0c\x20\x02\x01\x00");
    IS(hci_event_mask(p), "\x01\x01\x0c\x08\xff\xff\xff\xff\xff\x1f\x00\x20");
    /* `hciconfig leadv 3`: 100 ms are 0x00a0, type 3, all three channels. */
    IS(hci_advertising_parameters(p, 100),
       "\x01\x06\x20\x0f\xa0\x00\xa0\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x07\x00");
    IS(hci_advertising_enable(p, false), "\x01\x0a\x20\x01\x00");
    IS(hci_advertising_data(p, "takt"),
       "\x01\x08\x20\x20\x06\x05\x09takt\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
}

static void test_a_long_name_is_cut_where_the_advertisement_ends(void **unused)
{
    uint8_t p[HCI_PACKET_MAX];
    assert_int_equal(hci_advertising_data(p, "0123456789012345678901234567890123456789"), 36);
    assert_int_equal(p[4], 31);
    assert_int_equal(p[5], 30);
    assert_memory_equal(p + 7, "01234567890123456789012345678", 29);
}

static void test_a_packet_is_told_from_half_of_one_and_from_none(void **unused)
{
    const uint8_t whole[] = {4, 0x0e, 4, 1, 3, 0x0c, 0, 4};
    for (size_t n = 0; n < 7; n++)
        assert_int_equal(hci_packet_bytes(whole, n), 0);
    assert_int_equal(hci_packet_bytes(whole, 8), 7);
    assert_int_equal(hci_packet_bytes((const uint8_t *)"\x02", 1), -1);
    assert_int_equal(hci_packet_bytes((const uint8_t *)"OK\r", 3), -1);
}

static void test_completions_are_of_their_command(void **unused)
{
    const uint8_t done[] = {4, 0x0e, 4, 1, 3, 0x0c, 0}, other[] = {4, 0x0e, 4, 1, 9, 0x10, 0},
                  refused[] = {4, 0x0f, 4, 0x0c, 1, 3, 0x0c},
                  short_one[] = {4, 0x0e, 3, 1, 3, 0x0c},
                  address[] = {4, 0x0e, 10, 1, 9, 0x10, 0, 0x2a, 0, 0x10, 0x5e, 0, 2};
    uint8_t status = 99;
    const uint8_t *back;
    size_t n;
    char text[HCI_ADDRESS_TEXT];
    assert_true(hci_completes(done, sizeof done, HCI_RESET, &status, &back, &n));
    assert_true(status == 0 && n == 0);
    assert_false(hci_completes(other, sizeof other, HCI_RESET, &status, &back, &n));
    assert_false(hci_completes(short_one, sizeof short_one, HCI_RESET, &status, &back, &n));
    assert_true(hci_completes(refused, sizeof refused, HCI_RESET, &status, &back, &n));
    assert_true(status == 0x0c && n == 0);
    assert_true(hci_completes(address, sizeof address, HCI_READ_BD_ADDR, &status, &back, &n));
    assert_int_equal(n, 6);
    hci_address(back, text);
    assert_string_equal(text, "02:00:5e:10:00:2a");
}

static void test_addresses_are_read_as_they_are_written(void **unused)
{
    uint8_t a[6];
    assert_true(hci_address_bytes("02:00:5e:10:00:2a", a));
    assert_memory_equal(a, "\x2a\x00\x10\x5e\x00\x02", 6);
    assert_false(hci_address_bytes("02:00:5e:10:00", a));
    assert_false(hci_address_bytes("02:00:5e:10:00:2g", a));
    assert_false(hci_address_bytes("02-00-5e-10-00-2a", a));
    assert_false(hci_address_bytes("", a));
}

/* Two reports in one event: flags and a name; no data, a random address. */
static const char two[] = "\x04\x3e\x23\x02\x02"
                          "\x03\x00\x2a\x00\x10\x5e\x00\x02\x09\x02\x01\x06\x05\x09takt\xd0"
                          "\x00\x01\x01\x02\x03\x04\x05\xc6\x00\xa6";

static void test_reports_tell_address_name_and_level(void **unused)
{
    struct hci_report r[4];
    uint8_t event[sizeof two];
    memcpy(event, two, sizeof two - 1);
    event[2] = (uint8_t)(sizeof two - 1 - 3);
    assert_int_equal(hci_reports(event, sizeof two - 1, r, 4), 2);
    assert_string_equal(r[0].address, "02:00:5e:10:00:2a");
    assert_true(r[0].public_address && r[0].rssi_dbm == -48);
    assert_string_equal(r[0].name, "takt");
    assert_string_equal(r[1].address, "c6:05:04:03:02:01");
    assert_true(!r[1].public_address && r[1].rssi_dbm == -90);
    assert_string_equal(r[1].name, "");
    assert_int_equal(hci_reports(event, sizeof two - 1, r, 1), 1);
}

/* Whatever stands in the air's bytes, nothing is read behind the event's end. */
static void test_reports_that_lie_about_lengths_are_not_read_past(void **unused)
{
    struct hci_report r[4];
    for (size_t at = 2; at < sizeof two - 1; at++)
        for (int value = 0; value < 256; value += 15) {
            uint8_t *event = malloc(sizeof two - 1); /* its end is watched */
            memcpy(event, two, sizeof two - 1);
            event[2] = (uint8_t)(sizeof two - 1 - 3);
            event[at] = (uint8_t)value;
            assert_true(hci_reports(event, sizeof two - 1, r, 4) <= 2);
            free(event);
        }
}

static void test_what_is_written_as_a_report_is_read_as_one(void **unused)
{
    struct hci_report r;
    uint8_t p[HCI_PACKET_MAX];
    const size_t n = hci_report_event(p, (const uint8_t *)"\x2a\x00\x10\x5e\x00\x02", "takt", -71);
    is(p, n, "\x04\x3e\x12\x02\x01\x03\x00\x2a\x00\x10\x5e\x00\x02\x06\x05\x09takt\xb9", 21);
    assert_int_equal(hci_reports(p, n, &r, 1), 1);
    assert_string_equal(r.name, "takt");
    assert_int_equal(r.rssi_dbm, -71);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_are_the_specifications_bytes),
        cmocka_unit_test(test_a_long_name_is_cut_where_the_advertisement_ends),
        cmocka_unit_test(test_a_packet_is_told_from_half_of_one_and_from_none),
        cmocka_unit_test(test_completions_are_of_their_command),
        cmocka_unit_test(test_addresses_are_read_as_they_are_written),
        cmocka_unit_test(test_reports_tell_address_name_and_level),
        cmocka_unit_test(test_reports_that_lie_about_lengths_are_not_read_past),
        cmocka_unit_test(test_what_is_written_as_a_report_is_read_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
