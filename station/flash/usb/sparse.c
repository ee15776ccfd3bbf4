#include "station/flash/usb/sparse.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/base/little_endian.h"

enum { RAW = 0xcac1, FILL = 0xcac2, LEAVE = 0xcac3, CHECK = 0xcac4, LEAST_RUNS = 64 };
static const uint32_t MAGIC = 0xed26ff3a;

struct sparse_run {
    uint16_t kind;
    uint32_t first, blocks;
    uint8_t fill[4];
};

bool sparse_is(const void *data, size_t size)
{
    return size >= 4 && le32_get(data) == MAGIC;
}

uint32_t sparse_blocks(uint64_t image_bytes)
{
    return (uint32_t)((image_bytes + SPARSE_BLOCK_BYTES - 1) / SPARSE_BLOCK_BYTES);
}

/* ---- written ------------------------------------------------------------------------------ */

static int read_block(const struct sparse_part *p, uint32_t block, uint8_t *data, struct error *err)
{
    const uint64_t at = (uint64_t)block * SPARSE_BLOCK_BYTES;
    const uint64_t left = p->image_bytes - at;
    const size_t size = left < SPARSE_BLOCK_BYTES ? (size_t)left : SPARSE_BLOCK_BYTES;
    memset(data + size, p->pad, SPARSE_BLOCK_BYTES - size);
    return p->read(p->context, at, data, size, err);
}

static bool repeats(const uint8_t *block)
{
    return memcmp(block, block + 4, SPARSE_BLOCK_BYTES - 4) == 0;
}

static uint64_t run_bytes(const struct sparse_run *r)
{
    return SPARSE_CHUNK_BYTES + (r->kind == RAW    ? (uint64_t)r->blocks * SPARSE_BLOCK_BYTES
                                 : r->kind == FILL ? 4
                                                   : 0);
}

static int add_run(struct sparse_part *p, size_t *room, const struct sparse_run *r,
                   struct error *err)
{
    if (p->run_count == *room) {
        const size_t more = *room ? *room * 2 : LEAST_RUNS;
        struct sparse_run *runs = realloc(p->runs, more * sizeof *runs);
        if (!runs)
            return error_set(err, ERROR_MEMORY, "sparse image: out of memory");
        p->runs = runs;
        *room = more;
    }
    p->runs[p->run_count++] = *r;
    return 0;
}

/* One more block at the end of the part, if it still fits. */
static int add_block(struct sparse_part *p, size_t *room, const uint8_t *block, uint64_t limit,
                     bool *fits, struct error *err)
{
    struct sparse_run next = {
        .kind = repeats(block) ? FILL : RAW, .first = p->first_block + p->blocks, .blocks = 1};
    struct sparse_run *last = p->run_count ? &p->runs[p->run_count - 1] : NULL;
    if (next.kind == FILL)
        memcpy(next.fill, block, 4);
    const bool joins = last && last->kind == next.kind && memcmp(last->fill, next.fill, 4) == 0;
    const uint64_t more = !joins ? run_bytes(&next) : next.kind == RAW ? SPARSE_BLOCK_BYTES : 0;
    *fits = p->bytes + more <= limit;
    if (!*fits)
        return 0;
    p->bytes += more;
    p->blocks++;
    if (joins) {
        last->blocks++;
        return 0;
    }
    return add_run(p, room, &next, err);
}

int sparse_part_plan(struct sparse_part *out, sparse_read *read, void *context,
                     uint64_t image_bytes, uint8_t pad, uint32_t first_block, uint32_t max_blocks,
                     uint64_t limit_bytes, struct error *err)
{
    uint8_t block[SPARSE_BLOCK_BYTES];
    const uint32_t all = sparse_blocks(image_bytes);
    size_t room = 0;
    bool fits = true;
    int rc = 0;
    *out = (struct sparse_part){.read = read,
                                .context = context,
                                .image_bytes = image_bytes,
                                .pad = pad,
                                .first_block = first_block,
                                /* with what is left alone before and behind */
                                .bytes = SPARSE_HEADER_BYTES + 2 * SPARSE_CHUNK_BYTES};
    if (first_block)
        rc = add_run(out, &room, &(struct sparse_run){.kind = LEAVE, .blocks = first_block}, err);
    while (!rc && fits && out->blocks < max_blocks && first_block + out->blocks < all) {
        rc = read_block(out, first_block + out->blocks, block, err);
        if (!rc)
            rc = add_block(out, &room, block, limit_bytes, &fits, err);
    }
    if (!rc && !out->blocks)
        rc = error_set(err, ERROR_INPUT, "sparse image: %llu bytes hold no block of it",
                       (unsigned long long)limit_bytes);
    const uint32_t behind = all - first_block - out->blocks;
    if (!rc && behind)
        rc = add_run(out, &room, &(struct sparse_run){.kind = LEAVE, .blocks = behind}, err);
    out->bytes -= SPARSE_CHUNK_BYTES * ((first_block == 0) + (behind == 0));
    if (rc)
        sparse_part_free(out);
    return rc;
}

