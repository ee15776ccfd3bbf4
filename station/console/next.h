/* The one next thing to do, in a sentence. Pure: from what the station is like now. */
#ifndef TAKT_STATION_CONSOLE_NEXT_H
#define TAKT_STATION_CONSOLE_NEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "station/console/tiles.h"

struct next_scene {
    bool connected;
    const char *paused;    /* why nothing can be recorded; "" */
    bool accounts;         /* the station has some */
    bool signed_in, order; /* somebody; there is one */
    const struct tiles *tiles;
    const struct tile *target; /* where the next unit goes; NULL: every slot is at work */
};

/* In the present language. True when it is trouble, to be shown as such. */
bool next_thing(const struct next_scene *s, char *out, size_t size);

#endif
