/* A hardware token, or SoftHSM in its place, through PKCS#11 (OASIS PKCS #11 2.40, "Cryptoki"):
 * keys that are used where they lie and never come out. Only the backends named *_pkcs11 include
 * this.
 *
 * A key is named by its URI (RFC 7512) without "pkcs11:":
 *   token=takt;object=custody?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/etc/takt/pin
 * The PIN is the first line of pin-source, a file of mode 0600; in the URI itself it is refused. */
#ifndef TAKT_PROVISIONING_CRYPTOKI_H
#define TAKT_PROVISIONING_CRYPTOKI_H

#include <p11-kit/pkcs11.h>

#include "protocol/base/error.h"

struct cryptoki;

/* A session with the token, logged in. `what` names the key in errors: "the token key".
 * ERROR_INPUT not such a URI; ERROR_MISSING no module, token or PIN file; ERROR_REFUSED the PIN is
 * wrong or locked, or others may read its file. */
int cryptoki_open(const char *what, const char *uri, struct cryptoki **out, struct error *err);
void cryptoki_close(void *cryptoki); /* NULL is fine */

/* The URI's object of that class; ERROR_MISSING when there is none, ERROR_INPUT when there are
 * several. */
int cryptoki_find(struct cryptoki *c, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE *out,
                  struct error *err);
const char *cryptoki_label(const struct cryptoki *c); /* the URI's object */

/* Asked before any call: ERROR_STATE in a process that was forked from the one that opened it. */
int cryptoki_here(const struct cryptoki *c, struct error *err);
CK_FUNCTION_LIST *cryptoki_calls(struct cryptoki *c);
CK_SESSION_HANDLE cryptoki_session(const struct cryptoki *c);
/* The token's answer as an error: ERROR_CLOSED when it was taken out, else ERROR_IO. */
int cryptoki_fail(const struct cryptoki *c, CK_RV rv, struct error *err, const char *doing);

#endif
