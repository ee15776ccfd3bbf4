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

#define BOARD_FILE   "firmware/boards/ssc337de-nand128.json"
#define MACHINE_FILE "firmware/boards/qemu-virt.json"

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

    assert_string_equal(b.arch, "armhf");

    uint64_t total = 0;
    for (size_t i = 0; i < b.partition_count; i++)
        total += b.partitions[i].size_bytes;
    assert_int_equal(total, b.flash_bytes); /* nothing of the flash is left out */

    assert_int_equal(b.boot.rom_baud, 38400);
    assert_int_equal(b.boot.baud, 115200);
    assert_string_equal(b.boot.prompts[0], "SigmaStar # ");
    assert_string_equal(b.boot.stop_keys, "\r");
    assert_string_equal(b.boot.stop_prompt, ""); /* nothing to wait for */
    assert_string_equal(board_key_name(b.boot.stop_keys[0]), "enter");
    assert_int_equal(b.boot.load_address, 0x21000000);
    assert_string_equal(b.boot.write, "nand write {memory} {flash} {bytes}");
    assert_int_equal(b.boot.usb_rom.vendor, 0x1b20);
    assert_true(b.network.dhcp);
    assert_string_equal(b.image.data, "ubifs");
    assert_string_equal(b.image.inputs[0].name, "u-boot");
    assert_string_equal(b.linux.modules[0].name, "8189fs");
    assert_string_equal(b.linux.camera, ""); /* a part that is not named is not there */
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
    assert_true(board_partition(&b, "factory", 0)->protected_);
    assert_false(board_partition(&b, "env", 0)->protected_);
    assert_null(board_partition(&b, "kernel", 'c'));
    assert_null(board_partition(&b, "kernel", 0));
    assert_null(board_partition(&b, "", 0));
}

/* Replaces the first `old` in a good file by `new` and expects the complaint to hold `words` and
 * the line on which the first `at` stands. */
static void refused_at(const char *file, const char *old, const char *new, const char *at,
                       const char *words)
{
    struct buffer good = {0}, bad = {0};
    struct board b;
    struct error err = {0};
    assert_int_equal(file_read(file, &good, NULL), 0);
    const char *text = buffer_text(&good);
    const char *change = strstr(text, old);
    if (!change)
        fail_msg("%s has no '%s'", file, old);
    buffer_append(&bad, text, (size_t)(change - text));
    buffer_append_text(&bad, new);
    buffer_append_text(&bad, change + strlen(old));
    text = buffer_text(&bad);
    const char *place = strstr(text, at);
    assert_non_null(place);
    int line = 1;
    for (const char *p = text; p < place; p++)
        line += *p == '\n';

    char where[64];
    snprintf(where, sizeof where, "board.json:%d: ", line);
    assert_int_equal(board_parse("board.json", text, bad.size, &b, &err), ERROR_INPUT);
    if (strncmp(err.text, where, strlen(where)) != 0 || !strstr(err.text, words))
        fail_msg("expected '%s... %s ...', got '%s'", where, words, err.text);
    buffer_free(&good);
    buffer_free(&bad);
}

/* The complaint names the changed line itself. */
static void refused_in(const char *file, const char *old, const char *new, const char *words)
{
    refused_at(file, old, new, new, words);
}

static void refused(const char *old, const char *new, const char *words)
{
    refused_in(BOARD_FILE, old, new, words);
}

static void test_a_radio_says_whether_it_has_bluetooth(void **state)
{
    struct board b;
    struct error err = {0};
    assert_int_equal(board_load("firmware/boards/ssc377-emmc.json", &b, &err), 0);
    assert_true(b.bluetooth && b.radio_5ghz);
    assert_string_equal(b.linux.bluetooth, "");
    assert_int_equal(board_load(BOARD_FILE, &b, &err), 0);
    assert_false(b.bluetooth);
    refused_in("firmware/boards/ssc377-emmc.json", "\"bluetooth\": true", "\"bluetooth\": 5",
               "'bluetooth' must be true or false");
    refused_in("firmware/boards/qemu-virt.json", "\"radio\": \"wlan0\"",
               "\"radio\": \"wlan0\", \"bluetooth\": \"bt0\"", "expected hci0 or another number");
    refused_in("firmware/boards/qemu-virt.json", "\"radio\": \"wlan0\"",
               "\"radio\": \"wlan0\", \"bluetooth\": \"hci12345\"",
               "expected hci0 or another number");
}

