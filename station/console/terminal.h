/* What the terminal that newterm() found can do. */
#ifndef TAKT_STATION_CONSOLE_TERMINAL_H
#define TAKT_STATION_CONSOLE_TERMINAL_H

#include <stdbool.h>

/* False on a printing or "dumb" terminal: no tile can be drawn there. */
bool terminal_moves_cursor(void);

#endif
