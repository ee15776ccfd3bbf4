/* The station file's "console": what the screen at this station reads and is measured against.
 *
 *   "console": {
 *     "order": "WO*", "badge": "EMP*", "slot": "SLOT*",    // codes, by the shell's patterns; what
 *                                                          // is none of these is a unit's label
 *     "scanner": "serial:/dev/ttyACM0?baud=9600",          // beside those that type
 *     "units_per_hour": 60                                 // the target
 *   } */
#ifndef TAKT_STATION_ENGINE_STATION_CONSOLE_H
#define TAKT_STATION_ENGINE_STATION_CONSOLE_H

#include "protocol/base/json.h"

struct station_console {
    char order[64], badge[64], slot[64]; /* patterns; "ORDER-*", "BADGE-*", "SLOT-*" unless given */
    char scanner[256];                   /* a port (transport.h); "" none */
    int units_per_hour;                  /* 0: no target */
};

/* From a station file that is loaded; what is not given has its default. */
int station_console_take(const struct json_document *document, struct station_console *out,
                         struct error *err);

#endif