static void part_header(const struct sparse_part *p, uint8_t h[SPARSE_HEADER_BYTES])
{
    le32_put(h, MAGIC);
    le16_put(h + 4, 1);
    le16_put(h + 6, 0);
    le16_put(h + 8, SPARSE_HEADER_BYTES);
    le16_put(h + 10, SPARSE_CHUNK_BYTES);
    le32_put(h + 12, SPARSE_BLOCK_BYTES);
    le32_put(h + 16, sparse_blocks(p->image_bytes));
    le32_put(h + 20, (uint32_t)p->run_count);
    le32_put(h + 24, 0);
}

/* As much of a run from its byte `at` on as goes into `size`. */
static int read_run(const struct sparse_part *p, const struct sparse_run *r, uint64_t at,
                    uint8_t *data, size_t size, size_t *done, struct error *err)
{
    uint8_t h[SPARSE_CHUNK_BYTES + 4];
    const size_t head = SPARSE_CHUNK_BYTES + (r->kind == FILL ? 4 : 0);
    if (at < head) {
        le16_put(h, r->kind);
        le16_put(h + 2, 0);
        le32_put(h + 4, r->blocks);
        le32_put(h + 8, (uint32_t)run_bytes(r));
        memcpy(h + SPARSE_CHUNK_BYTES, r->fill, 4);
        *done = head - at < size ? (size_t)(head - at) : size;
        memcpy(data, h + at, *done);
        return 0;
    }
    const uint64_t in_run = at - head, left = run_bytes(r) - at;
    const uint64_t offset = (uint64_t)r->first * SPARSE_BLOCK_BYTES + in_run;
    *done = left < size ? (size_t)left : size;
    const uint64_t there = offset < p->image_bytes ? p->image_bytes - offset : 0;
    const size_t read = there < *done ? (size_t)there : *done;
    memset(data + read, p->pad, *done - read);
    return read ? p->read(p->context, offset, data, read, err) : 0;
}

int sparse_part_read(struct sparse_part *p, void *data, size_t size, struct error *err)
{
    uint8_t *to = data, header[SPARSE_HEADER_BYTES];
    while (size) {
        size_t done;
        if (p->header_at < SPARSE_HEADER_BYTES) {
            part_header(p, header);
            done = SPARSE_HEADER_BYTES - (size_t)p->header_at;
            done = done < size ? done : size;
            memcpy(to, header + p->header_at, done);
            p->header_at += done;
        } else if (p->run == p->run_count) {
            return error_set(err, ERROR_STATE, "sparse image: read past its end");
        } else {
            const struct sparse_run *r = &p->runs[p->run];
            const int rc = read_run(p, r, p->run_at, to, size, &done, err);
            if (rc)
                return rc;
            p->run_at += done;
            if (p->run_at == run_bytes(r)) {
                p->run++;
                p->run_at = 0;
            }
        }
        to += done;
        size -= done;
    }
    return 0;
}

void sparse_part_free(struct sparse_part *p)
{
    free(p->runs);
    p->runs = NULL;
    p->run_count = 0;
}

/* ---- read --------------------------------------------------------------------------------- */

struct reading {
    const uint8_t *data; /* of the chunk */
    uint32_t block_bytes;
    uint64_t at; /* in the image */
    uint32_t crc;
    bool crc_known; /* what is left as it is has no bytes */
    sparse_write *write;
    void *context;
};

static uint32_t crc32_more(uint32_t crc, const uint8_t *data, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320U & (0U - (crc & 1)));
    }
    return ~crc;
}

static int put(struct reading *r, const uint8_t *data, uint64_t size, bool checked,
               struct error *err)
{
    if (data && checked)
        r->crc = crc32_more(r->crc, data, (size_t)size);
    const int rc = r->write(r->context, r->at, data, (size_t)size, err);
    r->at += size;
    return rc;
}

static int put_fill(struct reading *r, uint64_t bytes, bool checked, struct error *err)
{
    uint8_t block[SPARSE_BLOCK_BYTES];
    for (size_t i = 0; i < sizeof block; i += 4)
        memcpy(block + i, r->data, 4);
    int rc = 0;
    while (bytes && !rc) {
        const uint64_t size = bytes < sizeof block ? bytes : sizeof block;
        rc = put(r, block, size, checked, err);
        bytes -= size;
    }
    return rc;
}

