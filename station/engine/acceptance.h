/* Which version of a plan, its limits, its product and its bundle a station works by.
 *
 * The first version a plan is run with is the one that holds. Once the station has accounts, files
 * that changed since take effect only when someone whose role may accepts them (ACT_PLAN): until
 * then every start but one in mode engineering is refused with what changed. Without accounts
 * whoever starts accepts. Each acceptance is in the audit chain with all four hashes. Where the
 * station file names a `plan_key`, what is not signed by it is not accepted either. */
#ifndef TAKT_STATION_ENGINE_ACCEPTANCE_H
#define TAKT_STATION_ENGINE_ACCEPTANCE_H

#include "station/engine/control_run.h"

int acceptance_open(sqlite3 *db, struct error *err);

/* May a run of this version begin? *put: it is to be written with the start, as the version that
 * holds from then on. signer gets the fingerprint of the key that signed it, for the run's record;
 * "" where the station names none, and for a trial of what is not signed (yet). ERROR_REFUSED says
 * what changed and who is asked. */
int acceptance_check(struct engine *e, const struct plan *p, const char *bundle_sha256,
                     const char *mode, bool *put, char signer[DIGEST_TEXT], struct error *err);
/* Within the round's transaction. who: whom the record names. */
int acceptance_write(struct engine *e, const struct plan *p, const char *bundle_sha256,
                     const char *who, struct error *err);

/* plan.accept {plan}: {"plan", "changed": what differs from before}. */
int control_plan_accept(struct engine *e, const struct control_request *r, const cJSON *params,
                        cJSON **result, struct error *err);

#endif
