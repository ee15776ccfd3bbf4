/* What a unit does not take, it does not take before the first erase: each ground with the flash's
 * operations counted, for bundles signed with either kind of key. */
#include "tests/unit/firmware/bundle_unit.h"

#include "protocol/base/splitmix.h"
#include "tests/unit/protocol/rsa_key.h"
#include "tests/unit/protocol/signatures_of_openssl.h"

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

static int make_rsa(void **state)
{
    unit_make_with(state, (struct signing_key){strdup(rsa.private_pem), strdup(rsa.public_pem)});
    return 0;
}

/* Begins an update with this manifest: refused with that error and word, the flash left alone. */
static void refused(struct unit *u, const struct writer_config *config, const void *manifest,
                    size_t size, int expected, const char *word)
{
    struct writer *w = NULL;
    struct error err = {0};
    int rc = writer_begin(config, manifest, size, &w, &err);
    if (rc != expected || w || !strstr(err.text, word))
        fail_msg("%d '%s', expected %d '%s'", rc, err.text, expected, word);
    assert_int_equal(u->flash.writes, 0);
    assert_int_equal(u->flash.erases, 0);
}

static void test_another_board(void **state)
{
    struct unit *u = *state;
    struct buffer other = {0};
    struct board foreign = u->board;
    strcpy(foreign.name, "other-board");
    unit_sign(u, &foreign, 5, &other);
    refused(u, &u->config, other.data, other.size, ERROR_REFUSED, "other-board");
    buffer_free(&other);
}

static void test_another_key(void **state)
{
    struct unit *u = *state;
    struct signing_key thief;
    struct writer_config c = u->config;
    assert_int_equal(signing_key_make(&thief, NULL), 0);
    c.public_key_pem = thief.public_pem;
    refused(u, &c, u->manifest.data, u->manifest.size, ERROR_REFUSED, "not one of the key given");
    c.public_key_pem = openssl_rsa_public;
    refused(u, &c, u->manifest.data, u->manifest.size, ERROR_REFUSED, "not one of the key given");
    c.public_key_pem = NULL;
    refused(u, &c, u->manifest.data, u->manifest.size, ERROR_REFUSED, "has no key");
    signing_key_free(&thief);
}

/* The right signature by a key of a kind that was not agreed on is not looked at. */
static void test_another_kind_of_key(void **state)
{
    struct unit *u = *state;
    struct writer_config c = u->config;
    for (size_t i = 0; i < sizeof openssl_other_keys / sizeof openssl_other_keys[0]; i++) {
        c.public_key_pem = openssl_other_keys[i].public_pem;
        refused(u, &c, u->manifest.data, u->manifest.size, ERROR_INPUT, "the public key is");
    }
    c.public_key_pem = u->key.private_pem;
    refused(u, &c, u->manifest.data, u->manifest.size, ERROR_INPUT, "the public key is");
}

static void test_an_older_release(void **state)
{
    struct unit *u = *state;
    struct writer *w;
    struct error err = {0};
    u->slots.release_min = 6;
    refused(u, &u->config, u->manifest.data, u->manifest.size, ERROR_REFUSED, "release is 5");
    u->slots.release_min = 5;
    assert_int_equal(writer_begin(&u->config, u->manifest.data, u->manifest.size, &w, &err), 0);
    writer_free(w);
}

static void test_images_larger_than_their_partitions(void **state)
{
    struct unit *u = *state;
    struct board smaller = u->board;
    struct writer_config c = u->config;
    for (size_t i = 0; i < smaller.partition_count; i++)
        if (strncmp(smaller.partitions[i].name, "rootfs", 6) == 0)
            smaller.partitions[i].size_bytes = 65536;
    c.board = &smaller;
    refused(u, &c, u->manifest.data, u->manifest.size, ERROR_INPUT, "rootfs_b");
}

static void test_any_update_while_the_other_slot_is_the_way_back(void **state)
{
    struct unit *u = *state;
    struct writer_config c = u->config;
    u->slots.trial = true;
    u->slots.active = 'b';
    c.running = 'b';
    refused(u, &c, u->manifest.data, u->manifest.size, ERROR_STATE, "on trial");
}

static void test_a_manifest_cut_at_any_length(void **state)
{
    struct unit *u = *state;
    for (size_t size = 0; size < u->manifest.size; size++)
        refused(u, &u->config, u->manifest.data, size, ERROR_INPUT, "");
    /* And one with something behind it. */
    assert_int_equal(buffer_append(&u->manifest, "", 1), 0);
    refused(u, &u->config, u->manifest.data, u->manifest.size, ERROR_INPUT, "expected");
}

/* Header, manifest and signature: one bit of every byte (under qemu-user of some), which by seed.
 */
static void test_one_bit_flipped_in_any_byte_of_the_signed_manifest(void **state)
{
    struct unit *u = *state;
    const size_t step = getenv("RUNNER") ? 11 : 1;
    uint64_t seed = 20261128;
    for (size_t at = 0; at < u->manifest.size; at += step) {
        const uint8_t bit = (uint8_t)(1u << splitmix_next(&seed) % 8);
        struct writer *w = NULL;
        struct error err = {0};
        u->manifest.data[at] ^= bit;
        int rc = writer_begin(&u->config, u->manifest.data, u->manifest.size, &w, &err);
        if (rc >= 0 || w || !err.text[0])
            fail_msg("byte %zu with bit %02x flipped was taken", at, bit);
        assert_int_equal(u->flash.writes, 0);
        u->manifest.data[at] ^= bit;
    }
    struct error err = {0};
    struct writer *w;
    assert_int_equal(writer_begin(&u->config, u->manifest.data, u->manifest.size, &w, &err), 0);
    writer_free(w);
}

