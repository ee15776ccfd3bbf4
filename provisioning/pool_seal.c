#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "provisioning/pool_parts.h"

static const char fingerprint_did[] = "takt:fingerprint";

int pool_fingerprint_open(struct custody *custody, const void *sealed, size_t size,
                          uint8_t key[DIGEST_BYTES], struct error *err)
{
    size_t opened = 0;
    int rc = size == POOL_FINGERPRINT_SEALED
                 ? custody_unseal(custody, fingerprint_did, sealed, size, key, &opened, err)
                 : ERROR_REFUSED;
    if (rc == ERROR_REFUSED)
        error_set(err, rc,
                  "the custody key is not the one this pool was sealed with: "
                  "bring back the right one");
    return rc;
}

int pool_fingerprint_make(struct custody *custody, uint8_t key[DIGEST_BYTES],
                          uint8_t sealed[POOL_FINGERPRINT_SEALED], struct error *err)
{
    if (RAND_priv_bytes(key, DIGEST_BYTES) != 1)
        return error_set(err, ERROR_IO, "no randomness for the pool");
    return custody_seal(custody, fingerprint_did, key, DIGEST_BYTES, sealed, err);
}

/* Sealed in place of a key, which is never this short. */
static const uint8_t no_key[1] = {0};
static const char no_key_heading[] = "takt: the unit's own key of ";

int pool_seal(struct custody *custody, const uint8_t fingerprint_key[DIGEST_BYTES],
              const struct identity *i, uint8_t fingerprint[DIGEST_BYTES],
              uint8_t sealed[SEALED_MAX], size_t *sealed_size, struct error *err)
{
    char own[sizeof no_key_heading + IDENTITY_DID_MAX];
    const void *told_by = i->key;
    size_t told_bytes = i->key_bytes;
    if (!i->key_bytes) {
        snprintf(own, sizeof own, "%s%s", no_key_heading, i->did);
        told_by = own;
        told_bytes = strlen(own);
    }
    if (!HMAC(EVP_sha256(), fingerprint_key, DIGEST_BYTES, told_by, told_bytes, fingerprint, NULL))
        return error_set(err, ERROR_MEMORY, "cannot hash a key: out of memory");
    const size_t size = i->key_bytes ? i->key_bytes : sizeof no_key;
    *sealed_size = size + CUSTODY_OVERHEAD;
    return custody_seal(custody, i->did, i->key_bytes ? i->key : no_key, size, sealed, err);
}

int pool_unseal(struct custody *custody, const void *sealed, size_t size, struct identity *out,
                struct error *err)
{
    if (size > SEALED_MAX)
        return error_set(err, ERROR_REFUSED, "the sealed key of %s has %zu bytes: altered",
                         out->did, size);
    int rc = custody_unseal(custody, out->did, sealed, size, out->key, &out->key_bytes, err);
    if (!rc && out->key_bytes == sizeof no_key)
        out->key_bytes = 0;
    return rc;
}
