/* card.status, card.speed, card.probe. What they overwrite is put back. card.format:
 * agent_card_format.c. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "firmware/factory/agent_parts.h"
#include "firmware/factory/card_filesystem.h"
#include "firmware/factory/card_stamp.h"
#include "firmware/factory/params.h"
#include "protocol/base/clock.h"
#include "protocol/wire/crc32c.h"

enum {
    TEST_AREA_BYTES = 16 << 20, /* at the card's end */
    SEGMENT_BYTES = 1 << 20,    /* saved, written and put back at once: three of them in memory */
    HUGE_BYTES = 2 << 20,       /* a huge page of the kernels that have them */
    PROBES_MAX = 16384,         /* their saved blocks: 8 MiB */
    LOW_PART_MAX = 32 << 20,    /* read twice by card.probe: about 3 s of a class 10 card */
};

static const char *const no_params[] = {NULL};

/* Of its first partition, or of the whole card where there is none. */
static int find_filesystem(struct agent *a, const struct card_status *s, const char **out,
                           struct error *err)
{
    uint8_t *head = malloc(CARD_HEAD_BYTES);
    if (!head)
        return error_set(err, ERROR_MEMORY, "no memory for a card's begin");
    int rc = a->hal->card->read(a->hal->card_state, 0, head, CARD_HEAD_BYTES, err);
    const uint64_t first = rc ? 0 : (uint64_t)card_first_partition(head) * STAMP_BYTES;
    if (!rc && first && first + CARD_HEAD_BYTES <= s->bytes)
        rc = a->hal->card->read(a->hal->card_state, first, head, CARD_HEAD_BYTES, err);
    if (!rc)
        *out = card_filesystem(head);
    free(head);
    return rc;
}

static int card_status(struct agent *a, struct agent_call *call, struct error *err)
{
    struct card_status s;
    const char *filesystem = "";
    int rc = params_only(call->params, no_params, err);
    if (!rc)
        rc = a->hal->card->status(a->hal->card_state, &s, err);
    if (!rc && s.present && s.block_bytes == STAMP_BYTES && s.bytes >= CARD_HEAD_BYTES)
        rc = find_filesystem(a, &s, &filesystem, err);
    if (rc)
        return rc;
    answer_flag(call, call->result, "present", s.present);
    answer_flag(call, call->result, "write_protected", s.write_protected);
    answer_number(call, call->result, "bytes", (double)s.bytes);
    answer_number(call, call->result, "block_bytes", s.block_bytes);
    answer_text(call, call->result, "filesystem", filesystem);
    answer_text(call, call->result, "serial", s.serial);
    return 0;
}

int agent_card_usable(struct agent *a, struct card_status *s, struct error *err)
{
    int rc = a->hal->card->status(a->hal->card_state, s, err);
    if (!rc && !s->present)
        rc = error_set(err, ERROR_MISSING, "no card in the socket");
    if (!rc && s->write_protected)
        rc = error_set(err, ERROR_REFUSED, "the card is write-protected");
    if (!rc && (s->block_bytes != STAMP_BYTES || s->bytes < 2 * (uint64_t)TEST_AREA_BYTES))
        rc = error_set(err, ERROR_INPUT,
                       "a card of %llu bytes in blocks of %u, expected at least %d in blocks of %d",
                       (unsigned long long)s->bytes, s->block_bytes, 2 * TEST_AREA_BYTES,
                       STAMP_BYTES);
    return rc;
}

static int read_card(struct agent *a, uint64_t at, void *data, size_t size, struct error *err)
{
    return a->hal->card->read(a->hal->card_state, at, data, size, err);
}

static int write_card(struct agent *a, uint64_t at, const void *data, size_t size,
                      struct error *err)
{
    return a->hal->card->write(a->hal->card_state, at, data, size, err);
}

static int stop_asked(struct agent_call *call, struct error *err)
{
    return request_cancelled(call->request)
               ? error_set(err, ERROR_CANCELLED, "taken back; the card is as it was")
               : 0;
}

/* ---- card.speed ---------------------------------------------------------------------------- */

enum { SEGMENTS_MAX = TEST_AREA_BYTES / SEGMENT_BYTES };

