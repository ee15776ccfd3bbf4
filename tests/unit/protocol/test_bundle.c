/* Bundles: made, read back, checked by OpenSSL's own program, and refused when anything is off. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/base/buffer.h"
#include "protocol/base/file.h"
#include "protocol/formats/bundle.h"
#include "protocol/formats/signing.h"
#include "tests/unit/protocol/rsa_key.h"

struct fixture {
    char folder[64], kernel[96], rootfs[96], path[96];
    struct board board;
    struct signing_key key;
    struct bundle_recipe recipe;
};

static void write_pattern(const char *path, size_t size, unsigned seed)
{
    uint8_t *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
    assert_int_equal(file_write(path, bytes, size, 0600, NULL), 0);
    free(bytes);
}

static struct signing_key rsa; /* one for all tests: making it takes longest */

static int group_make(void **state)
{
    return rsa_key_of_openssl(&rsa);
}

static int group_drop(void **state)
{
    signing_key_free(&rsa);
    return 0;
}

/* Takes the key over. */
static int make_with(void **state, struct signing_key key)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error err = {0};
    strcpy(f->folder, "/tmp/test_bundle.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->kernel, sizeof f->kernel, "%s/kernel", f->folder);
    snprintf(f->rootfs, sizeof f->rootfs, "%s/rootfs", f->folder);
    snprintf(f->path, sizeof f->path, "%s/bundle.takt", f->folder);
    assert_int_equal(board_load("firmware/boards/ssc337de-nand128.json", &f->board, &err), 0);
    f->key = key;
    write_pattern(f->kernel, 131072, 1);         /* one whole chunk */
    write_pattern(f->rootfs, 3 * 131072 + 1, 2); /* one byte into a fourth */
    f->recipe = (struct bundle_recipe){.board = &f->board,
                                       .version = "1.4.0",
                                       .release = 12,
                                       .private_key_pem = f->key.private_pem,
                                       .image_count = 2,
                                       .images = {{"kernel", f->kernel}, {"rootfs", f->rootfs}}};
    if (bundle_make(&f->recipe, f->path, &err))
        fail_msg("%s", err.text);
    *state = f;
    return 0;
}

static int make(void **state)
{
    struct signing_key key;
    assert_int_equal(signing_key_make(&key, NULL), 0);
    return make_with(state, key);
}

static int make_rsa(void **state)
{
    return make_with(state, (struct signing_key){strdup(rsa.private_pem), strdup(rsa.public_pem)});
}

static int drop(void **state)
{
    struct fixture *f = *state;
    unlink(f->kernel);
    unlink(f->rootfs);
    unlink(f->path);
    assert_int_equal(rmdir(f->folder), 0); /* nothing temporary was left behind */
    signing_key_free(&f->key);
    free(f);
    return 0;
}

static void test_what_was_put_in_comes_out(void **state)
{
    struct fixture *f = *state;
    struct bundle *b;
    struct error err = {0};
    assert_int_equal(bundle_open(f->path, f->key.public_pem, &b, &err), 0);
    const struct bundle_manifest *m = bundle_manifest(b);
    assert_string_equal(m->board, "ssc337de-nand128");
    assert_string_equal(m->version, "1.4.0");
    assert_int_equal(m->release, 12);
    const struct bundle_image *rootfs = bundle_image(m, "rootfs");
    assert_int_equal(rootfs->bytes, 3 * 131072 + 1);
    assert_int_equal(rootfs->chunk_count, 4);
    assert_int_equal(bundle_chunk_bytes(rootfs, 3), 1);
    assert_int_equal(bundle_chunk_bytes(rootfs, 4), 0);
    assert_null(bundle_image(m, "boot"));
    assert_int_equal(bundle_verify(b, &err), 0);

    struct buffer whole = {0};
    uint8_t piece[1000];
    assert_int_equal(file_read(f->rootfs, &whole, &err), 0);
    uint64_t offset = 0;
    int n;
    while ((n = bundle_read(b, rootfs, offset, piece, sizeof piece, &err)) > 0) {
        assert_memory_equal(piece, whole.data + offset, n);
        offset += (uint64_t)n;
    }
    assert_int_equal(n, 0);
    assert_int_equal(offset, whole.size);
    buffer_free(&whole);
    bundle_close(b);
}

