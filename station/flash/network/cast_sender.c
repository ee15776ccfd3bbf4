#include "station/flash/network/cast_sender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRAME_BYTES = 14 + 20 + 8, /* Ethernet, IPv4, UDP around a packet */
    ANNOUNCE_US = 250 * 1000,
    GATHER_US = 100 * 1000,      /* between announcements while units come */
    ALL_SENT_US = 20 * 1000,     /* to the one behind the last block sent, then twice as long */
    SILENT_US = 3 * 1000 * 1000, /* some statuses long: not waited for any more */
    STILL_US = 5 * 1000 * 1000,  /* the same room for so long, while others wait */
    GONE_US = 15 * 1000 * 1000,
    BURST_US = 2000, /* what a late wake-up may catch up with */
    END_TIMES = 3,
    END_US = 20 * 1000,
    STATUS_MS_MIN = 100,
    STATUS_MS_MAX = 2000,
    STATUS_MS_UNIT = 20, /* fifty statuses a second, whatever the number of units */
    RATE_WINDOW_US = 500 * 1000,
};

#define RATE_DEFAULT (100000000 / 8 * 94 / 100)

struct unit {
    struct cast_unit seen;
    uint8_t have[CAST_CHUNKS_MAX / 8];
    size_t room;
    int64_t heard_us, room_moved_us;
};

struct chunk {
    size_t bytes, first_block, blocks;
    size_t wanted; /* blocks to be sent again */
    uint32_t last; /* sequence of its last block's */
    bool sent;     /* once, whole */
};

struct cast_sender {
    struct cast_sender_config config;
    uint8_t sha256[DIGEST_BYTES];
    size_t chunk_count; /* the manifest's with them */
    struct chunk *chunks;
    uint32_t *block_sequence;
    uint8_t *block_wanted; /* a byte each */
    size_t wanted, lowest_wanted;

    struct unit *units[CAST_UNITS_MAX];
    size_t unit_count;
    int64_t first_unit_us;
    bool began, stopped;

    uint32_t sequence;
    size_t cursor, block; /* next of the first pass */
    int64_t announce_us, send_us;
    int ends_left;
    bool idle;       /* nothing to send until a unit says more */
    bool all_sent;   /* since the last block */
    int64_t tail_us; /* the next wait of ALL_SENT_US */

    double rate;                       /* bytes a second, now */
    uint64_t window_sent, window_lost; /* blocks */
    int64_t window_us;
    struct cast_counts counts;
};

/* ---- open, close -------------------------------------------------------------------------- */

int cast_sender_open(const struct cast_sender_config *config, struct cast_sender **out,
                     struct error *err)
{
    size_t blocks = 0;
    *out = NULL;
    if (config->chunk_count + 1 > CAST_CHUNKS_MAX)
        return error_set(err, ERROR_INPUT, "the bundle has %zu chunks, at most %d can be cast",
                         config->chunk_count, CAST_CHUNKS_MAX - 1);
    struct cast_sender *s = calloc(1, sizeof *s);
    if (s)
        s->chunks = calloc(config->chunk_count + 1, sizeof *s->chunks);
    if (!s || !s->chunks || digest_bytes(config->manifest, config->manifest_bytes, s->sha256))
        goto no_memory;
    s->config = *config;
    if (!s->config.bytes_per_s)
        s->config.bytes_per_s = RATE_DEFAULT;
    s->rate = (double)s->config.bytes_per_s;
    s->chunk_count = config->chunk_count + 1;
    for (size_t i = 0; i < s->chunk_count; i++) {
        struct chunk *c = &s->chunks[i];
        c->bytes = i ? config->chunks[i - 1].bytes : config->manifest_bytes;
        c->blocks = cast_blocks(c->bytes);
        c->first_block = blocks;
        blocks += c->blocks;
    }
    s->block_sequence = calloc(blocks, sizeof *s->block_sequence);
    s->block_wanted = calloc(blocks, 1);
    if (!s->block_sequence || !s->block_wanted)
        goto no_memory;
    s->ends_left = END_TIMES;
    *out = s;
    return 0;
no_memory:
    cast_sender_close(s);
    return error_set(err, ERROR_MEMORY, "no memory to cast a bundle");
}

