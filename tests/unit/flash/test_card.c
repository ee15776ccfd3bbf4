/* Cards: which disks may be written, told by a kernel made of files; a card's script and report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/base/file.h"
#include "protocol/formats/card_record.h"
#include "station/flash/sd/card_disk.h"
#include "station/flash/sd/card_script.h"
#include "station/flash/sd/card_tool.h"

/* ---- disks -------------------------------------------------------------------------------- */

static char root[] = "/tmp/takt-card-test.XXXXXX", sys[64], mounts[64], swaps[64];

static void put(const char *text, const char *format, ...)
{
    char path[256], folder[256];
    va_list args;
    va_start(args, format);
    int n = snprintf(path, sizeof path, "%s/", root);
    vsnprintf(path + n, sizeof path - (size_t)n, format, args);
    va_end(args);
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(file_make_folders(folder, 0755, NULL), 0);
    assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
}

/* A disk with one partition, numbered one higher. */
static void disk(const char *name, int minor_number, const char *removable, const char *type)
{
    char text[32], from[128], to[128];
    snprintf(text, sizeof text, "8:%d\n", minor_number);
    put(text, "sys/block/%s/dev", name);
    put(removable, "sys/block/%s/removable", name);
    put("62333952\n", "sys/block/%s/size", name);
    put("0\n", "sys/block/%s/ro", name);
    put("Reader\n", "sys/block/%s/device/model", name);
    if (type)
        put(type, "sys/block/%s/device/type", name);
    put("1\n", "sys/block/%s/%s1/partition", name, name);
    snprintf(text, sizeof text, "8:%d\n", minor_number + 1);
    put(text, "sys/block/%s/%s1/dev", name, name);
    put("", "sys/dev/block/.keep");
    for (int part = 0; part < 2; part++) {
        snprintf(from, sizeof from, part ? "../../block/%s/%s1" : "../../block/%s", name, name);
        snprintf(to, sizeof to, "%s/sys/dev/block/8:%d", root, minor_number + part);
        assert_int_equal(symlink(from, to), 0);
    }
}

static int look(int minor_number, struct card_disk *out, struct error *err)
{
    const struct card_kernel kernel = {sys, mounts, swaps};
    *err = (struct error){0};
    return card_disk_check(&kernel, 8, (unsigned)minor_number, out, err);
}

static int make_kernel(void **state)
{
    if (!mkdtemp(root))
        return -1;
    snprintf(sys, sizeof sys, "%s/sys", root);
    snprintf(mounts, sizeof mounts, "%s/mounts", root);
    snprintf(swaps, sizeof swaps, "%s/swaps", root);
    disk("sda", 0, "0\n", NULL);
    disk("sdb", 16, "1\n", NULL);
    disk("sdc", 32, "1\n", NULL);
    disk("sdd", 48, "1\n", NULL);
    disk("sde", 64, "0\n", NULL);
    disk("mmcblk0", 80, "0\n", "SD\n");
    disk("mmcblk1", 96, "0\n", "MMC\n");
    put("x", "sys/block/sdd/sdd1/holders/dm-0");
    put("21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "22 21 0:5 / /proc rw - proc proc rw\n"
        "40 21 8:33 / /media/card rw,nosuid shared:9 - vfat /dev/sdc1 rw\n",
        "mounts");
    put("Filename Type Size Used Priority\n", "swaps");
    return 0;
}

static int drop_kernel(void **state)
{
    const char *const argv[] = {"rm", "-rf", root, NULL};
    return card_tool_run(argv, "coreutils", NULL, NULL);
}

static void test_a_card_reader_may_be_written(void **state)
{
    struct card_disk d;
    struct error err;
    assert_int_equal(look(16, &d, &err), 0);
    assert_string_equal(d.name, "sdb");
    assert_string_equal(d.model, "Reader");
    assert_true(d.bytes == 62333952ull * 512 && !d.read_only);
    assert_int_equal(look(80, &d, &err), 0); /* SD in the machine's own slot */
}

