/* The update writer: writes only what the signature covers, goes on where a cut left it. What it
 * refuses before the first erase is in test_writer_refuses.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/firmware/bundle_unit.h"

static void test_images_are_written_verified_and_activated_in_that_order(void **state)
{
    struct unit *f = *state;
    struct writer *w;
    struct writer_counts counts;
    struct error err = {0};
    uint8_t hash[DIGEST_BYTES], expected[DIGEST_BYTES];
    assert_int_equal(writer_begin(&f->config, f->manifest.data, f->manifest.size, &w, &err), 0);
    assert_int_equal(writer_slot(w), 'b');
    assert_int_equal(writer_activate(w, &err), ERROR_STATE);
    assert_int_equal(writer_verify(w, "rootfs", NULL, NULL, hash, &err), ERROR_MISMATCH);

    assert_int_equal(unit_send(w, "rootfs", f->rootfs, ROOTFS_BYTES, &counts, &err), 0);
    /* Five chunks of 65536 but for 3 erased pages, nothing of the erased chunk (which was there
     * already), and the last 777 bytes filled up to a page. */
    assert_int_equal(counts.written_bytes, 4 * 65536 - 3 * 2048 + 2048);
    assert_int_equal(counts.skipped_chunks, 1);
    assert_int_equal(f->flash.erases, 0); /* the part is blank, the slot's version unknown */
    assert_int_equal(writer_verify(w, "rootfs", NULL, NULL, hash, &err), 0);
    digest_bytes(f->rootfs, ROOTFS_BYTES, expected);
    assert_memory_equal(hash, expected, sizeof hash);
    assert_int_equal(writer_activate(w, &err), ERROR_STATE); /* kernel is missing */
    assert_non_null(strstr(err.text, "kernel"));

    assert_int_equal(unit_send(w, "kernel", f->kernel, KERNEL_BYTES, &counts, &err), 0);
    assert_int_equal(writer_verify(w, "kernel", NULL, NULL, hash, &err), 0);
    assert_int_equal(writer_activate(w, &err), 0);
    assert_int_equal(f->slots.active, 'b');
    assert_true(f->slots.trial);

    /* Again: everything is there already. */
    f->flash.erases = 0;
    assert_int_equal(unit_send(w, "rootfs", f->rootfs, ROOTFS_BYTES, &counts, &err), 0);
    assert_int_equal(counts.skipped_chunks, 6);
    assert_int_equal(counts.written_bytes, 0);
    assert_int_equal(f->flash.erases, 0);
    writer_free(w);
}

static void test_a_chunk_that_was_not_signed_is_not_programmed(void **state)
{
    struct unit *f = *state;
    struct writer *w;
    struct writer_counts counts;
    struct error err = {0};
    assert_int_equal(writer_begin(&f->config, f->manifest.data, f->manifest.size, &w, &err), 0);
    f->rootfs[3 * 65536 + 5] ^= 1;
    assert_int_equal(unit_send(w, "rootfs", f->rootfs, ROOTFS_BYTES, &counts, &err),
                     ERROR_MISMATCH);
    assert_non_null(strstr(err.text, "chunk 3"));
    const struct board_partition *p = board_partition(&f->board, "rootfs", 'b');
    for (size_t i = 3 * 65536; i < p->size_bytes; i++)
        assert_int_equal(f->flash.bytes[p->offset_bytes + i], 0xff);
    assert_int_equal(writer_image_begin(w, "rootfs", ROOTFS_BYTES - 1, &err), ERROR_INPUT);
    assert_int_equal(writer_image_begin(w, "boot", 5, &err), ERROR_MISSING);
    assert_int_equal(writer_write(w, f->rootfs, 1, &err), ERROR_STATE);
    assert_int_equal(writer_image_begin(w, "rootfs", ROOTFS_BYTES, &err), 0);
    assert_int_equal(writer_write(w, f->rootfs, 70000, &err), 0);
    assert_int_equal(writer_image_end(w, &counts, &err), ERROR_INPUT); /* ended early */
    writer_free(w);
}

/* The power goes at every flash operation of a rewrite in turn; each time the running slot is
 * untouched, and sending the images again completes them. */
static void test_a_power_cut_at_every_operation_is_gone_on_from(void **state)
{
    struct unit *f = *state;
    const struct board_partition *p = board_partition(&f->board, "rootfs", 'b');
    const struct board_partition *a = board_partition(&f->board, "rootfs", 'a');
    int cuts = 0;
    for (int cut_at = 1;; cut_at++) {
        struct writer *w;
        struct writer_counts counts;
        struct error err = {0};
        uint8_t hash[DIGEST_BYTES];
        memset(f->flash.bytes, 0xff, f->board.flash_bytes);
        memset(f->flash.bytes + p->offset_bytes, 0x5a, p->size_bytes); /* an older image */
        memset(f->flash.bytes + a->offset_bytes, 0xa5, a->size_bytes);
        memory_flash_power_on(&f->flash, 0);
        assert_int_equal(slots_load(&f->hal, &f->board, &f->slots, NULL), 0);
        strcpy(f->slots.slot[1].version, "1.0");

        memory_flash_power_on(&f->flash, cut_at);
        assert_int_equal(writer_begin(&f->config, f->manifest.data, f->manifest.size, &w, &err), 0);
        int rc = unit_send(w, "rootfs", f->rootfs, ROOTFS_BYTES, &counts, &err);
        writer_free(w);
        bool cut = f->flash.off;
        assert_int_equal(rc != 0, cut);

        memory_flash_power_on(&f->flash, 0);
        assert_int_equal(slots_load(&f->hal, &f->board, &f->slots, NULL), 0);
        assert_int_equal(f->slots.active, 'a');
        assert_int_equal(writer_begin(&f->config, f->manifest.data, f->manifest.size, &w, &err), 0);
        if (unit_send(w, "rootfs", f->rootfs, ROOTFS_BYTES, &counts, &err))
            fail_msg("cut at %d: %s", cut_at, err.text);
        assert_int_equal(writer_verify(w, "rootfs", NULL, NULL, hash, &err), 0);
        writer_free(w);
        for (size_t i = 0; i < a->size_bytes; i++)
            assert_int_equal(f->flash.bytes[a->offset_bytes + i], 0xa5);
        if (!cut)
            break;
        cuts++;
    }
    assert_true(cuts >= 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_images_are_written_verified_and_activated_in_that_order, unit_make, unit_drop),
        cmocka_unit_test_setup_teardown(test_a_chunk_that_was_not_signed_is_not_programmed,
                                        unit_make, unit_drop),
        cmocka_unit_test_setup_teardown(test_a_power_cut_at_every_operation_is_gone_on_from,
                                        unit_make, unit_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