static int bad_chunk(uint32_t number, const char *what, struct error *err)
{
    return error_set(err, ERROR_INPUT, "sparse image, chunk %u: %s", number, what);
}

static int take_chunk(struct reading *r, uint32_t number, uint16_t kind, uint64_t bytes,
                      uint32_t data_bytes, bool checked, struct error *err)
{
    switch (kind) {
    case RAW:
        return data_bytes == bytes ? put(r, r->data, bytes, checked, err)
                                   : bad_chunk(number, "its size is not that of its blocks", err);
    case FILL:
        return data_bytes == 4 ? put_fill(r, bytes, checked, err)
                               : bad_chunk(number, "four bytes to repeat were expected", err);
    case LEAVE:
        if (data_bytes)
            return bad_chunk(number, "data where none belongs", err);
        r->crc_known = false;
        return put(r, NULL, bytes, checked, err);
    case CHECK:
        if (data_bytes != 4)
            return bad_chunk(number, "a checksum of four bytes was expected", err);
        return !checked || !r->crc_known || le32_get(r->data) == r->crc
                   ? 0
                   : bad_chunk(number, "the checksum of what stands before does not hold", err);
    default:
        return bad_chunk(number, "its kind is none of CAC1 to CAC4", err);
    }
}

/* A checksum costs time, and few files have one. */
static bool has_check(const uint8_t *p, const uint8_t *end, uint16_t chunk_header, uint32_t chunks)
{
    for (; chunks && end - p >= chunk_header; chunks--) {
        const uint32_t size = le32_get(p + 8);
        if (le16_get(p) == CHECK)
            return true;
        if (size < chunk_header || size > (uint64_t)(end - p))
            return false;
        p += size;
    }
    return false;
}

int sparse_expand(const void *data, size_t size, uint64_t limit_bytes, sparse_write *write,
                  void *context, uint64_t *image_bytes, struct error *err)
{
    const uint8_t *p = data, *end = p + size;
    if (size < SPARSE_HEADER_BYTES || !sparse_is(data, size))
        return error_set(err, ERROR_INPUT, "not a sparse image");
    const uint16_t header = le16_get(p + 8), chunk_header = le16_get(p + 10);
    const uint32_t block_bytes = le32_get(p + 12), blocks = le32_get(p + 16),
                   chunks = le32_get(p + 20);
    if (le16_get(p + 4) != 1 || header < SPARSE_HEADER_BYTES || chunk_header < SPARSE_CHUNK_BYTES ||
        header > size || !block_bytes || block_bytes % 4)
        return error_set(err, ERROR_INPUT, "sparse image: its header is of no version known");
    const uint64_t all = (uint64_t)blocks * block_bytes;
    if (all > limit_bytes)
        return error_set(err, ERROR_INPUT, "sparse image of %llu bytes, there is room for %llu",
                         (unsigned long long)all, (unsigned long long)limit_bytes);
    struct reading r = {
        .block_bytes = block_bytes, .crc_known = true, .write = write, .context = context};
    p += header;
    const bool checked =
        has_check(p, end, chunk_header, chunks) || le32_get((const uint8_t *)data + 24);
    for (uint32_t i = 0; i < chunks; i++) {
        if (end - p < chunk_header)
            return bad_chunk(i, "it is cut short", err);
        const uint32_t total = le32_get(p + 8);
        const uint64_t bytes = (uint64_t)le32_get(p + 4) * block_bytes;
        if (total < chunk_header || total > (uint64_t)(end - p))
            return bad_chunk(i, "it is cut short", err);
        if (le16_get(p) != CHECK && bytes > all - r.at)
            return bad_chunk(i, "it lies behind the image's end", err);
        r.data = p + chunk_header;
        const int rc = take_chunk(&r, i, le16_get(p), bytes, total - chunk_header, checked, err);
        if (rc)
            return rc;
        p += total;
    }
    if (r.at != all)
        return error_set(err, ERROR_INPUT, "sparse image: its chunks are %llu bytes of %llu",
                         (unsigned long long)r.at, (unsigned long long)all);
    const uint32_t crc = le32_get((const uint8_t *)data + 24);
    if (crc && r.crc_known && crc != r.crc)
        return error_set(err, ERROR_INPUT, "sparse image: its checksum does not hold");
    if (image_bytes)
        *image_bytes = all;
    return 0;
}
