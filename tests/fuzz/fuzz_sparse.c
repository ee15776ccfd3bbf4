/* A sparse file from anywhere: what it expands to lies within the limit and within the image it
 * says it is, in order; it is taken whole or refused with a reason. And what we write of any bytes
 * expands to those bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "station/flash/usb/sparse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT_BYTES = 1 << 20 };

struct sink {
    uint64_t end;
    uint8_t *image; /* NULL: only the order is looked at */
    size_t room;
};

static int take(void *context, uint64_t offset, const void *data, size_t size, struct error *err)
{
    struct sink *s = context;
    if (offset < s->end || offset > LIMIT_BYTES || size > LIMIT_BYTES - offset)
        abort();
    s->end = offset + size;
    if (s->image && data) {
        if (s->end > s->room)
            abort();
        memcpy(s->image + offset, data, size);
    }
    return 0;
}

struct source {
    const uint8_t *data;
    size_t size;
};

static int give(void *context, uint64_t offset, void *data, size_t size, struct error *err)
{
    const struct source *s = context;
    if (offset > s->size || size > s->size - offset)
        abort();
    memcpy(data, s->data + offset, size);
    return 0;
}

/* There and back. */
static void both_ways(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    struct sparse_part part;
    const uint32_t blocks = sparse_blocks(size);
    const size_t room = (size_t)blocks * SPARSE_BLOCK_BYTES;
    struct sink sink = {.image = malloc(room), .room = room};
    if (!sink.image)
        return;
    if (!sparse_part_plan(&part, give, &source, size, 0xff, 0, blocks, LIMIT_BYTES, NULL)) {
        uint8_t *sent = malloc(part.bytes);
        memset(sink.image, 0xff, room);
        if (sent && part.blocks == blocks &&
            (sparse_part_read(&part, sent, part.bytes, NULL) ||
             sparse_expand(sent, part.bytes, LIMIT_BYTES, take, &sink, NULL, NULL) ||
             memcmp(sink.image, data, size) != 0))
            abort();
        free(sent);
        sparse_part_free(&part);
    }
    free(sink.image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sink sink = {0};
    struct error err = {0};
    uint64_t image_bytes = 0;
    const int rc = sparse_expand(data, size, LIMIT_BYTES, take, &sink, &image_bytes, &err);
    if (rc ? !err.text[0] : image_bytes > LIMIT_BYTES || sink.end > image_bytes)
        abort();
    if (size && size < LIMIT_BYTES / 2)
        both_ways(data, size);
    return 0;
}
