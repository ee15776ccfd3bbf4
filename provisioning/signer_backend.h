/* What a way of keeping the token key provides; rows of the table in signer.c. */
#ifndef TAKT_PROVISIONING_SIGNER_BACKEND_H
#define TAKT_PROVISIONING_SIGNER_BACKEND_H

#include "provisioning/signer.h"

struct signer_backend {
    const char *scheme; /* "file" of "file:PATH" */
    int (*open)(const char *place, void **out, struct error *err);
    void (*close)(void *keeper);
    int (*sign)(void *keeper, const void *data, size_t size, uint8_t signature[SIGNATURE_BYTES_MAX],
                size_t *signature_size, struct error *err);
};

extern const struct signer_backend signer_file, signer_pkcs11;

#endif
