#include "firmware/cast/receiver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REFUSED_MAX = 8,
    STALLED_MS = 1000, /* a session that sends no manifest gives way to another */
    VERDICT_MS = 50,   /* said again after it, then twice as long, up to the session's pace */
    ASKED_MS = 10,     /* an eighth: of what a rack lacks not all comes at once */
    FEW_CHUNKS = 4,
    MANIFEST_HEAD_MAX = BUNDLE_HEADER_BYTES + BUNDLE_MANIFEST_MAX + 1024,
};

enum state { WANTED, PARTIAL, READY, HANDED_OUT, SETTLED };

struct part {
    enum state state;
    uint8_t *bytes;   /* PARTIAL to HANDED_OUT; from the pool */
    uint8_t *missing; /* PARTIAL: a bit a block */
    size_t left;      /* blocks missing */
};

struct cast_receiver {
    struct cast_receiver_config config;
    char unit[CAST_UNIT_MAX + 1];
    unsigned eighths; /* 0 to 2: statuses of a rack do not all come at once */

    bool joined;
    struct cast_announce session;
    int64_t heard_ms, moved_ms;
    uint32_t sequence, data_sequence; /* newest known of, newest that came */
    uint32_t refused[REFUSED_MAX];
    size_t refused_count;

    uint8_t *head; /* the signed manifest while it comes */
    struct part head_part;
    bool has_manifest;
    struct bundle_manifest manifest;
    struct chunk_ordered *chunks;
    size_t count, first_boot;

    struct part *parts;  /* beside chunks */
    uint8_t *pool;       /* buffer_count of chunk_bytes */
    uint8_t **free_list; /* their addresses */
    size_t chunk_bytes, buffer_count, free_count;
    size_t floor;  /* every part below is in the unit */
    size_t looked; /* parts below were looked at */
    size_t seen;   /* of parts behind these nothing came */
    size_t room, room_told;
    bool room_stale;
    uint64_t programmed, skipped;

    bool ended;
    char why[CAST_WHY_MAX];
    int64_t status_due_ms, verdict_ms;
    uint8_t have[CAST_CHUNKS_MAX / 8 + 1];
};

/* ---- open, close -------------------------------------------------------------------------- */

int cast_receiver_open(const struct cast_receiver_config *config, struct cast_receiver **out,
                       struct error *err)
{
    *out = NULL;
    if (!config->unit[0] || strlen(config->unit) > CAST_UNIT_MAX)
        return error_set(err, ERROR_INPUT, "chip id \"%.40s\": expected 1 to %d characters",
                         config->unit, CAST_UNIT_MAX);
    struct cast_receiver *r = calloc(1, sizeof *r);
    if (!r)
        return error_set(err, ERROR_MEMORY, "no memory to receive a bundle");
    r->config = *config;
    snprintf(r->unit, sizeof r->unit, "%s", config->unit);
    for (const char *c = r->unit; *c; c++)
        r->eighths = (r->eighths * 31 + (unsigned char)*c) % 97;
    r->eighths %= 3;
    *out = r;
    return 0;
}

static void forget(struct cast_receiver *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->parts[i].missing);
    free(r->parts);
    free(r->pool);
    free(r->free_list);
    free(r->chunks);
    free(r->head);
    free(r->head_part.missing);
    if (r->has_manifest)
        bundle_manifest_free(&r->manifest);
    r->parts = NULL;
    r->pool = NULL;
    r->free_list = NULL;
    r->chunks = NULL;
    r->head = NULL;
    r->head_part = (struct part){0};
    r->has_manifest = r->joined = false;
    r->room_told = 0;
    r->count = r->floor = r->looked = r->seen = r->free_count = 0;
}

void cast_receiver_close(struct cast_receiver *r)
{
    if (!r)
        return;
    forget(r);
    free(r);
}

void cast_receiver_fail(struct cast_receiver *r, const char *why)
{
    if (!r->why[0])
        snprintf(r->why, sizeof r->why, "%.*s", CAST_WHY_MAX - 1, why);
    r->status_due_ms = 0;
}

/* ---- joining ------------------------------------------------------------------------------ */