/* The hash of the manifest is sha256sum's, the signature is one openssl(1) accepts. */
static void test_other_tools_agree_on_hash_and_signature(void **state)
{
    struct fixture *f = *state;
    struct bundle *b;
    size_t size;
    char command[1024], line[128] = "", hex[DIGEST_TEXT];
    assert_int_equal(bundle_open(f->path, f->key.public_pem, &b, NULL), 0);
    hex_encode(bundle_image(bundle_manifest(b), "rootfs")->sha256, DIGEST_BYTES, hex);
    snprintf(command, sizeof command, "sha256sum %s", f->rootfs);
    FILE *out = popen(command, "r");
    assert_non_null(fgets(line, sizeof line, out));
    pclose(out);
    assert_memory_equal(line, hex, 64);

    const uint8_t *head = bundle_signed_manifest(b, &size);
    size_t manifest_bytes = head[8] | head[9] << 8 | head[10] << 16;
    char part[128];
    snprintf(part, sizeof part, "%s/m", f->folder);
    assert_int_equal(file_write(part, head + 16, manifest_bytes, 0600, NULL), 0);
    snprintf(part, sizeof part, "%s/s", f->folder);
    assert_int_equal(
        file_write(part, head + 16 + manifest_bytes, size - 16 - manifest_bytes, 0600, NULL), 0);
    snprintf(part, sizeof part, "%s/p", f->folder);
    assert_int_equal(file_write(part, f->key.public_pem, strlen(f->key.public_pem), 0600, NULL), 0);
    snprintf(command, sizeof command,
             "cd %s && openssl dgst -sha256 -verify p -signature s m >/dev/null; r=$?; rm m s p; "
             "exit $r",
             f->folder);
    assert_int_equal(system(command), 0);
    bundle_close(b);
}

/* Opens and verifies the file as it is; returns what came of it. */
static int outcome(const struct fixture *f, struct error *err)
{
    struct bundle *b = NULL;
    err->text[0] = '\0';
    int rc = bundle_open(f->path, f->key.public_pem, &b, err);
    if (!rc)
        rc = bundle_verify(b, err);
    bundle_close(b);
    return rc;
}

static int outcome_of(const struct fixture *f, const uint8_t *bytes, size_t size, struct error *err)
{
    FILE *out = fopen(f->path, "wb");
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    fclose(out);
    return outcome(f, err);
}

static void test_one_flipped_bit_anywhere_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buffer file = {0};
    struct error err = {0};
    assert_int_equal(file_read(f->path, &file, &err), 0);
    assert_int_equal(outcome(f, &err), 0);
    const size_t head = file.size - 131072 - (3 * 131072 + 1);
    int fd = open(f->path, O_RDWR | O_CLOEXEC);
    /* Every byte of the head (some of them under qemu-user), then samples over the images. */
    const size_t step = getenv("RUNNER") ? 11 : 1;
    for (size_t at = 0; at < file.size; at += at < head ? step : 40013) {
        uint8_t flipped = file.data[at] ^ 0x10;
        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)at), 1);
        if (outcome(f, &err) >= 0 || !err.text[0])
            fail_msg("byte %zu flipped and nobody said so", at);
        assert_int_equal(pwrite(fd, file.data + at, 1, (off_t)at), 1);
    }
    assert_int_equal(outcome(f, &err), 0);
    close(fd);
    file.data[file.size - 1] ^= 1;
    assert_int_equal(outcome_of(f, file.data, file.size, &err), ERROR_MISMATCH);
    assert_non_null(strstr(err.text, "image 'rootfs' differs from its hash in chunk 3"));
    buffer_free(&file);
}

static void test_a_truncated_or_longer_file_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buffer file = {0};
    struct error err = {0};
    assert_int_equal(file_read(f->path, &file, &err), 0);
    static const size_t sizes[] = {0, 1, 15, 16, 17, 500};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(outcome_of(f, file.data, sizes[i], &err), ERROR_INPUT);
        assert_non_null(strstr(err.text, "bundle.takt"));
    }
    assert_int_equal(outcome_of(f, file.data, file.size - 1, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "its manifest makes"));
    buffer_append(&file, "x", 1);
    assert_int_equal(outcome_of(f, file.data, file.size, &err), ERROR_INPUT);
    buffer_free(&file);
}

