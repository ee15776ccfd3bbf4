/* A unit with a blank flash in memory, and a bundle for it of a kernel and a root file system. */
#ifndef TAKT_TESTS_UNIT_FIRMWARE_BUNDLE_UNIT_H
#define TAKT_TESTS_UNIT_FIRMWARE_BUNDLE_UNIT_H

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

struct unit {
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
static inline void unit_sign(struct unit *u, const struct board *board, uint32_t release,
                             struct buffer *manifest)
{
    char kernel[96], rootfs[96], path[96];
    struct bundle *b;
    struct error err = {0};
    snprintf(kernel, sizeof kernel, "%s/kernel", u->folder);
    snprintf(rootfs, sizeof rootfs, "%s/rootfs", u->folder);
    snprintf(path, sizeof path, "%s/bundle", u->folder);
    assert_int_equal(file_write(kernel, u->kernel, KERNEL_BYTES, 0600, NULL), 0);
    assert_int_equal(file_write(rootfs, u->rootfs, ROOTFS_BYTES, 0600, NULL), 0);
    struct bundle_recipe r = {.board = board,
                              .version = "2.0",
                              .release = release,
                              .private_key_pem = u->key.private_pem,
                              .image_count = 2,
                              .images = {{"kernel", kernel}, {"rootfs", rootfs}}};
    if (bundle_make(&r, path, &err) || bundle_open(path, u->key.public_pem, &b, &err))
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

/* Takes the key over. */
static inline void unit_make_with(void **state, struct signing_key key)
{
    struct unit *u = calloc(1, sizeof *u);
    strcpy(u->folder, "/tmp/test_writer.XXXXXX");
    assert_non_null(mkdtemp(u->folder));
    assert_int_equal(
        board_parse("tiny", memory_flash_board, strlen(memory_flash_board), &u->board, NULL), 0);
    memory_flash_make(&u->flash, &u->board);
    u->hal.flash = &memory_flash_ops;
    u->hal.flash_state = &u->flash;
    assert_int_equal(slots_load(&u->hal, &u->board, &u->slots, NULL), 0);
    u->key = key;
    for (size_t i = 0; i < KERNEL_BYTES; i++)
        u->kernel[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t i = 0; i < ROOTFS_BYTES; i++)
        u->rootfs[i] = (uint8_t)(i * 13 + i / 257);
    /* A sparse stretch: three pages of chunk 1, and the whole of chunk 2. */
    memset(u->rootfs + 65536 + 4096, 0xff, 3 * 2048);
    memset(u->rootfs + 2 * 65536, 0xff, 65536);
    unit_sign(u, &u->board, 5, &u->manifest);
    u->config = (struct writer_config){.hal = &u->hal,
                                       .board = &u->board,
                                       .slots = &u->slots,
                                       .running = 'a',
                                       .public_key_pem = u->key.public_pem};
    *state = u;
}

static inline int unit_make(void **state)
{
    struct signing_key key;
    assert_int_equal(signing_key_make(&key, NULL), 0);
    unit_make_with(state, key);
    return 0;
}

static inline int unit_drop(void **state)
{
    struct unit *u = *state;
    buffer_free(&u->manifest);
    signing_key_free(&u->key);
    rmdir(u->folder);
    free(u->flash.bytes);
    free(u);
    return 0;
}

static inline int unit_send(struct writer *w, const char *name, const uint8_t *data, size_t size,
                            struct writer_counts *counts, struct error *err)
{
    int rc = writer_image_begin(w, name, size, err);
    for (size_t at = 0; at < size && !rc; at += 999) /* pieces that fit no boundary */
        rc = writer_write(w, data + at, size - at < 999 ? size - at : 999, err);
    return rc ? rc : writer_image_end(w, counts, err);
}

#endif
