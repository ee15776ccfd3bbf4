/* CFI NOR with Intel's command set (JESD68.01; Intel AP-646), two chips of 16 bits side by side on
 * a bus of 32: each command and each status stands twice in a word. One bank after the other is the
 * flash. */
#ifndef TAKT_FIRMWARE_FLASHER_NOR_H
#define TAKT_FIRMWARE_FLASHER_NOR_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/wire/flasher.h"

enum { NOR_BANKS_MAX = FLASHER_BANKS_MAX };

struct nor_bank {
    uintptr_t address;
    uint32_t bytes;
    uint32_t buffer_bytes; /* programmed at once; 0: a word at a time. Set by nor_open() */
};

struct nor {
    struct nor_bank banks[NOR_BANKS_MAX];
    uint32_t bank_count;
    uint32_t bytes, erase_bytes; /* `bytes` is set by nor_open() */
    void (*wait)(void);          /* called while the flash is busy */
};

/* False: no such flash answers in every bank. Leaves them readable. */
bool nor_open(struct nor *n);
/* The flash as memory from `offset` on, to the end of its bank. */
const volatile uint32_t *nor_at(const struct nor *n, uint32_t offset, uint32_t *left);
/* One block, or words of one block: false when the flash reports an error or never gets ready. */
bool nor_erase(struct nor *n, uint32_t offset);
/* `offset` and `bytes` multiples of 4, all within one block; words that are all ones are left out.
 */
bool nor_program(struct nor *n, uint32_t offset, const uint32_t *data, uint32_t bytes);

#endif
