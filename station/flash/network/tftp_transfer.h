/* One file sent to one TFTP client: the protocol alone, without sockets or clocks.
 *
 * RFC 1350, with the options of RFC 2348 (blksize), 2349 (timeout, tsize) and 7440 (windowsize);
 * a request without options is served in blocks of 512, one at a time. Packets and the time go in,
 * packets and the next deadline come out, so loss, reordering and duplicates can be tried by hand.
 *
 * What is not acknowledged is sent again after a time learnt from this client's own answers (RFC
 * 6298's estimate, 20 ms to 1 s), far below the 5 s after which U-Boot would ask. A duplicate
 * acknowledgement alone never sends a block again (RFC 1123, 4.2.3.1: the Sorcerer's Apprentice);
 * within a window it does so once for each place a client is stuck at. When nothing comes back, one
 * block goes out alone first: a client that was only slow has the window in its ring still, and one
 * that is ahead says so. */
#ifndef TAKT_STATION_FLASH_NETWORK_TFTP_TRANSFER_H
#define TAKT_STATION_FLASH_NETWORK_TFTP_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum {
    TFTP_NAME_MAX = 128,
    TFTP_BLOCK_MAX = 65464, /* RFC 2348 */
    TFTP_WINDOW_MAX = 16,   /* of the 65535 that RFC 7440 allows: boot loaders' rings are small */
    TFTP_HEAD_MAX = 160,    /* of a packet that is not file data */
    TFTP_GIVE_UP_US = 30 * 1000 * 1000, /* without anything new: the client is gone */
};

/* Error codes of RFC 1350 and 2347. */
enum tftp_code {
    TFTP_OTHER = 0,
    TFTP_NOT_FOUND = 1,
    TFTP_NOT_ALLOWED = 2,
    TFTP_ILLEGAL = 4,
    TFTP_BAD_OPTION = 8,
};

struct tftp_request {
    char file[TFTP_NAME_MAX];
    /* Options; 0 = not asked for. One whose value no RFC allows counts as not asked for. */
    uint32_t block_bytes, window, timeout_s;
    bool size;
};

/* A read request. ERROR_INPUT with what is wrong, and in *code what to answer; *code -1: no request
 * at all, to be dropped without an answer. */
int tftp_request_parse(const uint8_t *data, size_t size, struct tftp_request *out, int *code,
                       struct error *err);
/* An error packet into `out`; returns its size. */
size_t tftp_error_packet(enum tftp_code code, const char *text, uint8_t out[TFTP_HEAD_MAX]);

enum tftp_state {
    TFTP_OFFERED, /* options are out, not acknowledged yet */
    TFTP_SENDING,
    TFTP_DONE,   /* every block was acknowledged */
    TFTP_FAILED, /* `why` says what happened */
};

struct tftp_transfer {
    struct tftp_request request; /* as granted */
    enum tftp_state state;
    char why[160];
    uint64_t bytes, blocks; /* of the file; a last block shorter than the others, maybe empty */
    uint64_t acked;         /* blocks, in order */
    uint64_t resent;        /* blocks sent more than once */

    /* The rest is its own. */
    uint64_t next, sent; /* the block to send next, from 1; the highest ever sent */
    uint64_t stuck_at;   /* `acked` when it last went back; UINT64_MAX = not since it moved */
    bool offer_due;
    uint64_t timed_block; /* whose round trip is being measured; UINT64_MAX = none */
    int64_t timed_us, deadline_us, moved_us;
    int64_t round_trip_us, deviation_us, slowest_us; /* 0 = not known yet; the last: of late */
    unsigned doublings;
    bool alone; /* one block is tried before the window */
    bool echo;  /* the next duplicate acknowledgement answers what went out twice: no loss */
};

/* One packet: `head`, and behind it the file's bytes from `offset`. */
struct tftp_packet {
    uint8_t head[TFTP_HEAD_MAX];
    size_t head_bytes;
    uint64_t offset;
    size_t data_bytes;
};

void tftp_transfer_begin(struct tftp_transfer *t, const struct tftp_request *request,
                         uint64_t file_bytes, int64_t now_us);
/* A packet from the client. */
void tftp_transfer_take(struct tftp_transfer *t, const uint8_t *data, size_t size, int64_t now_us);
/* The same request came once more: the answer was lost, or the network doubled it. False when the
 * transfer is past that and has stood still: the client began anew, so should the transfer. */
bool tftp_transfer_asked_again(struct tftp_transfer *t, int64_t now_us);
/* The next packet to send now; false when there is none until a packet or the deadline comes. */
bool tftp_transfer_next(struct tftp_transfer *t, int64_t now_us, struct tftp_packet *out);
/* When next() must be asked again; meaningless once done or failed. */
int64_t tftp_transfer_deadline_us(const struct tftp_transfer *t);
/* Bytes of the file that the client has for certain. */
uint64_t tftp_transfer_done_bytes(const struct tftp_transfer *t);
void tftp_transfer_fail(struct tftp_transfer *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
