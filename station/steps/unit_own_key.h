/* The identity of a unit that makes its key itself: it asks for a certificate, taktd's device CA
 * signs one (provisioning/device_ca.h), the unit keeps it and proves that it has the key. Nothing
 * secret passes the station. */
#ifndef TAKT_STATION_STEPS_UNIT_OWN_KEY_H
#define TAKT_STATION_STEPS_UNIT_OWN_KEY_H

#include "station/steps/step.h"

/* Key, request, certificate: done again after a crash it finds the same key and the same
 * certificate, which is given back as hex. ERROR_MISMATCH when the unit carries another identity.
 */
int unit_own_key_write(struct step_context *c, const char *chip_id, const struct step_identity *id,
                       char certificate_hex[2 * UNIT_CERTIFICATE_MAX + 1], struct error *err);

/* Whether the unit returns DID, MAC and that very certificate, and signs a nonce of ours with its
 * key. */
int unit_own_key_matches(struct step_context *c, const struct step_identity *id,
                         const char *certificate_hex, bool *matches, struct error *err);

#endif
