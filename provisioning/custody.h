/* Custody of keys: seals a key so that what rests on disk is useless without the custodian.
 * Backends are rows of one table: "file" (an AES-256 key in a file of mode 0600) and "pkcs11" (an
 * AES-256 key in a token, which it never leaves; cryptoki.h says what its URI is). Sealing is
 * AES-256-GCM with the DID as associated data. */
#ifndef TAKT_PROVISIONING_CUSTODY_H
#define TAKT_PROVISIONING_CUSTODY_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct custody;

enum { CUSTODY_OVERHEAD = 12 + 16 }; /* nonce and tag */

/* "file:PATH" or "pkcs11:URI"; a key that is missing is made. ERROR_REFUSED when others may read
 * the file, or the PIN's. */
int custody_open(const char *address, struct custody **out, struct error *err);
void custody_close(struct custody *c);

/* sealed has room for size + CUSTODY_OVERHEAD. */
int custody_seal(struct custody *c, const char *did, const uint8_t *key, size_t size,
                 uint8_t *sealed, struct error *err);
/* ERROR_REFUSED when it was altered or is another DID's. key has room for sealed_size. */
int custody_unseal(struct custody *c, const char *did, const uint8_t *sealed, size_t sealed_size,
                   uint8_t *key, size_t *key_size, struct error *err);

#endif
