/* /proc/mtd, line by line. Pure: a function over text. */
#ifndef TAKT_FIRMWARE_HAL_LINUX_MTD_LIST_H
#define TAKT_FIRMWARE_HAL_LINUX_MTD_LIST_H

#include <stdbool.h>
#include <stdint.h>

struct mtd_entry {
    int number; /* /dev/mtdN */
    uint64_t size_bytes;
    uint32_t erase_bytes;
};

/* Finds the first device of that name in `text` ("mtd0: 08000000 00040000 \"0.flash\"\n"...). */
bool mtd_list_find(const char *text, const char *name, struct mtd_entry *out);

#endif
