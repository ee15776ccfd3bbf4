/* The update writer: refuses before the first erase, writes only what the signature covers, goes on
 * where a cut left it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "firmware/update/writer.h"
#include "protocol/base/buffer.h"
#include "protocol/base/file.h"
#include "protocol/formats/signing.h"
#include "tests/unit/firmware/memory_flash.h"

enum { KERNEL_BYTES = 100000, ROOTFS_BYTES = 5 * 65536 + 777 };

struct fixture {
    char folder[64];
    struct board board;
    struct flash flash;
    struct hal hal;
    struct slots slots;
    struct signing_key key;
    struct writer_config config;
    uint8_t kernel[KERNEL_BYTES], rootfs[ROOTFS_BYTES];
    struct buffer manifest; /* signed */
};

/* The signed manifest of kernel and rootfs for a board, by bundle_make() itself. */
static void sign(struct fixture *f, const struct board *board, uint32_t release,
                 struct buffer *manifest)
{
    char kernel[96], rootfs[96], path[96];
    struct bundle *b;
    struct error err = {0};
    snprintf(kernel, sizeof kernel, "%s/kernel", f->folder);
    snprintf(rootfs, sizeof rootfs, "%s/rootfs", f->folder);
    snprintf(path, sizeof path, "%s/bundle", f->folder);
    assert_int_equal(file_write(kernel, f->kernel, KERNEL_BYTES, 0600, NULL), 0);
    assert_int_equal(file_write(rootfs, f->rootfs, ROOTFS_BYTES, 0600, NULL), 0);
    struct bundle_recipe r = {.board = board,
                              .version = "2.0",
                              .release = release,
                              .private_key_pem = f->key.private_pem,
                              .image_count = 2,
                              .images = {{"kernel", kernel}, {"rootfs", rootfs}}};
    if (bundle_make(&r, path, &err) || bundle_open(path, f->key.public_pem, &b, &err))
        fail_msg("%s", err.text);
    size_t size;
    const uint8_t *head = bundle_signed_manifest(b, &size);
    manifest->size = 0;
    buffer_append(manifest, head, size);
    bundle_close(b);
    unlink(kernel);
    unlink(rootfs);
    unlink(path);
}

static int make(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/test_writer.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    assert_int_equal(
        board_parse("tiny", memory_flash_board, strlen(memory_flash_board), &f->board, NULL), 0);
    memory_flash_make(&f->flash, &f->board);
    f->hal.flash = &memory_flash_ops;
    f->hal.flash_state = &f->flash;
    assert_int_equal(slots_load(&f->hal, &f->board, &f->slots, NULL), 0);
    assert_int_equal(signing_key_make(&f->key, NULL), 0);
    for (size_t i = 0; i < KERNEL_BYTES; i++)
        f->kernel[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t i = 0; i < ROOTFS_BYTES; i++)
        f->rootfs[i] = (uint8_t)(i * 13 + i / 257);
    /* A sparse stretch: three pages of chunk 1, and the whole of chunk 2. */
    memset(f->rootfs + 65536 + 4096, 0xff, 3 * 2048);
    memset(f->rootfs + 2 * 65536, 0xff, 65536);
    sign(f, &f->board, 5, &f->manifest);
    f->config = (struct writer_config){.hal = &f->hal,
                                       .board = &f->board,
                                       .slots = &f->slots,
                                       .running = 'a',
                                       .public_key_pem = f->key.public_pem};
    *state = f;
    return 0;
}

static int drop(void **state)
{
    struct fixture *f = *state;
    buffer_free(&f->manifest);
    signing_key_free(&f->key);
    rmdir(f->folder);
    free(f->flash.bytes);
    free(f);
    return 0;
}

static int send_image(struct writer *w, const char *name, const uint8_t *data, size_t size,
                      struct writer_counts *counts, struct error *err)
{
    int rc = writer_image_begin(w, name, size, err);
    for (size_t at = 0; at < size && !rc; at += 999) /* pieces that fit no boundary */
        rc = writer_write(w, data + at, size - at < 999 ? size - at : 999, err);
    return rc ? rc : writer_image_end(w, counts, err);
}

