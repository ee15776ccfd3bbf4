/* What a flash is made of: a raw part behind MTD, or a block device that hides its flash. Between
 * flash.c, which knows partitions, and one file a kind. */
#ifndef TAKT_FIRMWARE_HAL_LINUX_MEDIUM_H
#define TAKT_FIRMWARE_HAL_LINUX_MEDIUM_H

#include "firmware/hal/linux/parts.h"

struct medium;

/* Offsets are within the partition, sizes checked and aligned by the caller. */
struct medium_ops {
    /* Finds the devices; waits for them as linux.h says. */
    int (*open)(const struct linux_unit *u, struct medium **out, struct error *err);
    void (*close)(struct medium *m);
    int (*read)(struct medium *m, const struct board_partition *p, uint64_t offset, void *data,
                size_t size, struct error *err);
    int (*erase)(struct medium *m, const struct board_partition *p, uint64_t offset, uint64_t size,
                 struct error *err);
    int (*program)(struct medium *m, const struct board_partition *p, uint64_t offset,
                   const void *data, size_t size, struct error *err);
    int (*sync)(struct medium *m, struct error *err);
};

extern const struct medium_ops medium_mtd, medium_block;

#endif
