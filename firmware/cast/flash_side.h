/* What a flasher does with one chunk of a bundle: is it there, else erase, program, read back and
 * hash. Blank pages are not programmed, blank blocks not erased. */
#ifndef TAKT_FIRMWARE_CAST_FLASH_SIDE_H
#define TAKT_FIRMWARE_CAST_FLASH_SIDE_H

#include "firmware/update/chunk.h"
#include "protocol/formats/chunk_order.h"

struct flash_side {
    const struct hal *hal;
    const struct board *board;
    uint64_t programmed, skipped;          /* bytes: programmed; there already */
    int64_t busy_ns;                       /* spent in all this */
    const struct board_partition *differs; /* where looking found other contents, ... */
    unsigned differ_count;                 /* ... this often in a row */
    uint8_t scratch[CHUNK_PIECE];
};

/* Before anything is touched: ERROR_REFUSED on a unit that is locked, closed or damaged (a flasher
 * is for open units, docs/security.md) and for another board or a release older than it takes,
 * ERROR_STATE when it starts from another slot. */
int flash_side_check(const struct flash_side *f, const struct bundle_manifest *m, char slot,
                     struct error *err);

/* Does the flash hold this chunk? False soon for what is blank; for a partition in which some
 * chunks in a row were others, at once: the rest is compared when it comes. */
int flash_side_look(struct flash_side *f, const struct chunk_ordered *c, bool *is_there,
                    struct error *err);
/* Writes and verifies by hash. `data` may be changed behind the chunk's end, up to the image's
 * chunk size. A block that fails is marked bad by the HAL and passed over, some times; *moved then
 * says that everything behind it in the partition has moved as well and must be written again. */
int flash_side_write(struct flash_side *f, const struct chunk_ordered *c, uint8_t *data,
                     bool *moved, struct error *err);
int flash_side_sync(const struct flash_side *f, struct error *err);

#endif
