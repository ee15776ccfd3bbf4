/* One chunk of an image and its place in the flash: looked at, written, hashed. What an update of a
 * running unit (writer.h) and the flashing of a whole one share. `scratch` has CHUNK_PIECE bytes:
 * the flash is looked at in pieces, since a second chunk in memory would be dear. */
#ifndef TAKT_FIRMWARE_UPDATE_CHUNK_H
#define TAKT_FIRMWARE_UPDATE_CHUNK_H

#include <stdbool.h>

#include "firmware/hal/hal.h"
#include "protocol/base/digest.h"

/* Whole pages of every part, so that no page is read twice. */
enum { CHUNK_PIECE = 16384 };

struct chunk_place {
    const struct hal *hal;
    const struct board *board;
    const char *partition;
    uint64_t offset; /* within it; a whole erase block's */
    size_t bytes;    /* of the image; what is erased goes on to the end of the block */
};

bool chunk_is_blank(const void *data, size_t size); /* all 0xFF */
/* Bytes that are erased for it: whole erase blocks. */
size_t chunk_span(const struct chunk_place *p);
/* Are these bytes there already, and is the whole span erased? Reads until both are answered. */
int chunk_look(const struct chunk_place *p, const uint8_t *data, uint8_t *scratch, bool *is_there,
               bool *is_erased, struct error *err);
int chunk_erase(const struct chunk_place *p, struct error *err);
/* Programs what is not erased flash anyway, in runs of whole pages; the last page is filled up with
 * 0xFF, for which `data` must have room. *programmed grows by the bytes it took. */
int chunk_program(const struct chunk_place *p, uint8_t *data, uint64_t *programmed,
                  struct error *err);
/* Adds what the flash holds there to a hash. */
int chunk_digest(const struct chunk_place *p, uint8_t *scratch, struct digest *d,
                 struct error *err);

#endif
