/* The unit's NOR, NAND or eMMC as bytes within named partitions of the board file. */
#ifndef TAKT_FIRMWARE_HAL_FLASH_H
#define TAKT_FIRMWARE_HAL_FLASH_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct flash;

struct flash_ops {
    /* Offsets are within the partition. Erase: whole erase blocks, ERROR_INPUT when misaligned.
     * Program: whole program pages of erased flash; programming can only clear bits, so a page
     * not erased comes out wrong, as on the part. Past the end: ERROR_INPUT. */
    int (*read)(struct flash *f, const char *partition, uint64_t offset, void *data, size_t size,
                struct error *err);
    int (*erase)(struct flash *f, const char *partition, uint64_t offset, uint64_t size,
                 struct error *err);
    int (*program)(struct flash *f, const char *partition, uint64_t offset, const void *data,
                   size_t size, struct error *err);
    /* What was programmed before this returns survives a power cut. */
    int (*sync)(struct flash *f, struct error *err);
};

#endif
