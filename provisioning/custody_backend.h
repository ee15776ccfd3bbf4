/* What a way of keeping the sealing key provides; rows of the table in custody.c. */
#ifndef TAKT_PROVISIONING_CUSTODY_BACKEND_H
#define TAKT_PROVISIONING_CUSTODY_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct custody_backend {
    const char *scheme; /* "file" of "file:PATH" */
    int (*open)(const char *place, void **out, struct error *err);
    void (*close)(void *keeper);
    /* sealed = nonce (12), ciphertext (size), tag (16). */
    int (*seal)(void *keeper, const char *did, const uint8_t *key, size_t size, uint8_t *sealed,
                struct error *err);
    int (*unseal)(void *keeper, const char *did, const uint8_t *sealed, size_t size, uint8_t *key,
                  struct error *err);
};

extern const struct custody_backend custody_file, custody_pkcs11;

#endif
