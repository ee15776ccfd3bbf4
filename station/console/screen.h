/* The console's screen as a whole: head, the screen that is chosen, what is next, keys. */
#ifndef TAKT_STATION_CONSOLE_SCREEN_H
#define TAKT_STATION_CONSOLE_SCREEN_H

struct console;

enum { SCREEN_HEAD = 3, SCREEN_FOOT = 3 }; /* lines */

void screen_draw(struct console *c);

#endif