static bool part_begin(struct part *p, uint8_t *bytes, size_t size)
{
    const size_t blocks = cast_blocks(size);
    p->missing = malloc((blocks + 7) / 8);
    if (!p->missing)
        return false;
    memset(p->missing, 0, (blocks + 7) / 8);
    for (size_t i = 0; i < blocks; i++)
        p->missing[i / 8] |= (uint8_t)(1u << i % 8);
    p->bytes = bytes;
    p->left = blocks;
    p->state = PARTIAL;
    return true;
}

/* True when the block was new. */
static bool part_take(struct part *p, size_t size, const struct cast_data *d)
{
    const size_t at = (size_t)d->block * CAST_BLOCK_BYTES;
    if (at >= size)
        return false;
    const size_t expected = size - at < CAST_BLOCK_BYTES ? size - at : CAST_BLOCK_BYTES;
    if (d->size != expected || !cast_bit(p->missing, d->block))
        return false;
    memcpy(p->bytes + at, d->bytes, expected);
    p->missing[d->block / 8] &= (uint8_t) ~(1u << d->block % 8);
    p->left--;
    return true;
}

static void refuse_session(struct cast_receiver *r)
{
    r->refused[r->refused_count++ % REFUSED_MAX] = r->session.session;
    forget(r);
}

static bool is_refused(const struct cast_receiver *r, uint32_t session)
{
    for (size_t i = 0; i < REFUSED_MAX && i < r->refused_count; i++)
        if (r->refused[i] == session)
            return true;
    return false;
}

static bool join(struct cast_receiver *r, const struct cast_announce *a, int64_t now_ms)
{
    if (is_refused(r, a->session) || a->manifest_bytes <= BUNDLE_HEADER_BYTES ||
        a->manifest_bytes > MANIFEST_HEAD_MAX)
        return false;
    if (r->joined && (r->has_manifest || now_ms - r->moved_ms < STALLED_MS))
        return false;
    forget(r);
    r->session = *a;
    r->head = malloc(a->manifest_bytes);
    if (!r->head || !part_begin(&r->head_part, r->head, a->manifest_bytes)) {
        forget(r);
        return false;
    }
    r->joined = true;
    r->sequence = r->data_sequence = a->sequence;
    r->moved_ms = now_ms;
    r->status_due_ms = 0; /* the station counts who is there */
    return true;
}

static int make_parts(struct cast_receiver *r, struct error *err)
{
    int rc =
        chunk_order(r->config.board, &r->manifest, r->session.slot, &r->chunks, &r->count, err);
    if (rc)
        return rc;
    if (r->count + 1 > CAST_CHUNKS_MAX)
        return error_set(err, ERROR_INPUT, "the bundle has %zu chunks, at most %d are taken",
                         r->count, CAST_CHUNKS_MAX - 1);
    r->chunk_bytes = 0;
    r->first_boot = r->count;
    for (size_t i = r->count; i-- > 0;) {
        if (r->chunks[i].image->chunk_bytes > r->chunk_bytes)
            r->chunk_bytes = r->chunks[i].image->chunk_bytes;
        if (r->chunks[i].boot)
            r->first_boot = i;
        if (r->chunks[i].image->chunk_bytes % r->config.board->erase_bytes)
            return error_set(err, ERROR_INPUT,
                             "image '%s': chunks of %u bytes, erase blocks have %u",
                             r->chunks[i].image->name, r->chunks[i].image->chunk_bytes,
                             r->config.board->erase_bytes);
    }
    r->buffer_count = r->config.buffer_bytes / r->chunk_bytes;
    if (r->buffer_count > r->count)
        r->buffer_count = r->count;
    if (r->buffer_count < 2 && r->buffer_count < r->count)
        return error_set(err, ERROR_FULL, "room for %zu bytes, two chunks have %zu",
                         r->config.buffer_bytes, 2 * r->chunk_bytes);
    r->parts = calloc(r->count, sizeof *r->parts);
    r->pool = malloc(r->buffer_count * r->chunk_bytes);
    r->free_list = calloc(r->buffer_count, sizeof *r->free_list);
    if (!r->parts || !r->pool || !r->free_list) {
        if (!r->parts)
            r->count = 0;
        return error_set(err, ERROR_MEMORY, "no memory for %zu chunks of %zu bytes",
                         r->buffer_count, r->chunk_bytes);
    }
    for (size_t i = 0; i < r->buffer_count; i++)
        r->free_list[i] = r->pool + (r->buffer_count - 1 - i) * r->chunk_bytes;
    r->free_count = r->buffer_count;
    return 0;
}