static void test_partitions_that_cannot_be_are_refused_by_line(void **state)
{
    (void)state;
    refused("\"rootfs_a\", \"offset_kib\": 11008", "\"rootfs_a\", \"offset_kib\": 10880",
            "overlaps 'kernel_b'");
    refused("\"data\", \"offset_kib\": 72448, \"size_kib\": 58624",
            "\"data\", \"offset_kib\": 72448, \"size_kib\": 58752", "past the flash");
    refused("\"kernel_a\", \"offset_kib\": 2816", "\"kernel_a\", \"offset_kib\": 2820",
            "erase blocks of 131072");
    refused("\"kernel_a\", \"offset_kib\": 2816, \"size_kib\": 4096",
            "\"kernel_a\", \"offset_kib\": 2816, \"size_kib\": 3968", "same size");
    refused("\"kernel_a\", \"offset_kib\": 2816, \"size_kib\": 4096",
            "\"kernel_a\", \"offset_kib\": 2816, \"size_kib\": 0", "from 1 to");
    /* On NOR and eMMC the blocks are others. */
    refused_in("firmware/boards/t31-nor16.json", "\"offset_kib\": 14912, \"size_kib\": 1472",
               "\"offset_kib\": 14912, \"size_kib\": 1440", "erase blocks of 65536");
    refused_in("firmware/boards/ssc377-emmc.json", "\"offset_kib\": 4096, \"size_kib\": 1024",
               "\"offset_kib\": 4096, \"size_kib\": 768", "erase blocks of 524288");
}

static void test_what_the_firmware_needs_must_be_there(void **state)
{
    (void)state;
    static const char *const needed[] = {"env",      "identity", "factory",  "data",
                                         "kernel_a", "kernel_b", "rootfs_a", "rootfs_b"};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        char old[64], words[64];
        snprintf(old, sizeof old, "\"name\": \"%s\", \"offset", needed[i]);
        snprintf(words, sizeof words, "partition '%s' is missing", needed[i]);
        refused_at(BOARD_FILE, old, "\"name\": \"other\", \"offset", "\"partitions\"", words);
    }
    refused_at(BOARD_FILE, "\"partitions\": [", "\"partitions\": [ ], \"partitions\": [",
               "\"partitions\"",
               "partitions 'env', 'identity', 'factory', 'data', 'kernel_a', 'kernel_b', "
               "'rootfs_a', 'rootfs_b' are missing");
    refused("\"identity\", \"offset_kib\": 2304, \"size_kib\": 256",
            "\"identity\", \"offset_kib\": 2304, \"size_kib\": 128", "two erase blocks");
    refused("{ \"name\": \"kernel_b\"", "{ \"name\": \"kernel_a\", \"size_kib\": 4096",
            "there twice");
}

static void test_what_updates_must_not_reach_is_protected_and_nothing_else(void **state)
{
    (void)state;
    refused("2304, \"size_kib\": 256, \"protected\": true", "2304, \"size_kib\": 256",
            "'identity' must be kept from updates");
    refused("2560, \"size_kib\": 256, \"protected\": true",
            "2560, \"size_kib\": 256, \"protected\": false", "'factory' must be kept from updates");
    refused("2816, \"size_kib\": 4096", "2816, \"size_kib\": 4096, \"protected\": true",
            "'kernel_a' is written by updates");
    refused("2048, \"size_kib\": 256", "2048, \"size_kib\": 256, \"protected\": true",
            "'env' is written by updates");
}

