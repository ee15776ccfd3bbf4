/* Starting and aborting runs on behalf of clients. */
#ifndef TAKT_STATION_ENGINE_CONTROL_RUN_H
#define TAKT_STATION_ENGINE_CONTROL_RUN_H

#include "station/engine/control.h"

enum { CONTROL_LATER = 1 };

struct control_request {
    long long client;
    const cJSON *id; /* of the request; NULL for none */
};

/* Takes result over. The client may be gone by now: then it is dropped. */
void control_answer(struct engine *e, const struct control_request *r, cJSON *result, int rc,
                    const struct error *why);

/* Methods: 0 with *result, a negative error, or CONTROL_LATER. */
int control_run_start(struct engine *e, const struct control_request *r, const cJSON *params,
                      cJSON **result, struct error *err);
int control_run_abort(struct engine *e, const struct control_request *r, const cJSON *params,
                      cJSON **result, struct error *err);

#endif
