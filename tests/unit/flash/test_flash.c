/* What all ways of flashing share: the order of the pieces, plain troubles, the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/base/file.h"
#include "station/flash/flash_methods.h"

static void load(struct board *b)
{
    assert_int_equal(board_load("firmware/boards/qemu-virt.json", b, NULL), 0);
}

static void test_the_boot_area_is_written_last_and_what_starts_first_at_the_end(void **state)
{
    struct board board;
    struct flash_piece pieces[BUNDLE_IMAGES_MAX];
    size_t count;
    const struct bundle_manifest m = {.image_count = 5,
                                      .images = {{.name = "boot", .bytes = 100},
                                                 {.name = "kernel", .bytes = 100},
                                                 {.name = "script", .bytes = 100},
                                                 {.name = "loader", .bytes = 100},
                                                 {.name = "rootfs", .bytes = 100}}};
    load(&board);
    assert_int_equal(flash_pieces(&board, &m, 'b', pieces, &count, NULL), 0);
    static const char *const order[] = {"kernel_b", "rootfs_b", "script", "loader", "boot"};
    assert_int_equal(count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(pieces[i].partition->name, order[i]);
        assert_int_equal(pieces[i].boot, i >= 2);
    }
}

static void test_an_image_without_a_place_or_too_big_for_it_is_refused(void **state)
{
    struct board board;
    struct flash_piece pieces[BUNDLE_IMAGES_MAX];
    size_t count;
    struct error err = {0};
    struct bundle_manifest m = {.image_count = 1, .images = {{.name = "uboot", .bytes = 100}}};
    load(&board);
    assert_int_equal(flash_pieces(&board, &m, 'a', pieces, &count, &err), ERROR_INPUT);
    assert_string_equal(err.text, "image 'uboot': board qemu-virt has no partition for it");
    strcpy(m.images[0].name, "boot");
    m.images[0].bytes = (1 << 20) + 1;
    assert_int_equal(flash_pieces(&board, &m, 'a', pieces, &count, &err), ERROR_INPUT);
    assert_string_equal(err.text, "image 'boot' has 1048577 bytes, partition boot 1048576");
}

static void test_troubles_have_names_and_codes_of_their_own(void **state)
{
    struct error err = {0};
    for (int i = 0; i < FLASH_TROUBLES; i++) {
        assert_true(flash_fail(&err, i, "port %d", 7) < 0);
        assert_non_null(strstr(err.text, flash_trouble_name(i)));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(flash_trouble_name(i), flash_trouble_name(j));
    }
}

static void test_the_log_keeps_every_byte_and_every_line_a_line(void **state)
{
    char path[] = "/tmp/takt-flash-log.XXXXXX";
    struct flash_log *log;
    struct buffer text = {0};
    close(mkstemp(path));
    assert_int_equal(flash_log_open(path, &log, NULL), 0);
    flash_log_heard(log, "U-Boot 2023.01\r\nHit a", 21);
    flash_log_heard(log, "ny key\x1b[2J", 10);
    flash_log_note(log, "stop key");
    flash_log_close(log);
    assert_int_equal(file_read(path, &text, NULL), 0);
    const char *t = buffer_text(&text);
    assert_non_null(strstr(t, "Z U-Boot 2023.01\n"));
    assert_non_null(strstr(t, "Z Hit any key\\x1b[2J\n"));
    assert_non_null(strstr(t, "Z -- stop key\n"));
    buffer_free(&text);
    unlink(path);
    flash_log_heard(NULL, "x", 1);
    flash_log_note(NULL, "x");
    flash_log_close(NULL);
    assert_int_equal(flash_log_open("/nowhere/log", &log, NULL), ERROR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_boot_area_is_written_last_and_what_starts_first_at_the_end),
        cmocka_unit_test(test_an_image_without_a_place_or_too_big_for_it_is_refused),
        cmocka_unit_test(test_troubles_have_names_and_codes_of_their_own),
        cmocka_unit_test(test_the_log_keeps_every_byte_and_every_line_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
