/* What an update needs of a camera's memory, measured: every allocation of this program, those of
 * cJSON and OpenSSL too, is counted while a bundle is written into a flash in a file. */
#include "firmware/update/environment.h"
#include "tests/unit/firmware/bundle_unit.h"

#include <fcntl.h>
#include <malloc.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ALLOCATOR_IS_TAKEN 1 /* by the sanitizer */
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ALLOCATOR_IS_TAKEN 1
#endif
#endif

/* ---- an allocator that counts: glibc's own behind the same names ---------------------------- */

static size_t heap_bytes, heap_peak;

#ifndef ALLOCATOR_IS_TAKEN
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *p);

static void *counted(void *p)
{
    size_t now = __atomic_add_fetch(&heap_bytes, malloc_usable_size(p), __ATOMIC_RELAXED);
    if (now > heap_peak)
        heap_peak = now;
    return p;
}

void *malloc(size_t size)
{
    return counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return counted(__libc_calloc(count, size));
}

void free(void *p)
{
    __atomic_sub_fetch(&heap_bytes, malloc_usable_size(p), __ATOMIC_RELAXED);
    __libc_free(p);
}

void *realloc(void *old, size_t size)
{
    /* Both are there while one is copied into the other. */
    size_t before = malloc_usable_size(old);
    void *p = counted(__libc_realloc(old, size));
    if (p || !size)
        __atomic_sub_fetch(&heap_bytes, before, __ATOMIC_RELAXED);
    return p;
}
#endif

/* ---- a flash in a file ----------------------------------------------------------------------- */

struct file_flash {
    const struct board *board;
    int fd; /* a hole reads as zeros: nothing is blank, every block is erased */
};

static off_t place(const struct file_flash *f, const char *partition, uint64_t offset)
{
    return (off_t)(board_partition(f->board, partition, 0)->offset_bytes + offset);
}

static int file_flash_read(struct flash *state, const char *partition, uint64_t offset, void *data,
                           size_t size, struct error *err)
{
    const struct file_flash *f = (const struct file_flash *)state;
    return pread(f->fd, data, size, place(f, partition, offset)) == (ssize_t)size ? 0 : ERROR_IO;
}

static int file_flash_erase(struct flash *state, const char *partition, uint64_t offset,
                            uint64_t size, struct error *err)
{
    static const uint8_t erased[4096] = {[0 ... 4095] = 0xff};
    const struct file_flash *f = (const struct file_flash *)state;
    for (uint64_t at = 0; at < size; at += sizeof erased)
        if (pwrite(f->fd, erased, sizeof erased, place(f, partition, offset + at)) < 0)
            return ERROR_IO;
    return 0;
}

static int file_flash_program(struct flash *state, const char *partition, uint64_t offset,
                              const void *data, size_t size, struct error *err)
{
    const struct file_flash *f = (const struct file_flash *)state;
    return pwrite(f->fd, data, size, place(f, partition, offset)) == (ssize_t)size ? 0 : ERROR_IO;
}

static int file_flash_sync(struct flash *state, struct error *err)
{
    return 0;
}

static const struct flash_ops file_flash_ops = {file_flash_read, file_flash_erase,
                                                file_flash_program, file_flash_sync};

/* ---- the measurement ------------------------------------------------------------------------- */

struct need {
    size_t manifest_bytes; /* as signed */
    size_t chunk_bytes;
    size_t beginning_bytes; /* most of the heap while the manifest is read */
    size_t writing_bytes;   /* most of the heap while images are written and verified */
};

/* Makes a bundle of one image of that size for a real board, and writes it, in pieces as they come
 * off a wire. */
