/* A pool read back from a damaged file: what of it may still be handed out. */
#ifndef TAKT_PROVISIONING_POOL_DOUBT_H
#define TAKT_PROVISIONING_POOL_DOUBT_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct pool_doubt {
    int64_t quarantined; /* were free, and may have been handed out all the same */
    int64_t lost;        /* rows that are gone: their numbers are missing */
    bool chain_whole;    /* the audit chain, from its first entry to its head */
};

/* Quarantines every free identity that the audit chain says was reserved; all free ones when the
 * chain is not whole any more, since then nothing says which were. One transaction, each on record
 * in the chain. A database without a pool is left as it is. Needs no custody: keys stay sealed. */
int pool_doubt_free(sqlite3 *db, const char *operator_name, int64_t wall_ms, struct pool_doubt *out,
                    struct error *err);

#endif
