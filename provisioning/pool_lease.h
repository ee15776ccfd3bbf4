/* A station's own side of the pool that stations share (shared_pool.h): what it took from there is
 * in its own tables, so that its states are committed with the steps, and is told there afterwards.
 *
 * Leases: ASKED is committed before the shared pool is asked, so that after a crash the same lease
 * is asked for again. HELD, its free identities may be reserved until its end. RETURNING is
 * committed before anything is given back: from then on none of it is reserved here. */
#ifndef TAKT_PROVISIONING_POOL_LEASE_H
#define TAKT_PROVISIONING_POOL_LEASE_H

#include "provisioning/shared_pool.h"

/* What the shared pool reserved for the unit of `r` becomes this station's; as pool_reserve() from
 * there on. ERROR_STATE when it is quarantined or scrapped. */
int pool_take_reserved(struct pool *p, const struct shared_identity *i,
                       const struct pool_request *r, struct identity *out, struct error *err);

enum pool_lease_state {
    POOL_LEASE_ASKED,
    POOL_LEASE_HELD,
    POOL_LEASE_RETURNING,
    POOL_LEASE_CLOSED
};
enum { POOL_LEASE_TOKEN = 33 };

struct pool_lease {
    char token[POOL_LEASE_TOKEN];
    enum pool_lease_state state;
    int64_t wanted, asked_ms, ends_ms;
    int64_t free; /* of it; ids of those that are given back: pool_lease_unused() */
};

/* The oldest in that state; ERROR_MISSING when there is none. */
int pool_lease_find(struct pool *p, enum pool_lease_state state, struct pool_lease *out,
                    struct error *err);
/* A new one, ASKED. On record in the audit chain, as all that follows. */
int pool_lease_ask(struct pool *p, int64_t wanted, int64_t wall_ms, int64_t ends_ms,
                   struct error *err);
/* What the shared pool gave for it: HELD. */
int pool_lease_hold(struct pool *p, const char *token, const struct shared_identity *identities,
                    size_t count, int64_t wall_ms, struct error *err);
/* None of it is reserved here any more: RETURNING. */
int pool_lease_end(struct pool *p, const char *token, int64_t wall_ms, struct error *err);
/* Numbers in the shared pool of what a RETURNING lease did not use; *ids is the caller's. */
int pool_lease_unused(struct pool *p, const char *token, int64_t **ids, size_t *count,
                      struct error *err);
/* The shared pool has it back: CLOSED. */
int pool_lease_close(struct pool *p, const char *token, int64_t wall_ms, struct error *err);

/* Identities whose state the shared pool was not told of, at most `limit`; the report is valid
 * during the call. */
int pool_unreported(struct pool *p, int64_t limit,
                    int (*each)(void *context, const struct shared_report *r, struct error *err),
                    void *context, struct error *err);
/* It was told of this state. conflict: and has quarantined it. */
int pool_reported(struct pool *p, int64_t shared_id, enum identity_state state, bool conflict,
                  int64_t wall_ms, struct error *err);

#endif
