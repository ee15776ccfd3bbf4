/* What whoever makes certificates does alike; OpenSSL's own types, so for files that use it. */
#ifndef TAKT_PROTOCOL_WIRE_CERTIFICATE_PARTS_H
#define TAKT_PROTOCOL_WIRE_CERTIFICATE_PARTS_H

#include <openssl/x509.h>
#include <stdbool.h>

/* A random serial number of 127 bits (RFC 5280, 4.1.2.2: positive, at most 20 octets). */
bool certificate_set_serial(X509 *x);

/* An extension as OpenSSL's configuration writes it: NID_key_usage, "critical,digitalSignature".
 * The issuer is asked for its key's identifier. */
bool certificate_extend(X509 *x, X509 *issuer, int nid, const char *value);

#endif
