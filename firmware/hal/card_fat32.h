/* An empty FAT32 as the SD association lays it out: a partition table with one partition at 4 MiB
 * (Microsoft's "FAT: General Overview of On-Disk Format", 1.03). The emulator's cards come with
 * one, the agent makes one. */
#ifndef TAKT_FIRMWARE_HAL_CARD_FAT32_H
#define TAKT_FIRMWARE_HAL_CARD_FAT32_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum { CARD_FAT32_PARTITION = 8192 }; /* where it begins, in blocks of 512 bytes */

/* The first block of such a card: one partition of a type, from there on. */
void card_partition_table(uint8_t out[512], uint32_t blocks, uint8_t type);

struct card_fat32_disk {
    void *context;
    /* `count` whole blocks. */
    int (*write)(void *context, uint64_t block, const uint8_t *data, uint32_t count,
                 struct error *err);
    int (*sync)(void *context, struct error *err); /* NULL: nothing to be done */
};

/* The first that is done is that nothing can be mounted any more, the last that it can again: a
 * card that was unplugged meanwhile has no file system, never half of one. `blank` says that the
 * disk reads as zeros; otherwise both tables and the root folder are zeroed as well. The clusters
 * are the largest, up to 32 KiB, of which there are enough for FAT32; *cluster_bytes may be NULL.
 * ERROR_INPUT when the disk is too small for any (about 37 MiB) or too large (2 TiB). */
int card_fat32_make(const struct card_fat32_disk *disk, uint64_t blocks, bool blank,
                    uint32_t *cluster_bytes, struct error *err);

#endif