struct speed {
    int64_t write_ns, read_ns;
    int64_t segment_write_ns[SEGMENTS_MAX], segment_read_ns[SEGMENTS_MAX];
    int segments;
    long long bad_blocks;
};

/* Three of SEGMENT_BYTES, for as long as a call lasts. On pages, so that a card's driver moves them
 * without a copy in between; on huge ones, where there are such, as a request's memory is then one
 * piece for the DMA and not 64. All of it is there before the clock runs. */
struct buffers {
    void *mapping;
    uint8_t *segments;
};

enum { MAPPED_BYTES = 3 * HUGE_BYTES };

static int map_buffers(struct buffers *b, struct error *err)
{
    b->mapping =
        mmap(NULL, MAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b->mapping == MAP_FAILED)
        return error_set(err, ERROR_MEMORY, "no memory for blocks");
    madvise(b->mapping, MAPPED_BYTES, MADV_HUGEPAGE); /* refused: small ones do */
    const uintptr_t past = (uintptr_t)b->mapping % HUGE_BYTES;
    b->segments = (uint8_t *)b->mapping + (past ? HUGE_BYTES - past : 0);
    memset(b->segments, 0, 3 * (size_t)SEGMENT_BYTES);
    return 0;
}

/* buffers: three of SEGMENT_BYTES. */
static int measure_segment(struct agent *a, uint64_t seed, uint64_t at, size_t size,
                           uint8_t *buffers, struct speed *speed, struct error *err)
{
    uint8_t *saved = buffers, *out = buffers + SEGMENT_BYTES, *back = out + SEGMENT_BYTES;
    for (size_t i = 0; i < size; i += STAMP_BYTES)
        card_stamp(seed, at + i, out + i);
    int rc = read_card(a, at, saved, size, err);
    if (rc)
        return rc; /* nothing was overwritten yet */
    int64_t began = clock_mono_ns();
    rc = write_card(a, at, out, size, err);
    if (!rc)
        rc = a->hal->card->sync(a->hal->card_state, err);
    const int64_t write_ns = clock_mono_ns() - began;
    began = clock_mono_ns();
    if (!rc)
        rc = read_card(a, at, back, size, err);
    const int64_t read_ns = clock_mono_ns() - began;
    speed->write_ns += write_ns;
    speed->read_ns += read_ns;
    speed->segment_write_ns[speed->segments] = write_ns;
    speed->segment_read_ns[speed->segments++] = read_ns;
    for (size_t i = 0; i < size && !rc; i += STAMP_BYTES)
        speed->bad_blocks += memcmp(out + i, back + i, STAMP_BYTES) != 0;
    int restored = write_card(a, at, saved, size, rc ? NULL : err);
    if (!restored)
        restored = a->hal->card->sync(a->hal->card_state, rc ? NULL : err);
    return rc ? rc : restored;
}

static void answer_times(struct agent_call *call, const char *name, const int64_t *ns, int count)
{
    cJSON *list = answer_array(call, call->result, name);
    for (int i = 0; list && i < count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateNumber((double)ns[i] / 1e6));
}

static int card_speed(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"bytes", "seed", NULL};
    long long bytes, seed;
    struct card_status status;
    struct speed speed = {0};
    struct buffers buffers = {0};
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = params_integer(call->params, "bytes", STAMP_BYTES, TEST_AREA_BYTES, &bytes, err);
    if (!rc && bytes % STAMP_BYTES)
        rc = error_set(err, ERROR_INPUT, "param 'bytes' is %lld, expected whole blocks of %d",
                       bytes, STAMP_BYTES);
    if (!rc)
        rc = params_integer(call->params, "seed", 0, 1LL << 53, &seed, err);
    if (!rc)
        rc = agent_card_usable(a, &status, err);
    if (!rc)
        rc = map_buffers(&buffers, err);
    if (rc)
        return rc;
    uint64_t start = (status.bytes - TEST_AREA_BYTES) / STAMP_BYTES * STAMP_BYTES;
    for (long long done = 0; done < bytes && !rc; done += SEGMENT_BYTES) {
        long long left = bytes - done;
        size_t size = left < SEGMENT_BYTES ? (size_t)left : SEGMENT_BYTES;
        rc = stop_asked(call, err);
        if (!rc)
            rc = measure_segment(a, (uint64_t)seed, start + (uint64_t)done, size, buffers.segments,
                                 &speed, err);
    }
    munmap(buffers.mapping, MAPPED_BYTES);
    if (rc)
        return rc;
    answer_number(call, call->result, "write_ms", (double)speed.write_ns / 1e6);
    answer_number(call, call->result, "read_ms", (double)speed.read_ns / 1e6);
    answer_number(call, call->result, "bytes", (double)bytes);
    answer_number(call, call->result, "bad_blocks", (double)speed.bad_blocks);
    answer_number(call, call->result, "segment_bytes", SEGMENT_BYTES);
    answer_times(call, "segment_write_ms", speed.segment_write_ns, speed.segments);
    answer_times(call, "segment_read_ms", speed.segment_read_ns, speed.segments);
    return 0;
}

