/* The keeper of a key that signs what opens units: the factory's token key. Backends are rows of
 * one table: "file" (a PEM file of mode 0600) and "pkcs11" (cryptoki.h). The key is in the
 * process that opened it alone, not in those it forks. */
#ifndef TAKT_PROVISIONING_SIGNER_H
#define TAKT_PROVISIONING_SIGNER_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"
#include "protocol/formats/signing.h"

struct signer;

/* "file:PATH" or "pkcs11:URI". ERROR_MISSING when there is none, ERROR_REFUSED when others may read
 * it, ERROR_INPUT when it is no key of a kind that signing.h knows. */
int signer_open(const char *address, struct signer **out, struct error *err);
void signer_close(struct signer *s); /* NULL is fine */

/* As signing_sign(): what kind of signature it is follows from the key. */
int signer_sign(struct signer *s, const void *data, size_t size,
                uint8_t signature[SIGNATURE_BYTES_MAX], size_t *signature_size, struct error *err);

#endif
