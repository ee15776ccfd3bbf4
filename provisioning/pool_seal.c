#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

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

int pool_seal(struct custody *custody, const uint8_t fingerprint_key[DIGEST_BYTES],
              const struct identity *i, uint8_t fingerprint[DIGEST_BYTES],
              uint8_t sealed[SEALED_MAX], struct error *err)
{
    if (!HMAC(EVP_sha256(), fingerprint_key, DIGEST_BYTES, i->key, i->key_bytes, fingerprint, NULL))
        return error_set(err, ERROR_MEMORY, "cannot hash a key: out of memory");
    return custody_seal(custody, i->did, i->key, i->key_bytes, sealed, err);
}
