/* The link's sending half: what was framed and is not known to have come, what to send next, and
 * how fast. Times are milliseconds. */
#ifndef TAKT_PROTOCOL_WIRE_LINK_SENDER_H
#define TAKT_PROTOCOL_WIRE_LINK_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/wire/frame.h"
#include "protocol/wire/link.h"

enum { SENDER_SEGMENTS_MAX = 256 };

struct segment {
    uint64_t start;
    uint32_t size;
    enum segment_state { SEGMENT_UNDER_WAY, SEGMENT_LOST, SEGMENT_ARRIVED } state;
    uint64_t order; /* of its last sending */
};

struct sender {
    bool acknowledged;        /* else framed means done */
    uint32_t payload_max;     /* of a frame: 4096, or 16384 on a reliable transport */
    uint64_t done, next, end; /* acknowledged up to, framed up to, written up to */
    struct segment segments[SENDER_SEGMENTS_MAX]; /* cover done..next, in order */
    size_t segment_count;

    uint64_t order;        /* of the next sending; the frame's number is its low byte */
    uint64_t order_known;  /* the newest sending known to have come */
    uint64_t order_shrunk; /* losses of older sendings say nothing about the present size */
    struct sending {
        int64_t at_ms;
        uint32_t bytes_ahead; /* under way before it, itself included */
    } sendings[256];          /* by number */

    uint32_t payload;         /* the present size of a frame, by what the line lets through */
    uint32_t under_way_limit; /* by what the line's delay allows */
    uint32_t rate;            /* bytes per second, from below */
    int rtt_ms, rtt_var_ms;   /* RFC 6298; rtt_ms 0: not known yet */
    int timeouts;             /* in a row */
    int64_t quiet_since_ms;   /* the last sending or news of one */
    uint64_t resent;
    uint8_t ring[LINK_WINDOW_BYTES];
};

void sender_init(struct sender *s, bool acknowledged);
size_t sender_room(const struct sender *s);
size_t sender_write(struct sender *s, const uint8_t *data, size_t size);

/* The next piece to send: false when there is none or the line has enough. *data points into the
 * sender. */
bool sender_next(struct sender *s, int64_t now_ms, uint64_t *offset, uint8_t *number,
                 const uint8_t **data, uint16_t *size);
/* What an ACK frame said. `ranges` holds `count` pairs; when `full`, what lies beyond the last of
 * them may have come too. An ACK that cannot be true is ignored. */
void sender_ack(struct sender *s, int64_t now_ms, uint32_t next, uint8_t number,
                const uint32_t (*ranges)[2], size_t count, bool full);
/* When the silence becomes a reason to send again; INT64_MAX when nothing is under way. */
int64_t sender_deadline_ms(const struct sender *s);
void sender_timeout(struct sender *s, int64_t now_ms);

#endif