/* ---- card.probe ----------------------------------------------------------------------------- */

/* A fake card of real size R writes offset x at x mod R, or loses it. Probes stand at multiples of
 * a pitch L; everything below L, the low part, is not written but read before and after. Whatever R
 * is, the first probe at or beyond it, jL, comes round to jL - R, which is less than L: so it lands
 * in the low part, where its stamp gives R to the byte. A card that loses writes shows it at the
 * first probe that reads back wrong. */
struct probe {
    struct agent *a;
    struct agent_call *call;
    uint64_t seed, capacity, pitch;
    size_t count;
    uint8_t *saved; /* count blocks */
    size_t saved_count;
    uint32_t *before; /* CRC of each block of the low part */
    uint8_t *segment;
    long long wrong_blocks;
    uint64_t good_bytes;
};

static uint64_t probe_offset(const struct probe *p, size_t index)
{
    uint64_t last = (p->capacity / STAMP_BYTES - 1) * STAMP_BYTES;
    return index + 1 < p->count ? (index + 1) * p->pitch : last;
}

/* Reads the low part: remembers it, or finds the stamps that came round into it. */
static int read_low_part(struct probe *p, bool again, struct error *err)
{
    int rc = 0;
    for (uint64_t at = 0; at < p->pitch && !rc; at += SEGMENT_BYTES) {
        size_t size = p->pitch - at < SEGMENT_BYTES ? (size_t)(p->pitch - at) : SEGMENT_BYTES;
        rc = stop_asked(p->call, err);
        if (!rc)
            rc = read_card(p->a, at, p->segment, size, err);
        for (size_t i = 0; i < size && !rc; i += STAMP_BYTES) {
            uint32_t *before = &p->before[(at + i) / STAMP_BYTES];
            uint32_t now = crc32c(0, p->segment + i, STAMP_BYTES);
            uint64_t meant;
            if (!again) {
                *before = now;
            } else if (now != *before) {
                p->wrong_blocks++;
                if (!card_stamp_read(p->seed, p->segment + i, &meant) || meant <= at + i)
                    p->good_bytes = 0; /* it changed, and not by wrapping: nothing can be trusted */
                else if (meant - (at + i) < p->good_bytes)
                    p->good_bytes = meant - (at + i);
            }
        }
    }
    return rc;
}

static int save_probes(struct probe *p, struct error *err)
{
    int rc = 0;
    for (; p->saved_count < p->count && !rc; p->saved_count += !rc) {
        rc = stop_asked(p->call, err);
        if (!rc)
            rc = read_card(p->a, probe_offset(p, p->saved_count),
                           p->saved + p->saved_count * STAMP_BYTES, STAMP_BYTES, err);
    }
    return rc;
}

/* From the top down, so that of two probes that meet the lower one stays. */
static int write_probes(struct probe *p, struct error *err)
{
    uint8_t block[STAMP_BYTES];
    int rc = 0;
    for (size_t i = p->count; i-- > 0 && !rc;) {
        uint64_t at = probe_offset(p, i);
        card_stamp(p->seed, at, block);
        rc = stop_asked(p->call, err);
        if (!rc)
            rc = write_card(p->a, at, block, STAMP_BYTES, err);
    }
    return rc ? rc : p->a->hal->card->sync(p->a->hal->card_state, err);
}

