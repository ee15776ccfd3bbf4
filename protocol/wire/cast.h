/* Cast: one bundle from one station to many units at once, over UDP (docs/protocol.md, Cast).
 *
 * What is sent are chunks, numbered as they are written: 0 is the signed manifest, then every chunk
 * of every image, the boot area's last (cast_order.h). A chunk goes out in blocks; each data packet
 * has the next sequence number, whatever it carries. A unit says from time to time which chunks it
 * has, up to which it has room, which blocks of those under way are missing and the newest sequence
 * number it saw: a block that was sent before that number and is not there was lost. So N units
 * cost one image and what was lost, and nobody ever acknowledges a packet.
 *
 * Nothing in a packet is trusted: the manifest is signed and every chunk is held against its hash.
 * Numbers are big-endian. Pure: bytes in, bytes out. */
#ifndef TAKT_PROTOCOL_WIRE_CAST_H
#define TAKT_PROTOCOL_WIRE_CAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/digest.h"

#define CAST_GROUP "239.255.84.70" /* administratively scoped (RFC 2365), sent with TTL 1 */

enum {
    CAST_PORT = 5584,       /* of the units */
    CAST_PACKET_MAX = 1472, /* fills an Ethernet frame */
    CAST_HEAD_BYTES = 16,   /* of a data packet */
    CAST_BLOCK_BYTES = CAST_PACKET_MAX - CAST_HEAD_BYTES,
    CAST_CHUNKS_MAX = 16384,
    CAST_BLOCKS_MAX = ((1 << 20) + CAST_BLOCK_BYTES - 1) / CAST_BLOCK_BYTES, /* of a chunk */
    CAST_UNIT_MAX = 32,
    CAST_WHY_MAX = 96,
};

enum cast_type {
    CAST_ANNOUNCE = 1, /* station: there is a session; now and then while it lasts */
    CAST_DATA = 2,     /* station */
    CAST_STATUS = 3,   /* unit, to the address that announced */
    CAST_END = 4,      /* station: the session is over */
};

/* Every packet begins so: 'T' 'C', 1 version, 1 type, 4 session (the station's random number). */
struct cast_announce {
    uint32_t session, sequence; /* of the last data packet */
    uint32_t manifest_bytes;
    uint8_t manifest_sha256[DIGEST_BYTES];
    char slot;                /* 'a' or 'b': where images go that have a place a slot */
    bool all_sent;            /* all it may: a unit that lacks some of it should say so now */
    uint16_t status_every_ms; /* unless there is something to say at once */
};

struct cast_data {
    uint32_t session, sequence;
    uint16_t chunk, block;
    const uint8_t *bytes; /* in the packet */
    size_t size;
};

enum cast_state { CAST_TAKING, CAST_DONE, CAST_FAILED };

/* Lists are cut where a packet ends; the station then waits for the next status to know more. */
struct cast_status {
    uint32_t session, sequence;   /* the newest seen */
    char unit[CAST_UNIT_MAX + 1]; /* its chip id: lower-case hex */
    enum cast_state state;
    uint16_t room; /* chunks below this one it takes */
    uint32_t programmed_kib, skipped_kib;
    char why[CAST_WHY_MAX]; /* of CAST_FAILED, one line; else "" */
    uint16_t floor;         /* it has every chunk below */
    uint16_t have_count;    /* chunks from `floor` on that `have` is about */
    const uint8_t *have;    /* a bit each, the first is the lowest bit of the first byte */
    uint16_t listed;        /* gaps of chunks below this one are all in `gaps` */
    const uint8_t *gaps;    /* cast_gap_next() */
    size_t gaps_bytes;
};

/* A chunk that came in part: a bit for each block that is missing, as in `have`. */
struct cast_gap {
    uint16_t chunk, block_count;
    const uint8_t *missing;
};

size_t cast_blocks(size_t chunk_bytes);
static inline bool cast_bit(const uint8_t *bits, size_t i)
{
    return bits[i / 8] >> i % 8 & 1;
}

/* 0 when it is none of ours. */
enum cast_type cast_type(const uint8_t *data, size_t size);

/* Writers return the packet's size. `out` has room for CAST_PACKET_MAX. */
size_t cast_announce_encode(const struct cast_announce *a, uint8_t *out);
size_t cast_data_encode(const struct cast_data *d, uint8_t *out); /* bytes may be out's own */
size_t cast_end_encode(uint32_t session, uint8_t *out);
/* Writes head, why and `have`; gaps follow by cast_gap_add(), in order of chunks. */
size_t cast_status_encode(const struct cast_status *s, uint8_t *out);
/* False when the packet is full: then `listed` must be this chunk (cast_status_listed()). */
bool cast_gap_add(uint8_t *packet, size_t *size, const struct cast_gap *gap);
void cast_status_listed(uint8_t *packet, uint16_t listed);

/* Readers: ERROR_PROTOCOL for anything malformed. What they point to is the packet's. */
int cast_announce_decode(const uint8_t *data, size_t size, struct cast_announce *out);
int cast_data_decode(const uint8_t *data, size_t size, struct cast_data *out);
int cast_status_decode(const uint8_t *data, size_t size, struct cast_status *out);
int cast_end_decode(const uint8_t *data, size_t size, uint32_t *session);
/* Takes one from the front of s->gaps; false at their end. */
bool cast_gap_next(struct cast_status *s, struct cast_gap *out);

/* The order of sequence numbers that wrap: a is at or behind b. */
static inline bool cast_reached(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) >= 0;
}

#endif
