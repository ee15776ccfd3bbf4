/* Where a station keeps its state, for commands that need no more of the station file: a record can
 * be read although a slot's wiring is wrong. */
#ifndef TAKT_STATION_CLI_STATE_PLACE_H
#define TAKT_STATION_CLI_STATE_PLACE_H

#include <limits.h>

#include "protocol/base/error.h"
#include "station/engine/station_file.h"

struct state_place {
    char store[PATH_MAX], attachments[PATH_MAX];
    char socket[PATH_MAX]; /* taktd's, when it runs; "" when only the store is known */
    char station[65];      /* its name; "" when only the store is known */
    struct station_identities identities;
};

/* From a station file; ERROR_INPUT with file and line. */
int state_place_of_station(const char *station_path, struct state_place *out, struct error *err);
/* From a store's own path: attachments lie beside it; or from a line store's address, which has
 * none. */
int state_place_of_store(const char *store_path, struct state_place *out, struct error *err);

/* From whichever of the two was given; the other is NULL. */
int state_place_of(const char *station_path, const char *store_path, struct state_place *out,
                   struct error *err);

#endif
