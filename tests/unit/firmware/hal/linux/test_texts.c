/* What the kernel and wpa_supplicant say, read from text and bytes: right ones and hostile ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "firmware/factory/boot_stages.h"
#include "firmware/hal/linux/kernel_argument.h"
#include "firmware/hal/linux/mtd_list.h"
#include "firmware/hal/linux/nl80211_answer.h"
#include "firmware/hal/linux/supplicant.h"
#include "protocol/base/splitmix.h"

static void check_argument(const char *line, const char *expected)
{
    char out[8] = "x";
    bool found = kernel_argument(line, "takt.slot", out, sizeof out);
    assert_int_equal(found, expected != NULL);
    assert_string_equal(out, expected ? expected : "");
}

static void test_an_argument_of_the_command_line(void **state)
{
    check_argument("console=ttyAMA0 takt.slot=b quiet\n", "b");
    check_argument("takt.slot=a", "a");
    check_argument("takt.slot=a takt.slot=b", "b");
    check_argument("takt.slot=\"a b\"", "a b");
    check_argument("\"takt.slot=a\"", "a");
    check_argument("takt.slot=", "");
    check_argument("", NULL);
    check_argument("takt.slot", NULL);
    check_argument("xtakt.slot=b takt.slotx=a", NULL);
    check_argument("quiet -- takt.slot=b", NULL);
    check_argument("x=\"takt.slot=b\"", NULL);
    check_argument("takt.slot=\"b", "b"); /* the quote never ends */
    check_argument("takt.slot=12345678", NULL);
}

static void test_a_long_command_line_is_read_to_its_end(void **state)
{
    char *line = malloc(5000);
    memset(line, 'x', 4900);
    strcpy(line + 4900, " takt.slot=b");
    check_argument(line, "b");
    free(line);
}

static void test_mtd_devices_by_name(void **state)
{
    static const char list[] = "dev:    size   erasesize  name\n"
                               "mtd0: 08000000 00040000 \"0.flash\"\n"
                               "mtd1: 00c00000 00020000 \"kernel_a\"\n"
                               "mtd12: 100000000 00020000 \"big one\"\n";
    struct mtd_entry e;
    assert_true(mtd_list_find(list, "0.flash", &e));
    assert_int_equal(e.number, 0);
    assert_int_equal(e.size_bytes, 0x8000000);
    assert_int_equal(e.erase_bytes, 0x40000);
    assert_true(mtd_list_find(list, "big one", &e));
    assert_int_equal(e.number, 12);
    assert_true(e.size_bytes == 0x100000000);
    assert_false(mtd_list_find(list, "kernel", &e));
    assert_false(mtd_list_find(list, "", &e));
    assert_false(mtd_list_find("", "0.flash", &e));
    static const char *const torn[] = {"mtd",
                                       "mtd0",
                                       "mtd0:",
                                       "mtd0: ",
                                       "mtd0: 1",
                                       "mtd0: 1 ",
                                       "mtd0: 1 2",
                                       "mtd0: 1 2 ",
                                       "mtd0: 1 2 \"",
                                       "mtd0: 1 2 \"a",
                                       "mtdx: 1 2 \"a\"",
                                       "mtd0: z 2 \"a\"",
                                       "mtd99999999999: 1 2 \"a\"",
                                       "mtd0: 1 1ffffffff \"a\"",
                                       "mtd0: 1 \n2 \"a\""};
    for (size_t i = 0; i < sizeof torn / sizeof torn[0]; i++)
        assert_false(mtd_list_find(torn[i], "a", &e));
}

/* Lines as wpa_supplicant 2.10 prints them. */
static void check_event(const char *text, enum supplicant_event expected)
{
    assert_int_equal(supplicant_event(text, strlen(text)), expected);
}

static void test_events_of_the_supplicant(void **state)
{
    check_event(
        "<3>CTRL-EVENT-CONNECTED - Connection to 02:00:00:00:01:00 completed [id=0 id_str=]",
        EVENT_CONNECTED);
    check_event("<3>CTRL-EVENT-NETWORK-NOT-FOUND ", EVENT_NOT_FOUND);
    check_event("<3>CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid=\"line\" auth_failures=1 duration=10 "
                "reason=WRONG_KEY",
                EVENT_WRONG_KEY);
    check_event("<3>CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid=\"line\" auth_failures=1 duration=10 "
                "reason=CONN_FAILED",
                EVENT_OTHER);
    check_event("<3>CTRL-EVENT-TERMINATING ", EVENT_ENDING);
    check_event("<2>CTRL-EVENT-SCAN-STARTED ", EVENT_OTHER);
}

