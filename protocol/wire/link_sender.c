#include "protocol/wire/link_sender.h"

#include <string.h>

enum {
    SEGMENTS_NEW_MAX = 128, /* the rest of the table is for splitting lost ones */
    ORDERS_MAX = 128,       /* apart, so that eight bits of number are never ambiguous */
    LIMIT_FIRST_BYTES = 16384,
    RATE_FIRST = 5760,     /* 57600 baud */
    DELAY_WANTED_MS = 250, /* with less the line may be idle, with more small calls wait */
    DELAY_TOO_LONG_MS = 500,
    RETRY_FIRST_MS = 300,
    QUEUE_WAIT_MAX_MS = 3000,
};

void sender_init(struct sender *s, bool acknowledged)
{
    s->acknowledged = acknowledged;
    s->done = s->next = s->end = 0;
    s->segment_count = 0;
    s->order = 1;
    s->order_known = s->order_shrunk = 0;
    s->payload_max = acknowledged ? LINK_PAYLOAD_MAX : FRAME_PAYLOAD_MAX;
    s->payload = acknowledged ? LINK_PAYLOAD_FIRST : FRAME_PAYLOAD_MAX;
    s->under_way_limit = LIMIT_FIRST_BYTES;
    s->rate = RATE_FIRST;
    s->rtt_ms = s->rtt_var_ms = s->timeouts = 0;
    s->quiet_since_ms = 0;
    s->resent = 0;
    memset(s->sendings, 0, sizeof s->sendings);
}

size_t sender_room(const struct sender *s)
{
    return LINK_WINDOW_BYTES - (size_t)(s->end - s->done);
}

size_t sender_write(struct sender *s, const uint8_t *data, size_t size)
{
    if (size > sender_room(s))
        size = sender_room(s);
    size_t at = (size_t)(s->end % LINK_WINDOW_BYTES);
    size_t before_wrap = LINK_WINDOW_BYTES - at;
    if (before_wrap > size)
        before_wrap = size;
    memcpy(s->ring + at, data, before_wrap);
    memcpy(s->ring, data + before_wrap, size - before_wrap);
    s->end += size;
    return size;
}

static uint32_t bytes_under_way(const struct sender *s)
{
    uint32_t bytes = 0;
    for (size_t i = 0; i < s->segment_count; i++)
        if (s->segments[i].state == SEGMENT_UNDER_WAY)
            bytes += s->segments[i].size;
    return bytes;
}

static bool orders_far_apart(const struct sender *s)
{
    for (size_t i = 0; i < s->segment_count; i++)
        if (s->segments[i].state == SEGMENT_UNDER_WAY &&
            s->order - s->segments[i].order >= ORDERS_MAX)
            return true;
    return false;
}

static void mark_sent(struct sender *s, struct segment *segment, uint32_t ahead, int64_t now_ms)
{
    segment->state = SEGMENT_UNDER_WAY;
    segment->order = s->order++;
    s->sendings[segment->order & 0xFF] = (struct sending){now_ms, ahead + segment->size};
    s->quiet_since_ms = now_ms;
}

static bool resend(struct sender *s, size_t index, uint32_t ahead, int64_t now_ms)
{
    struct segment *segment = &s->segments[index];
    if (segment->size > s->payload && s->segment_count < SENDER_SEGMENTS_MAX) {
        memmove(segment + 1, segment, (s->segment_count - index) * sizeof *segment);
        s->segment_count++;
        segment->size = s->payload;
        segment[1].start += s->payload;
        segment[1].size -= s->payload;
    }
    mark_sent(s, segment, ahead, now_ms);
    s->resent++;
    return true;
}

bool sender_next(struct sender *s, int64_t now_ms, uint64_t *offset, uint8_t *number,
                 const uint8_t **data, uint16_t *size)
{
    struct segment *chosen = NULL;
    struct segment unkept;
    uint32_t ahead = bytes_under_way(s);
    if (s->acknowledged && orders_far_apart(s))
        return false;
    for (size_t i = 0; i < s->segment_count && !chosen; i++)
        if (s->segments[i].state == SEGMENT_LOST && resend(s, i, ahead, now_ms))
            chosen = &s->segments[i];
    if (!chosen) {
        size_t fresh = (size_t)(s->end - s->next);
        if (!fresh || (s->acknowledged &&
                       (ahead >= s->under_way_limit || s->segment_count >= SEGMENTS_NEW_MAX)))
            return false;
        if (fresh > s->payload)
            fresh = s->payload;
        /* A frame's bytes lie in one piece of the ring. */
        size_t before_wrap = LINK_WINDOW_BYTES - (size_t)(s->next % LINK_WINDOW_BYTES);
        if (fresh > before_wrap)
            fresh = before_wrap;
        chosen = s->acknowledged ? &s->segments[s->segment_count++] : &unkept;
        chosen->start = s->next;
        chosen->size = (uint32_t)fresh;
        mark_sent(s, chosen, ahead, now_ms);
        s->next += fresh;
        if (!s->acknowledged)
            s->done = s->next;
    }
    /* A lost segment that could not be split goes out as far as a frame of today reaches. */
    uint32_t reach = chosen->size < s->payload ? chosen->size : s->payload;
    *offset = chosen->start;
    *number = (uint8_t)chosen->order;
    *data = s->ring + chosen->start % LINK_WINDOW_BYTES;
    *size = (uint16_t)reach;
    return true;
}

