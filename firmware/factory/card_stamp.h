/* Blocks of a card that say where they were meant to be written: what a fake card cannot keep.
 * Pure. */
#ifndef TAKT_FIRMWARE_FACTORY_CARD_STAMP_H
#define TAKT_FIRMWARE_FACTORY_CARD_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STAMP_BYTES = 512 };

/* The block for a byte offset: the offset itself, then noise grown from offset and seed. */
void card_stamp(uint64_t seed, uint64_t offset, uint8_t out[STAMP_BYTES]);
/* Is this a block stamped with the seed, for whatever offset? */
bool card_stamp_read(uint64_t seed, const uint8_t block[STAMP_BYTES], uint64_t *offset);

#endif
