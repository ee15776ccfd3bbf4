/* The board file: what is in it comes out, what is wrong in it is named by file and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/base/buffer.h"
#include "protocol/base/file.h"
#include "protocol/formats/board.h"

#define BOARD_FILE "firmware/boards/ssc337de-nand128.json"

static void test_the_ptz_camera_board_is_read_whole(void **state)
{
    (void)state;
    struct board b;
    struct error err = {0};
    assert_int_equal(board_load(BOARD_FILE, &b, &err), 0);
    assert_string_equal(b.name, "ssc337de-nand128");
    assert_string_equal(b.soc, "SSC337DE");
    assert_int_equal(b.memory_bytes, 134217728);
    assert_string_equal(b.flash_kind, "nand");
    assert_int_equal(b.flash_bytes, 134217728);
    assert_int_equal(b.erase_bytes, 131072);
    assert_int_equal(b.page_bytes, 2048);
    assert_string_equal(b.sensor, "SC3336");
    assert_true(b.has_ptz);
    assert_false(b.radio_5ghz);
    assert_int_equal(b.button_count, 1);
    assert_string_equal(b.leds[1], "status_orange");
    /* 32 steps x 1/16 x 2 x (32*22*26*31)/(9*11*9*10) a turn, by hand: 181.14546 a degree. */
    assert_float_equal(b.pan.microsteps_per_deg, 181.14546, 1e-4);

    uint64_t total = 0;
    for (size_t i = 0; i < b.partition_count; i++)
        total += b.partitions[i].size_bytes;
    assert_int_equal(total, b.flash_bytes); /* nothing of the flash is left out */
}

static void test_slots_name_their_partitions(void **state)
{
    (void)state;
    struct board b;
    assert_int_equal(board_load(BOARD_FILE, &b, NULL), 0);
    assert_ptr_equal(board_partition(&b, "rootfs", 'b'), board_partition(&b, "rootfs_b", 0));
    assert_non_null(board_partition(&b, "kernel", 'a'));
    assert_true(board_partition(&b, "identity", 0)->protected_);
    assert_true(board_partition(&b, "boot", 0)->protected_);
    assert_false(board_partition(&b, "env", 0)->protected_);
    assert_null(board_partition(&b, "kernel", 'c'));
    assert_null(board_partition(&b, "kernel", 0));
    assert_null(board_partition(&b, "", 0));
}

/* Replaces the first `old` in the good file by `new` and expects the complaint to hold `line:` of
 * the change and `words`. */
static void refused(const char *old, const char *new, const char *words)
{
    struct buffer good = {0}, bad = {0};
    struct board b;
    struct error err = {0};
    assert_int_equal(file_read(BOARD_FILE, &good, NULL), 0);
    const char *text = buffer_text(&good);
    const char *at = strstr(text, old);
    if (!at)
        fail_msg("the board file has no '%s'", old);
    int line = 1;
    for (const char *p = text; p < at; p++)
        line += *p == '\n';
    buffer_append(&bad, text, (size_t)(at - text));
    buffer_append_text(&bad, new);
    buffer_append_text(&bad, at + strlen(old));

    char where[64];
    snprintf(where, sizeof where, "board.json:%d: ", line);
    assert_int_equal(board_parse("board.json", (const char *)bad.data, bad.size, &b, &err),
                     ERROR_INPUT);
    if (strncmp(err.text, where, strlen(where)) != 0 || !strstr(err.text, words))
        fail_msg("expected '%s... %s ...', got '%s'", where, words, err.text);
    buffer_free(&good);
    buffer_free(&bad);
}

static void test_partitions_that_cannot_be_are_refused_by_line(void **state)
{
    (void)state;
    refused("{ \"name\": \"rootfs_a\", \"offset_kib\": 9984",
            "{ \"name\": \"rootfs_a\", \"offset_kib\": 9856", "overlaps 'kernel_b'");
    refused("{ \"name\": \"data\", \"offset_kib\": 71424, \"size_kib\": 59648",
            "{ \"name\": \"data\", \"offset_kib\": 71424, \"size_kib\": 59776", "past the flash");
    refused("{ \"name\": \"kernel_a\", \"offset_kib\": 1792",
            "{ \"name\": \"kernel_a\", \"offset_kib\": 1796", "erase blocks of 131072");
    refused("{ \"name\": \"kernel_a\", \"offset_kib\": 1792, \"size_kib\": 4096",
            "{ \"name\": \"kernel_a\", \"offset_kib\": 1792, \"size_kib\": 3968", "same size");
}

static void test_what_the_firmware_needs_must_be_there(void **state)
{
    (void)state;
    refused("{ \"name\": \"identity\", \"offset_kib\": 1280, \"size_kib\": 256",
            "{ \"name\": \"identity\", \"offset_kib\": 1280, \"size_kib\": 128",
            "two erase blocks");
    refused("{ \"name\": \"kernel_b\"", "{ \"name\": \"kernel_a\"", "there twice");
}

static void test_misspelt_and_wild_members_are_refused_by_line(void **state)
{
    (void)state;
    refused("\"focal_mm\"", "\"focal_mn\"", "did you mean 'focal_mm'");
    refused("\"erase_bytes\": 131072", "\"erase_bytes\": 131072.5", "whole number");
    refused("\"kind\": \"nand\"", "\"kind\": \"tape\"", "nor, nand or emmc");
    refused("\"page_bytes\": 2048", "\"page_bytes\": 2000", "divisor of erase_bytes");
    refused("\"sensor\": \"SC3336\"", "\"sensor\": \"../SC3336\"", "letters");
    refused("\"f_number\": 2.0", "\"f_number\": -2.0", "expected 0.7 to 64");
    refused("\"protected\": true", "\"protected\": 1", "true or false");
    refused("\"supply_volts\": 5.0", "\"supply_volts\": \"5 V\"", "must be a number");
    refused("\"buttons\": [\"reset\"]", "\"buttons\": [\"reset\", \"reset\"]", "twice");
}

static void test_a_file_that_is_not_there_is_missing(void **state)
{
    (void)state;
    struct board b;
    struct error err = {0};
    assert_int_equal(board_load("firmware/boards/none.json", &b, &err), ERROR_MISSING);
    assert_non_null(strstr(err.text, "none.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_ptz_camera_board_is_read_whole),
        cmocka_unit_test(test_slots_name_their_partitions),
        cmocka_unit_test(test_partitions_that_cannot_be_are_refused_by_line),
        cmocka_unit_test(test_what_the_firmware_needs_must_be_there),
        cmocka_unit_test(test_misspelt_and_wild_members_are_refused_by_line),
        cmocka_unit_test(test_a_file_that_is_not_there_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