void cast_sender_close(struct cast_sender *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->unit_count; i++)
        free(s->units[i]);
    free(s->block_sequence);
    free(s->block_wanted);
    free(s->chunks);
    free(s);
}

/* ---- what units say ----------------------------------------------------------------------- */

static struct unit *find_unit(struct cast_sender *s, const char *id, int64_t now_us)
{
    for (size_t i = 0; i < s->unit_count; i++)
        if (strcmp(s->units[i]->seen.id, id) == 0)
            return s->units[i];
    if (s->unit_count == CAST_UNITS_MAX)
        return NULL;
    struct unit *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    memcpy(u->seen.id, id, strlen(id) + 1);
    u->room_moved_us = now_us;
    if (!s->unit_count)
        s->first_unit_us = now_us;
    s->units[s->unit_count++] = u;
    return u;
}

static void want(struct cast_sender *s, size_t index, size_t block)
{
    struct chunk *c = &s->chunks[index];
    if (s->block_wanted[c->first_block + block])
        return;
    s->block_wanted[c->first_block + block] = 1;
    c->wanted++;
    if (!s->wanted++ || index < s->lowest_wanted)
        s->lowest_wanted = index;
    s->window_lost++;
}

static void take_have(struct cast_sender *s, struct unit *u, const struct cast_status *status)
{
    size_t count = 0;
    memset(u->have, 0, sizeof u->have);
    for (size_t i = 0; i < s->chunk_count; i++)
        if (i < status->floor ||
            (i - status->floor < status->have_count && cast_bit(status->have, i - status->floor))) {
            u->have[i / 8] |= (uint8_t)(1u << i % 8);
            count++;
        }
    u->seen.chunks = count;
}

/* A block sent before the newest packet the unit saw, and not there, was lost. */
static void take_gaps(struct cast_sender *s, const struct unit *u, struct cast_status *status)
{
    struct cast_gap gap;
    bool more = cast_gap_next(status, &gap);
    for (size_t i = 0; i < s->chunk_count && i < u->room && i < status->listed; i++) {
        const struct chunk *c = &s->chunks[i];
        while (more && gap.chunk < i)
            more = cast_gap_next(status, &gap);
        if (cast_bit(u->have, i) || !c->sent)
            continue;
        const bool in_part = more && gap.chunk == i && gap.block_count == c->blocks;
        if (!in_part && !cast_reached(status->sequence, c->last))
            continue;
        for (size_t b = 0; b < c->blocks; b++)
            if (!in_part || (cast_bit(gap.missing, b) &&
                             cast_reached(status->sequence, s->block_sequence[c->first_block + b])))
                want(s, i, b);
    }
}

/* Much lost at once is a wire, a switch or a unit's receiver at its end, not chance. */
static void adapt_rate(struct cast_sender *s, int64_t now_us)
{
    if (now_us - s->window_us < RATE_WINDOW_US)
        return;
    const double full = (double)s->config.bytes_per_s;
    const double lost = s->window_sent ? (double)s->window_lost / (double)s->window_sent : 0;
    if (lost > 0.02 * (double)(s->unit_count + 4) / 4)
        s->rate = s->rate * 0.7 > full / 16 ? s->rate * 0.7 : full / 16;
    else
        s->rate = s->rate * 1.15 < full ? s->rate * 1.15 : full;
    s->window_sent = s->window_lost = 0;
    s->window_us = now_us;
}

bool cast_sender_take(struct cast_sender *s, const uint8_t *data, size_t size, int64_t now_us)
{
    struct cast_status status;
    if (cast_status_decode(data, size, &status) || status.session != s->config.session)
        return false;
    struct unit *u = find_unit(s, status.unit, now_us);
    if (!u)
        return false;
    s->idle = false;
    u->heard_us = now_us;
    u->seen.is_silent = false;
    u->seen.state = status.state;
    u->seen.programmed = (uint64_t)status.programmed_kib << 10;
    u->seen.skipped = (uint64_t)status.skipped_kib << 10;
    memcpy(u->seen.why, status.why, sizeof u->seen.why);
    if (status.room != u->room)
        u->room_moved_us = now_us;
    u->room = status.room;
    take_have(s, u, &status);
    if (status.state == CAST_TAKING)
        take_gaps(s, u, &status);
    adapt_rate(s, now_us);
    return true;
}

