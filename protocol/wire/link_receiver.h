/* The link's receiving half: puts pieces of the stream back in order within one window. */
#ifndef TAKT_PROTOCOL_WIRE_LINK_RECEIVER_H
#define TAKT_PROTOCOL_WIRE_LINK_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/wire/link.h"

enum { RECEIVER_RANGES_MAX = 32 };

struct receiver {
    uint64_t read; /* offset of the next byte the reader gets */
    uint64_t next; /* everything before it came */
    struct receiver_range {
        uint64_t start, end;
    } ranges[RECEIVER_RANGES_MAX]; /* beyond `next`, ascending, apart */
    size_t range_count;
    uint8_t ring[LINK_WINDOW_BYTES];
};

/* The full offset nearest to `next` whose low 32 bits are `low`. */
uint64_t receiver_offset(const struct receiver *r, uint32_t low);
/* True when it brought a byte that was missing. What lies outside of the window is dropped. */
bool receiver_put(struct receiver *r, uint64_t offset, const uint8_t *data, size_t size);
size_t receiver_read(struct receiver *r, uint8_t *out, size_t size);
size_t receiver_room(const struct receiver *r); /* bytes behind `next` that fit */

#endif