static void test_misspelt_and_wild_members_are_refused_by_line(void **state)
{
    (void)state;
    refused("\"focal_mm\"", "\"focal_mn\"", "did you mean 'focal_mm'");
    refused("\"erase_bytes\": 131072", "\"erase_bytes\": 131072.5", "whole number");
    refused("\"kind\": \"nand\"", "\"kind\": \"tape\"", "nor, nand or emmc");
    refused("\"kind\": \"nand\"", "\"kind\": \"nandd\"", "did you mean 'nand'");
    refused("\"page_bytes\": 2048", "\"page_bytes\": 2000", "divisor of erase_bytes");
    refused("\"sensor\": \"SC3336\"", "\"sensor\": \"../SC3336\"", "letters");
    refused("\"f_number\": 2.0", "\"f_number\": -2.0", "expected 0.7 to 64");
    refused("\"protected\": true", "\"protected\": 1", "true or false");
    refused("\"supply_volts\": 5.0", "\"supply_volts\": \"5 V\"", "must be a number");
    refused("\"buttons\": [\"reset\"]", "\"buttons\": [\"reset\", \"reset\"]", "twice");
    refused("\"arch\": \"armhf\"", "\"arch\": \"armhff\"", "did you mean 'armhf'");
    refused("\"arch\": \"armhf\"", "\"arch\": \"riscv64\"", "expected armhf or mipsel");
    refused("\"network\":", "\"netwrok\":", "did you mean 'network'");
    refused("\"network\": {", "\"network\": 5, \"linux\": {", "'network' must be an object");
}

static void test_a_boot_loader_that_cannot_be_is_refused_by_line(void **state)
{
    (void)state;
    refused("\"baud\": 115200", "\"baud\": 115", "expected a whole number from 1200");
    refused("\"prompts\": [\"SigmaStar # \", \"OpenIPC # \"]", "\"prompts\": []", "empty");
    refused("\"prompts\": [\"SigmaStar # \"", "\"prompts\": [\"a\\nb\"", "one line of text");
    refused("\"stop_keys\": [\"enter\"]", "\"stop_keys\": [\"entre\"]", "did you mean 'enter'");
    refused("\"stop_keys\": [\"enter\"]", "\"load\": \"loadz\", \"stop_keys\": [\"enter\"]",
            "load is 'loadz', did you mean 'loady'");
    refused("\"stop_keys\": [\"enter\"]", "\"stop_keys\": [\"f12\"]",
            "expected enter, ctrl-c, escape or space");
    refused("\"load_address\": \"0x21000000\"", "\"load_address\": \"21000000\"",
            "expected an address like");
    refused("\"load_address\": \"0x21000000\"", "\"load_address\": \"0x21000000000000000\"",
            "expected an address like");
    refused("\"load_address\": \"0x21000000\"", "\"load_address\": 553648128", "must be a string");
    refused("nand erase {flash} {bytes}", "nand erase {flsh} {bytes}", "unknown placeholder");
    refused("nand erase {flash} {bytes}", "nand erase {flash}", "{flash} and {bytes}");
    refused("nand write {memory} {flash}", "nand write {flash}", "name {memory}");
    refused("nand read {memory}", "nand read; {memory}", "without quotes, '$', '\\' and ';'");
    refused("\"rom\": \"1b20:0300\"", "\"rom\": \"1b20-0300\"", "like \"a108:c309\"");
    refused("\"rom\": \"1b20:0300\"", "\"rom\": \"1b20:300\"", "like \"a108:c309\"");
    refused("\"strap\": \"", "\"banks\": [], \"strap\": \"", "memory-mapped NOR");
}