/* ---- what is sent ------------------------------------------------------------------------- */

static bool takes_part(const struct unit *u, int64_t now_us)
{
    return u->seen.state == CAST_TAKING && now_us - u->heard_us < GONE_US;
}

static bool is_needed(const struct cast_sender *s, size_t index, int64_t now_us)
{
    for (size_t i = 0; i < s->unit_count; i++)
        if (takes_part(s->units[i], now_us) && !cast_bit(s->units[i]->have, index))
            return true;
    return false;
}

/* Chunks below this one find room in every unit that others may be made to wait for. */
static size_t room(const struct cast_sender *s, int64_t now_us)
{
    size_t quick = SIZE_MAX, still = SIZE_MAX;
    for (size_t i = 0; i < s->unit_count; i++) {
        const struct unit *u = s->units[i];
        if (!takes_part(u, now_us) || now_us - u->heard_us > SILENT_US)
            continue;
        size_t *least = now_us - u->room_moved_us > STILL_US ? &still : &quick;
        *least = u->room < *least ? u->room : *least;
    }
    return quick != SIZE_MAX ? quick : still == SIZE_MAX ? 0 : still;
}

static bool may_begin(struct cast_sender *s, int64_t now_us)
{
    if (s->began || !s->unit_count)
        return s->began;
    s->began = (s->config.units && s->unit_count >= s->config.units) ||
               now_us - s->first_unit_us >= s->config.gather_ms * 1000;
    return s->began;
}

static bool is_finished(struct cast_sender *s, int64_t now_us)
{
    if (s->stopped)
        return true;
    if (!s->began || (s->config.units && s->unit_count < s->config.units &&
                      now_us - s->first_unit_us < s->config.gather_ms * 1000))
        return false;
    for (size_t i = 0; i < s->unit_count; i++) {
        struct cast_unit *u = &s->units[i]->seen;
        u->is_silent = now_us - s->units[i]->heard_us > SILENT_US;
        if (takes_part(s->units[i], now_us))
            return false;
    }
    return true;
}

static void count_packet(struct cast_sender *s, size_t bytes, int64_t now_us)
{
    const size_t frame = bytes + FRAME_BYTES;
    s->counts.packets++;
    s->counts.wire_bytes += frame;
    if (s->send_us < now_us - BURST_US)
        s->send_us = now_us - BURST_US;
    s->send_us += (int64_t)((double)frame * 1e6 / s->rate);
}

static void data_packet(struct cast_sender *s, size_t index, size_t block, int64_t now_us,
                        struct cast_packet *out)
{
    struct chunk *c = &s->chunks[index];
    const size_t at = block * CAST_BLOCK_BYTES;
    const struct cast_data d = {.session = s->config.session,
                                .sequence = ++s->sequence,
                                .chunk = (uint16_t)index,
                                .block = (uint16_t)block,
                                .bytes = out->data + CAST_HEAD_BYTES};
    out->head_bytes = cast_data_encode(&d, out->data);
    out->chunk = index;
    out->offset = at;
    out->bytes = c->bytes - at < CAST_BLOCK_BYTES ? c->bytes - at : CAST_BLOCK_BYTES;
    s->block_sequence[c->first_block + block] = s->sequence;
    c->last = s->sequence;
    s->counts.blocks++;
    s->window_sent++;
    s->all_sent = false;
    count_packet(s, CAST_HEAD_BYTES + out->bytes, now_us);
}

static bool next_repair(struct cast_sender *s, int64_t now_us, struct cast_packet *out)
{
    while (s->wanted) {
        struct chunk *c = &s->chunks[s->lowest_wanted];
        uint8_t *wanted = s->block_wanted + c->first_block;
        if (!c->wanted) {
            s->lowest_wanted++;
            continue;
        }
        if (!is_needed(s, s->lowest_wanted, now_us)) {
            memset(wanted, 0, c->blocks);
            s->wanted -= c->wanted;
            c->wanted = 0;
            continue;
        }
        const uint8_t *first = memchr(wanted, 1, c->blocks);
        const size_t block = (size_t)(first - wanted);
        wanted[block] = 0;
        c->wanted--;
        s->wanted--;
        s->counts.repairs++;
        data_packet(s, s->lowest_wanted, block, now_us, out);
        return true;
    }
    return false;
}

