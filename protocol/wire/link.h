/* The link: one stream of bytes each way, once and in order, over a transport that may lose, alter
 * or invent bytes; and the certainty that the peer is still the one the stream began with.
 *
 * Frame types and what their fields mean:
 *   1 OPEN    station: payload version u16, flags u16 (bit 0: acknowledge), nonce u32. Tag 0.
 *   2 OPENED  unit's answer, same payload with its own nonce.
 *   3 DATA    sequence: offset of the payload's first byte in the stream; number counts DATA
 *             frames sent, from 1.
 *   4 ACK     sequence: the next offset expected; number: that of the last DATA frame that came;
 *             payload: up to 8 ranges received beyond it, each start u32, end u32. Also the
 *             keepalive, sent every second when there is nothing else.
 *   5 CLOSE   payload: the reason as text. Number 1: the answer to a frame of a session that the
 *             sender does not know, with that frame's tag.
 * The tag is the receiver's nonce, so a frame of an older session is never taken for one of this.
 *
 * A line does not reorder, so a DATA frame that came makes every one sent before it that did not
 * come known as lost: it is sent again at once, and split smaller when the line is noisy. Only a
 * silent line needs the timer. If both sides say the transport is reliable there are no ACKs but
 * the keepalive, and a gap or a byte that is of no frame is an error.
 *
 * Pure: time is handed in (milliseconds of any steady clock). Memory: about 175 KiB. */
#ifndef TAKT_PROTOCOL_WIRE_LINK_H
#define TAKT_PROTOCOL_WIRE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum {
    LINK_VERSION = 1,
    LINK_WINDOW_BYTES = 65536, /* most that is under way or waits to be put in order */
    LINK_PAYLOAD_MIN = 32,     /* of a DATA frame on a noisy line */
    LINK_PAYLOAD_FIRST = 1024, /* before the line is known */
    LINK_PAYLOAD_MAX = 4096,   /* on a clean line */
    LINK_OPEN_RETRY_MS = 250,  /* between OPEN frames */
    LINK_OPEN_WAIT_MS = 10000, /* for OPEN on a reliable transport; a UART waits for ever */
    LINK_KEEPALIVE_MS = 1000,  /* something is sent at least this often */
    LINK_SILENCE_MS = 5000,    /* a peer silent for longer is gone */
    LINK_ACK_DELAY_MS = 10,    /* an ACK waits so long for a second frame */
    LINK_GAP_MS = 150,         /* a frame whose rest does not come for so long is given up */
    LINK_RETRY_MIN_MS = 30,    /* bounds of the retransmission timer */
    LINK_RETRY_MAX_MS = 1000,
};

struct link;

enum link_state { LINK_OPENING, LINK_OPEN, LINK_CLOSED };

struct link_config {
    bool server;      /* the unit waits for OPEN, the station sends it */
    bool reliable;    /* the transport delivers every byte in order */
    uint32_t nonce;   /* random, one that fits */
    const char *name; /* of the transport, for messages */
    void (*noise)(void *context, const uint8_t *data, size_t size); /* may be NULL */
    void *noise_context;
};

struct link_counters {
    uint64_t frames_bad, frames_resent, noise_bytes;
};

/* May a session have this nonce? Not 0, and no OPEN with it holds a Ctrl-C (03): it goes out four
 * times a second, also while the unit is still in its boot loader, which that byte would keep at
 * its prompt. One OPEN in 32 has one, in the nonce or in the CRC behind it. */
bool link_nonce_fits(uint32_t nonce);

int link_create(const struct link_config *config, int64_t now_ms, struct link **out);
void link_free(struct link *l);

/* Bytes from the transport; returns how many were taken. Fewer than given: read first. */
size_t link_feed(struct link *l, int64_t now_ms, const void *data, size_t size);
/* Received bytes of the stream, in order; 0 when there are none. */
size_t link_read(struct link *l, void *data, size_t size);
/* Bytes for the peer; returns how many were taken (0 while the send window is full). */
size_t link_write(struct link *l, const void *data, size_t size);
size_t link_write_room(const struct link *l);

/* The next frame for the transport, `size` at least FRAME_BYTES_MAX; 0 when there is none now.
 * Also notices that time passed: call it whenever link_wake_ms() is reached. */
size_t link_output(struct link *l, int64_t now_ms, uint8_t *out, size_t size);
/* When to call link_output() again, if nothing happens before. */
int64_t link_wake_ms(const struct link *l);

/* Queues a CLOSE frame with the reason and closes. */
void link_close(struct link *l, const char *reason);
enum link_state link_state(const struct link *l);
/* Why it is closed: ERROR_CLOSED or ERROR_PROTOCOL. */
const struct error *link_error(const struct link *l);
void link_counters(const struct link *l, struct link_counters *out);

#endif