static void test_a_mapped_flash_is_mapped_whole_and_written_where_the_loader_can(void **state)
{
    (void)state;
    const char *bank = "{ \"address\": \"0x04000000\", \"size_mib\": 64, \"writable_mib\": 32 }";
    refused_at(MACHINE_FILE, bank, "{ \"address\": \"0x04000000\", \"size_mib\": 32 }", "\"banks\"",
               "'banks' have 96 MiB, expected the flash's 128 MiB");
    refused_in(MACHINE_FILE, bank,
               "{ \"address\": \"0x04000000\", \"size_mib\": 64, \"writable_mib\": 65 }",
               "from 0 to 64");
    /* 0.5 MiB from 0.5 MiB of the second bank. */
    refused_at(MACHINE_FILE, bank,
               "{ \"address\": \"0x04000000\", \"size_mib\": 64, \"writable_mib\": 0 }",
               "\"name\": \"env\"", "'env' does not lie in one bank");
    /* 18 MiB from 13 MiB on end at 31 MiB. */
    refused_at(MACHINE_FILE, "\"address\": \"0x00000000\", \"size_mib\": 64, \"writable_mib\": 32",
               "\"address\": \"0x00000000\", \"size_mib\": 64, \"writable_mib\": 30",
               "\"name\": \"rootfs_a\"", "'rootfs_a' does not lie in one bank");

    struct board b;
    assert_int_equal(board_load(MACHINE_FILE, &b, NULL), 0);
    assert_int_equal(board_flash_address(&b, 0), 0);
    assert_int_equal(board_flash_address(&b, (64 << 20) - 1), 0x03ffffff);
    assert_int_equal(board_flash_address(&b, 64 << 20), 0x04000000);
    b.boot.banks[1].address = 0x80000000;
    assert_int_equal(board_flash_address(&b, (64 << 20) + 5), 0x80000005);
    assert_int_equal(board_load(BOARD_FILE, &b, NULL), 0);
    assert_int_equal(board_flash_address(&b, 12345), 12345); /* not mapped: the offset */
}

static void test_a_network_that_cannot_be_is_refused_by_line(void **state)
{
    (void)state;
    static const char *const addresses[] = {"10.0.2.15",     "10.0.2/24",    "10.0.2.15/31",
                                            "10.0.2.15/24x", "10.0.2.15/-1", "10.0.2.256/24",
                                            "DHCP"};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        char new[64];
        snprintf(new, sizeof new, "\"address\": \"%s\"", addresses[i]);
        refused_in(MACHINE_FILE, "\"address\": \"10.0.2.15/24\"", new, "expected");
    }
    refused_in(MACHINE_FILE, "\"address\": \"10.0.2.15/24\"", "\"address\": \"dhcp\"",
               "brings its own");
    refused_in(MACHINE_FILE, "\"gateway\": \"10.0.2.2\"", "\"gateway\": \"10.0.2\"",
               "expected an IPv4 address");
    refused_in(MACHINE_FILE, "\"interface\": \"eth0\"",
               "\"interface\": \"a-name-longer-than-ifnamsiz\"", "1 to 15 bytes");
}

static void test_an_image_that_cannot_be_is_refused_by_line(void **state)
{
    (void)state;
    refused("\"data\": \"ubifs\"", "\"data\": \"ext4\"", "ext4 on nand, expected ubifs or jffs2");
    refused_in("firmware/boards/ssc377-emmc.json", "\"data\": \"ext4\"", "\"data\": \"ubifs\"",
               "ubifs on emmc, expected ext4");
    refused("\"data\": \"ubifs\"", "\"data\": \"ubif\"", "did you mean 'ubifs'");
    refused("\"file\": \"u-boot.bin\"", "\"file\": \"../u-boot.bin\"", "within the folder");
    refused("\"file\": \"u-boot.bin\"", "\"file\": \"/u-boot.bin\"", "within the folder");
    refused_in(MACHINE_FILE, "\"file\": \"/bin/busybox\"", "\"file\": \"bin/busybox\"",
               "its path in the package");
    refused_at(BOARD_FILE, "\"name\": \"kernel\",", "\"name\": \"u-boot\",\n\"file\": \"x\",",
               "{\n        \"name\": \"u-boot\",\n\"file\"", "input 'u-boot' is there twice");
}

