/* Drawing on the terminal: texts that fit, bars, frames, and the few colours. Everything that draws
 * on the console's screen uses these; columns are those of the terminal, a Chinese character is
 * two. */
#ifndef TAKT_STATION_CONSOLE_PANE_H
#define TAKT_STATION_CONSOLE_PANE_H

#include <stdbool.h>

#include "protocol/base/error.h"

/* Colour pairs. */
enum colour {
    COLOUR_PLAIN = 1,
    COLOUR_PASS,
    COLOUR_FAIL,
    COLOUR_TROUBLE,
    COLOUR_BUSY,
    COLOUR_DIM,
    COLOUR_NEXT,
};

int pane_start(struct error *err); /* ERROR_INPUT without a terminal that can show it */
void pane_end(void);               /* gives the terminal back as it was; safe to call twice */

/* A text cut to a width, with an ellipsis where it was cut. */
void pane_put(int y, int x, int columns, const char *text);
void pane_text(int y, int x, int columns, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Over as many lines as it takes, up to `lines`: a path that is cut is of no use. How many it took.
 */
int pane_wrapped(int y, int x, int columns, int lines, const char *text);
void pane_centred(int y, int x, int columns, const char *text);
/* The verdict's word in its colour. */
void pane_verdict(int y, int x, int columns, const char *verdict);
void pane_bar(int y, int x, int columns, double fraction); /* 0..1 */
void pane_fill(int y, int x, int lines, int columns);      /* with blanks */
void pane_frame(int y, int x, int lines, int columns, bool selected);

#endif
