#include "protocol/wire/link_receiver.h"

#include <string.h>

uint64_t receiver_offset(const struct receiver *r, uint32_t low)
{
    return r->next + (uint64_t)(int64_t)(int32_t)(low - (uint32_t)r->next);
}

size_t receiver_room(const struct receiver *r)
{
    return LINK_WINDOW_BYTES - (size_t)(r->next - r->read);
}

/* Notes [start, end) as there; false when there is no place to note it. */
static bool note(struct receiver *r, uint64_t start, uint64_t end)
{
    size_t first = 0;
    while (first < r->range_count && r->ranges[first].end < start)
        first++;
    size_t last = first; /* one behind the last range that touches the new one */
    while (last < r->range_count && r->ranges[last].start <= end)
        last++;
    if (first == last) {
        if (r->range_count == RECEIVER_RANGES_MAX)
            return false;
        memmove(r->ranges + first + 1, r->ranges + first,
                (r->range_count - first) * sizeof r->ranges[0]);
        r->range_count++;
    } else {
        if (r->ranges[first].start < start)
            start = r->ranges[first].start;
        if (r->ranges[last - 1].end > end)
            end = r->ranges[last - 1].end;
        memmove(r->ranges + first + 1, r->ranges + last,
                (r->range_count - last) * sizeof r->ranges[0]);
        r->range_count -= last - first - 1;
    }
    r->ranges[first] = (struct receiver_range){start, end};
    return true;
}

bool receiver_put(struct receiver *r, uint64_t offset, const uint8_t *data, size_t size)
{
    uint64_t end = offset + size;
    if (end < offset || end > r->read + LINK_WINDOW_BYTES)
        return false;
    if (offset < r->next) {
        if (end <= r->next)
            return false;
        data += r->next - offset;
        size = (size_t)(end - r->next);
        offset = r->next;
    }
    if (offset > r->next) {
        for (size_t i = 0; i < r->range_count; i++)
            if (r->ranges[i].start <= offset && end <= r->ranges[i].end)
                return false;
        if (!note(r, offset, end))
            return false;
    }
    size_t at = (size_t)(offset % LINK_WINDOW_BYTES);
    size_t before_wrap = LINK_WINDOW_BYTES - at;
    if (before_wrap > size)
        before_wrap = size;
    memcpy(r->ring + at, data, before_wrap);
    memcpy(r->ring, data + before_wrap, size - before_wrap);
    if (offset == r->next) {
        r->next = end;
        size_t joined = 0;
        while (joined < r->range_count && r->ranges[joined].start <= r->next) {
            if (r->ranges[joined].end > r->next)
                r->next = r->ranges[joined].end;
            joined++;
        }
        r->range_count -= joined;
        memmove(r->ranges, r->ranges + joined, r->range_count * sizeof r->ranges[0]);
    }
    return true;
}

size_t receiver_read(struct receiver *r, uint8_t *out, size_t size)
{
    size_t available = (size_t)(r->next - r->read);
    if (size > available)
        size = available;
    size_t at = (size_t)(r->read % LINK_WINDOW_BYTES);
    size_t before_wrap = LINK_WINDOW_BYTES - at;
    if (before_wrap > size)
        before_wrap = size;
    memcpy(out, r->ring + at, before_wrap);
    memcpy(out + before_wrap, r->ring, size - before_wrap);
    r->read += size;
    return size;
}
