/* Sparse images, held against Debian's img2simg and simg2img, and against hostile bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/base/file.h"
#include "protocol/base/splitmix.h"
#include "station/flash/usb/sparse.h"

enum { IMAGE_BYTES = 40 * 4096 + 1234 };

struct image {
    uint8_t bytes[IMAGE_BYTES];
};

/* Random, blank, random, zero, and a repeated word, with an end that is no whole block. */
static void make_image(struct image *i)
{
    uint64_t state = 7;
    for (size_t at = 0; at < sizeof i->bytes; at++)
        i->bytes[at] = (uint8_t)splitmix_next(&state);
    memset(i->bytes + 5 * 4096, 0xff, 10 * 4096);
    memset(i->bytes + 20 * 4096, 0, 7 * 4096);
    for (size_t at = 30 * 4096; at < 32 * 4096; at += 4)
        memcpy(i->bytes + at, "takt", 4);
}

static int read_image(void *context, uint64_t offset, void *data, size_t size, struct error *err)
{
    const struct image *i = context;
    assert_true(offset <= IMAGE_BYTES && size <= IMAGE_BYTES - offset);
    memcpy(data, i->bytes + offset, size);
    return 0;
}

static int write_image(void *context, uint64_t offset, const void *data, size_t size,
                       struct error *err)
{
    uint8_t *to = context;
    assert_true(offset + size <= IMAGE_BYTES + 4096);
    if (data)
        memcpy(to + offset, data, size);
    return 0;
}

static uint8_t *part_bytes(struct sparse_part *p, size_t step)
{
    uint8_t *out = malloc(p->bytes);
    for (uint64_t at = 0; at < p->bytes; at += step) {
        const size_t size = p->bytes - at < step ? (size_t)(p->bytes - at) : step;
        assert_int_equal(sparse_part_read(p, out + at, size, NULL), 0);
    }
    struct error err = {0};
    uint8_t more;
    assert_int_equal(sparse_part_read(p, &more, 1, &err), ERROR_STATE);
    return out;
}

static void test_parts_of_any_size_put_together_are_the_image(void **state)
{
    static const uint64_t limits[] = {28 + 36 + 4096, 5 * 4096, 50000, 1 << 20};
    static uint8_t found[IMAGE_BYTES + 4096];
    static struct image image;
    make_image(&image);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        uint32_t at = 0;
        memset(found, 0x55, sizeof found);
        while (at < sparse_blocks(IMAGE_BYTES)) {
            struct sparse_part p;
            uint64_t all;
            assert_int_equal(sparse_part_plan(&p, read_image, &image, IMAGE_BYTES, 0xff, at,
                                              UINT32_MAX, limits[i], NULL),
                             0);
            assert_true(p.bytes <= limits[i]);
            uint8_t *sent = part_bytes(&p, 1000);
            assert_true(sparse_is(sent, p.bytes));
            assert_int_equal(
                sparse_expand(sent, p.bytes, sizeof found, write_image, found, &all, NULL), 0);
            assert_int_equal(all, 41 * 4096);
            at += p.blocks;
            free(sent);
            sparse_part_free(&p);
        }
        assert_memory_equal(found, image.bytes, IMAGE_BYTES);
        assert_int_equal(found[IMAGE_BYTES], 0xff);
    }
}

static void test_repeats_do_not_cross_the_wire(void **state)
{
    static struct image image;
    struct sparse_part p;
    memset(image.bytes, 0xff, sizeof image.bytes);
    assert_int_equal(
        sparse_part_plan(&p, read_image, &image, IMAGE_BYTES, 0xff, 0, UINT32_MAX, 4096, NULL), 0);
    assert_int_equal(p.bytes, 28 + 12 + 4);
    sparse_part_free(&p);
}

static void write_file(const char *path, const void *data, size_t size)
{
    assert_int_equal(file_write(path, data, size, 0600, NULL), 0);
}

static void read_whole(const char *path, struct buffer *out)
{
    assert_int_equal(file_read(path, out, NULL), 0);
}

