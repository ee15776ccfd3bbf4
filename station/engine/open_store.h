/* The station's store at taktd's start, whatever became of it meanwhile. */
#ifndef TAKT_STATION_ENGINE_OPEN_STORE_H
#define TAKT_STATION_ENGINE_OPEN_STORE_H

#include "station/engine/core.h"

/* Opens it. A damaged one is set aside and what can be read of it put in its place; e->recovered
 * then says so, for as long as taktd runs, and so does stderr. ERROR_INPUT when nothing can be read
 * of it, or when the file is no store of ours: then it is left as it is. */
int open_store(struct engine *e, struct error *err);

#endif
