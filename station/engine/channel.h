/* JSON messages over a stream socket: between taktd, its workers and its clients.
 *
 * Each message is a 4-byte big-endian length and that many bytes of JSON text, an object. Neither
 * side ever blocks the other: what the socket does not take waits here, up to a bound. What was
 * sent or taken is wiped, since keys pass through. */
#ifndef TAKT_STATION_ENGINE_CHANNEL_H
#define TAKT_STATION_ENGINE_CHANNEL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "protocol/base/error.h"

enum { CHANNEL_MESSAGE_MAX = 4 << 20, CHANNEL_QUEUE_MAX = 8 << 20 };

struct channel;

/* Takes the descriptor over, also on failure, and makes it non-blocking. */
int channel_create(int fd, struct channel **out, struct error *err);
void channel_free(struct channel *c); /* NULL is fine */
int channel_fd(const struct channel *c);

/* Queues a message and sends what the socket takes. ERROR_FULL when it is larger than
 * CHANNEL_MESSAGE_MAX or the peer reads nothing any more; ERROR_CLOSED. */
int channel_send(struct channel *c, const cJSON *message, struct error *err);
size_t channel_unsent(const struct channel *c);
int channel_flush(struct channel *c, struct error *err);

/* Reads what has come. ERROR_CLOSED at the peer's end, with complete messages still to be taken. */
int channel_fill(struct channel *c, struct error *err);
/* The next complete message into *out, the caller's, or NULL when there is none yet.
 * ERROR_PROTOCOL for a length or a text that cannot be one. */
int channel_next(struct channel *c, cJSON **out, struct error *err);
/* Sends what waits, reads what has come and hands every complete message to `take`, which owns it.
 * At the peer's end the messages before it are handed over first. */
int channel_exchange(struct channel *c, void (*take)(void *context, cJSON *message), void *context,
                     struct error *err);

/* Blocking forms, for those who do nothing else meanwhile. A negative timeout waits for ever. */
int channel_wait(struct channel *c, int timeout_ms, cJSON **out, struct error *err);
int channel_drain(struct channel *c, int timeout_ms, struct error *err);

#endif