/* A bit of an image: the chunk it is in is never written, what lay in its place stays. */
static void test_one_bit_flipped_in_an_image(void **state)
{
    struct unit *u = *state;
    const struct board_partition *p = board_partition(&u->board, "rootfs", 'b');
    uint8_t *before = malloc(u->board.flash_bytes);
    uint64_t seed = 7;
    for (int sample = 0; sample < 60; sample++) {
        const size_t at = sample ? splitmix_next(&seed) % ROOTFS_BYTES : ROOTFS_BYTES - 1;
        const uint8_t bit = (uint8_t)(1u << splitmix_next(&seed) % 8);
        const size_t chunk = at / 65536, offset = p->offset_bytes + chunk * 65536;
        struct writer *w;
        struct writer_counts counts;
        struct error err = {0};
        memset(u->flash.bytes + p->offset_bytes, 0x5a, p->size_bytes); /* an older image */
        memcpy(before, u->flash.bytes, u->board.flash_bytes);
        assert_int_equal(writer_begin(&u->config, u->manifest.data, u->manifest.size, &w, &err), 0);
        u->rootfs[at] ^= bit;
        assert_int_equal(unit_send(w, "rootfs", u->rootfs, ROOTFS_BYTES, &counts, &err),
                         ERROR_MISMATCH);
        u->rootfs[at] ^= bit;
        /* The chunks before it were right and are there; nothing from it on was touched. */
        assert_memory_equal(u->flash.bytes + p->offset_bytes, u->rootfs, chunk * 65536);
        assert_memory_equal(u->flash.bytes + offset, before + offset,
                            p->size_bytes - chunk * 65536);
        if (!chunk)
            assert_int_equal(u->flash.erases, 0);
        uint8_t hash[DIGEST_BYTES];
        assert_int_equal(writer_verify(w, "rootfs", NULL, NULL, hash, &err), ERROR_MISMATCH);
        assert_int_equal(writer_activate(w, &err), ERROR_STATE);
        writer_free(w);
        u->flash.erases = 0;
    }
    free(before);
}

/* Here the kernel's image is said to be one. */
static void test_a_boot_roms_loader_but_not_what_comes_with_it(void **state)
{
    struct unit *u = *state;
    struct writer *w;
    struct writer_counts counts;
    struct error err = {0};
    uint8_t hash[DIGEST_BYTES];
    strcpy(u->board.boot.usb_loaders[0], "kernel");
    u->board.boot.usb_loader_count = 1;
    if (writer_begin(&u->config, u->manifest.data, u->manifest.size, &w, &err))
        fail_msg("%s", err.text);
    assert_int_equal(writer_image_begin(w, "kernel", KERNEL_BYTES, &err), ERROR_INPUT);
    assert_int_equal(writer_verify(w, "kernel", NULL, NULL, hash, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "boot ROM"));
    assert_int_equal(u->flash.writes, 0);
    assert_int_equal(u->flash.erases, 0);
    assert_int_equal(writer_activate(w, &err), ERROR_STATE);
    if (unit_send(w, "rootfs", u->rootfs, ROOTFS_BYTES, &counts, &err) ||
        writer_verify(w, "rootfs", NULL, NULL, hash, &err) || writer_activate(w, &err))
        fail_msg("%s", err.text);
    writer_free(w);
}

static void test_nothing_but_loaders(void **state)
{
    struct unit *u = *state;
    strcpy(u->board.boot.usb_loaders[0], "kernel");
    strcpy(u->board.boot.usb_loaders[1], "rootfs");
    u->board.boot.usb_loader_count = 2;
    refused(u, &u->config, u->manifest.data, u->manifest.size, ERROR_INPUT, "nothing but loaders");
}

#define EITHER_KEY(test)                                                                           \
    {#test ", p256", test, unit_make, unit_drop, NULL},                                            \
    {                                                                                              \
#test ", rsa3072", test, make_rsa, unit_drop, NULL                                         \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        EITHER_KEY(test_another_board),
        EITHER_KEY(test_another_key),
        EITHER_KEY(test_another_kind_of_key),
        EITHER_KEY(test_an_older_release),
        EITHER_KEY(test_images_larger_than_their_partitions),
        EITHER_KEY(test_any_update_while_the_other_slot_is_the_way_back),
        EITHER_KEY(test_a_manifest_cut_at_any_length),
        EITHER_KEY(test_one_bit_flipped_in_any_byte_of_the_signed_manifest),
        EITHER_KEY(test_one_bit_flipped_in_an_image),
        EITHER_KEY(test_a_boot_roms_loader_but_not_what_comes_with_it),
        EITHER_KEY(test_nothing_but_loaders),
    };
    return cmocka_run_group_tests(tests, group_make, group_drop);
}
