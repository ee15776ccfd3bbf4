/* An empty FAT32: held against fsck.fat, and cut off at every write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "firmware/factory/card_filesystem.h"
#include "firmware/hal/card_fat32.h"

enum { BLOCK = 512, PARTITION_BYTES = CARD_FAT32_PARTITION * BLOCK };

struct disk {
    uint8_t *bytes;
    uint64_t blocks;
    int writes, cut_at; /* 0: never */
};

static int write_blocks(void *context, uint64_t block, const uint8_t *data, uint32_t count,
                        struct error *err)
{
    struct disk *d = context;
    assert_true(block + count <= d->blocks);
    if (++d->writes == d->cut_at)
        return error_set(err, ERROR_IO, "unplugged");
    memcpy(d->bytes + block * BLOCK, data, (size_t)count * BLOCK);
    return 0;
}

static struct disk disk_of(uint64_t mib, uint8_t filled)
{
    struct disk d = {.blocks = mib << 11, .bytes = malloc(mib << 20)};
    assert_non_null(d.bytes);
    memset(d.bytes, filled, mib << 20);
    return d;
}

static int make(struct disk *d, bool blank, uint32_t *cluster_bytes)
{
    struct error err = {0};
    const struct card_fat32_disk target = {d, write_blocks, NULL};
    return card_fat32_make(&target, d->blocks, blank, cluster_bytes, &err);
}

/* dosfstools' own judgement of the partition. */
static bool fsck_is_content(const struct disk *d)
{
    char path[] = "/tmp/takt-fat32.XXXXXX", command[128];
    const size_t size = (d->blocks - CARD_FAT32_PARTITION) * BLOCK;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *out = fdopen(fd, "wb");
    assert_int_equal(fwrite(d->bytes + PARTITION_BYTES, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
    snprintf(command, sizeof command, "/usr/sbin/fsck.fat -n %s >/dev/null 2>&1", path);
    const int status = system(command);
    unlink(path);
    return status == 0;
}

static void test_fsck_finds_nothing_to_say(void **state)
{
    static const struct {
        uint64_t mib;
        uint32_t cluster_bytes;
    } cards[] = {{40, 512}, {64, 512}, {160, 2048}};
    for (size_t i = 0; i < sizeof cards / sizeof cards[0]; i++) {
        struct disk d = disk_of(cards[i].mib, 0x5a);
        uint32_t cluster_bytes = 0;
        assert_int_equal(make(&d, false, &cluster_bytes), 0);
        assert_int_equal(cluster_bytes, cards[i].cluster_bytes);
        assert_int_equal(card_first_partition(d.bytes), CARD_FAT32_PARTITION);
        assert_string_equal(card_filesystem(d.bytes + PARTITION_BYTES), "fat32");
        assert_true(fsck_is_content(&d));
        free(d.bytes);
    }
}

static void test_a_cut_at_any_write_leaves_no_file_system_or_the_whole_one(void **state)
{
    struct disk d = disk_of(40, 0);
    assert_int_equal(make(&d, true, NULL), 0);
    d.writes = 0;
    assert_int_equal(make(&d, false, NULL), 0);
    const int writes = d.writes;
    for (int cut_at = 1; cut_at <= writes; cut_at++) {
        d.cut_at = 0;
        assert_int_equal(make(&d, false, NULL), 0);
        d.writes = 0, d.cut_at = cut_at;
        assert_int_equal(make(&d, false, NULL), ERROR_IO);
        assert_string_equal(card_filesystem(d.bytes + PARTITION_BYTES),
                            cut_at == 1 ? "fat32" : "none");
    }
    d.cut_at = 0;
    assert_int_equal(make(&d, false, NULL), 0);
    assert_true(fsck_is_content(&d));
    free(d.bytes);
}

static void test_a_disk_that_is_too_small_is_left_alone(void **state)
{
    static const uint64_t mibs[] = {1, 4, 5, 36};
    for (size_t i = 0; i < sizeof mibs / sizeof mibs[0]; i++) {
        struct disk d = disk_of(mibs[i], 0);
        assert_int_equal(make(&d, false, NULL), ERROR_INPUT);
        assert_int_equal(d.writes, 0);
        free(d.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fsck_finds_nothing_to_say),
        cmocka_unit_test(test_a_cut_at_any_write_leaves_no_file_system_or_the_whole_one),
        cmocka_unit_test(test_a_disk_that_is_too_small_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
