#include "protocol/formats/factory_credentials.h"

#include <string.h>

#include "protocol/base/little_endian.h"
#include "protocol/formats/signing.h"
#include "protocol/wire/certificate.h"
#include "protocol/wire/crc32c.h"

enum { AT_FORMAT = 4, AT_CA_BYTES = 8, AT_KEY_BYTES = 12, HEADER_BYTES = 16, CRC_BYTES = 4 };
_Static_assert(HEADER_BYTES + FACTORY_CA_PEM_MAX + FACTORY_KEY_PEM_MAX + CRC_BYTES <=
                   FACTORY_CREDENTIALS_BYTES,
               "both at their longest fit");

/* What a unit could not use is no credential. */
static int check(const struct factory_credentials *c, struct error *err)
{
    char fingerprint[65];
    struct error why = {0};
    if (certificate_fingerprint(c->ca_pem, fingerprint, &why))
        return error_set(err, ERROR_INPUT, "factory credentials: the factory CA: %s", why.text);
    if (signing_public_key_check(c->token_key_pem, &why))
        return error_set(err, ERROR_INPUT, "factory credentials: the token key: %s", why.text);
    return 0;
}

int factory_credentials_encode(const struct factory_credentials *c,
                               uint8_t out[FACTORY_CREDENTIALS_BYTES], size_t *size,
                               struct error *err)
{
    size_t ca = strlen(c->ca_pem), key = strlen(c->token_key_pem);
    int rc = check(c, err);
    if (rc)
        return rc;
    memset(out, 0xff, FACTORY_CREDENTIALS_BYTES);
    memset(out, 0, HEADER_BYTES);
    memcpy(out, "TKFC", 4);
    out[AT_FORMAT] = 1;
    le32_put(out + AT_CA_BYTES, ca);
    le32_put(out + AT_KEY_BYTES, key);
    memcpy(out + HEADER_BYTES, c->ca_pem, ca);
    memcpy(out + HEADER_BYTES + ca, c->token_key_pem, key);
    le32_put(out + HEADER_BYTES + ca + key, crc32c(0, out, HEADER_BYTES + ca + key));
    *size = HEADER_BYTES + ca + key + CRC_BYTES;
    return 0;
}

int factory_credentials_decode(const uint8_t *in, size_t size, struct factory_credentials *out,
                               struct error *err)
{
    size_t erased = 0;
    memset(out, 0, sizeof *out);
    while (erased < size && in[erased] == 0xff)
        erased++;
    if (erased == size)
        return error_set(err, ERROR_MISSING, "no factory credentials: erased flash");
    if (size < HEADER_BYTES || memcmp(in, "TKFC", 4) != 0)
        return error_set(err, ERROR_MISMATCH,
                         "the factory credentials are damaged: they do not begin with TKFC");
    size_t ca = le32_get(in + AT_CA_BYTES), key = le32_get(in + AT_KEY_BYTES);
    if (!ca || ca > FACTORY_CA_PEM_MAX || !key || key > FACTORY_KEY_PEM_MAX ||
        HEADER_BYTES + ca + key + CRC_BYTES > size)
        return error_set(err, ERROR_MISMATCH,
                         "the factory credentials are damaged: texts of %zu and %zu bytes", ca,
                         key);
    uint32_t stored = le32_get(in + HEADER_BYTES + ca + key),
             found = crc32c(0, in, HEADER_BYTES + ca + key);
    if (stored != found)
        return error_set(err, ERROR_MISMATCH,
                         "the factory credentials are damaged: their CRC-32C is %08x, stored %08x",
                         found, stored);
    if (in[AT_FORMAT] != 1 || in[AT_FORMAT + 1] || memchr(in + HEADER_BYTES, 0, ca + key))
        return error_set(err, ERROR_INPUT, "the factory credentials are not of format 1");
    memcpy(out->ca_pem, in + HEADER_BYTES, ca);
    memcpy(out->token_key_pem, in + HEADER_BYTES + ca, key);
    int rc = check(out, err);
    if (rc)
        memset(out, 0, sizeof *out);
    return rc;
}
