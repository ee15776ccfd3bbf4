/* Where this installation keeps what comes with it: beside the build folder of a checkout, or
 * below PREFIX/share/takt. */
#ifndef TAKT_STATION_CLI_PLACES_H
#define TAKT_STATION_CLI_PLACES_H

#include <limits.h>

#include "protocol/base/error.h"

struct places {
    char programs[PATH_MAX]; /* the folder of takt, taktd and camd */
    char products[PATH_MAX], campaigns[PATH_MAX];
    char boards[PATH_MAX];
};

/* ERROR_MISSING naming what was looked for and where. */
int places_find(struct places *out, struct error *err);

/* The file of a board of this installation; what has a '/' or ends in .json is a file already.
 * ERROR_MISSING with the nearest board there is. */
int places_board(const char *board, char path[PATH_MAX], struct error *err);

#endif
