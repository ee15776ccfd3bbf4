/* Signatures of what a factory hands out, with SHA-256 (FIPS 186-5); keys as PEM text. A unit and a
 * station hold the public key alone. The key says how it signs:
 *
 *   "p256"     ECDSA over P-256, DER. Small, and quick on a unit.
 *   "rsa3072"  RSA of 3072 bits, exponent 65537, PKCS#1 v1.5 (RFC 8017, 8.2), big-endian. As strong
 *              (128 bits, SP 800-57). v1.5 rather than PSS because it has no random part, so the
 *              same images make the same bundle, and because old boot loaders can check it and
 *              every hardware token can make it.
 *
 * Keys of other kinds, sizes and exponents would verify as well, but are not what the factory
 * agreed on: they are refused when read. */
#ifndef TAKT_PROTOCOL_FORMATS_SIGNING_H
#define TAKT_PROTOCOL_FORMATS_SIGNING_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/digest.h"
#include "protocol/base/error.h"

enum {
    SIGNATURE_BYTES_MAX = 384, /* RSA-3072; ECDSA in DER takes up to 72 */
};

#define SIGNING_KINDS "p256 or rsa3072"

struct signing_key {
    char *private_pem, *public_pem; /* free with signing_key_free() */
};

/* A "p256" key. */
int signing_key_make(struct signing_key *out, struct error *err);
/* A key of that kind; ERROR_INPUT when there is no such kind. An RSA key takes a second or so. */
int signing_key_make_kind(const char *kind, struct signing_key *out, struct error *err);
/* Wipes the private key. */
void signing_key_free(struct signing_key *key);

int signing_sign(const char *private_pem, const void *data, size_t size,
                 uint8_t signature[SIGNATURE_BYTES_MAX], size_t *signature_size, struct error *err);
/* ERROR_REFUSED when the signature is not this key's over these bytes; ERROR_INPUT when the key is
 * not a public key of one of the kinds above. */
int signing_verify(const char *public_pem, const void *data, size_t size, const uint8_t *signature,
                   size_t signature_size, struct error *err);
/* ERROR_INPUT when the text is not such a key. */
int signing_public_key_check(const char *public_pem, struct error *err);
/* SHA-256 of the public key (DER, as `openssl pkey -pubin -outform DER`), by which people and
 * records name it. */
int signing_key_fingerprint(const char *public_pem, char hex[DIGEST_TEXT], struct error *err);
int signing_private_key_check(const char *private_pem, struct error *err);

#endif