/* An RSA signature has no random part: what is built twice is the same file. */
static void test_the_same_images_and_rsa_key_make_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    struct buffer first = {0}, second = {0};
    assert_int_equal(file_read(f->path, &first, NULL), 0);
    assert_int_equal(bundle_make(&f->recipe, f->path, NULL), 0);
    assert_int_equal(file_read(f->path, &second, NULL), 0);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    buffer_free(&first);
    buffer_free(&second);
}

static void test_another_key_is_refused(void **state)
{
    struct fixture *f = *state;
    struct signing_key other;
    struct bundle *b;
    struct error err = {0};
    assert_int_equal(signing_key_make(&other, NULL), 0);
    assert_int_equal(bundle_open(f->path, other.public_pem, &b, &err), ERROR_REFUSED);
    assert_null(b);
    /* The other kind of key. */
    const char *kind = strlen(f->key.public_pem) > 300 ? other.public_pem : rsa.public_pem;
    assert_int_equal(bundle_open(f->path, kind, &b, &err), ERROR_REFUSED);
    assert_int_equal(bundle_open(f->path, "not a key", &b, &err), ERROR_INPUT);
    assert_int_equal(bundle_open(f->path, other.private_pem, &b, &err), ERROR_INPUT);
    signing_key_free(&other);
}

static void test_images_without_a_place_are_refused_before_anything_is_written(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/none.takt", f->folder);
    struct bundle_recipe r = f->recipe;
    r.images[0].image = "firmware";
    assert_int_equal(bundle_make(&r, path, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "has no partition firmware_a, nor firmware"));
    r = f->recipe;
    r.images[1].image = "kernel";
    assert_int_equal(bundle_make(&r, path, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "there twice"));
    r = f->recipe;
    r.version = "1.4.0; reboot";
    assert_int_equal(bundle_make(&r, path, &err), ERROR_INPUT);
    r = f->recipe;
    r.images[0].path = "/nowhere/kernel";
    assert_int_equal(bundle_make(&r, path, &err), ERROR_MISSING);
    r = f->recipe;
    r.release = 0;
    assert_int_equal(bundle_make(&r, path, &err), ERROR_INPUT);
    write_pattern(f->kernel, 4 * 1024 * 1024 + 1, 3);
    assert_int_equal(bundle_make(&f->recipe, path, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "kernel_a"));
    assert_int_equal(access(path, F_OK), -1);
}

static void test_a_place_that_cannot_be_written_is_named(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    assert_true(bundle_make(&f->recipe, "/dev/full/bundle.takt", &err) < 0);
    assert_true(bundle_make(&f->recipe, "/proc/bundle.takt", &err) < 0);
    assert_non_null(strstr(err.text, "/proc/bundle.takt"));
}

#define EITHER_KEY(test)                                                                           \
    {#test ", p256", test, make, drop, NULL},                                                      \
    {                                                                                              \
#test ", rsa3072", test, make_rsa, drop, NULL                                              \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        EITHER_KEY(test_what_was_put_in_comes_out),
        EITHER_KEY(test_other_tools_agree_on_hash_and_signature),
        EITHER_KEY(test_one_flipped_bit_anywhere_is_refused),
        EITHER_KEY(test_another_key_is_refused),
        cmocka_unit_test_setup_teardown(test_the_same_images_and_rsa_key_make_the_same_bytes,
                                        make_rsa, drop),
        cmocka_unit_test_setup_teardown(test_a_truncated_or_longer_file_is_refused, make, drop),
        cmocka_unit_test_setup_teardown(
            test_images_without_a_place_are_refused_before_anything_is_written, make, drop),
        cmocka_unit_test_setup_teardown(test_a_place_that_cannot_be_written_is_named, make, drop),
    };
    return cmocka_run_group_tests(tests, group_make, group_drop);
}