static int check_probes(struct probe *p, struct error *err)
{
    uint8_t block[STAMP_BYTES], expected[STAMP_BYTES];
    uint64_t good = p->pitch; /* up to here at least, or the low part says otherwise */
    bool wrong = false;
    int rc = 0;
    for (size_t i = 0; i < p->count && !rc; i++) {
        uint64_t at = probe_offset(p, i);
        card_stamp(p->seed, at, expected);
        rc = stop_asked(p->call, err);
        if (!rc)
            rc = read_card(p->a, at, block, STAMP_BYTES, err);
        if (!rc && memcmp(block, expected, STAMP_BYTES) != 0) {
            p->wrong_blocks++;
            wrong = true;
        } else if (!wrong) {
            good = at + STAMP_BYTES;
        }
    }
    if (wrong && good < p->good_bytes)
        p->good_bytes = good;
    return rc;
}

/* Whatever happened: on a card that wraps, the block saved from an offset is the one that its
 * stamp overwrote, so writing it back where it was read puts that right too. */
static int restore_probes(struct probe *p, struct error *err)
{
    int rc = 0;
    for (size_t i = 0; i < p->saved_count; i++) {
        int one = write_card(p->a, probe_offset(p, i), p->saved + i * STAMP_BYTES, STAMP_BYTES,
                             rc ? NULL : err);
        rc = rc ? rc : one;
    }
    int synced = p->a->hal->card->sync(p->a->hal->card_state, rc ? NULL : err);
    return rc ? rc : synced;
}

static int probe(struct probe *p, struct error *err)
{
    int rc = read_low_part(p, false, err);
    if (!rc)
        rc = save_probes(p, err);
    if (rc)
        return rc;
    rc = write_probes(p, err);
    /* The low part first: reading it pushes the probes out of a small cache in the card. */
    if (!rc)
        rc = read_low_part(p, true, err);
    if (!rc)
        rc = check_probes(p, err);
    int restored = restore_probes(p, rc ? NULL : err);
    return rc ? rc : restored;
}

static int card_probe(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"seed", "probes", NULL};
    long long seed, probes;
    struct card_status status;
    struct probe p = {.a = a, .call = call};
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = params_integer(call->params, "seed", 0, 1LL << 53, &seed, err);
    if (!rc)
        rc = params_integer(call->params, "probes", 1, PROBES_MAX / 2, &probes, err);
    if (!rc)
        rc = agent_card_usable(a, &status, err);
    if (rc)
        return rc;
    /* As many probes as it takes to keep the low part short. */
    uint64_t wanted = status.bytes / LOW_PART_MAX + 1;
    wanted = wanted > (uint64_t)probes ? wanted : (uint64_t)probes;
    wanted = wanted < PROBES_MAX ? wanted : PROBES_MAX;
    p.seed = (uint64_t)seed;
    p.capacity = p.good_bytes = status.bytes;
    p.pitch = status.bytes / (wanted * STAMP_BYTES) * STAMP_BYTES + STAMP_BYTES;
    p.count = (size_t)((status.bytes - 1) / p.pitch);
    if (p.count * p.pitch < (status.bytes / STAMP_BYTES - 1) * STAMP_BYTES)
        p.count++; /* the last block of all */
    p.saved = malloc(p.count * STAMP_BYTES);
    p.before = malloc(p.pitch / STAMP_BYTES * sizeof *p.before);
    p.segment = malloc(SEGMENT_BYTES);
    if (p.saved && p.before && p.segment)
        rc = probe(&p, err);
    else
        rc = error_set(err, ERROR_MEMORY, "no memory for %zu probes", p.count);
    free(p.saved);
    free(p.before);
    free(p.segment);
    if (rc)
        return rc;
    answer_number(call, call->result, "probed_blocks", (double)(p.count + p.pitch / STAMP_BYTES));
    answer_number(call, call->result, "wrong_blocks", (double)p.wrong_blocks);
    answer_number(call, call->result, "highest_good_byte", (double)p.good_bytes);
    return 0;
}

const struct agent_method agent_card_methods[] = {
    {"card.status", PART_CARD, card_status},
    {"card.speed", PART_CARD, card_speed},
    {"card.probe", PART_CARD, card_probe},
    {"card.format", PART_CARD, agent_card_format},
    {0},
};
