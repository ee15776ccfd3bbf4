/* A card in a reader: which disks may be written at all, and writing one so that what is there
 * afterwards is known.
 *
 * A disk is written only when the kernel says that it is removable (a card reader, a stick; an SD
 * card in the machine's own slot), it is whole (no partition), and neither it nor a part of it is
 * mounted, swapped to, or held by RAID, LVM or encryption. The last word is the kernel's: the disk
 * is opened exclusively, which it refuses while anyone uses it. */
#ifndef TAKT_STATION_FLASH_SD_CARD_DISK_H
#define TAKT_STATION_FLASH_SD_CARD_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

/* Where the kernel says what there is; NULL members are /sys, /proc/self/mountinfo, /proc/swaps. */
struct card_kernel {
    const char *sys, *mounts, *swaps;
};

struct card_disk {
    char name[32]; /* "sdb", "mmcblk0" */
    unsigned major_number, minor_number;
    char model[64]; /* of the reader, or the card; "" = it has none */
    uint64_t bytes; /* 0 = no card in it */
    bool read_only;
};

/* May the disk with these numbers be written? Fills *out as far as it gets. ERROR_REFUSED for a
 * fixed disk, a partition, no disk; FLASH_PORT_BUSY for one that is in use, saying by what. */
int card_disk_check(const struct card_kernel *k, unsigned major_number, unsigned minor_number,
                    struct card_disk *out, struct error *err);

/* All removable disks, those that may not be written among them: out[i], and why not in why[i] (""
 * = it may). Returns how many there are, at most `room`. */
size_t card_disk_list(const struct card_kernel *k, struct card_disk *out, struct error *why,
                      size_t room);

/* Writes `bytes` (whole MiB) of the open file `image` to the disk at `path`, and compares what the
 * disk then holds, past every cache. The first MiB, with the partition table, is blank from the
 * first moment and written last: a card pulled half way is no card. `done` counts, for the one who
 * asks from outside, to 2 * bytes; `cancel` (may be NULL) is looked at every MiB.
 *
 * FLASH_NO_DEVICE (no disk, no card), FLASH_PERMISSION, FLASH_PORT_BUSY, FLASH_GONE,
 * FLASH_NOT_VERIFIED; ERROR_REFUSED (not removable, write-protected), ERROR_FULL (too small). */
int card_disk_write(const char *path, int image, uint64_t bytes, uint64_t *done, const bool *cancel,
                    struct error *err);

#endif