static void learn_delay(struct sender *s, uint64_t order, int64_t now_ms, uint32_t arrived)
{
    const struct sending *sending = &s->sendings[order & 0xFF];
    int64_t elapsed = now_ms - sending->at_ms;
    int rtt = elapsed < 1 ? 1 : elapsed > 60000 ? 60000 : (int)elapsed;
    if (!s->rtt_ms) {
        s->rtt_ms = rtt;
        s->rtt_var_ms = rtt / 2;
    } else {
        int off = rtt > s->rtt_ms ? rtt - s->rtt_ms : s->rtt_ms - rtt;
        s->rtt_var_ms += (off - s->rtt_var_ms) / 4;
        s->rtt_ms += (rtt - s->rtt_ms) / 8;
    }
    /* What was ahead of this frame, and it, left within that time. */
    uint32_t rate = (uint32_t)((uint64_t)sending->bytes_ahead * 1000 / (uint32_t)rtt);
    s->rate -= s->rate / 16;
    if (s->rate < rate)
        s->rate = rate;
    if (s->rate < RATE_FIRST / 16)
        s->rate = RATE_FIRST / 16;

    if (rtt < DELAY_WANTED_MS) {
        s->under_way_limit += arrived;
        if (s->under_way_limit > LINK_WINDOW_BYTES)
            s->under_way_limit = LINK_WINDOW_BYTES;
    } else if (rtt > DELAY_TOO_LONG_MS) {
        s->under_way_limit -= s->under_way_limit / 8;
        if (s->under_way_limit < 2 * LINK_PAYLOAD_MAX) {
            s->under_way_limit = 2 * LINK_PAYLOAD_MAX;
            if (s->payload > LINK_PAYLOAD_FIRST)
                s->payload -= s->payload / 8; /* a slow line: smaller frames, sooner news */
        }
    }
}

static void learn_arrival(struct sender *s, const struct segment *segment)
{
    if (segment->size >= s->payload / 2 && s->rtt_ms <= DELAY_TOO_LONG_MS) {
        s->payload += s->payload / 64 + 1;
        if (s->payload > s->payload_max)
            s->payload = s->payload_max;
    }
}

static void learn_loss(struct sender *s, const struct segment *segment)
{
    if (segment->order < s->order_shrunk || segment->size < s->payload / 2)
        return;
    s->payload = s->payload / 2 < LINK_PAYLOAD_MIN ? LINK_PAYLOAD_MIN : s->payload / 2;
    s->order_shrunk = s->order;
}

void sender_ack(struct sender *s, int64_t now_ms, uint32_t next, uint8_t number,
                const uint32_t (*ranges)[2], size_t count, bool full)
{
    if (!s->acknowledged)
        return;
    uint64_t base = s->done;
    uint64_t all_until = base + (uint32_t)(next - (uint32_t)base);
    uint64_t order = s->order - 1 - (uint8_t)((uint8_t)(s->order - 1) - number);
    if (all_until > s->next || order >= s->order)
        return; /* an old one, or not about this stream */
    uint64_t listed_until =
        full && count ? base + (uint32_t)(ranges[count - 1][1] - (uint32_t)base) : UINT64_MAX;
    uint32_t arrived = 0;
    size_t kept = 0;
    for (size_t i = 0; i < s->segment_count; i++) {
        struct segment *segment = &s->segments[i];
        uint64_t end = segment->start + segment->size;
        bool there = end <= all_until;
        for (size_t k = 0; k < count && !there; k++) {
            uint64_t start = base + (uint32_t)(ranges[k][0] - (uint32_t)base);
            uint64_t stop = base + (uint32_t)(ranges[k][1] - (uint32_t)base);
            there = start <= segment->start && end <= stop && stop <= s->next;
        }
        if (there && segment->state != SEGMENT_ARRIVED) {
            segment->state = SEGMENT_ARRIVED;
            arrived += segment->size;
            learn_arrival(s, segment);
        } else if (segment->state == SEGMENT_UNDER_WAY && segment->order <= order &&
                   end <= listed_until) {
            segment->state = SEGMENT_LOST;
            learn_loss(s, segment);
        }
        if (end <= all_until)
            continue;
        if (segment->start < all_until) {
            segment->size = (uint32_t)(end - all_until);
            segment->start = all_until;
        }
        s->segments[kept++] = *segment;
    }
    s->segment_count = kept;
    s->done = all_until;
    if (order > s->order_known && order > 0) {
        s->order_known = order;
        learn_delay(s, order, now_ms, arrived);
    }
    if (arrived) {
        s->timeouts = 0;
        s->quiet_since_ms = now_ms;
    }
}

int64_t sender_deadline_ms(const struct sender *s)
{
    uint32_t waiting = bytes_under_way(s);
    if (!waiting)
        return INT64_MAX;
    int64_t wait = s->rtt_ms ? s->rtt_ms + 4 * s->rtt_var_ms + LINK_ACK_DELAY_MS : RETRY_FIRST_MS;
    wait += wait / 2 * (s->timeouts < 4 ? s->timeouts : 4);
    if (wait < LINK_RETRY_MIN_MS)
        wait = LINK_RETRY_MIN_MS;
    if (wait > LINK_RETRY_MAX_MS)
        wait = LINK_RETRY_MAX_MS;
    int64_t queue = (int64_t)waiting * 1000 / s->rate;
    return s->quiet_since_ms + wait + (queue < QUEUE_WAIT_MAX_MS ? queue : QUEUE_WAIT_MAX_MS);
}

/* One piece goes out again as a question: its ACK tells which of the others came. */
void sender_timeout(struct sender *s, int64_t now_ms)
{
    for (size_t i = 0; i < s->segment_count; i++) {
        if (s->segments[i].state != SEGMENT_UNDER_WAY)
            continue;
        s->segments[i].state = SEGMENT_LOST;
        break;
    }
    s->timeouts++;
    s->payload = s->payload / 4 < LINK_PAYLOAD_MIN ? LINK_PAYLOAD_MIN : s->payload / 4;
    s->quiet_since_ms = now_ms;
}
