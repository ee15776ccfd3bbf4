#include "firmware/hal/emulator/card_format.h"

#include <string.h>
#include <unistd.h>

/* The SD association's layout for SDHC: the partition begins at 4 MiB, clusters of 32 KiB. */
enum {
    BLOCK = 512,
    PARTITION = 8192,
    CLUSTER_BLOCKS = 64,
    RESERVED = 32,
    FATS = 2,
    ROOT_CLUSTER = 2,
    LEAST_CLUSTERS = 65525, /* fewer would be FAT16 */
};

static void put16(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)v;
    at[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *at, uint32_t v)
{
    put16(at, v);
    put16(at + 2, v >> 16);
}

static int put_block(int fd, uint64_t block, const uint8_t *data, struct error *err)
{
    return pwrite(fd, data, BLOCK, (off_t)(block * BLOCK)) == BLOCK
               ? 0
               : error_errno(err, ERROR_IO, "cannot format the emulated card");
}

static int put_table(int fd, uint32_t blocks, uint8_t type, struct error *err)
{
    uint8_t b[BLOCK] = {0};
    b[446 + 4] = type;
    put32(b + 446 + 8, PARTITION);
    put32(b + 446 + 12, blocks);
    put16(b + 510, 0xaa55);
    return put_block(fd, 0, b, err);
}

/* Microsoft's "FAT: General Overview of On-Disk Format", 1.03. */
static int put_fat32(int fd, uint32_t blocks, struct error *err)
{
    uint8_t boot[BLOCK] = {0xeb, 0x58, 0x90}, info[BLOCK] = {0}, fat[BLOCK] = {0};
    const uint32_t clusters = (blocks - RESERVED) / CLUSTER_BLOCKS;
    const uint32_t fat_blocks = (clusters + 2 + BLOCK / 4 - 1) / (BLOCK / 4);
    const uint32_t data = RESERVED + FATS * fat_blocks;
    if (blocks < data || (blocks - data) / CLUSTER_BLOCKS < LEAST_CLUSTERS)
        return 0; /* too small for FAT32: it stays blank */
    memcpy(boot + 3, "MSWIN4.1", 8);
    put16(boot + 11, BLOCK);
    boot[13] = CLUSTER_BLOCKS;
    put16(boot + 14, RESERVED);
    boot[16] = FATS;
    boot[21] = 0xf8;
    put16(boot + 24, 63);
    put16(boot + 26, 255);
    put32(boot + 28, PARTITION);
    put32(boot + 32, blocks);
    put32(boot + 36, fat_blocks);
    put32(boot + 44, ROOT_CLUSTER);
    put16(boot + 48, 1); /* FSInfo */
    put16(boot + 50, 6); /* copy of this block */
    boot[64] = 0x80;
    boot[66] = 0x29;
    put32(boot + 67, 0x74616b74);
    memcpy(boot + 71, "NO NAME    FAT32   ", 19);
    put16(boot + 510, 0xaa55);
    put32(info, 0x41615252);
    put32(info + 484, 0x61417272);
    put32(info + 488, (blocks - data) / CLUSTER_BLOCKS - 1);
    put32(info + 492, ROOT_CLUSTER + 1);
    put32(info + 508, 0xaa550000);
    put32(fat, 0x0ffffff8);
    put32(fat + 4, 0x0fffffff);
    put32(fat + 8, 0x0fffffff); /* the root folder: one empty cluster */
    int rc = put_block(fd, PARTITION, boot, err);
    if (!rc)
        rc = put_block(fd, PARTITION + 6, boot, err);
    if (!rc)
        rc = put_block(fd, PARTITION + 1, info, err);
    for (int i = 0; i < FATS && !rc; i++)
        rc = put_block(fd, PARTITION + RESERVED + (uint64_t)i * fat_blocks, fat, err);
    return rc;
}

static int put_exfat(int fd, uint32_t blocks, struct error *err)
{
    uint8_t b[BLOCK] = {0xeb, 0x76, 0x90};
    memcpy(b + 3, "EXFAT   ", 8);
    put16(b + 510, 0xaa55);
    return put_block(fd, PARTITION, b, err);
}

static int put_ext(int fd, uint32_t blocks, struct error *err)
{
    uint8_t b[BLOCK] = {0};
    put16(b + 56, 0xef53);
    return put_block(fd, PARTITION + 2, b, err);
}

int card_format(int fd, uint64_t bytes, enum card_format format, struct error *err)
{
    static const struct {
        uint8_t type;
        int (*put)(int fd, uint32_t blocks, struct error *err);
    } kinds[] = {[CARD_FAT32] = {0x0c, put_fat32},
                 [CARD_EXFAT] = {0x07, put_exfat},
                 [CARD_EXT] = {0x83, put_ext}};
    uint8_t first[BLOCK];
    const uint64_t blocks = bytes / BLOCK;
    if (format == CARD_BLANK || blocks <= PARTITION || blocks > UINT32_MAX)
        return 0;
    if (pread(fd, first, BLOCK, 0) != BLOCK)
        return error_errno(err, ERROR_IO, "cannot read the emulated card");
    if (first[510] == 0x55 && first[511] == 0xaa)
        return 0;
    int rc = kinds[format].put(fd, (uint32_t)(blocks - PARTITION), err);
    return rc ? rc : put_table(fd, (uint32_t)(blocks - PARTITION), kinds[format].type, err);
}
