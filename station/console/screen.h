/* Drawing: tiles onto the terminal with ncurses. Holds no state of the station. */
#ifndef TAKT_STATION_CONSOLE_SCREEN_H
#define TAKT_STATION_CONSOLE_SCREEN_H

#include <stdbool.h>

#include "protocol/base/error.h"
#include "station/console/tiles.h"

struct screen_view {
    size_t selected;   /* index into tiles */
    bool show_failure; /* the selected slot's last failure over the tiles */
    bool connected;    /* taktd answers */
    const char *plan, *order;
    const char *message; /* one line for the operator: what was done, or what to do next */
};

int screen_start(struct error *err);
void screen_end(void); /* gives the terminal back as it was; safe to call twice */

void screen_draw(const struct tiles *t, const struct screen_view *v);

/* Tiles side by side in the present width: what an arrow key moves by. */
int screen_columns(const struct tiles *t);

#endif
