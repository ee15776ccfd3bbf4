/* How a card comes from its maker, or from somebody's computer: a partition table, and in its one
 * partition the begin of a file system. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_CARD_FORMAT_H
#define TAKT_FIRMWARE_HAL_EMULATOR_CARD_FORMAT_H

#include <stdint.h>

#include "protocol/base/error.h"

enum card_format { CARD_FAT32, CARD_EXFAT, CARD_EXT, CARD_BLANK };

/* A card that was formatted before is left alone: what is on it is its user's. FAT32 is whole,
 * empty and can be mounted; of the others there is what tells them. */
int card_format(int fd, uint64_t bytes, enum card_format format, struct error *err);

#endif
