/* What a person found wrong with a unit, and did about it, by taktd: the store's only writer. */
#ifndef TAKT_STATION_ENGINE_CONTROL_DEFECT_H
#define TAKT_STATION_ENGINE_CONTROL_DEFECT_H

#include "station/engine/control_run.h"

/* defect.add: "unit", "code", "place", "text", "operator", "run" → {"defect": number} */
int control_defect_add(struct engine *e, const struct control_request *r, const cJSON *params,
                       cJSON **result, struct error *err);
/* defect.repair: "defect", "action", "part", "text", "operator" → {"repair": number} */
int control_defect_repair(struct engine *e, const struct control_request *r, const cJSON *params,
                          cJSON **result, struct error *err);

#endif
