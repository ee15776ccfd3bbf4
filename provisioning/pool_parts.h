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

/* The key that tells keys apart, sealed under a name that is no DID. Opening it also proves that
 * the custody is the one everything else in that pool was sealed with: ERROR_REFUSED. */
enum { POOL_FINGERPRINT_SEALED = DIGEST_BYTES + CUSTODY_OVERHEAD };
int pool_fingerprint_open(struct custody *custody, const void *sealed, size_t size,
                          uint8_t key[DIGEST_BYTES], struct error *err);
int pool_fingerprint_make(struct custody *custody, uint8_t key[DIGEST_BYTES],
                          uint8_t sealed[POOL_FINGERPRINT_SEALED], struct error *err);
/* An identity's key as a pool holds it: told apart, and sealed. That there is none is sealed too,
 * so that nobody can take a key away unnoticed. */
int pool_seal(struct custody *custody, const uint8_t fingerprint_key[DIGEST_BYTES],
              const struct identity *i, uint8_t fingerprint[DIGEST_BYTES],
              uint8_t sealed[SEALED_MAX], size_t *sealed_size, struct error *err);
/* Into the identity, whose DID it was sealed for. */
int pool_unseal(struct custody *custody, const void *sealed, size_t size, struct identity *out,
                struct error *err);
/* ERROR_MISSING when the unit would have to make its key itself where nobody certifies it. */
int pool_check_key(const struct pool_request *r, const struct identity *i, struct error *err);
/* As pool_find(), with the key. */
int pool_find_with_key(struct pool *p, const char *chip_id, struct identity *out,
                       struct error *err);

/* did, mac, key_sealed, state from a row; the key stays sealed when `custody` is NULL. */
int pool_take_row(sqlite3_stmt *st, struct custody *custody, struct identity *out,
                  struct error *err);

int pool_failed(const struct error *err);

/* An audit entry whose detail is an object of the texts given: name, value, ..., NULL; "" and NULL
 * values are left out. */
int pool_note(struct pool *p, struct error *err, int64_t wall_ms, const char *actor,
              const char *action, const char *subject, ...);

#endif