static void test_a_networks_name_is_not_the_supplicants_word(void **state)
{
    check_event("<3>Trying to associate with 02:00:00:00:01:00 "
                "(SSID='<3>CTRL-EVENT-CONNECTED - ' freq=2412 MHz)",
                EVENT_OTHER);
    check_event("<3>CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid=\"x reason=WRONG_KEY\" "
                "auth_failures=1 duration=10 reason=CONN_FAILED",
                EVENT_OTHER);
    check_event("<3>CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid=\"\\\" reason=WRONG_KEY\" duration=10",
                EVENT_OTHER);
    check_event("", EVENT_OTHER);
    check_event("<", EVENT_OTHER);
    check_event("<3>", EVENT_OTHER);
    check_event("<3", EVENT_OTHER);
}

static void test_random_bytes_are_no_event(void **state)
{
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        uint64_t length = splitmix_next(&seed) % 80;
        char *exact = malloc(length + 1); /* a sanitizer sees a read past it */
        for (uint64_t k = 0; k < length; k++)
            exact[k] = (char)splitmix_next(&seed);
        if (length > 3)
            memcpy(exact, "<3>", 3);
        assert_int_equal(supplicant_event(exact, length), EVENT_OTHER);
        supplicant_id(exact, length);
        free(exact);
    }
}

static void test_the_id_of_a_new_network(void **state)
{
    assert_int_equal(supplicant_id("7\n", 2), 7);
    assert_int_equal(supplicant_id("12", 2), 12);
    assert_int_equal(supplicant_id("", 0), -1);
    assert_int_equal(supplicant_id("\n", 1), -1);
    assert_int_equal(supplicant_id("FAIL\n", 5), -1);
    assert_int_equal(supplicant_id("-1\n", 3), -1);
    assert_int_equal(supplicant_id("99999999999\n", 12), -1);
}

static void test_names_and_keys_cannot_be_commands(void **state)
{
    char name[65], psk[66];
    assert_int_equal(supplicant_ssid("a\"\n b", name, NULL), 0);
    assert_string_equal(name, "61220a2062");
    assert_int_equal(supplicant_ssid("", name, NULL), ERROR_INPUT);
    assert_int_equal(supplicant_ssid("123456789012345678901234567890123", name, NULL), ERROR_INPUT);
    assert_int_equal(supplicant_psk("pass\"word", psk, NULL), 0);
    assert_string_equal(psk, "\"pass\"word\"");
    assert_int_equal(supplicant_psk("passw\nord", psk, NULL), ERROR_INPUT);
    assert_int_equal(supplicant_psk("passw\xc3\xb6rd", psk, NULL), ERROR_INPUT);
    assert_int_equal(supplicant_psk("1234567", psk, NULL), ERROR_INPUT);
    char longest[65] = "";
    memset(longest, 'k', 64);
    assert_int_equal(supplicant_psk(longest, psk, NULL), ERROR_INPUT);
    longest[63] = '\0';
    assert_int_equal(supplicant_psk(longest, psk, NULL), 0);
}

/* Attributes as linux/netlink.h and linux/nl80211.h number them: MAC 6, STA_INFO 21 with SIGNAL 7
 * and TX_BITRATE 8, in which BITRATE 1 and BITRATE32 5. Little-endian, as every board is. */
static const uint8_t station[] = {
    10, 0, 6,  0,    2,    0, 0, 0, 1,    0, 0, 0, /* MAC, padded */
    32, 0, 21, 0x80,                               /* STA_INFO, nested */
    5,  0, 7,  0,    0xd6, 0, 0, 0,                /* -42 dBm */
    20, 0, 8,  0x80, 6,    0, 1, 0, 0x1c, 2, 0, 0, /* 54.0 Mbit/s */
    8,  0, 5,  0,    0xd2, 2, 0, 0,                /* 72.2 Mbit/s */
};

static void test_a_link_out_of_nl80211s_attributes(void **state)
{
    struct radio_link link = {0};
    static const uint8_t interface[] = {8, 0, 52, 0, 'l',  'i', 'n', 'e',
                                        8, 0, 38, 0, 0x85, 9,   0,   0};
    nl80211_interface(interface, sizeof interface, &link);
    nl80211_station(station, sizeof station, &link);
    assert_true(link.associated);
    assert_string_equal(link.ssid, "line");
    assert_string_equal(link.bssid, "02:00:00:00:01:00");
    assert_int_equal(link.frequency_mhz, 2437);
    assert_float_equal(link.rssi_dbm, -42, 0);
    assert_float_equal(link.tx_rate_mbps, 72.2, 1e-9);
}

/* REG_ALPHA2 33, as GET_REG answers it. */
static void test_whose_rules_of_the_air_hold(void **state)
{
    struct radio_link link = {0};
    static const uint8_t china[] = {7, 0, 33, 0, 'C', 'N', 0, 0};
    static const uint8_t world[] = {7, 0, 33, 0, '0', '0', 0, 0};
    static const uint8_t rubbish[] = {7, 0, 33, 0, 'c', '"', 0, 0};
    nl80211_country(china, sizeof china, &link);
    assert_string_equal(link.country, "CN");
    nl80211_country(rubbish, sizeof rubbish, &link);
    assert_string_equal(link.country, "CN");
    nl80211_country(world, sizeof world, &link);
    assert_string_equal(link.country, "00");
}