static struct need update(size_t image_bytes)
{
    char folder[] = "/tmp/test_writer.XXXXXX", image[64], path[64], flash_path[64];
    struct board board;
    struct slots slots;
    struct signing_key key;
    struct bundle *b;
    struct writer *w;
    struct writer_counts counts;
    struct error err = {0};
    static uint8_t piece[8192];
    struct need need = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(image, sizeof image, "%s/rootfs", folder);
    snprintf(path, sizeof path, "%s/bundle", folder);
    snprintf(flash_path, sizeof flash_path, "%s/flash", folder);
    assert_int_equal(board_load("firmware/boards/ssc337de-nand128.json", &board, &err), 0);
    assert_int_equal(signing_key_make(&key, &err), 0);
    struct file_flash flash = {&board, open(flash_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    assert_true(flash.fd >= 0);
    assert_int_equal(ftruncate(flash.fd, (off_t)board.flash_bytes), 0);
    struct hal hal = {.flash = &file_flash_ops, .flash_state = (struct flash *)&flash};
    assert_int_equal(slots_load(&hal, &board, &slots, &err), 0);

    int fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (size_t at = 0; at < image_bytes; at += sizeof piece) {
        for (size_t i = 0; i < sizeof piece; i++)
            piece[i] = (uint8_t)(at / sizeof piece + i * 3);
        assert_int_equal(write(fd, piece, sizeof piece), sizeof piece);
    }
    close(fd);
    struct bundle_recipe r = {.board = &board,
                              .version = "2.0",
                              .release = 5,
                              .private_key_pem = key.private_pem,
                              .image_count = 1,
                              .images = {{"rootfs", image}}};
    if (bundle_make(&r, path, &err) || bundle_open(path, key.public_pem, &b, &err))
        fail_msg("%s", err.text);
    const uint8_t *signed_manifest = bundle_signed_manifest(b, &need.manifest_bytes);
    const struct bundle_image *rootfs = bundle_image(bundle_manifest(b), "rootfs");
    need.chunk_bytes = rootfs->chunk_bytes;
    /* OpenSSL and stdio keep what they once set up; it is not the update's. */
    struct writer_config config = {.hal = &hal,
                                   .board = &board,
                                   .slots = &slots,
                                   .running = 'a',
                                   .public_key_pem = key.public_pem};

    const size_t base = heap_peak = heap_bytes;
    assert_int_equal(writer_begin(&config, signed_manifest, need.manifest_bytes, &w, &err), 0);
    need.beginning_bytes = heap_peak - base;
    heap_peak = heap_bytes;
    assert_int_equal(writer_image_begin(w, "rootfs", image_bytes, &err), 0);
    for (uint64_t at = 0; at < image_bytes;) {
        int n = bundle_read(b, rootfs, at, piece, sizeof piece, &err);
        assert_true(n > 0);
        assert_int_equal(writer_write(w, piece, (size_t)n, &err), 0);
        at += (uint64_t)n;
    }
    assert_int_equal(writer_image_end(w, &counts, &err), 0);
    assert_int_equal(counts.written_bytes, image_bytes);
    uint8_t hash[DIGEST_BYTES];
    assert_int_equal(writer_verify(w, "rootfs", NULL, NULL, hash, &err), 0);
    assert_int_equal(writer_activate(w, &err), 0);
    need.writing_bytes = heap_peak - base;
    writer_free(w);

    bundle_close(b);
    signing_key_free(&key);
    close(flash.fd);
    unlink(image);
    unlink(path);
    unlink(flash_path);
    assert_int_equal(rmdir(folder), 0);
    return need;
}

static void print(size_t image_bytes, const struct need *n)
{
    print_message("%5.1f MiB image: manifest %zu bytes, chunk %zu; heap %zu while it begins, %zu "
                  "while it writes\n",
                  (double)image_bytes / (1 << 20), n->manifest_bytes, n->chunk_bytes,
                  n->beginning_bytes, n->writing_bytes);
}

static void test_an_update_needs_one_chunk_and_the_manifest(void **state)
{
#ifdef ALLOCATOR_IS_TAKEN
    print_message("left out: test_an_update_needs_one_chunk_and_the_manifest: the allocator is "
                  "the sanitizer's\n");
    skip();
#endif
    enum { SMALL = 1 << 20, LARGE = 30 << 20, FIXED = 16384 + 4096 };
    update(65536); /* what the libraries set up once */
    const struct need small = update(SMALL), large = update(LARGE);
    print(SMALL, &small);
    print(LARGE, &large);
    assert_true(small.writing_bytes > small.chunk_bytes); /* it counts at all */
    /* Writing: one chunk, a piece of the flash, the hashes as bytes; for a moment the environment,
     * as a record, as pages and as read back. */
    assert_true(large.writing_bytes <
                large.chunk_bytes + FIXED + large.manifest_bytes + 3 * ENVIRONMENT_BYTES);
    /* Thirty times the image costs the hashes of its chunks and nothing else. */
    size_t hashes = (LARGE - SMALL) / large.chunk_bytes * DIGEST_BYTES;
    assert_true(large.writing_bytes - small.writing_bytes < hashes + 256);
    /* Beginning: the manifest as a tree of JSON, for a moment. */
    assert_true(large.beginning_bytes < large.chunk_bytes + FIXED + 6 * large.manifest_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_update_needs_one_chunk_and_the_manifest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
