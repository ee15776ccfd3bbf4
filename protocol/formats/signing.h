/* Signatures of what a factory hands out: ECDSA over P-256 with SHA-256 (FIPS 186-4), keys as PEM
 * text. A unit and a station hold the public key alone. */
#ifndef TAKT_PROTOCOL_FORMATS_SIGNING_H
#define TAKT_PROTOCOL_FORMATS_SIGNING_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum {
    SIGNATURE_BYTES_MAX = 72, /* DER: two integers of up to 33 bytes, and their frames */
    SIGNING_PEM_MAX = 1024,   /* longest PEM text of such a key */
};

struct signing_key {
    char *private_pem, *public_pem; /* free with signing_key_free() */
};

int signing_key_make(struct signing_key *out, struct error *err);
/* Wipes the private key. */
void signing_key_free(struct signing_key *key);

int signing_sign(const char *private_pem, const void *data, size_t size,
                 uint8_t signature[SIGNATURE_BYTES_MAX], size_t *signature_size, struct error *err);
/* ERROR_REFUSED when the signature is not this key's over these bytes; ERROR_INPUT when the key is
 * not a P-256 public key. */
int signing_verify(const char *public_pem, const void *data, size_t size, const uint8_t *signature,
                   size_t signature_size, struct error *err);
/* Is it the key of that half? ERROR_INPUT otherwise. */
int signing_public_key_check(const char *public_pem, struct error *err);
int signing_private_key_check(const char *private_pem, struct error *err);

#endif
