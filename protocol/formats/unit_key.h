/* The key pair that a unit makes for itself, for platforms that take certificates instead of
 * handing out keys: the private half is 32 bytes of a P-256 key that never leave the unit, the
 * public half goes out in a request (PKCS#10, RFC 2986) and comes back in a certificate (X.509)
 * that the factory's device CA signed. Subject of both: CN = the DID, serialNumber = the serial
 * when there is one. Pure but for randomness: bytes in, bytes out. */
#ifndef TAKT_PROTOCOL_FORMATS_UNIT_KEY_H
#define TAKT_PROTOCOL_FORMATS_UNIT_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum {
    UNIT_KEY_BYTES = 32,
    UNIT_REQUEST_MAX = 512,      /* DER */
    UNIT_CERTIFICATE_MAX = 1024, /* DER: about 450 from a P-256 CA, 800 from one of RSA-3072 */
    UNIT_PROOF_MAX = 72,         /* ECDSA in DER */
    UNIT_NONCE_BYTES = 32,
};

/* The caller wipes it. */
int unit_key_make(uint8_t key[UNIT_KEY_BYTES], struct error *err);

/* ERROR_INPUT for a DID or serial that is no subject. */
int unit_key_request(const uint8_t key[UNIT_KEY_BYTES], const char *did, const char *serial,
                     uint8_t out[UNIT_REQUEST_MAX], size_t *size, struct error *err);

/* Whether it is one certificate, of this key and DID. ERROR_INPUT when it is none, ERROR_MISMATCH
 * when it is another key's or DID's. Who signed it the unit cannot know. */
int unit_key_certified(const uint8_t key[UNIT_KEY_BYTES], const char *did,
                       const uint8_t *certificate, size_t size, struct error *err);

/* A signature over a station's nonce, under a heading of its own, that says the key is there. */
int unit_key_prove(const uint8_t key[UNIT_KEY_BYTES], const uint8_t nonce[UNIT_NONCE_BYTES],
                   uint8_t proof[UNIT_PROOF_MAX], size_t *size, struct error *err);
/* ERROR_REFUSED when it was not made by the certificate's key over this nonce. */
int unit_proof_check(const uint8_t *certificate, size_t certificate_size,
                     const uint8_t nonce[UNIT_NONCE_BYTES], const uint8_t *proof, size_t proof_size,
                     struct error *err);

#endif