static void test_linux_parts_that_cannot_be_are_refused_by_line(void **state)
{
    (void)state;
    refused("\"mtd\": \"nand0\"", "\"block\": \"/dev/mmcblk0\"", "expected 'mtd'");
    refused_in("firmware/boards/ssc377-emmc.json", "\"block\": \"/dev/mmcblk0\"",
               "\"mtd\": \"emmc\"", "expected 'block'");
    refused("\"register\": \"0x1f003c00\"", "\"register\": \"0x1f003c01\"",
            "even address of 16 bits");
    refused("\"value\": \"0xf2\"", "\"value\": \"0x1f2f2\"", "expected 16 bits");
    refused("\"value\": \"0xf2\"", "\"valeu\": \"0xf2\"", "did you mean 'value'");
    refused("\"card\": \"/dev/mmcblk0\"", "\"card\": \"mmcblk0\"", "begins with '/'");
    refused("\"card\": \"/dev/mmcblk0\"", "\"card\": \"/dev/mmc blk0\"", "begins with '/'");
    refused("panic=20\"", "panic=20 $x\"", "without quotes");
    refused("\"watchdog\":", "\"wathcdog\":", "did you mean 'watchdog'");
    refused_in(MACHINE_FILE, "{ \"name\": \"ubifs\" }", "{  \"name\": \"ubi\" }",
               "module 'ubi' is there twice");
    refused_in(MACHINE_FILE, "\"name\": \"ubifs\"", "\"name\": \"ubi fs\"", "letters");
    refused_in(MACHINE_FILE, "\"status_blue\": {", "\"status_blu\": {",
               "did you mean 'status_blue'");
    refused_in(MACHINE_FILE, "\"status_blue\": {", "\"pan_home\": {", "expected ir_cut_day");
    refused_in(MACHINE_FILE, "\"ir_led\": { \"chip\": \"gpiochip0\", \"line\": 2",
               "\"ir_led\": { \"chip\": \"gpiochip0\", \"line\": 1", "line of 'status_orange'");
    refused_in(MACHINE_FILE, "\"ir_led\": { \"chip\": \"gpiochip0\", \"line\": 2",
               "\"ir_led\": { \"chip\": \"gpiochip0\", \"line\": 2.5", "whole number");
    refused_in(MACHINE_FILE, "\"gpio\": {", "\"motors\": {}, \"gpio\": {", "without 'ptz'");
}

/* The board of the PTZ camera with motors on lines of its own. */
#define PHASES          "\"phases\": [\"pan_1\", \"pan_2\", \"pan_3\", \"pan_4\"]"
#define PIN(name, line) "\"" name "\": { \"chip\": \"gpiochip0\", \"line\": " line " }"
#define MOTOR                                                                                      \
    "\"motors\": { \"pan\": { " PHASES                                                             \
    ", \"home\": \"pan_home\" } },\n\"gpio\": { " PIN("pan_1", "0") ", " PIN(                      \
        "pan_2", "1") ", " PIN("pan_3",                                                            \
                               "2") ", " PIN("pan_4",                                              \
                                             "3") ", "                                             \
                                                  "\"pan_home\": { \"chip\": \"gpiochip1\", "      \
                                                  "\"line\": 0, \"active_low\": true } },\n"

static void test_motors_name_their_lines(void **state)
{
    (void)state;
    struct buffer good = {0}, text = {0};
    struct board b;
    struct error err = {0};
    assert_int_equal(file_read(BOARD_FILE, &good, NULL), 0);
    const char *whole = buffer_text(&good), *at = strstr(whole, "\"mtd\": \"nand0\"");
    buffer_append(&text, whole, (size_t)(at - whole));
    buffer_append_text(&text, MOTOR);
    buffer_append_text(&text, at);
    if (board_parse("board.json", (const char *)text.data, text.size, &b, &err))
        fail_msg("%s", err.text);
    assert_int_equal(b.linux.pan.phase_count, 4);
    assert_string_equal(b.linux.pan.phases[2], "pan_3");
    assert_int_equal(b.linux.tilt.phase_count, 0);
    assert_int_equal(board_gpio(&b, "pan_3")->line, 2);
    assert_string_equal(board_gpio(&b, b.linux.pan.home)->chip, "gpiochip1");
    assert_true(board_gpio(&b, "pan_home")->active_low);
    assert_false(board_gpio(&b, "pan_1")->active_low);
    assert_null(board_gpio(&b, "tilt_home"));
    buffer_free(&good);
    buffer_free(&text);

    refused_at(BOARD_FILE, "\"mtd\": \"nand0\"",
               "\"motors\": { \"pan\": { " PHASES ", \"home\": \"pan_home\" } }", "\"motors\"",
               "no gpio 'pan_1', which this motor names");
    refused_at(BOARD_FILE, "\"mtd\": \"nand0\"",
               "\"motors\": { \"pan\": { \"phases\": [\"a\", \"b\", \"c\"], \"home\": \"h\" } }",
               "\"motors\"", "3 'phases', expected 4");
    refused_at(BOARD_FILE, "\"mtd\": \"nand0\"", "\"motors\": { \"zoom\": {} }", "\"motors\"",
               "unknown member 'zoom'");
}

