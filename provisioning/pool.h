/* The pool of identities: DID, MAC and key, each for one unit and never for two.
 *
 * States only go forward: FREE -> RESERVED -> INJECTED -> CONFIRMED, with QUARANTINED on any doubt
 * after a key may have left and SCRAPPED when the unit is; the tables' triggers refuse anything
 * else. Works on tables of its own in the database handle it is given; the caller (taktd, the only
 * writer) brackets calls with its transactions, so a step's result and its identity's state are
 * committed together. Every change is written to the audit chain by the call that makes it. Keys
 * rest sealed by custody.h. */
#ifndef TAKT_PROVISIONING_POOL_H
#define TAKT_PROVISIONING_POOL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"
#include "provisioning/custody.h"
#include "provisioning/delivery.h"

struct pool;

enum identity_state {
    IDENTITY_FREE,
    IDENTITY_RESERVED,
    IDENTITY_INJECTED,
    IDENTITY_CONFIRMED,
    IDENTITY_QUARANTINED,
    IDENTITY_SCRAPPED,
    IDENTITY_STATES,
};
const char *pool_state_name(enum identity_state s); /* "free", ... */

enum { IDENTITY_DID_MAX = 33, IDENTITY_KEY_MAX = 64 };

struct identity {
    char did[IDENTITY_DID_MAX];
    char mac[18];
    uint8_t key[IDENTITY_KEY_MAX]; /* in clear: wipe with identity_wipe() after use */
    size_t key_bytes;              /* 0: the unit makes its key itself (device_ca.h) */
    enum identity_state state;
};
void identity_wipe(struct identity *i);

/* Makes or migrates the tables, the audit chain's too. The database and the custody outlive the
 * pool. ERROR_STATE for tables of a newer version, ERROR_REFUSED when the custody is not the one
 * the pool was sealed with. */
int pool_open(sqlite3 *db, struct custody *custody, struct pool **out, struct error *err);
void pool_close(struct pool *p);
sqlite3 *pool_database(struct pool *p); /* the handle it was opened with */

/* A file of identities and ranges of MAC addresses (delivery.h; `keys` NULL: a plain CSV,
 * pool_csv.h). All or nothing, in one transaction of its own: any bad line (group or local MAC bit,
 * malformed, twice in the file, ever imported before, in a range that was) refuses the file, naming
 * it and its line. An identity without a MAC gets the next of the ranges, the oldest first. *count
 * = identities imported. */
int pool_import(struct pool *p, const char *path, const struct delivery_keys *keys,
                const char *operator_name, int *count, struct error *err);

struct pool_request {
    const char *chip_id; /* the unit */
    const char *serial, *order, *station, *operator_name;
    bool certifies; /* the station has a device CA, so identities without a key are of use to it */
    int64_t wall_ms;
};
/* The unit's identity: the one it has, else the next free one (in the order of import), now
 * RESERVED. ERROR_FULL when the
 * pool is empty or a quota used up (pool_quota.h); ERROR_STATE when this unit's identity is
 * quarantined or scrapped; ERROR_MISSING when the identity came without a key and the station does
 * not certify. A request that fails takes nothing. */
int pool_reserve(struct pool *p, const struct pool_request *r, struct identity *out,
                 struct error *err);
/* Forward only; ERROR_STATE for a step back, repeating the present state is fine. ERROR_MISSING
 * when the unit has no identity. */
int pool_advance(struct pool *p, const char *chip_id, enum identity_state to, const char *reason,
                 int64_t wall_ms, struct error *err);

struct pool_counts {
    int64_t of[IDENTITY_STATES];
};
int pool_counts(struct pool *p, struct pool_counts *out, struct error *err);
/* The same through any handle, a reader's too, without custody. ERROR_MISSING when there is no
 * pool. */
int pool_counts_read(sqlite3 *db, struct pool_counts *out, struct error *err);
/* How many are free, counted no further than at_most: what a warning needs, at no cost. */
int pool_free_up_to(struct pool *p, int64_t at_most, int64_t *out, struct error *err);
/* Did, mac and state (never the key) of a unit; ERROR_MISSING. */
int pool_find(struct pool *p, const char *chip_id, struct identity *out, struct error *err);

#endif
