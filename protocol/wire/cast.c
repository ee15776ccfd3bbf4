#include "protocol/wire/cast.h"

#include <string.h>

/* Offsets of the packets' fields. */
enum {
    AT_SESSION = 4,
    AT_SEQUENCE = 8,
    /* announce */
    AT_MANIFEST_BYTES = 12,
    AT_EVERY = 16,
    AT_SLOT = 18,
    AT_SHA256 = 20,
    ANNOUNCE_BYTES = AT_SHA256 + DIGEST_BYTES,
    /* data */
    AT_CHUNK = 12,
    AT_BLOCK = 14,
    /* status */
    AT_STATE = 12,
    AT_UNIT_BYTES = 13,
    AT_WHY_BYTES = 14,
    AT_ROOM = 16,
    AT_FLOOR = 18,
    AT_HAVE_COUNT = 20,
    AT_LISTED = 22,
    AT_PROGRAMMED = 24,
    AT_SKIPPED = 28,
    STATUS_HEAD = 32,
    GAP_HEAD = 4,
    VERSION = 1,
};

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, (uint16_t)(value >> 16));
    put16(at + 2, (uint16_t)value);
}

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void begin(uint8_t *out, enum cast_type type, uint32_t session)
{
    out[0] = 'T';
    out[1] = 'C';
    out[2] = VERSION;
    out[3] = (uint8_t)type;
    put32(out + AT_SESSION, session);
}

size_t cast_blocks(size_t chunk_bytes)
{
    return (chunk_bytes + CAST_BLOCK_BYTES - 1) / CAST_BLOCK_BYTES;
}

enum cast_type cast_type(const uint8_t *data, size_t size)
{
    if (size < 8 || data[0] != 'T' || data[1] != 'C' || data[2] != VERSION ||
        data[3] < CAST_ANNOUNCE || data[3] > CAST_END)
        return 0;
    return data[3];
}

/* ---- the station's ------------------------------------------------------------------------ */

size_t cast_announce_encode(const struct cast_announce *a, uint8_t *out)
{
    begin(out, CAST_ANNOUNCE, a->session);
    put32(out + AT_SEQUENCE, a->sequence);
    put32(out + AT_MANIFEST_BYTES, a->manifest_bytes);
    put16(out + AT_EVERY, a->status_every_ms);
    out[AT_SLOT] = (uint8_t)a->slot;
    out[AT_SLOT + 1] = a->all_sent;
    memcpy(out + AT_SHA256, a->manifest_sha256, DIGEST_BYTES);
    return ANNOUNCE_BYTES;
}

int cast_announce_decode(const uint8_t *data, size_t size, struct cast_announce *out)
{
    if (cast_type(data, size) != CAST_ANNOUNCE || size != ANNOUNCE_BYTES)
        return ERROR_PROTOCOL;
    *out = (struct cast_announce){.session = get32(data + AT_SESSION),
                                  .sequence = get32(data + AT_SEQUENCE),
                                  .manifest_bytes = get32(data + AT_MANIFEST_BYTES),
                                  .slot = (char)data[AT_SLOT],
                                  .all_sent = data[AT_SLOT + 1] != 0,
                                  .status_every_ms = get16(data + AT_EVERY)};
    memcpy(out->manifest_sha256, data + AT_SHA256, DIGEST_BYTES);
    return (out->slot == 'a' || out->slot == 'b') && out->status_every_ms ? 0 : ERROR_PROTOCOL;
}

size_t cast_data_encode(const struct cast_data *d, uint8_t *out)
{
    begin(out, CAST_DATA, d->session);
    put32(out + AT_SEQUENCE, d->sequence);
    put16(out + AT_CHUNK, d->chunk);
    put16(out + AT_BLOCK, d->block);
    if (d->bytes != out + CAST_HEAD_BYTES)
        memcpy(out + CAST_HEAD_BYTES, d->bytes, d->size);
    return CAST_HEAD_BYTES + d->size;
}

int cast_data_decode(const uint8_t *data, size_t size, struct cast_data *out)
{
    if (cast_type(data, size) != CAST_DATA || size <= CAST_HEAD_BYTES || size > CAST_PACKET_MAX)
        return ERROR_PROTOCOL;
    *out = (struct cast_data){get32(data + AT_SESSION), get32(data + AT_SEQUENCE),
                              get16(data + AT_CHUNK),   get16(data + AT_BLOCK),
                              data + CAST_HEAD_BYTES,   size - CAST_HEAD_BYTES};
    return out->block < CAST_BLOCKS_MAX ? 0 : ERROR_PROTOCOL;
}

size_t cast_end_encode(uint32_t session, uint8_t *out)
{
    begin(out, CAST_END, session);
    return 8;
}

