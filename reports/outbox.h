/* The outbox: what must go out to the factory's systems, from the transaction that records it to
 * the receiver's acknowledgement.
 *
 * store_run_close() queues the run for every destination. A process of its own (outbox_serve, kept
 * running by taktd) sends each destination's messages in order and reports what came of it; taktd,
 * the store's only writer, commits that. A message may be sent twice (a crash between the
 * receiver's answer and the commit): it then has the same idempotency key, and a receiver that
 * keeps keys sees it once. Formats: docs/records.md. */
#ifndef TAKT_REPORTS_OUTBOX_H
#define TAKT_REPORTS_OUTBOX_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/json.h"
#include "reports/store.h"

enum { OUTBOX_DESTINATIONS_MAX = 8 };

/* Checks the station file's "outbox", an object of destinations by name; a complaint names file
 * and line. A station without one has no destinations. */
int outbox_check(const struct json_document *station, struct error *err);

/* Makes the store's destinations those of the station file: what was queued for others stays and
 * waits. In one transaction of its own. */
int outbox_configure(struct store *s, const struct json_document *station, struct error *err);

enum outbox_outcome {
    OUTBOX_SENT,    /* acknowledged */
    OUTBOX_PARKED,  /* refused for a reason that trying again does not mend */
    OUTBOX_TROUBLE, /* no answer, or "later": tried again after a pause */
};
/* What came of message `id`; settling a settled one again is fine. */
int outbox_settle(struct store *s, int64_t id, enum outbox_outcome outcome, const char *reason,
                  int64_t wall_ms, struct error *err);
/* A parked message waits again. ERROR_STATE when it is not parked. */
int outbox_retry(struct store *s, int64_t id, struct error *err);

/* {"destinations": [{"name","connector","active","waiting","sent","parked","oldest_ms","reason"}],
 *  "parked": [{"message","destination","run","serial","reason"}]} */
int outbox_list(struct store *reader, cJSON **out, struct error *err);

/* What is not settled, of the station file's destinations: [{"name","waiting","parked","reason"}],
 * reason "" unless the first one that waits met trouble. Costs by what waits, not by what was sent.
 */
int outbox_unsettled(struct store *s, cJSON **out, struct error *err);

/* The pause before attempt n+1 (n from 1): doubling from `first_ms` to `longest_ms`, and of that
 * between one half and all, as `random` (0 to 2^64-1) says. */
int64_t outbox_pause_ms(int attempt, int64_t first_ms, int64_t longest_ms, uint64_t random);

/* The first message that waits for a destination: {"destination","id","key","run"}, the caller's,
 * or NULL when none waits. */
int outbox_next(struct store *s, const char *destination, cJSON **out, struct error *err);

/* Sends, a thread a destination, until the other end of `fd` (one end of a socket pair) is closed;
 * then the process must end. Speaks as station/engine/channel.h does: says {"want": destination}
 * and gets, once there is one, what outbox_next() made; says {"id","outcome","reason"} of it,
 * outcome "sent", "parked" or "trouble" (which is tried again from here). */
int outbox_serve(const struct json_document *station, int fd, struct error *err);

#endif
