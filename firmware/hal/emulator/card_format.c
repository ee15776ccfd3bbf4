#include "firmware/hal/emulator/card_format.h"

#include <string.h>
#include <unistd.h>

#include "firmware/hal/card_fat32.h"
#include "protocol/base/little_endian.h"

enum { BLOCK = 512, PARTITION = CARD_FAT32_PARTITION };

static int write_blocks(void *context, uint64_t block, const uint8_t *data, uint32_t count,
                        struct error *err)
{
    return pwrite(*(const int *)context, data, (size_t)count * BLOCK, (off_t)(block * BLOCK)) ==
                   (ssize_t)count * BLOCK
               ? 0
               : error_errno(err, ERROR_IO, "cannot format the emulated card");
}

static int put_block(int fd, uint64_t block, const uint8_t *data, struct error *err)
{
    return write_blocks(&fd, block, data, 1, err);
}

static int put_table(int fd, uint32_t blocks, uint8_t type, struct error *err)
{
    uint8_t b[BLOCK];
    card_partition_table(b, blocks, type);
    return put_block(fd, 0, b, err);
}

/* One that is too small for it stays blank. */
static int put_fat32(int fd, uint32_t blocks, struct error *err)
{
    const struct card_fat32_disk disk = {&fd, write_blocks, NULL};
    int rc = card_fat32_make(&disk, (uint64_t)blocks + PARTITION, true, NULL, err);
    return rc == ERROR_INPUT ? 0 : rc;
}

static int put_exfat(int fd, uint32_t blocks, struct error *err)
{
    uint8_t b[BLOCK] = {0xeb, 0x76, 0x90};
    memcpy(b + 3, "EXFAT   ", 8);
    le16_put(b + 510, 0xaa55);
    return put_block(fd, PARTITION, b, err);
}

static int put_ext(int fd, uint32_t blocks, struct error *err)
{
    uint8_t b[BLOCK] = {0};
    le16_put(b + 56, 0xef53);
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