static void take_manifest(struct cast_receiver *r)
{
    struct error err = {0};
    uint8_t hash[DIGEST_BYTES];
    const size_t size = r->session.manifest_bytes;
    int rc = digest_bytes(r->head, size, hash);
    if (rc || memcmp(hash, r->session.manifest_sha256, sizeof hash) != 0 ||
        bundle_manifest_parse(r->head, size, r->config.public_key_pem, &r->manifest, &err)) {
        /* Anybody can announce: what no key signed is not worth an answer. */
        refuse_session(r);
        return;
    }
    r->has_manifest = true;
    free(r->head);
    r->head = NULL;
    free(r->head_part.missing);
    r->head_part = (struct part){.state = SETTLED};
    r->room_stale = true;
    r->status_due_ms = 0;
    if (strcmp(r->manifest.board, r->config.board->name) != 0)
        rc = error_set(&err, ERROR_REFUSED, "the bundle is for board %s, this is %s",
                       r->manifest.board, r->config.board->name);
    else
        rc = make_parts(r, &err);
    if (rc)
        cast_receiver_fail(r, err.text);
}

/* ---- chunks ------------------------------------------------------------------------------- */

static bool is_here(const struct part *p)
{
    return p->state >= READY;
}

static void move_floor(struct cast_receiver *r)
{
    while (r->floor < r->count && is_here(&r->parts[r->floor]))
        r->floor++;
}

/* Free buffers are for the lowest chunks that have none: so what the whole waits for always has
 * one. Boot chunks come in when nothing else is missing. */
static size_t room(struct cast_receiver *r)
{
    if (!r->room_stale)
        return r->room;
    size_t end = r->looked, left = r->free_count;
    if (end > r->first_boot && r->floor < r->first_boot)
        end = r->first_boot;
    size_t i = r->floor;
    for (; i < end; i++) {
        if (r->parts[i].state != WANTED)
            continue;
        if (!left)
            break;
        left--;
    }
    r->room = i;
    r->room_stale = false;
    return i;
}

static void give_back(struct cast_receiver *r, struct part *p)
{
    if (p->bytes)
        r->free_list[r->free_count++] = p->bytes;
    p->bytes = NULL;
    free(p->missing);
    p->missing = NULL;
    r->room_stale = true;
}

static void complete(struct cast_receiver *r, size_t index)
{
    struct part *p = &r->parts[index];
    const struct chunk_ordered *c = &r->chunks[index];
    uint8_t hash[DIGEST_BYTES];
    if (digest_bytes(p->bytes, c->bytes, hash) ||
        memcmp(hash, c->image->chunk_sha256[c->index], sizeof hash) != 0) {
        /* A block of somebody else's, or a flipped bit that UDP's sum let through. */
        give_back(r, p);
        p->state = WANTED;
        return;
    }
    free(p->missing);
    p->missing = NULL;
    p->state = READY;
    move_floor(r);
    r->room_stale = true;
}

static void take_block(struct cast_receiver *r, const struct cast_data *d, int64_t now_ms)
{
    const size_t index = d->chunk - 1u;
    if (index >= r->count || r->why[0])
        return;
    struct part *p = &r->parts[index];
    if (p->state == WANTED && index < room(r)) {
        if (!part_begin(p, r->free_list[r->free_count - 1], r->chunks[index].bytes))
            return;
        r->free_count--;
        r->room_stale = true;
    }
    if (p->state != PARTIAL || !part_take(p, r->chunks[index].bytes, d))
        return;
    r->moved_ms = now_ms;
    if (!p->left)
        complete(r, index);
}

/* Of what was sent and there was room for, or of the manifest. Others may have less room: what is
 * behind the last chunk seen was not sent, unless the last packet was not seen either. */
static bool lacks_some(const struct cast_receiver *r, const struct cast_announce *a)
{
    if (r->why[0])
        return false;
    if (!r->has_manifest)
        return r->head_part.left > 0;
    const bool missed_last = a->sequence != r->data_sequence;
    return r->floor < r->room_told && (missed_last || r->floor < r->seen);
}