int cast_end_decode(const uint8_t *data, size_t size, uint32_t *session)
{
    if (cast_type(data, size) != CAST_END || size != 8)
        return ERROR_PROTOCOL;
    *session = get32(data + AT_SESSION);
    return 0;
}

/* ---- the unit's --------------------------------------------------------------------------- */

size_t cast_status_encode(const struct cast_status *s, uint8_t *out)
{
    const size_t unit = strlen(s->unit), why = strlen(s->why);
    size_t n = STATUS_HEAD;
    begin(out, CAST_STATUS, s->session);
    put32(out + AT_SEQUENCE, s->sequence);
    out[AT_STATE] = (uint8_t)s->state;
    out[AT_UNIT_BYTES] = (uint8_t)unit;
    out[AT_WHY_BYTES] = (uint8_t)why;
    out[AT_WHY_BYTES + 1] = 0;
    put16(out + AT_ROOM, s->room);
    put16(out + AT_FLOOR, s->floor);
    put16(out + AT_LISTED, s->listed);
    put32(out + AT_PROGRAMMED, s->programmed_kib);
    put32(out + AT_SKIPPED, s->skipped_kib);
    memcpy(out + n, s->unit, unit);
    n += unit;
    memcpy(out + n, s->why, why);
    n += why;
    /* What does not fit is not told now. */
    const size_t room = (CAST_PACKET_MAX - n) * 8;
    const size_t count = s->have_count < room ? s->have_count : room;
    put16(out + AT_HAVE_COUNT, (uint16_t)count);
    memcpy(out + n, s->have, (count + 7) / 8);
    return n + (count + 7) / 8;
}

bool cast_gap_add(uint8_t *packet, size_t *size, const struct cast_gap *gap)
{
    const size_t bytes = (gap->block_count + 7u) / 8;
    if (CAST_PACKET_MAX - *size < GAP_HEAD + bytes)
        return false;
    put16(packet + *size, gap->chunk);
    put16(packet + *size + 2, gap->block_count);
    memcpy(packet + *size + GAP_HEAD, gap->missing, bytes);
    *size += GAP_HEAD + bytes;
    return true;
}

void cast_status_listed(uint8_t *packet, uint16_t listed)
{
    put16(packet + AT_LISTED, listed);
}

/* Printable, since people will read it. */
static void take_text(char *to, const uint8_t *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = from[i] >= 0x20 && from[i] < 0x7f ? (char)from[i] : '?';
    to[size] = '\0';
}

int cast_status_decode(const uint8_t *data, size_t size, struct cast_status *out)
{
    if (cast_type(data, size) != CAST_STATUS || size < STATUS_HEAD || size > CAST_PACKET_MAX)
        return ERROR_PROTOCOL;
    const size_t unit = data[AT_UNIT_BYTES], why = data[AT_WHY_BYTES];
    *out = (struct cast_status){.session = get32(data + AT_SESSION),
                                .sequence = get32(data + AT_SEQUENCE),
                                .state = data[AT_STATE],
                                .room = get16(data + AT_ROOM),
                                .programmed_kib = get32(data + AT_PROGRAMMED),
                                .skipped_kib = get32(data + AT_SKIPPED),
                                .floor = get16(data + AT_FLOOR),
                                .have_count = get16(data + AT_HAVE_COUNT),
                                .listed = get16(data + AT_LISTED)};
    const size_t have = (out->have_count + 7u) / 8;
    if (data[AT_STATE] > CAST_FAILED || unit < 1 || unit > CAST_UNIT_MAX || why >= CAST_WHY_MAX ||
        size - STATUS_HEAD < unit + why + have)
        return ERROR_PROTOCOL;
    take_text(out->unit, data + STATUS_HEAD, unit);
    take_text(out->why, data + STATUS_HEAD + unit, why);
    out->have = data + STATUS_HEAD + unit + why;
    out->gaps = out->have + have;
    out->gaps_bytes = size - STATUS_HEAD - unit - why - have;
    struct cast_status look = *out;
    struct cast_gap gap;
    while (cast_gap_next(&look, &gap))
        ;
    return look.gaps_bytes ? ERROR_PROTOCOL : 0;
}

bool cast_gap_next(struct cast_status *s, struct cast_gap *out)
{
    if (s->gaps_bytes < GAP_HEAD)
        return false;
    *out = (struct cast_gap){get16(s->gaps), get16(s->gaps + 2), s->gaps + GAP_HEAD};
    const size_t bytes = GAP_HEAD + (out->block_count + 7u) / 8;
    if (s->gaps_bytes < bytes || out->block_count > CAST_BLOCKS_MAX)
        return false;
    s->gaps += bytes;
    s->gaps_bytes -= bytes;
    return true;
}
