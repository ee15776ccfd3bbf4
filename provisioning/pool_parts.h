/* What the pool's own files share. */
#ifndef TAKT_PROVISIONING_POOL_PARTS_H
#define TAKT_PROVISIONING_POOL_PARTS_H

#include "protocol/base/digest.h"
#include "provisioning/pool.h"

enum { SEALED_MAX = IDENTITY_KEY_MAX + CUSTODY_OVERHEAD };

struct pool {
    sqlite3 *db;
    struct custody *custody;
    /* Keys are told apart by HMAC under this, so that their column says nothing about them. */
    uint8_t fingerprint_key[DIGEST_BYTES];
};

int pool_failed(const struct error *err);

/* An audit entry whose detail is an object of the texts given: name, value, ..., NULL; "" and NULL
 * values are left out. */
int pool_note(struct pool *p, struct error *err, int64_t wall_ms, const char *actor,
              const char *action, const char *subject, ...);

#endif
