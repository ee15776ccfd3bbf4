/* An engineer's signature over what a plan is: the bytes of plan, limits and product as they lie.
 *
 * It stands beside the plan, PRODUCT/PLAN.sig, as JSON:
 *     { "plan": "PRODUCT/PLAN", "plan_sha256": "...", "limits_sha256": "...",
 *       "product_sha256": "...", "signature": HEX }
 * signed over the text of plan_signature.c (protocol/formats/signing.h says how). The hashes in the
 * file are for people: what counts is those of the files that were read. */
#ifndef TAKT_STATION_PLAN_PLAN_SIGNATURE_H
#define TAKT_STATION_PLAN_PLAN_SIGNATURE_H

#include "station/plan/plan.h"

/* Signs the plan that was loaded from products_dir and writes PLAN.sig beside it. */
int plan_signature_write(const char *products_dir, const struct plan *p, const char *private_pem,
                         struct error *err);
/* ERROR_REFUSED when there is no signature, or not this key's over these files, with what to do. */
int plan_signature_check(const char *products_dir, const struct plan *p, const char *public_pem,
                         struct error *err);

#endif
