#include "provisioning/signer.h"

#include <stdlib.h>
#include <string.h>

#include "provisioning/signer_backend.h"

static const struct signer_backend *const backends[] = {&signer_file, &signer_pkcs11};

struct signer {
    const struct signer_backend *backend;
    void *keeper;
};

int signer_open(const char *address, struct signer **out, struct error *err)
{
    const struct signer_backend *found = NULL;
    const char *place = strchr(address, ':');
    *out = NULL;
    for (size_t i = 0; place && place[1] && i < sizeof backends / sizeof backends[0]; i++)
        if (strlen(backends[i]->scheme) == (size_t)(place - address) &&
            strncmp(address, backends[i]->scheme, (size_t)(place - address)) == 0)
            found = backends[i];
    if (!found)
        return error_set(
            err, ERROR_INPUT,
            "token key '%s' is not of a kind this program knows: file:PATH or pkcs11:URI", address);
    struct signer *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERROR_MEMORY, "cannot open token key %s: out of memory", address);
    s->backend = found;
    int rc = found->open(place + 1, &s->keeper, err);
    if (rc)
        free(s);
    else
        *out = s;
    return rc;
}

void signer_close(struct signer *s)
{
    if (!s)
        return;
    s->backend->close(s->keeper);
    free(s);
}

int signer_sign(struct signer *s, const void *data, size_t size,
                uint8_t signature[SIGNATURE_BYTES_MAX], size_t *signature_size, struct error *err)
{
    return s->backend->sign(s->keeper, data, size, signature, signature_size, err);
}
