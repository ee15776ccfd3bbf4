/* takt board: what a script takes from a board, what a person sees of it, and what is refused. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "tests/unit/cli/printed.h"

#define MACHINE "firmware/boards/qemu-virt.json"

/* What it printed on stdout and stderr; getopt begins anew. */
static char said[32768];
#define BOARD(...) (optind = 0, PRINTED(cli_board, said, "board", __VA_ARGS__))

static const cJSON *partition(const cJSON *root, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(cJSON_GetObjectItem(root, "flash"), "partitions"))
    {
        if (strcmp(json_string(item, "name", ""), name) == 0)
            return item;
    }
    return NULL;
}

static void test_a_script_gets_bytes_and_addresses(void **state)
{
    (void)state;
    assert_int_equal(BOARD("show", MACHINE, "--json"), CLI_OK);
    cJSON *root = cJSON_Parse(said);
    assert_non_null(root);
    const cJSON *env = partition(root, "env"), *kernel = partition(root, "kernel_b");
    /* 64.5 MiB: the second bank begins at 0x04000000 = 64 MiB. */
    assert_int_equal(json_number(env, "offset_bytes", 0), 67633152);
    assert_int_equal(json_number(env, "size_bytes", 0), 524288);
    assert_string_equal(json_string(env, "address", ""), "0x04080000");
    assert_int_equal(json_number(kernel, "offset_bytes", 0), 33554432);
    assert_true(json_bool(partition(root, "factory"), "protected", false));
    assert_false(json_bool(env, "protected", false));
    const cJSON *flash = cJSON_GetObjectItem(root, "flash");
    assert_int_equal(json_number(flash, "size_bytes", 0), 134217728);
    /* What the file says is there under the file's names. */
    const cJSON *boot = cJSON_GetObjectItem(root, "boot");
    assert_string_equal(json_string(boot, "script_address", ""), "0x40200000");
    const cJSON *image = cJSON_GetObjectItem(root, "image");
    assert_true(cJSON_GetArraySize(cJSON_GetObjectItem(image, "inputs")) > 0);
    cJSON_Delete(root);
}

static void test_flash_that_is_not_mapped_has_no_addresses(void **state)
{
    (void)state;
    assert_int_equal(BOARD("show", "--json", "firmware/boards/ssc337de-nand128.json"), CLI_OK);
    cJSON *root = cJSON_Parse(said);
    assert_non_null(root);
    assert_null(cJSON_GetObjectItem(partition(root, "env"), "address"));
    /* 32 x 16 x 127.367901 / 360 */
    const cJSON *pan = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "ptz"), "pan");
    assert_float_equal(json_number(pan, "microsteps_per_deg", 0), 181.1455, 1e-3);
    cJSON_Delete(root);
}

static void test_the_map_draws_each_stretch_where_it_lies(void **state)
{
    (void)state;
    /* 128 MiB in 32 columns are 4 MiB each: 13 to 31 MiB are columns 3 to 7. */
    static const char *const lines[] = {
        "  0x00000000     1 MiB  boot       protected |#                               |\n",
        "  0x00d00000    18 MiB  rootfs_a             |   #####                        |\n",
        "  0x01f00000     1 MiB  -                    |       .                        |\n",
        "  0x02000000    12 MiB  kernel_b             |        ###                     |\n",
        "  0x04000000   256 KiB  loader     protected |                #               |\n",
        "  0x06200000    30 MiB  -                    |                        ........|\n",
    };
    assert_int_equal(BOARD("show", MACHINE), CLI_OK);
    const char *at = said;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const char *found = strstr(at, lines[i]);
        if (!found)
            fail_msg("not there, or not in the order of the flash: %s\n%s", lines[i], said);
        at = found;
    }
}

static void test_every_board_of_the_house_holds(void **state)
{
    (void)state;
    glob_t files;
    assert_int_equal(glob("firmware/boards/*.json", 0, NULL, &files), 0);
    assert_true(files.gl_pathc >= 2);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        if (BOARD("check", files.gl_pathv[i]) != CLI_OK || strstr(said, "takt board:"))
            fail_msg("%s: %s", files.gl_pathv[i], said);
    }
    globfree(&files);
}

/* A copy of the machine's board in a folder of its own, with one text replaced. */
static void copy(char *path, size_t size, const char *name, const char *old, const char *new)
{
    static char folder[] = "/tmp/takt-board-XXXXXX";
    struct buffer text = {0};
    if (strstr(folder, "XXXXXX"))
        assert_non_null(mkdtemp(folder));
    snprintf(path, size, "%s/%s", folder, name);
    assert_int_equal(file_read(MACHINE, &text, NULL), 0);
    const char *whole = buffer_text(&text), *at = strstr(whole, old);
    assert_non_null(at);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%.*s%s%s", (int)(at - whole), whole, new, at + strlen(old));
    assert_int_equal(fclose(f), 0);
    buffer_free(&text);
}

static void test_what_does_not_hold_is_said_by_line_and_the_rest_is_checked_too(void **state)
{
    (void)state;
    char bad[96], strange[96], where[192];
    copy(bad, sizeof bad, "qemu-virt.json", "\"kind\": \"nor\"", "\"kind\": \"nr\"");
    copy(strange, sizeof strange, "other.json", "\"kind\"", "\"kind\"");
    assert_int_equal(BOARD("check", bad, strange, MACHINE, "/nowhere/b.json"), CLI_USAGE);
    assert_non_null(strstr(said, "qemu-virt: 11 partitions"));
    int line = 1;
    struct buffer text = {0};
    assert_int_equal(file_read(MACHINE, &text, NULL), 0);
    const char *whole = buffer_text(&text);
    for (const char *p = whole; p < strstr(whole, "\"kind\""); p++)
        line += *p == '\n';
    buffer_free(&text);
    snprintf(where, sizeof where, "takt board: %s:%d: kind is 'nr', did you mean 'nor'?\n", bad,
             line);
    assert_non_null(strstr(said, where));
    assert_non_null(strstr(said, "board is 'qemu-virt', expected the file's name"));
    assert_non_null(strstr(said, "/nowhere/b.json"));
    int lines = 0;
    for (const char *p = said; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 4); /* one a board */

    assert_int_equal(BOARD("show", bad, "--json"), CLI_USAGE);
    assert_non_null(strstr(said, where));
    assert_null(strchr(said, '{'));
    unlink(bad);
    unlink(strange);
    *strrchr(bad, '/') = '\0';
    rmdir(bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_script_gets_bytes_and_addresses),
        cmocka_unit_test(test_flash_that_is_not_mapped_has_no_addresses),
        cmocka_unit_test(test_the_map_draws_each_stretch_where_it_lies),
        cmocka_unit_test(test_every_board_of_the_house_holds),
        cmocka_unit_test(test_what_does_not_hold_is_said_by_line_and_the_rest_is_checked_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