static void take_pace(struct cast_receiver *r, const struct cast_announce *a, int64_t now_ms)
{
    int64_t wait_ms = a->status_every_ms;
    r->session.status_every_ms = a->status_every_ms;
    if (a->all_sent && lacks_some(r, a))
        wait_ms = r->eighths * ASKED_MS;
    if (r->status_due_ms > now_ms + wait_ms)
        r->status_due_ms = now_ms + wait_ms;
}

bool cast_receiver_take(struct cast_receiver *r, const uint8_t *data, size_t size, int64_t now_ms)
{
    struct cast_announce a;
    struct cast_data d;
    uint32_t session;
    bool is_ours = false;
    switch (cast_type(data, size)) {
    case CAST_ANNOUNCE:
        if (cast_announce_decode(data, size, &a))
            return false;
        is_ours = (r->joined && a.session == r->session.session) || join(r, &a, now_ms);
        if (is_ours && cast_reached(a.sequence, r->sequence))
            r->sequence = a.sequence;
        if (is_ours)
            take_pace(r, &a, now_ms);
        break;
    case CAST_DATA:
        if (cast_data_decode(data, size, &d) || !r->joined || d.session != r->session.session)
            return false;
        is_ours = true;
        if (cast_reached(d.sequence, r->sequence))
            r->sequence = d.sequence;
        if (cast_reached(d.sequence, r->data_sequence))
            r->data_sequence = d.sequence;
        r->seen = d.chunk > r->seen ? d.chunk : r->seen;
        if (d.chunk)
            take_block(r, &d, now_ms);
        else if (!r->has_manifest && part_take(&r->head_part, r->session.manifest_bytes, &d)) {
            r->moved_ms = now_ms;
            if (!r->head_part.left)
                take_manifest(r);
        }
        break;
    case CAST_END:
        is_ours =
            !cast_end_decode(data, size, &session) && r->joined && session == r->session.session;
        r->ended |= is_ours;
        break;
    default:
        break;
    }
    if (is_ours)
        r->heard_ms = now_ms;
    return is_ours;
}

/* ---- what the flash's side says ----------------------------------------------------------- */

const struct bundle_manifest *cast_receiver_manifest(const struct cast_receiver *r)
{
    return r->has_manifest ? &r->manifest : NULL;
}

char cast_receiver_slot(const struct cast_receiver *r)
{
    return r->session.slot;
}

const struct chunk_ordered *cast_receiver_chunks(const struct cast_receiver *r, size_t *count)
{
    *count = r->parts ? r->count : 0;
    return r->chunks;
}

uint8_t *cast_receiver_ready(struct cast_receiver *r, size_t *index)
{
    for (size_t i = 0; r->parts && i < r->count; i++)
        if (r->parts[i].state == READY) {
            r->parts[i].state = HANDED_OUT;
            *index = i;
            return r->parts[i].bytes;
        }
    return NULL;
}

static void settle(struct cast_receiver *r, size_t index, enum state state)
{
    struct part *p = &r->parts[index];
    give_back(r, p);
    p->state = state;
    if (state == SETTLED)
        move_floor(r);
    else if (index < r->floor)
        r->floor = index;
    if (cast_receiver_is_done(r))
        r->status_due_ms = 0;
}

void cast_receiver_written(struct cast_receiver *r, size_t index)
{
    settle(r, index, SETTLED);
}

void cast_receiver_looked(struct cast_receiver *r, size_t index, bool is_there)
{
    if (index == r->looked)
        r->looked++;
    r->room_stale = true;
    if (is_there && r->parts[index].state <= PARTIAL)
        settle(r, index, SETTLED);
}

void cast_receiver_spoilt(struct cast_receiver *r, size_t index)
{
    if (r->parts[index].state == SETTLED || r->parts[index].state == HANDED_OUT)
        settle(r, index, WANTED);
}

size_t cast_receiver_unsettled(const struct cast_receiver *r)
{
    size_t n = 0;
    for (size_t i = 0; r->parts && i < r->count; i++)
        n += r->parts[i].state != SETTLED;
    return n;
}

bool cast_receiver_is_settled(const struct cast_receiver *r, size_t index)
{
    return r->parts[index].state == SETTLED;
}

void cast_receiver_progress(struct cast_receiver *r, uint64_t programmed, uint64_t skipped)
{
    r->programmed = programmed;
    r->skipped = skipped;
}

const char *cast_receiver_why(const struct cast_receiver *r)
{
    return r->why;
}

