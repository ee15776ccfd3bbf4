/* A label once more: who may is asked, and that it happened is on record before it is handed out.
 */
#ifndef TAKT_STATION_ENGINE_CONTROL_LABEL_H
#define TAKT_STATION_ENGINE_CONTROL_LABEL_H

#include "station/engine/control_run.h"

/* `unit` (serial, chip id, DID or MAC), `reason`: {"zpl", "serial", "did", "run", "socket",
 * "slot"}: what the unit's last label was, and where the instruments are, for whoever sends it to
 * the printer. ERROR_MISSING when the unit never had one. */
int control_label_reprint(struct engine *e, const struct control_request *r, const cJSON *params,
                          cJSON **result, struct error *err);

#endif