static void test_other_disks_are_never_written(void **state)
{
    const struct {
        int minor_number, code;
        const char *text;
    } cases[] = {
        {0, ERROR_REFUSED, "sda is the disk this machine runs from"},
        {17, ERROR_REFUSED, "sdb1 is a partition: name the whole disk"},
        {32, ERROR_BUSY, "busy: sdc1 is mounted at /media/card: umount it first"},
        {48, ERROR_BUSY, "busy: sdd1 is part of dm-0"},
        {64, ERROR_REFUSED,
         "sde is no card reader: disks that are not removable are never written"},
        {96, ERROR_REFUSED,
         "mmcblk1 is no card reader: disks that are not removable are never written"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct card_disk d;
        struct error err;
        assert_int_equal(look(cases[i].minor_number, &d, &err), cases[i].code);
        assert_string_equal(err.text, cases[i].text);
    }
}

static void test_a_disk_that_the_kernel_does_not_know_is_refused(void **state)
{
    struct card_disk d;
    struct error err;
    assert_int_equal(look(200, &d, &err), ERROR_REFUSED);
}

static void test_without_a_list_of_mounts_nothing_is_written(void **state)
{
    const struct card_kernel kernel = {sys, "/nowhere/mounts", swaps};
    struct card_disk d;
    assert_int_equal(card_disk_check(&kernel, 8, 16, &d, NULL), ERROR_IO);
}

static void test_the_list_has_removable_disks_and_why_not(void **state)
{
    const struct card_kernel kernel = {sys, mounts, swaps};
    struct card_disk d[16];
    struct error why[16];
    const size_t count = card_disk_list(&kernel, d, why, 16);
    size_t good = 0;
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        assert_string_not_equal(d[i].name, "sda");
        good += !why[i].code;
    }
    assert_int_equal(good, 2);
}

static void test_a_file_is_no_disk(void **state)
{
    uint64_t done = 0;
    struct error err = {0};
    assert_int_equal(card_disk_write(mounts, 0, 1 << 20, &done, NULL, &err), ERROR_INPUT);
    assert_int_equal(card_disk_write("/dev/takt-none", 0, 1 << 20, &done, NULL, &err),
                     ERROR_MISSING);
    assert_string_equal(err.text, "no device: there is no disk /dev/takt-none");
}

/* ---- the report --------------------------------------------------------------------------- */

static void test_records_of_loader_and_flasher_are_read_in_order(void **state)
{
    char path[128];
    struct buffer text = {0};
    struct card_record r = {.bundle = "1.4 release 2 for x, 00", .unit = "c0ffee"};
    size_t at = 0;
    snprintf(path, sizeof path, "%s/report", root);
    /* As `env export -t` leaves it, its NUL and all; a line that is nothing; a record cut short. */
    put("# What units did\n"
        "takt_bundle=1.3 release 1 for x, 11\ntakt_result=failed\ntakt_why=not verified: boot\n",
        "report");
    snprintf(r.why, sizeof r.why, "two\nlines");
    assert_int_equal(card_record_add(path, &r, NULL), 0);
    r.flashed = true;
    *r.why = '\0';
    snprintf(r.written, sizeof r.written, "kernel_a boot");
    assert_int_equal(card_record_add(path, &r, NULL), 0);
    assert_int_equal(file_read(path, &text, NULL), 0);
    assert_int_equal(buffer_append(&text, "\0takt_bundle=1.5\n", 17), 0);
    const char *report = (const char *)text.data;

    assert_true(card_record_next(report, text.size, &at, &r));
    assert_string_equal(r.bundle, "1.3 release 1 for x, 11");
    assert_true(!r.flashed && !*r.unit);
    assert_string_equal(r.why, "not verified: boot");
    assert_true(card_record_next(report, text.size, &at, &r));
    assert_true(!r.flashed);
    assert_string_equal(r.unit, "c0ffee");
    assert_string_equal(r.why, "two lines");
    assert_true(card_record_next(report, text.size, &at, &r));
    assert_true(r.flashed);
    assert_string_equal(r.written, "kernel_a boot");
    assert_true(card_record_next(report, text.size, &at, &r));
    assert_true(!r.flashed);
    assert_string_equal(r.why, "the record is cut short");
    assert_false(card_record_next(report, text.size, &at, &r));
    buffer_free(&text);
}