static void test_every_shipped_board_loads_under_its_name(void **state)
{
    (void)state;
    static const char *const names[] = {"ssc337de-nand128", "ssc377-emmc", "t40xp-nand128",
                                        "t31-nor16", "qemu-virt"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[64];
        struct board b;
        struct error err = {0};
        snprintf(path, sizeof path, "firmware/boards/%s.json", names[i]);
        if (board_load(path, &b, &err))
            fail_msg("%s", err.text);
        assert_string_equal(b.name, names[i]);
        assert_true(b.has_boot && b.has_network && b.has_image && b.has_linux);
        /* The machine is made of Debian's packages, a real board of what its builder brings: what
         * its boot ROM is given is among that. */
        assert_int_equal(b.image.input_count, 4 + b.boot.usb_loader_count);
        for (size_t j = 0; j < b.boot.usb_loader_count; j++) {
            size_t k = 0;
            while (k < b.image.input_count &&
                   strcmp(b.image.inputs[k].name, b.boot.usb_loaders[j]) != 0)
                k++;
            assert_true(k < b.image.input_count);
        }
        for (size_t k = 0; k < b.image.input_count; k++)
            assert_int_equal(b.image.inputs[k].package[0] != 0, strcmp(names[i], "qemu-virt") == 0);
    }
}

static void test_the_nor_board_holds_two_capped_sets(void **state)
{
    (void)state;
    struct board b;
    assert_int_equal(board_load("firmware/boards/t31-nor16.json", &b, NULL), 0);
    /* OpenIPC's caps for 8 MB, twice, in 16 MiB: facts of the field, not of this file. */
    for (char slot = 'a'; slot <= 'b'; slot++) {
        assert_int_equal(board_partition(&b, "kernel", slot)->size_bytes, 2048 * 1024);
        assert_int_equal(board_partition(&b, "rootfs", slot)->size_bytes, 5120 * 1024);
    }
    uint64_t total = 0;
    for (size_t i = 0; i < b.partition_count; i++)
        total += b.partitions[i].size_bytes;
    assert_int_equal(total, 16 << 20);
    assert_string_equal(b.arch, "mipsel");
    assert_string_equal(b.boot.stop_keys, "\003");
    assert_string_equal(b.boot.stop_prompt, "Hit any key to stop autoboot");
    assert_int_equal(b.boot.usb_rom.vendor, 0xa108);
    assert_int_equal(b.boot.usb_rom.product, 0xc309);
    assert_int_equal(b.boot.usb_gadget.product, 0x4d44);
    assert_string_equal(b.boot.usb_cpu, "T31");
    assert_int_equal(b.boot.usb_loader_count, 2);
    assert_true(board_is_loader(&b, "usb_spl") && board_is_loader(&b, "usb_uboot"));
    assert_false(board_is_loader(&b, "boot"));
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
        cmocka_unit_test(test_a_radio_says_whether_it_has_bluetooth),
        cmocka_unit_test(test_partitions_that_cannot_be_are_refused_by_line),
        cmocka_unit_test(test_what_the_firmware_needs_must_be_there),
        cmocka_unit_test(test_what_updates_must_not_reach_is_protected_and_nothing_else),
        cmocka_unit_test(test_misspelt_and_wild_members_are_refused_by_line),
        cmocka_unit_test(test_a_boot_loader_that_cannot_be_is_refused_by_line),
        cmocka_unit_test(test_a_mapped_flash_is_mapped_whole_and_written_where_the_loader_can),
        cmocka_unit_test(test_a_network_that_cannot_be_is_refused_by_line),
        cmocka_unit_test(test_an_image_that_cannot_be_is_refused_by_line),
        cmocka_unit_test(test_linux_parts_that_cannot_be_are_refused_by_line),
        cmocka_unit_test(test_motors_name_their_lines),
        cmocka_unit_test(test_every_shipped_board_loads_under_its_name),
        cmocka_unit_test(test_the_nor_board_holds_two_capped_sets),
        cmocka_unit_test(test_a_file_that_is_not_there_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
