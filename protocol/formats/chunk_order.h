/* The chunks of a bundle in the order in which a whole unit is flashed: the boot area last, and of
 * it the bytes the unit starts with at the very end, so that a unit cut off anywhere before starts
 * into what it had. Station and unit number chunks by it. */
#ifndef TAKT_PROTOCOL_FORMATS_CHUNK_ORDER_H
#define TAKT_PROTOCOL_FORMATS_CHUNK_ORDER_H

#include "protocol/formats/bundle.h"

struct chunk_ordered {
    const struct bundle_image *image;
    const struct board_partition *partition;
    size_t index;    /* within the image */
    uint64_t offset; /* within image and partition */
    size_t bytes;
    bool boot; /* of the boot area */
};

/* 0: no boot area; 1: what the loader reads, 2: the loader, the flash's first bytes. */
int chunk_order_rank(const char *partition);

/* `slot` ('a' or 'b') for images that have a place a slot. ERROR_INPUT when the board has no place
 * for one, or it does not fit; ERROR_MEMORY. *out is the caller's, to be freed with free(). */
int chunk_order(const struct board *board, const struct bundle_manifest *manifest, char slot,
                struct chunk_ordered **out, size_t *count, struct error *err);

/* Where an image goes. ERROR_INPUT as above. */
int chunk_order_place(const struct board *board, const struct bundle_image *image, char slot,
                      const struct board_partition **out, struct error *err);

#endif
