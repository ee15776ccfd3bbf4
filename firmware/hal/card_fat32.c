#include "firmware/hal/card_fat32.h"

#include <string.h>

#include "protocol/base/little_endian.h"

enum {
    BLOCK = 512,
    MOST_CLUSTER_BLOCKS = 64,
    RESERVED = 32,
    FATS = 2,
    ROOT_CLUSTER = 2,
    LEAST_CLUSTERS = 65525, /* fewer would be FAT16 */
    ENTRIES = BLOCK / 4,    /* of a table, a block */
    ZEROS = 64,             /* blocks written at once */
    FAT32_BY_BLOCKS = 0x0c, /* partition type */
    COPY = 6,               /* of the boot sector and FSInfo, in the partition */
};

void card_partition_table(uint8_t out[512], uint32_t blocks, uint8_t type)
{
    memset(out, 0, BLOCK);
    out[446 + 4] = type;
    le32_put(out + 446 + 8, CARD_FAT32_PARTITION);
    le32_put(out + 446 + 12, blocks);
    le16_put(out + 510, 0xaa55);
}

struct layout {
    uint32_t blocks, cluster_blocks, fat_blocks, clusters;
};

static uint32_t data_at(const struct layout *l)
{
    return RESERVED + FATS * l->fat_blocks;
}

static int lay_out(uint64_t blocks, struct layout *l, struct error *err)
{
    *l = (struct layout){.blocks = (uint32_t)(blocks - CARD_FAT32_PARTITION)};
    for (l->cluster_blocks = MOST_CLUSTER_BLOCKS;
         blocks > CARD_FAT32_PARTITION + RESERVED && blocks <= UINT32_MAX && l->cluster_blocks;
         l->cluster_blocks /= 2) {
        const uint32_t most = (l->blocks - RESERVED) / l->cluster_blocks;
        l->fat_blocks = (most + 2 + ENTRIES - 1) / ENTRIES;
        l->clusters = l->blocks > data_at(l) ? (l->blocks - data_at(l)) / l->cluster_blocks : 0;
        if (l->clusters >= LEAST_CLUSTERS)
            return 0;
    }
    return error_set(err, ERROR_INPUT, "%llu blocks of %d bytes do not make a FAT32",
                     (unsigned long long)blocks, BLOCK);
}

static int put(const struct card_fat32_disk *disk, uint32_t block, const uint8_t *data,
               struct error *err)
{
    return disk->write(disk->context, CARD_FAT32_PARTITION + (uint64_t)block, data, 1, err);
}

static int sync_disk(const struct card_fat32_disk *disk, struct error *err)
{
    return disk->sync ? disk->sync(disk->context, err) : 0;
}

static int zero(const struct card_fat32_disk *disk, uint32_t block, uint32_t count,
                struct error *err)
{
    static const uint8_t zeros[ZEROS * BLOCK];
    int rc = 0;
    for (uint32_t n; count && !rc; block += n, count -= n) {
        n = count < ZEROS ? count : ZEROS;
        rc = disk->write(disk->context, CARD_FAT32_PARTITION + (uint64_t)block, zeros, n, err);
    }
    return rc;
}

static int put_fats(const struct card_fat32_disk *disk, const struct layout *l, struct error *err)
{
    uint8_t fat[BLOCK] = {0};
    int rc = 0;
    le32_put(fat, 0x0ffffff8);
    le32_put(fat + 4, 0x0fffffff);
    le32_put(fat + 8, 0x0fffffff); /* the root folder: one empty cluster */
    for (uint32_t i = 0; i < FATS && !rc; i++)
        rc = put(disk, RESERVED + i * l->fat_blocks, fat, err);
    return rc;
}

static int put_info(const struct card_fat32_disk *disk, const struct layout *l, struct error *err)
{
    uint8_t info[BLOCK] = {0};
    le32_put(info, 0x41615252);
    le32_put(info + 484, 0x61417272);
    le32_put(info + 488, l->clusters - 1);
    le32_put(info + 492, ROOT_CLUSTER + 1);
    le32_put(info + 508, 0xaa550000);
    int rc = put(disk, 1, info, err);
    return rc ? rc : put(disk, COPY + 1, info, err);
}

static int put_table(const struct card_fat32_disk *disk, const struct layout *l, struct error *err)
{
    uint8_t b[BLOCK];
    card_partition_table(b, l->blocks, FAT32_BY_BLOCKS);
    return disk->write(disk->context, 0, b, 1, err);
}

static int put_boot(const struct card_fat32_disk *disk, const struct layout *l, struct error *err)
{
    uint8_t boot[BLOCK] = {0xeb, 0x58, 0x90};
    memcpy(boot + 3, "MSWIN4.1", 8);
    le16_put(boot + 11, BLOCK);
    boot[13] = (uint8_t)l->cluster_blocks;
    le16_put(boot + 14, RESERVED);
    boot[16] = FATS;
    boot[21] = 0xf8;
    le16_put(boot + 24, 63);
    le16_put(boot + 26, 255);
    le32_put(boot + 28, CARD_FAT32_PARTITION);
    le32_put(boot + 32, l->blocks);
    le32_put(boot + 36, l->fat_blocks);
    le32_put(boot + 44, ROOT_CLUSTER);
    le16_put(boot + 48, 1); /* FSInfo */
    le16_put(boot + 50, COPY);
    boot[64] = 0x80;
    boot[66] = 0x29;
    le32_put(boot + 67, 0x74616b74);
    memcpy(boot + 71, "NO NAME    FAT32   ", 19);
    le16_put(boot + 510, 0xaa55);
    int rc = put(disk, COPY, boot, err);
    return rc ? rc : put(disk, 0, boot, err);
}

int card_fat32_make(const struct card_fat32_disk *disk, uint64_t blocks, bool blank,
                    uint32_t *cluster_bytes, struct error *err)
{
    struct layout l;
    int rc = lay_out(blocks, &l, err);
    if (!rc && !blank)
        rc = zero(disk, 0, 1, err);
    if (!rc && !blank)
        rc = sync_disk(disk, err);
    if (!rc && !blank)
        rc = zero(disk, 1, data_at(&l) + l.cluster_blocks - 1, err);
    if (!rc)
        rc = put_table(disk, &l, err);
    if (!rc)
        rc = put_fats(disk, &l, err);
    if (!rc)
        rc = put_info(disk, &l, err);
    if (!rc)
        rc = sync_disk(disk, err);
    if (!rc)
        rc = put_boot(disk, &l, err);
    if (!rc)
        rc = sync_disk(disk, err);
    if (!rc && cluster_bytes)
        *cluster_bytes = l.cluster_blocks * BLOCK;
    return rc;
}