static bool have(const char *program)
{
    char command[64];
    snprintf(command, sizeof command, "command -v %s >/dev/null", program);
    return system(command) == 0;
}

static void test_simg2img_reads_what_we_write(void **state)
{
    static struct image image;
    struct sparse_part p;
    struct buffer out = {0};
    if (!have("simg2img"))
        skip();
    make_image(&image);
    assert_int_equal(
        sparse_part_plan(&p, read_image, &image, IMAGE_BYTES, 0xff, 0, UINT32_MAX, 1 << 20, NULL),
        0);
    uint8_t *sent = part_bytes(&p, 4096);
    char folder[] = "/tmp/takt-sparse.XXXXXX", path[64], command[200];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/sparse", folder);
    write_file(path, sent, p.bytes);
    snprintf(command, sizeof command, "simg2img %s/sparse %s/plain", folder, folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/plain", folder);
    read_whole(path, &out);
    assert_int_equal(out.size, 41 * 4096);
    assert_memory_equal(out.data, image.bytes, IMAGE_BYTES);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    buffer_free(&out);
    free(sent);
    sparse_part_free(&p);
}

static void test_we_read_what_img2simg_writes(void **state)
{
    static const char *const options[] = {"", "-s"};
    static struct image image;
    static uint8_t found[IMAGE_BYTES + 4096];
    if (!have("img2simg"))
        skip();
    make_image(&image);
    for (size_t i = 0; i < 2; i++) {
        struct buffer sparse = {0};
        char folder[] = "/tmp/takt-sparse.XXXXXX", path[64], command[200];
        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof path, "%s/plain", folder);
        write_file(path, image.bytes, 40 * 4096);
        snprintf(command, sizeof command,
                 "img2simg %s/plain %s/sparse 4096 2>/dev/null || "
                 "img2simg %s %s/plain %s/sparse",
                 folder, folder, options[i], folder, folder);
        assert_int_equal(system(command), 0);
        snprintf(path, sizeof path, "%s/sparse", folder);
        read_whole(path, &sparse);
        memset(found, 0, sizeof found);
        assert_int_equal(
            sparse_expand(sparse.data, sparse.size, sizeof found, write_image, found, NULL, NULL),
            0);
        assert_memory_equal(found, image.bytes, 40 * 4096);
        buffer_free(&sparse);
        snprintf(command, sizeof command, "rm -r %s", folder);
        assert_int_equal(system(command), 0);
    }
}

static void test_hostile_sparse_files_are_refused(void **state)
{
    static struct image image;
    static uint8_t found[IMAGE_BYTES + 4096];
    struct sparse_part p;
    uint64_t random = 11;
    make_image(&image);
    assert_int_equal(
        sparse_part_plan(&p, read_image, &image, IMAGE_BYTES, 0xff, 0, UINT32_MAX, 1 << 20, NULL),
        0);
    uint8_t *sent = part_bytes(&p, 4096), *bad = malloc(p.bytes);
    struct error err = {0};
    /* Cut anywhere. */
    for (size_t size = 0; size < p.bytes; size += size < 200 ? 1 : 997)
        assert_int_equal(sparse_expand(sent, size, sizeof found, write_image, found, NULL, &err),
                         ERROR_INPUT);
    /* More than there is room for. */
    assert_int_equal(sparse_expand(sent, p.bytes, 40 * 4096, write_image, found, NULL, &err),
                     ERROR_INPUT);
    /* Any byte of the headers another: refused or within bounds, which write_image() checks. */
    for (int i = 0; i < 2000; i++) {
        memcpy(bad, sent, p.bytes);
        bad[splitmix_next(&random) % 60] = (uint8_t)splitmix_next(&random);
        sparse_expand(bad, p.bytes, sizeof found, write_image, found, NULL, &err);
    }
    free(bad);
    free(sent);
    sparse_part_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_of_any_size_put_together_are_the_image),
        cmocka_unit_test(test_repeats_do_not_cross_the_wire),
        cmocka_unit_test(test_simg2img_reads_what_we_write),
        cmocka_unit_test(test_we_read_what_img2simg_writes),
        cmocka_unit_test(test_hostile_sparse_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
