/* The factory's certificates, ECDSA over P-256: a CA, what it issues to stations, and the
 * certificate each unit makes for itself. Everything as PEM text. */
#ifndef TAKT_PROTOCOL_WIRE_CERTIFICATE_H
#define TAKT_PROTOCOL_WIRE_CERTIFICATE_H

#include "protocol/base/error.h"

struct certificate {
    char *certificate_pem, *private_key_pem; /* free with certificate_free() */
};

/* A factory CA. `days` counts from yesterday, for clocks that are a little off. */
int certificate_make_ca(const char *common_name, int days, struct certificate *out,
                        struct error *err);
/* Issued by the CA; role goes into the subject's OU: "station" lets it talk to units. */
int certificate_issue(const struct certificate *ca, const char *common_name, const char *role,
                      int days, struct certificate *out, struct error *err);
/* A unit's own: CN = chip id, without end, since a unit's clock says nothing. */
int certificate_make_unit(const char *chip_id, struct certificate *out, struct error *err);
/* Wipes the key. */
void certificate_free(struct certificate *c);

/* SHA-256 of the certificate, hex: what session_peer_fingerprint() shows on the other side. */
int certificate_fingerprint(const char *certificate_pem, char out[65], struct error *err);

#endif