static void test_images_are_written_verified_and_activated_in_that_order(void **state)
{
    struct fixture *f = *state;
    struct writer *w;
    struct writer_counts counts;
    struct error err = {0};
    uint8_t hash[DIGEST_BYTES], expected[DIGEST_BYTES];
    assert_int_equal(writer_begin(&f->config, f->manifest.data, f->manifest.size, &w, &err), 0);
    assert_int_equal(writer_slot(w), 'b');
    assert_int_equal(writer_activate(w, &err), ERROR_STATE);
    assert_int_equal(writer_verify(w, "rootfs", NULL, NULL, hash, &err), ERROR_MISMATCH);

    assert_int_equal(send_image(w, "rootfs", f->rootfs, ROOTFS_BYTES, &counts, &err), 0);
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

    assert_int_equal(send_image(w, "kernel", f->kernel, KERNEL_BYTES, &counts, &err), 0);
    assert_int_equal(writer_verify(w, "kernel", NULL, NULL, hash, &err), 0);
    assert_int_equal(writer_activate(w, &err), 0);
    assert_int_equal(f->slots.active, 'b');
    assert_true(f->slots.trial);

    /* Again: everything is there already. */
    f->flash.erases = 0;
    assert_int_equal(send_image(w, "rootfs", f->rootfs, ROOTFS_BYTES, &counts, &err), 0);
    assert_int_equal(counts.skipped_chunks, 6);
    assert_int_equal(counts.written_bytes, 0);
    assert_int_equal(f->flash.erases, 0);
    writer_free(w);
}

static void test_whatever_can_be_refused_is_refused_before_the_first_erase(void **state)
{
    struct fixture *f = *state;
    struct writer *w = NULL;
    struct error err = {0};
    struct buffer other = {0};

    struct board foreign = f->board;
    strcpy(foreign.name, "other-board");
    sign(f, &foreign, 5, &other);
    assert_int_equal(writer_begin(&f->config, other.data, other.size, &w, &err), ERROR_REFUSED);
    assert_non_null(strstr(err.text, "other-board"));

    struct signing_key thief;
    assert_int_equal(signing_key_make(&thief, NULL), 0);
    struct writer_config c = f->config;
    c.public_key_pem = thief.public_pem;
    assert_int_equal(writer_begin(&c, f->manifest.data, f->manifest.size, &w, &err), ERROR_REFUSED);
    c.public_key_pem = NULL;
    assert_int_equal(writer_begin(&c, f->manifest.data, f->manifest.size, &w, &err), ERROR_REFUSED);
    signing_key_free(&thief);

    f->slots.release_min = 6;
    assert_int_equal(writer_begin(&f->config, f->manifest.data, f->manifest.size, &w, &err),
                     ERROR_REFUSED);
    assert_non_null(strstr(err.text, "release is 5"));
    f->slots.release_min = 5;

    /* Made for a board whose partitions are larger than this one's. */
    struct board smaller = f->board;
    for (size_t i = 0; i < smaller.partition_count; i++)
        if (strncmp(smaller.partitions[i].name, "rootfs", 6) == 0)
            smaller.partitions[i].size_bytes = 65536;
    c = f->config;
    c.board = &smaller;
    assert_int_equal(writer_begin(&c, f->manifest.data, f->manifest.size, &w, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "rootfs_b"));

    /* Running the trial: the other slot is its way back. */
    f->slots.trial = true;
    f->slots.active = 'b';
    c = f->config;
    c.running = 'b';
    assert_int_equal(writer_begin(&c, f->manifest.data, f->manifest.size, &w, &err), ERROR_STATE);

    for (size_t cut = 0; cut < f->manifest.size; cut += 7)
        assert_true(writer_begin(&f->config, f->manifest.data, cut, &w, &err) < 0);
    assert_null(w);
    assert_int_equal(f->flash.writes, 0);
    buffer_free(&other);
}

static void test_a_chunk_that_was_not_signed_is_not_programmed(void **state)
{
    struct fixture *f = *state;
    struct writer *w;
    struct writer_counts counts;
    struct error err = {0};
    assert_int_equal(writer_begin(&f->config, f->manifest.data, f->manifest.size, &w, &err), 0);
    f->rootfs[3 * 65536 + 5] ^= 1;
    assert_int_equal(send_image(w, "rootfs", f->rootfs, ROOTFS_BYTES, &counts, &err),
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
    struct fixture *f = *state;
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
        int rc = send_image(w, "rootfs", f->rootfs, ROOTFS_BYTES, &counts, &err);
        writer_free(w);
        bool cut = f->flash.off;
        assert_int_equal(rc != 0, cut);

        memory_flash_power_on(&f->flash, 0);
        assert_int_equal(slots_load(&f->hal, &f->board, &f->slots, NULL), 0);
        assert_int_equal(f->slots.active, 'a');
        assert_int_equal(writer_begin(&f->config, f->manifest.data, f->manifest.size, &w, &err), 0);
        if (send_image(w, "rootfs", f->rootfs, ROOTFS_BYTES, &counts, &err))
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
            test_images_are_written_verified_and_activated_in_that_order, make, drop),
        cmocka_unit_test_setup_teardown(
            test_whatever_can_be_refused_is_refused_before_the_first_erase, make, drop),
        cmocka_unit_test_setup_teardown(test_a_chunk_that_was_not_signed_is_not_programmed, make,
                                        drop),
        cmocka_unit_test_setup_teardown(test_a_power_cut_at_every_operation_is_gone_on_from, make,
                                        drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
