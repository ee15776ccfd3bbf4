/* What the platform delivers: the CSV of pool_csv.h, signed by the platform and then encrypted to
 * the factory, as CMS (RFC 5652, DER): SignedData within EnvelopedData or AuthEnvelopedData.
 * OpenSSL's own command makes one:
 *
 *   openssl cms -sign -binary -nodetach -signer platform.pem -inkey platform.key -outform DER \
 *           -in identities.csv |
 *   openssl cms -encrypt -binary -aes-256-gcm -outform DER -out delivery.p7m factory.pem
 *
 * The platform's certificate is pinned: what it signed is taken, no chain is looked at and no
 * expiry, since a delivery is imported long after. */
#ifndef TAKT_PROVISIONING_DELIVERY_H
#define TAKT_PROVISIONING_DELIVERY_H

#include <limits.h>

#include "protocol/base/buffer.h"
#include "protocol/base/error.h"

enum { DELIVERY_BYTES_MAX = 256 << 20 };

/* Files, PEM. `platform` is "" where no deliveries were agreed on: then plain CSV alone is read. */
struct delivery_keys {
    char platform[PATH_MAX];    /* the platform's certificate */
    char certificate[PATH_MAX]; /* the factory's, which the platform encrypts to */
    char key[PATH_MAX];         /* its private key, mode 0600 */
};

/* The CSV of a file: of a delivery where `keys` are given, then never of a plain one; else as it
 * is. `out` holds keys in clear: release with delivery_wipe(). The CMS is opened in a process of
 * its own, so that neither a key nor a hostile file's damage stays in this one. ERROR_INPUT not a
 * delivery, or a plain CSV where deliveries are agreed on; ERROR_REFUSED signed by somebody else,
 * altered, not encrypted to this factory. */
int delivery_read(const struct delivery_keys *keys, const char *path, struct buffer *out,
                  struct error *err);
void delivery_wipe(struct buffer *csv);

#endif
