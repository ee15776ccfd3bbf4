/* The process that owns the instruments: started by taktd, started again when it ends. */
#ifndef TAKT_STATION_ENGINE_FIXTURE_PROCESS_H
#define TAKT_STATION_ENGINE_FIXTURE_PROCESS_H

#include "station/engine/core.h"

int fixture_process_start(struct engine *e, struct error *err);
/* Starts it again where it ended; when to be called next, or -1. */
int64_t fixture_process_tick(struct engine *e, int64_t now_ns);
/* False also for a station without instruments. */
bool fixture_process_alive(const struct engine *e);
/* Asks it to switch every output off and end; waits for that, a few seconds at most. */
void fixture_process_stop(struct engine *e);

#endif