/* BSS 47 with STATUS 9 (1 = associated) and INFORMATION_ELEMENTS 6: rates, then the name. */
static const uint8_t heard[] = {
    28, 0, 47, 0x80,                                                  /* BSS, nested */
    8,  0, 9,  0,    1, 0, 0,    0,                                   /* associated */
    14, 0, 6,  0,    1, 2, 0x82, 0x84, 0, 4, 'l', 'i', 'n', 'e', 0, 0 /* padded */
};

static void test_the_name_of_the_network_that_is_associated(void **state)
{
    uint8_t other[sizeof heard];
    struct radio_link link = {0};
    memcpy(other, heard, sizeof heard);
    other[8] = 0; /* authenticated only */
    nl80211_bss(other, sizeof other, &link);
    assert_string_equal(link.ssid, "");
    nl80211_bss(heard, sizeof heard, &link);
    assert_string_equal(link.ssid, "line");
    memset(&link, 0, sizeof link);
    memcpy(other, heard, sizeof heard);
    other[21] = 5; /* longer than the elements are */
    nl80211_bss(other, sizeof other, &link);
    assert_string_equal(link.ssid, "");
}

static void test_torn_and_random_attributes_are_only_read(void **state)
{
    uint64_t seed = 2;
    for (size_t cut = 0; cut <= sizeof station; cut++) {
        struct radio_link link = {0};
        uint8_t *exact = malloc(cut + 1);
        memcpy(exact, station, cut);
        nl80211_station(exact, cut, &link);
        free(exact);
    }
    for (int i = 0; i < 20000; i++) {
        struct radio_link link = {0};
        size_t size = sizeof station;
        uint8_t *exact = malloc(size);
        memcpy(exact, station, size);
        for (int k = 0; k < 4; k++)
            exact[splitmix_next(&seed) % size] = (uint8_t)splitmix_next(&seed);
        nl80211_station(exact, size, &link);
        nl80211_interface(exact, size, &link);
        nl80211_family(exact, size);
        uint8_t *last = exact + size - sizeof heard; /* up to the end of the allocation */
        memcpy(last, heard, sizeof heard);
        last[splitmix_next(&seed) % sizeof heard] = (uint8_t)splitmix_next(&seed);
        nl80211_bss(last, sizeof heard, &link);
        assert_true(strlen(link.ssid) < sizeof link.ssid);
        free(exact);
    }
}

static void test_a_programs_start_whatever_its_name(void **state)
{
    long parent = 0;
    unsigned long long ticks = 0;
    static const char line[] =
        "17 (camd) 1 9 (x) S 1 17 17 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 4 0 163 123 45 18446744073";
    assert_true(boot_read_stat(line, &parent, &ticks));
    assert_int_equal(parent, 1);
    assert_int_equal(ticks, 163);
    assert_false(boot_read_stat("17 (camd) S 1 17", &parent, &ticks));
    assert_false(boot_read_stat("17 camd", &parent, &ticks));
    assert_false(boot_read_stat("", &parent, &ticks));
}

static void test_stages_are_told_in_order(void **state)
{
    char line[120];
    struct boot_stages s = {.from_power_on = true,
                            .kernel_ms = 812,
                            .init_ms = 1630.4,
                            .camd_ms = 1711,
                            .first_frame_ms = 1890,
                            .hello_ms = 2020};
    boot_stages_format(&s, line, sizeof line);
    assert_string_equal(
        line, "power-on 0, kernel 812, init 1630, camd 1711, first frame 1890, hello 2020 ms");
    s = (struct boot_stages){.camd_ms = 900};
    boot_stages_format(&s, line, sizeof line);
    assert_string_equal(line, "kernel 0, camd 900 ms");
    for (size_t size = 1; size < sizeof line; size++)
        boot_stages_format(&s, line, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_argument_of_the_command_line),
        cmocka_unit_test(test_a_long_command_line_is_read_to_its_end),
        cmocka_unit_test(test_mtd_devices_by_name),
        cmocka_unit_test(test_events_of_the_supplicant),
        cmocka_unit_test(test_a_networks_name_is_not_the_supplicants_word),
        cmocka_unit_test(test_random_bytes_are_no_event),
        cmocka_unit_test(test_the_id_of_a_new_network),
        cmocka_unit_test(test_names_and_keys_cannot_be_commands),
        cmocka_unit_test(test_a_link_out_of_nl80211s_attributes),
        cmocka_unit_test(test_whose_rules_of_the_air_hold),
        cmocka_unit_test(test_the_name_of_the_network_that_is_associated),
        cmocka_unit_test(test_torn_and_random_attributes_are_only_read),
        cmocka_unit_test(test_a_programs_start_whatever_its_name),
        cmocka_unit_test(test_stages_are_told_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
