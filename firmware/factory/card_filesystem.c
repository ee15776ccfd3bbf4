#include "firmware/factory/card_filesystem.h"

#include <stdbool.h>
#include <string.h>

#include "protocol/base/little_endian.h"

enum { SIGNATURE = 510, TABLE = 446, ENTRY = 16, ENTRIES = 4, EXT_MAGIC = 1024 + 56 };

const char *card_filesystem(const uint8_t *head)
{
    static const struct {
        size_t offset;
        const char *mark, *name;
    } marks[] = {{3, "EXFAT   ", "exfat"},
                 {3, "NTFS    ", "ntfs"},
                 {82, "FAT32   ", "fat32"},
                 {54, "FAT16   ", "fat16"},
                 {54, "FAT12   ", "fat12"}};
    const bool signed_ = head[SIGNATURE] == 0x55 && head[SIGNATURE + 1] == 0xaa;
    for (size_t i = 0; signed_ && i < sizeof marks / sizeof *marks; i++)
        if (memcmp(head + marks[i].offset, marks[i].mark, 8) == 0)
            return marks[i].name;
    return head[EXT_MAGIC] == 0x53 && head[EXT_MAGIC + 1] == 0xef ? "ext" : "none";
}

uint32_t card_first_partition(const uint8_t *head)
{
    if (head[SIGNATURE] != 0x55 || head[SIGNATURE + 1] != 0xaa ||
        strcmp(card_filesystem(head), "none") != 0)
        return 0;
    for (int i = 0; i < ENTRIES; i++) {
        const uint8_t *entry = head + TABLE + i * ENTRY;
        if (entry[4] && le32_get(entry + 8) && le32_get(entry + 12))
            return le32_get(entry + 8);
    }
    return 0;
}
