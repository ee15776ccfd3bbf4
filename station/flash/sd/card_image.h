/* The image of a flashing card: a partition table, one FAT file system from 1 MiB on, in it the
 * bundle, what the board's loader runs, and an empty report (card_record.h). As large as it must
 * be, not as the card is, so that writing and reading back take seconds.
 *
 * mkfs.fat (dosfstools) makes the file system, mcopy (mtools) puts the files in, one behind the
 * other without gaps. */
#ifndef TAKT_STATION_FLASH_SD_CARD_IMAGE_H
#define TAKT_STATION_FLASH_SD_CARD_IMAGE_H

#include "protocol/base/buffer.h"
#include "station/flash/flash.h"

#define CARD_FLASHER   "flasher.fit"
#define CARD_SCRIPT    "boot.scr"
#define CARD_SIGMASTAR "SigmastarUpgradeSD.bin"

enum { CARD_PARTITION_AT = 1 << 20 };

/* Into `path`, made anew. ERROR_INPUT when the board's
 * flasher is not in the job's programs; ERROR_FULL on a full disk; ERROR_MISSING without the tools.
 */
int card_image_make(const struct flash_job *job, const char *path, uint64_t *bytes,
                    struct error *err);

/* A file of the card's file system, read from a device or an image. ERROR_MISSING when it is not
 * there, ERROR_INPUT when there is no such file system. */
int card_image_read(const char *path, const char *file, struct buffer *out, struct error *err);

#endif
