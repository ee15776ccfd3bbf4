/* Which file system a card holds, by its first bytes: what a camera can mount is FAT32 and exFAT.
 */
#ifndef TAKT_FIRMWARE_FACTORY_CARD_FILESYSTEM_H
#define TAKT_FIRMWARE_FACTORY_CARD_FILESYSTEM_H

#include <stddef.h>
#include <stdint.h>

enum { CARD_HEAD_BYTES = 4096 }; /* as much of a file system's begin as tells it */

/* "fat12", "fat16", "fat32", "exfat" (Microsoft's specifications of the boot sector), "ntfs", "ext"
 * (2, 3 or 4), or "none". `head` has CARD_HEAD_BYTES. */
const char *card_filesystem(const uint8_t *head);

/* Where the first partition begins that is not empty, in blocks of 512 bytes; 0 when the head is no
 * partition table (then the file system, if any, is the whole card's). */
uint32_t card_first_partition(const uint8_t *head);

#endif