bool cast_receiver_is_done(const struct cast_receiver *r)
{
    return r->parts && !r->why[0] && r->floor == r->count && !cast_receiver_unsettled(r);
}

bool cast_receiver_has_ended(const struct cast_receiver *r)
{
    return r->ended;
}

bool cast_receiver_in_session(const struct cast_receiver *r)
{
    return r->joined;
}

int64_t cast_receiver_silent_ms(const struct cast_receiver *r, int64_t now_ms)
{
    return r->joined ? now_ms - r->heard_ms : 0;
}

/* ---- statuses ----------------------------------------------------------------------------- */

/* Room that is told late leaves the writer idle: a quarter of the buffers is worth a packet, and
 * when all that could come has come, as much as waits to be written and not less than a few chunks,
 * unless there are no more. */
static bool has_news(struct cast_receiver *r)
{
    if (!r->parts || r->why[0] || room(r) <= r->room_told)
        return false;
    const size_t more = room(r) - r->room_told, waiting = r->buffer_count - r->free_count;
    const bool few = more < FEW_CHUNKS && r->looked < r->count;
    const bool starves = r->floor >= r->room_told && r->floor < room(r) && more >= waiting && !few;
    return starves || more * 4 >= r->buffer_count;
}

int64_t cast_receiver_due_ms(struct cast_receiver *r)
{
    if (!r->joined)
        return INT64_MAX;
    return has_news(r) ? 0 : r->status_due_ms;
}

static size_t list_have(struct cast_receiver *r)
{
    size_t top = 0;
    memset(r->have, 0, sizeof r->have);
    for (size_t i = r->floor; i < r->count; i++)
        if (is_here(&r->parts[i])) {
            top = i + 1 - r->floor;
            r->have[(top - 1) / 8] |= (uint8_t)(1u << (top - 1) % 8);
        }
    return top;
}

static void list_gaps(const struct cast_receiver *r, uint8_t *out, size_t *size)
{
    struct cast_gap gap = {0, (uint16_t)cast_blocks(r->session.manifest_bytes),
                           r->head_part.missing};
    if (!r->has_manifest) {
        if (r->head_part.left < gap.block_count && !cast_gap_add(out, size, &gap))
            cast_status_listed(out, 0);
        return;
    }
    for (size_t i = r->floor; i < r->count; i++) {
        if (r->parts[i].state != PARTIAL)
            continue;
        gap = (struct cast_gap){(uint16_t)(i + 1), (uint16_t)cast_blocks(r->chunks[i].bytes),
                                r->parts[i].missing};
        if (!cast_gap_add(out, size, &gap)) {
            cast_status_listed(out, (uint16_t)(i + 1));
            return;
        }
    }
}

size_t cast_receiver_status(struct cast_receiver *r, int64_t now_ms, uint8_t *out)
{
    if (!r->joined || (now_ms < r->status_due_ms && !has_news(r)))
        return 0;
    struct cast_status s = {.session = r->session.session,
                            .sequence = r->sequence,
                            .state = r->why[0]                  ? CAST_FAILED
                                     : cast_receiver_is_done(r) ? CAST_DONE
                                                                : CAST_TAKING,
                            .room = 1,
                            .programmed_kib = (uint32_t)(r->programmed >> 10),
                            .skipped_kib = (uint32_t)(r->skipped >> 10),
                            .have = r->have,
                            .listed = UINT16_MAX};
    snprintf(s.unit, sizeof s.unit, "%s", r->unit);
    snprintf(s.why, sizeof s.why, "%s", r->why);
    if (r->has_manifest && r->parts) {
        r->room_told = room(r);
        s.room = (uint16_t)(r->room_told + 1);
        s.floor = (uint16_t)(r->floor + 1);
        s.have_count = (uint16_t)list_have(r);
    }
    size_t size = cast_status_encode(&s, out);
    if (!r->why[0])
        list_gaps(r, out, &size);
    int64_t every = r->session.status_every_ms;
    if (s.state != CAST_TAKING) {
        if (!r->verdict_ms)
            r->verdict_ms = VERDICT_MS;
        else if (r->verdict_ms < every)
            r->verdict_ms *= 2;
        every = r->verdict_ms < every ? r->verdict_ms : every;
    }
    r->status_due_ms = now_ms + every - every * r->eighths / 8;
    return size;
}
