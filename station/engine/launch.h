/* Starting taktd for a station in the background. */
#ifndef TAKT_STATION_ENGINE_LAUNCH_H
#define TAKT_STATION_ENGINE_LAUNCH_H

#include "station/engine/client.h"

/* Connects to the station's taktd; where none runs, starts the one beside this program and waits
 * until it serves. What it says goes to STATE/taktd.log. When it cannot start, the error is its
 * own message. */
int launch_connect(const char *station_path, int timeout_ms, struct client **out,
                   struct error *err);

#endif
