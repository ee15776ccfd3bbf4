/* The CA that signs units' certificates, for identities that were delivered without a key: the unit
 * makes its key itself (protocol/formats/unit_key.h), and what the platform gets is the
 * certificate.
 *
 * Its key is a signer's (signer.h): in a PKCS#11 token it signs there and never leaves it. It signs
 * end-entity certificates of P-256 keys alone: CN = the DID, serialNumber = the serial, key usage
 * digitalSignature, without end unless years are given (a camera has no clock to trust). */
#ifndef TAKT_PROVISIONING_DEVICE_CA_H
#define TAKT_PROVISIONING_DEVICE_CA_H

#include "protocol/formats/unit_key.h"
#include "provisioning/pool.h"
#include "provisioning/signer.h"

struct device_ca;

/* The CA's own certificate, PEM, and its key's address. ERROR_INPUT when it is no CA's certificate,
 * ERROR_MISMATCH when the key is not its. years: 0 is without end. */
int device_ca_open(const char *certificate_path, const char *key_address, int years,
                   struct device_ca **out, struct error *err);
void device_ca_close(struct device_ca *ca); /* NULL is fine */

/* The certificate of the unit's identity for its request (PKCS#10, DER), in the caller's
 * transaction with its audit entry (identity.certify): the same again for the same key, which is
 * how a run goes on after a crash. ERROR_MISSING when the unit has no identity, ERROR_STATE when
 * the identity came with a key or may not be used, ERROR_REFUSED when the request is not signed by
 * its own key or of another DID, ERROR_MISMATCH when another key of this DID was certified
 * before. */
int device_ca_certify(struct device_ca *ca, struct pool *p, const char *chip_id,
                      const uint8_t *request, size_t request_size, int64_t wall_ms,
                      uint8_t certificate[UNIT_CERTIFICATE_MAX], size_t *size, struct error *err);

/* All certificates of an order's units as PEM, by DID, each behind a line "# DID"; *count of them.
 * Through any handle. ERROR_MISSING when there are none. */
int device_ca_export(sqlite3 *db, const char *order, struct buffer *pem, int64_t *count,
                     struct error *err);

#endif
