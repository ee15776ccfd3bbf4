/* Frames: runs of bytes that can be told from whatever else is on the line.
 *
 *   0  2  magic F5 C1: neither byte occurs in UTF-8 text, so a log line never looks like one
 *   2  1  type
 *   3  1  number     } meaning depends on the type: link.h
 *   4  4  tag        }
 *   8  4  sequence   }
 *  12  2  size of the payload, at most 16384
 *  14  2  header check: the low 16 bits of the CRC-32C of bytes 0..13
 *  16  n  payload
 *  ..  4  CRC-32C of everything before it
 *
 * Numbers are little-endian. The header check keeps a damaged size from swallowing the frames
 * behind it; after a damaged frame the search goes on one byte behind its magic, so a good frame
 * inside the presumed extent of a bad one is found. Pure: no I/O, no clock, no allocation. */
#ifndef TAKT_PROTOCOL_WIRE_FRAME_H
#define TAKT_PROTOCOL_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_HEADER_BYTES = 16,
    FRAME_OVERHEAD_BYTES = 20,
    FRAME_PAYLOAD_MAX = 16384,
    FRAME_BYTES_MAX = FRAME_OVERHEAD_BYTES + FRAME_PAYLOAD_MAX,
};

struct frame {
    uint8_t type;
    uint8_t number;
    uint32_t tag;
    uint32_t sequence;
    uint16_t size;
    const uint8_t *payload;
};

/* Writes the frame; returns its bytes, or 0 when it does not fit or the payload is too large. */
size_t frame_encode(const struct frame *f, uint8_t *out, size_t out_size);

struct frame_decoder {
    uint8_t data[2 * FRAME_BYTES_MAX];
    size_t start, end;
    bool give_up;
    uint64_t frames_bad; /* a right header, a wrong CRC */
    uint64_t noise_bytes;
};

struct frame_event {
    bool is_frame;
    struct frame frame;   /* when it is; payload points into the decoder */
    const uint8_t *noise; /* else bytes that belong to no frame */
    size_t noise_size;
};

void frame_decoder_init(struct frame_decoder *d);
/* Takes as many bytes as there is room for; returns how many. At least FRAME_BYTES_MAX are taken
 * after frame_decoder_next() said false. */
size_t frame_decoder_feed(struct frame_decoder *d, const void *data, size_t size);
/* The next frame or run of noise; false when more bytes are needed. What the event points to is
 * valid until the next call on the decoder. */
bool frame_decoder_next(struct frame_decoder *d, struct frame_event *event);
/* True while the beginning of a frame waits for its rest. Its sender may have died in the middle of
 * it: whoever knows the time calls frame_decoder_give_up(), and frame_decoder_next() goes on to
 * look behind its magic. */
bool frame_decoder_incomplete(const struct frame_decoder *d);
void frame_decoder_give_up(struct frame_decoder *d);

/* Little-endian numbers, as everywhere on this wire. */
static inline uint32_t wire_get32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint16_t wire_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline void wire_put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)(v >> 16);
    p[3] = (uint8_t)(v >> 24);
}
static inline void wire_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

#endif
