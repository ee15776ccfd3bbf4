/* Methods of the control socket about identities: what is in the pool, a delivery, quotas, units
 * that are scrapped. Each is a transaction of its own; between rounds there is none under way. */
#ifndef TAKT_STATION_ENGINE_CONTROL_POOL_H
#define TAKT_STATION_ENGINE_CONTROL_POOL_H

#include "station/engine/control_run.h"

int control_pool_status(struct engine *e, const struct control_request *r, const cJSON *params,
                        cJSON **result, struct error *err);
/* `path` (absolute), `operator`: "imported". */
int control_pool_import(struct engine *e, const struct control_request *r, const cJSON *params,
                        cJSON **result, struct error *err);
/* `kind`, `name`, `allowed`, `operator`. */
int control_pool_quota(struct engine *e, const struct control_request *r, const cJSON *params,
                       cJSON **result, struct error *err);
/* `chip_id`, `reason`. */
int control_pool_scrap(struct engine *e, const struct control_request *r, const cJSON *params,
                       cJSON **result, struct error *err);

/* `order`, `path` (absolute), `operator`: "rows". */
int control_pool_reconcile(struct engine *e, const struct control_request *r, const cJSON *params,
                           cJSON **result, struct error *err);
/* `action` ("shared.import", "shared.export", "shared.write_off"), `subject`, `detail` (JSON text),
 * `operator`. */
int control_pool_record(struct engine *e, const struct control_request *r, const cJSON *params,
                        cJSON **result, struct error *err);
/* For the status document: the pool's free identities where they are few, else nothing of them.
 * {"warn_below", "low": bool, "free" (when low), "notice": what a person is told, "" while all is
 * well}; NULL when the station has no pool. */
cJSON *control_pool_describe(const struct engine *e);

#endif