static void test_a_hostile_report_steers_no_terminal(void **state)
{
    static const char report[] =
        "=\n===\ntakt_unit=x\ntakt_bundle=\x1b[2Jv\xff\r\ntakt_result=flashed"
        "\ntakt_unit=0123456789012345678901234567890123456789012345678901"
        "2345678901234567890123456789";
    struct card_record r;
    size_t at = 0;
    assert_true(card_record_next(report, sizeof report - 1, &at, &r));
    assert_string_equal(r.bundle, "?[2Jv?");
    assert_true(r.flashed);
    assert_int_equal(strlen(r.unit), sizeof r.unit - 1);
    assert_false(card_record_next(report, sizeof report - 1, &at, &r));
}

/* ---- SigmaStar's file --------------------------------------------------------------------- */

static void test_sigmastars_file_begins_with_lines_that_load_what_is_behind_them(void **state)
{
    struct board board;
    struct buffer image = {0}, package = {0};
    char lines[512];
    assert_int_equal(board_load("firmware/boards/ssc337de-nand128.json", &board, NULL), 0);
    assert_true(board.boot.card.sigmastar);
    assert_int_equal(board.boot.card.chip_register, 0x1f003c00);
    assert_int_equal(board.boot.card.chip_value, 0xf2);
    assert_int_equal(card_script_image(board.arch, "echo hello\n", &image, NULL), 0);
    assert_int_equal(card_script_sigmastar(&board, &image, &package, NULL), 0);
    snprintf(lines, sizeof lines,
             "# takt\nmw.l 0x20f00000 0 10\n"
             "fatload mmc 0:1 0x20f00000 $(SdUpgradeImage) 0x%zx 0x4000\n"
             "source 0x20f00000\n%% end\n",
             image.size);
    assert_int_equal(package.size, 0x4000 + image.size);
    assert_memory_equal(package.data, lines, strlen(lines) + 1);
    assert_memory_equal(package.data + 0x4000, image.data, image.size);
    buffer_free(&image);
    buffer_free(&package);
}

static void test_a_tool_that_is_missing_or_fails_is_said(void **state)
{
    const char *const missing[] = {"takt-no-such-tool", NULL};
    const char *const fails[] = {"sh", "-c", "echo first >&2; echo why >&2; exit 3", NULL};
    const char *const prints[] = {"sh", "-c", "echo one; echo two", NULL};
    struct buffer out = {0};
    struct error err = {0};
    assert_int_equal(card_tool_run(missing, "mtools", NULL, &err), ERROR_MISSING);
    assert_string_equal(err.text, "there is no program takt-no-such-tool: install mtools");
    assert_int_equal(card_tool_run(fails, "dash", NULL, &err), ERROR_IO);
    assert_string_equal(err.text, "sh failed: why");
    assert_int_equal(card_tool_run(prints, "dash", &out, NULL), 0);
    assert_string_equal(buffer_text(&out), "one\ntwo\n");
    buffer_free(&out);
    out.limit_bytes = 3;
    assert_int_equal(card_tool_run(prints, "dash", &out, NULL), ERROR_FULL);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_card_reader_may_be_written),
        cmocka_unit_test(test_other_disks_are_never_written),
        cmocka_unit_test(test_a_disk_that_the_kernel_does_not_know_is_refused),
        cmocka_unit_test(test_without_a_list_of_mounts_nothing_is_written),
        cmocka_unit_test(test_the_list_has_removable_disks_and_why_not),
        cmocka_unit_test(test_a_file_is_no_disk),
        cmocka_unit_test(test_records_of_loader_and_flasher_are_read_in_order),
        cmocka_unit_test(test_a_hostile_report_steers_no_terminal),
        cmocka_unit_test(test_sigmastars_file_begins_with_lines_that_load_what_is_behind_them),
        cmocka_unit_test(test_a_tool_that_is_missing_or_fails_is_said),
    };
    return cmocka_run_group_tests(tests, make_kernel, drop_kernel);
}
