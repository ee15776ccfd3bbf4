/* The pool that stations share, in PostgreSQL: who comes first takes an identity, in one statement,
 * and a station that must go on without the network takes a block of them as a lease.
 *
 * Keys pass through here sealed; only an import needs the custody. Each call is committed when it
 * returns 0. One whose answer was lost may have been: all of them may be made again, and say the
 * same. Not for two threads at once. */
#ifndef TAKT_PROVISIONING_SHARED_POOL_H
#define TAKT_PROVISIONING_SHARED_POOL_H

#include <stdbool.h>

#include "provisioning/pool.h"
#include "provisioning/pool_quota.h"

struct shared_pool;

/* A call to a server that has fallen silent ends with ERROR_CLOSED, after 22 s at the latest; then
 * the pool is to be closed and opened anew.
 *
 * "postgresql://...". Makes the tables where there are none. ERROR_CLOSED the server does not
 * answer (within some seconds); ERROR_STATE tables of a newer version. */
int shared_pool_open(const char *address, struct shared_pool **out, struct error *err);
void shared_pool_close(struct shared_pool *p); /* NULL is fine */

/* An identity as it rests in the pool. */
struct shared_identity {
    int64_t id; /* in the shared pool */
    char did[IDENTITY_DID_MAX];
    char mac[18];
    uint8_t fingerprint[32];
    uint8_t sealed[IDENTITY_KEY_MAX + CUSTODY_OVERHEAD];
    size_t sealed_bytes;
    enum identity_state state;
};

/* As pool_reserve(), for all stations: the one the chip has, else the next that is neither taken
 * nor leased. ERROR_FULL when there is none, or a quota is used up. A unit whose identity is
 * quarantined or scrapped gets it with that state: the caller refuses it. */
int shared_pool_reserve(struct shared_pool *p, const struct pool_request *r,
                        struct shared_identity *out, struct error *err);

/* What became of an identity at a station, in the end. Times are 0 where there is none. */
struct shared_report {
    int64_t id;
    const char *chip_id, *serial, *order, *station, *operator_name, *reason;
    enum identity_state state;
    int64_t reserved_ms, injected_ms, confirmed_ms, quarantined_ms, scrapped_ms;
};
/* *conflict: its unit has another identity by now, so this one is quarantined in the shared pool,
 * and must be at the station. */
int shared_pool_report(struct shared_pool *p, const struct shared_report *r, bool *conflict,
                       struct error *err);

int shared_pool_counts(struct shared_pool *p, struct pool_counts *out, struct error *err);
/* Neither taken nor leased, counted no further than at_most. */
int shared_pool_free_up_to(struct shared_pool *p, int64_t at_most, int64_t *out, struct error *err);

/* Whether the custody is the one that the shared pool's keys were sealed with: `sealed` is what
 * shared_pool_proof() gave, 0 bytes while nothing was imported. ERROR_REFUSED. */
enum { SHARED_PROOF_MAX = 64 };
int shared_pool_proof(struct shared_pool *p, uint8_t sealed[SHARED_PROOF_MAX], size_t *size,
                      struct error *err);
int shared_pool_prove(struct custody *custody, const uint8_t *sealed, size_t size,
                      struct error *err);

/* ---- leases ---------------------------------------------------------------------------------- */

struct shared_lease_wish {
    const char *token; /* of the lease, made by the station: asked again, it is the same lease */
    const char *station;
    int64_t identities, wall_ms, ends_ms;
};
/* Calls `each` for every identity of the lease that is still free. ERROR_FULL when there is not
 * one. */
int shared_lease_take(struct shared_pool *p, const struct shared_lease_wish *wish,
                      int (*each)(void *context, const struct shared_identity *i,
                                  struct error *err),
                      void *context, struct error *err);
/* These of the lease are free for everyone again; what was used of it is reported, not given back.
 * The station has made sure that it will use none of them any more. */
int shared_lease_give_back(struct shared_pool *p, const char *token, const int64_t *ids,
                           size_t count, int64_t wall_ms, struct error *err);
/* A station that is lost: what it held and did not report is quarantined, since it may be on units.
 * *count = how many. */
int shared_lease_write_off(struct shared_pool *p, const char *station, int64_t wall_ms,
                           int64_t *count, struct error *err);

/* ---- what people do -------------------------------------------------------------------------- */

struct shared_import {
    struct custody *custody; /* the same key at every station */
    const struct delivery_keys *keys;
    const char *path, *operator_name, *station;
    /* Called when all of it is in, before it is committed: puts it on record, or fails. May be
     * NULL.
     */
    int (*record)(void *context, const char *sha256, int count, struct error *err);
    void *context;
};
/* As pool_import(), against everything ever imported by any station. */
int shared_pool_import(struct shared_pool *p, const struct shared_import *wish, int *count,
                       struct error *err);

int shared_quota_set(struct shared_pool *p, enum pool_quota_kind kind, const char *name,
                     int64_t allowed, struct error *err);
int shared_quota_each(struct shared_pool *p,
                      void (*each)(void *context, enum pool_quota_kind kind, const char *name,
                                   int64_t used, int64_t allowed),
                      void *context, struct error *err);

#endif
