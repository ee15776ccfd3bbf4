/* The station's side of a cast (protocol/wire/cast.h): what to send next to a rack of units.
 *
 * It goes through the chunks once, no faster than the slowest unit that answers has room for, and
 * sends again what any unit misses, each block once for all of them. A unit may join at any time;
 * one that falls silent, or stands still for long while others wait, holds nobody up: what it
 * missed goes out when it is back. Chunks that every unit has are not sent at all.
 *
 * Packets and the time go in, packets and a wait come out: no socket, no clock, no thread. */
#ifndef TAKT_STATION_FLASH_NETWORK_CAST_SENDER_H
#define TAKT_STATION_FLASH_NETWORK_CAST_SENDER_H

#include "protocol/formats/chunk_order.h"
#include "protocol/wire/cast.h"

enum { CAST_UNITS_MAX = 256 };

struct cast_sender_config {
    const struct chunk_ordered *chunks; /* chunk_order(); must outlive it */
    size_t chunk_count;
    const uint8_t *manifest; /* signed, as the bundle has it */
    size_t manifest_bytes;
    char slot;
    uint32_t session;     /* random */
    uint64_t bytes_per_s; /* on the wire, Ethernet's frames whole; 0: 100 Mbit/s, 94 % full */
    size_t units;         /* begins when so many have come; 0: after gather_ms, with who came */
    int64_t gather_ms;    /* from the first unit on; with `units` the longest wait for the rest */
};

struct cast_unit {
    char id[CAST_UNIT_MAX + 1];
    enum cast_state state;
    bool is_silent; /* nothing was heard for a while: it counts as gone until it is back */
    char why[CAST_WHY_MAX];
    uint64_t programmed, skipped; /* bytes */
    size_t chunks;                /* it has */
};

/* One packet: `head`, and behind it, for data, `bytes` of the chunk from `offset`. */
struct cast_packet {
    uint8_t data[CAST_PACKET_MAX];
    size_t head_bytes;
    size_t chunk; /* 0: the manifest; i + 1: chunks[i] */
    uint64_t offset;
    size_t bytes;
};

struct cast_counts {
    uint64_t blocks, repairs;     /* sent; of them again */
    uint64_t packets, wire_bytes; /* all packets, in Ethernet frames without preamble and FCS */
};

struct cast_sender;

int cast_sender_open(const struct cast_sender_config *config, struct cast_sender **out,
                     struct error *err);
void cast_sender_close(struct cast_sender *s); /* NULL is fine */

/* A packet from a unit; what is malformed or of another session is dropped: false. */
bool cast_sender_take(struct cast_sender *s, const uint8_t *data, size_t size, int64_t now_us);
/* False when nothing is to be sent before cast_sender_due_us() or the next packet. */
bool cast_sender_next(struct cast_sender *s, int64_t now_us, struct cast_packet *out);
int64_t cast_sender_due_us(const struct cast_sender *s);

/* Every unit has come to its end, and was told so. */
bool cast_sender_is_over(const struct cast_sender *s);
/* Ends it now: the units are told. */
void cast_sender_stop(struct cast_sender *s);
size_t cast_sender_units(const struct cast_sender *s);
const struct cast_unit *cast_sender_unit(const struct cast_sender *s, size_t index);
const struct cast_counts *cast_sender_counts(const struct cast_sender *s);

#endif