static bool next_new(struct cast_sender *s, int64_t now_us, struct cast_packet *out)
{
    if (s->block == 0) {
        while (s->cursor < s->chunk_count && s->cursor < room(s, now_us) &&
               !is_needed(s, s->cursor, now_us)) {
            /* It may be asked for by a unit that comes later. */
            s->chunks[s->cursor].sent = true;
            s->chunks[s->cursor++].last = s->sequence;
        }
        if (s->cursor >= s->chunk_count || s->cursor >= room(s, now_us))
            return false;
    }
    struct chunk *c = &s->chunks[s->cursor];
    data_packet(s, s->cursor, s->block, now_us, out);
    if (++s->block == c->blocks) {
        c->sent = true;
        s->block = 0;
        s->cursor++;
    }
    return true;
}

/* Only those that still take something speak again and again. */
static size_t status_every_ms(const struct cast_sender *s, int64_t now_us)
{
    size_t every_ms = 0;
    for (size_t i = 0; i < s->unit_count; i++)
        every_ms += takes_part(s->units[i], now_us) ? STATUS_MS_UNIT : 0;
    every_ms = every_ms < STATUS_MS_MIN ? STATUS_MS_MIN : every_ms;
    return every_ms > STATUS_MS_MAX ? STATUS_MS_MAX : every_ms;
}

/* A block lost at the end of all shows by the announcement behind it, which asks who lacks it. */
static int64_t announce_again_us(struct cast_sender *s)
{
    if (!s->began)
        return GATHER_US;
    if (!s->all_sent)
        return ANNOUNCE_US;
    s->tail_us = s->tail_us * 2 < ANNOUNCE_US ? s->tail_us * 2 : ANNOUNCE_US;
    return s->tail_us;
}

static void announce(struct cast_sender *s, int64_t now_us, struct cast_packet *out)
{
    struct cast_announce a = {.session = s->config.session,
                              .sequence = s->sequence,
                              .manifest_bytes = (uint32_t)s->config.manifest_bytes,
                              .slot = s->config.slot,
                              .all_sent = s->all_sent,
                              .status_every_ms = (uint16_t)status_every_ms(s, now_us)};
    memcpy(a.manifest_sha256, s->sha256, DIGEST_BYTES);
    out->head_bytes = cast_announce_encode(&a, out->data);
    s->announce_us = now_us + announce_again_us(s);
    count_packet(s, out->head_bytes, now_us);
}

bool cast_sender_next(struct cast_sender *s, int64_t now_us, struct cast_packet *out)
{
    out->chunk = out->bytes = out->head_bytes = 0;
    out->offset = 0;
    if (is_finished(s, now_us)) {
        if (!s->ends_left || (s->ends_left < END_TIMES && now_us < s->announce_us))
            return false;
        s->ends_left--;
        s->announce_us = now_us + END_US;
        out->head_bytes = cast_end_encode(s->config.session, out->data);
        count_packet(s, out->head_bytes, now_us);
        return true;
    }
    if (now_us >= s->announce_us) {
        announce(s, now_us, out);
        return true;
    }
    if (!may_begin(s, now_us) || now_us < s->send_us)
        return false;
    s->idle = !next_repair(s, now_us, out) && !next_new(s, now_us, out);
    if (s->idle && !s->all_sent) {
        s->all_sent = true;
        s->tail_us = ALL_SENT_US;
        if (s->announce_us > now_us + ALL_SENT_US)
            s->announce_us = now_us + ALL_SENT_US;
    }
    return !s->idle;
}

int64_t cast_sender_due_us(const struct cast_sender *s)
{
    const bool may_send = s->began && !s->stopped && !s->idle;
    return may_send && s->send_us < s->announce_us ? s->send_us : s->announce_us;
}

bool cast_sender_is_over(const struct cast_sender *s)
{
    return !s->ends_left;
}

void cast_sender_stop(struct cast_sender *s)
{
    s->stopped = true;
    s->announce_us = 0;
}

size_t cast_sender_units(const struct cast_sender *s)
{
    return s->unit_count;
}

const struct cast_unit *cast_sender_unit(const struct cast_sender *s, size_t index)
{
    return &s->units[index]->seen;
}

const struct cast_counts *cast_sender_counts(const struct cast_sender *s)
{
    return &s->counts;
}
