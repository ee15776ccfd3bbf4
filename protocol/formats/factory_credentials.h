/* What opens a unit to its factory, as it lies at the start of the partition "factory": whose
 * stations it talks to, and whose tokens it takes. Public keys alone; they are erased when the unit
 * is finalized. The key of bundles is not here: updates in the field need it, so it is part of the
 * firmware.
 *
 *     0   4  "TKFC"
 *     4   2  format, 1
 *     6   2  zeros
 *     8   4  size of the factory CA's certificate
 *    12   4  size of the token key's public half
 *    16   .  the certificate, PEM text
 *     .   .  the public key, PEM text
 *     .   4  CRC-32C of everything before it
 *
 * Numbers are little-endian. One copy: a unit whose copy is damaged is closed and gets it written
 * again by the flasher. Pure: bytes in, bytes out. */
#ifndef TAKT_PROTOCOL_FORMATS_FACTORY_CREDENTIALS_H
#define TAKT_PROTOCOL_FORMATS_FACTORY_CREDENTIALS_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum {
    FACTORY_CREDENTIALS_BYTES = 8192, /* at most; what a unit reads of the partition */
    FACTORY_CA_PEM_MAX = 6144,        /* bytes, without a NUL */
    FACTORY_KEY_PEM_MAX = 1024,
};

struct factory_credentials {
    char ca_pem[FACTORY_CA_PEM_MAX + 1];         /* certificate of the factory CA */
    char token_key_pem[FACTORY_KEY_PEM_MAX + 1]; /* public */
};

/* *size is how much of `out` is used. ERROR_INPUT when a text is no PEM of its kind or too long. */
int factory_credentials_encode(const struct factory_credentials *credentials,
                               uint8_t out[FACTORY_CREDENTIALS_BYTES], size_t *size,
                               struct error *err);
/* From the first bytes of the partition. ERROR_MISSING when they are erased flash (all 0xFF),
 * ERROR_MISMATCH when they are damaged or half-written, ERROR_INPUT when they are whole but of
 * another format or hold no certificate and key. */
int factory_credentials_decode(const uint8_t *in, size_t size, struct factory_credentials *out,
                               struct error *err);

#endif
