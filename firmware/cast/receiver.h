/* The unit's side of a cast (protocol/wire/cast.h): packets and the time go in, status packets and
 * whole chunks come out. It touches neither network nor flash and knows no thread.
 *
 * A chunk is handed out once its hash was found in the signed manifest; what is not the station's
 * is dropped, wherever it came from. Memory: `buffer_bytes` for chunks under way or waiting to be
 * written, and what the manifest takes. While the unit writes slower than the station sends, its
 * statuses say up to which chunk there is room. */
#ifndef TAKT_FIRMWARE_CAST_RECEIVER_H
#define TAKT_FIRMWARE_CAST_RECEIVER_H

#include "protocol/formats/chunk_order.h"
#include "protocol/wire/cast.h"

struct cast_receiver;

struct cast_receiver_config {
    const struct board *board;
    const char *public_key_pem; /* whose bundles are taken */
    const char *unit;           /* chip id, up to CAST_UNIT_MAX characters */
    size_t buffer_bytes;        /* at least two of the bundle's chunks, or it is refused */
};

/* What the config points to must outlive it. ERROR_MEMORY, ERROR_INPUT. */
int cast_receiver_open(const struct cast_receiver_config *config, struct cast_receiver **out,
                       struct error *err);
void cast_receiver_close(struct cast_receiver *r); /* NULL is fine */

/* A packet. True when it was taken: its sender is the station of this session, to which statuses
 * go. False: malformed, another session's, or nobody's. */
bool cast_receiver_take(struct cast_receiver *r, const uint8_t *data, size_t size, int64_t now_ms);
/* A status, when one is due: its size, else 0. `out` has room for CAST_PACKET_MAX. */
size_t cast_receiver_status(struct cast_receiver *r, int64_t now_ms, uint8_t *out);
int64_t cast_receiver_due_ms(struct cast_receiver *r); /* when to ask for it; past: now */

/* NULL until the manifest is there and was signed by the key. Chunk i of these is number i + 1 on
 * the wire. */
const struct bundle_manifest *cast_receiver_manifest(const struct cast_receiver *r);
char cast_receiver_slot(const struct cast_receiver *r); /* 'a' or 'b' */
const struct chunk_ordered *cast_receiver_chunks(const struct cast_receiver *r, size_t *count);
/* The same bytes must not be written twice at once: a chunk is handed out until it was settled.
 * The lowest one waiting; NULL when there is none. It may be changed behind the chunk's end, up to
 * the size of the image's chunks. */
uint8_t *cast_receiver_ready(struct cast_receiver *r, size_t *index);
void cast_receiver_written(struct cast_receiver *r, size_t index);
/* What lies in the flash already needs not come: chunks are looked at in their order, and only
 * those looked at are asked for. */
void cast_receiver_looked(struct cast_receiver *r, size_t index, bool is_there);
/* It is not, or no longer, as it should be in the flash: it must come again. */
void cast_receiver_spoilt(struct cast_receiver *r, size_t index);
size_t cast_receiver_unsettled(const struct cast_receiver *r); /* chunks */
bool cast_receiver_is_settled(const struct cast_receiver *r, size_t index);
/* For the status: bytes programmed, bytes that were there already. */
void cast_receiver_progress(struct cast_receiver *r, uint64_t programmed, uint64_t skipped);

/* This unit takes no part, or cannot go on; the station is told why. */
void cast_receiver_fail(struct cast_receiver *r, const char *why);
/* Why it failed; "" while it did not. */
const char *cast_receiver_why(const struct cast_receiver *r);
bool cast_receiver_is_done(const struct cast_receiver *r);   /* every chunk is written */
bool cast_receiver_has_ended(const struct cast_receiver *r); /* and the station knows */
/* Nothing was heard of the session for so long. */
int64_t cast_receiver_silent_ms(const struct cast_receiver *r, int64_t now_ms);
bool cast_receiver_in_session(const struct cast_receiver *r);

#endif
