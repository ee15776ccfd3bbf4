#include "protocol/wire/frame.h"

#include <string.h>

#include "protocol/wire/crc32c.h"

enum { MAGIC_0 = 0xF5, MAGIC_1 = 0xC1 };

size_t frame_encode(const struct frame *f, uint8_t *out, size_t out_size)
{
    size_t total = FRAME_OVERHEAD_BYTES + (size_t)f->size;
    if (f->size > FRAME_PAYLOAD_MAX || out_size < total)
        return 0;
    out[0] = MAGIC_0;
    out[1] = MAGIC_1;
    out[2] = f->type;
    out[3] = f->number;
    wire_put32(out + 4, f->tag);
    wire_put32(out + 8, f->sequence);
    wire_put16(out + 12, f->size);
    wire_put16(out + 14, (uint16_t)crc32c(0, out, 14));
    if (f->size)
        memcpy(out + FRAME_HEADER_BYTES, f->payload, f->size);
    wire_put32(out + FRAME_HEADER_BYTES + f->size, crc32c(0, out, FRAME_HEADER_BYTES + f->size));
    return total;
}

void frame_decoder_init(struct frame_decoder *d)
{
    d->start = d->end = 0;
    d->give_up = false;
    d->frames_bad = d->noise_bytes = 0;
}

size_t frame_decoder_feed(struct frame_decoder *d, const void *data, size_t size)
{
    if (d->start == d->end)
        d->start = d->end = 0;
    if (d->start && size > sizeof d->data - d->end) {
        memmove(d->data, d->data + d->start, d->end - d->start);
        d->end -= d->start;
        d->start = 0;
    }
    if (size > sizeof d->data - d->end)
        size = sizeof d->data - d->end;
    if (size)
        memcpy(d->data + d->end, data, size);
    d->end += size;
    return size;
}

enum outcome { COMPLETE, INCOMPLETE, NOT_A_FRAME };

static enum outcome examine(struct frame_decoder *d, struct frame *f)
{
    const uint8_t *p = d->data + d->start;
    size_t available = d->end - d->start;
    if (p[0] != MAGIC_0 || (available > 1 && p[1] != MAGIC_1))
        return NOT_A_FRAME;
    if (available < FRAME_HEADER_BYTES)
        return INCOMPLETE;
    f->size = wire_get16(p + 12);
    if (f->size > FRAME_PAYLOAD_MAX || wire_get16(p + 14) != (uint16_t)crc32c(0, p, 14))
        return NOT_A_FRAME;
    if (available < FRAME_OVERHEAD_BYTES + (size_t)f->size)
        return INCOMPLETE;
    size_t covered = FRAME_HEADER_BYTES + (size_t)f->size;
    if (wire_get32(p + covered) != crc32c(0, p, covered)) {
        d->frames_bad++;
        return NOT_A_FRAME;
    }
    f->type = p[2];
    f->number = p[3];
    f->tag = wire_get32(p + 4);
    f->sequence = wire_get32(p + 8);
    f->payload = p + FRAME_HEADER_BYTES;
    return COMPLETE;
}

bool frame_decoder_next(struct frame_decoder *d, struct frame_event *event)
{
    if (d->start == d->end)
        return false;
    switch (examine(d, &event->frame)) {
    case INCOMPLETE:
        if (!d->give_up)
            return false;
        break;
    case COMPLETE:
        event->is_frame = true;
        d->start += FRAME_OVERHEAD_BYTES + (size_t)event->frame.size;
        return true;
    case NOT_A_FRAME:
        break;
    }
    d->give_up = false;
    /* Noise reaches to the next byte that could begin a frame. */
    const uint8_t *first = d->data + d->start;
    size_t available = d->end - d->start;
    const uint8_t *magic = memchr(first + 1, MAGIC_0, available - 1);
    event->is_frame = false;
    event->noise = first;
    event->noise_size = magic ? (size_t)(magic - first) : available;
    d->start += event->noise_size;
    d->noise_bytes += event->noise_size;
    return true;
}

bool frame_decoder_incomplete(const struct frame_decoder *d)
{
    return d->start != d->end;
}

void frame_decoder_give_up(struct frame_decoder *d)
{
    d->give_up = frame_decoder_incomplete(d);
}
