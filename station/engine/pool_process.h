/* The process that speaks with the pool stations share (provisioning/shared_pool.h), so that a
 * server that hangs holds up no slot but those that wait for a new identity, and those only until
 * the station goes on with its lease. It never opens the store: taktd hands it what to ask, and
 * commits what came of it. Keys pass through it sealed. */
#ifndef TAKT_STATION_ENGINE_POOL_PROCESS_H
#define TAKT_STATION_ENGINE_POOL_PROCESS_H

#include "provisioning/pool_lease.h"
#include "station/engine/core.h"

/* Nothing when the station file names no shared pool. */
int pool_process_start(struct engine *e, struct error *err);
void pool_process_stop(struct engine *e);
int64_t pool_process_tick(struct engine *e, int64_t now_ns);
/* Between transactions: tells what happened here, keeps the lease. */
void pool_process_serve(struct engine *e);

bool pool_process_wanted(const struct engine *e);  /* the station shares a pool */
bool pool_process_unknown(const struct engine *e); /* and has not heard of it yet */

struct pool_answer {
    int rc; /* ERROR_CLOSED: not reached; ERROR_FULL: it has none, or a quota is used up */
    struct error error;
    struct shared_identity identity;
};
/* `answered` is called once, with rc ERROR_CLOSED after some seconds at the latest. Identities that
 * an answer too late brought stay reserved for their unit. */
int pool_process_reserve(struct engine *e, const struct pool_request *r,
                         void (*answered)(void *context, const struct pool_answer *a),
                         void *context, struct error *err);

/* Free identities of the shared pool as last seen, counted no further than a warning needs;
 * negative while it is not known. */
int64_t pool_process_free(const struct engine *e);
/* {"reachable", "reason", "lease_free", "lease_ends"}, for the status document. */
cJSON *pool_process_describe(const struct engine *e);

#endif
