#include "provisioning/custody.h"

#include <stdlib.h>
#include <string.h>

#include "provisioning/custody_backend.h"

static const struct custody_backend *const backends[] = {&custody_file, &custody_pkcs11};

struct custody {
    const struct custody_backend *backend;
    void *keeper;
};

int custody_open(const char *address, struct custody **out, struct error *err)
{
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        size_t n = strlen(backends[i]->scheme);
        if (strncmp(address, backends[i]->scheme, n) != 0 || address[n] != ':' || !address[n + 1])
            continue;
        struct custody *c = calloc(1, sizeof *c);
        if (!c)
            return error_set(err, ERROR_MEMORY, "cannot open custody %s: out of memory", address);
        c->backend = backends[i];
        int rc = c->backend->open(address + n + 1, &c->keeper, err);
        if (rc)
            free(c);
        else
            *out = c;
        return rc;
    }
    return error_set(err, ERROR_INPUT,
                     "custody '%s' is not one this program knows: file:PATH or pkcs11:URI",
                     address);
}

void custody_close(struct custody *c)
{
    if (!c)
        return;
    c->backend->close(c->keeper);
    free(c);
}

int custody_seal(struct custody *c, const char *did, const uint8_t *key, size_t size,
                 uint8_t *sealed, struct error *err)
{
    return c->backend->seal(c->keeper, did, key, size, sealed, err);
}

int custody_unseal(struct custody *c, const char *did, const uint8_t *sealed, size_t sealed_size,
                   uint8_t *key, size_t *key_size, struct error *err)
{
    if (sealed_size <= CUSTODY_OVERHEAD)
        return error_set(err, ERROR_REFUSED, "the sealed key of %s is only %zu bytes: altered", did,
                         sealed_size);
    int rc = c->backend->unseal(c->keeper, did, sealed, sealed_size - CUSTODY_OVERHEAD, key, err);
    if (!rc)
        *key_size = sealed_size - CUSTODY_OVERHEAD;
    return rc;
}
