/* The process that sends the outbox: started by taktd, started again when it ends. What it reports
 * is committed by taktd, the store's only writer. */
#ifndef TAKT_STATION_ENGINE_OUTBOX_PROCESS_H
#define TAKT_STATION_ENGINE_OUTBOX_PROCESS_H

#include "station/engine/core.h"

int outbox_process_start(struct engine *e, struct error *err);
/* Starts it again where it ended; when to be called next, or -1. */
int64_t outbox_process_tick(struct engine *e, int64_t now_ns);
/* False also for a station without destinations. */
bool outbox_process_alive(const struct engine *e);
/* outbox_unsettled(), at most a second old; an empty list for a station without destinations. The
 * caller's. */
cJSON *outbox_process_describe(const struct engine *e);
/* Hands out messages that are waited for; called after each round of the loop. */
void outbox_process_serve(struct engine *e);
void outbox_process_stop(struct engine *e);

#endif
