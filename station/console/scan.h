/* What a scanner reads, told apart from keys that are pressed, and what the code is.
 *
 * A scanner that types sends its characters within milliseconds of each other and ends with Enter.
 * A finger does not: a character with nobody behind it for SCAN_KEY_MS is a key. So a label that
 * begins with the letter of a command commands nothing. A scanner that can be told to begin with
 * STX (0x02) needs no such guess, and one on a serial port neither. Pure: the time is passed in. */
#ifndef TAKT_STATION_CONSOLE_SCAN_H
#define TAKT_STATION_CONSOLE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "station/engine/station_console.h"

enum {
    SCAN_TEXT_MAX = 127,
    SCAN_KEY_MS = 30,  /* USB keyboards report every 1 to 10 ms */
    SCAN_END_MS = 300, /* a code that stops half way is none */
};

struct scan {
    char text[SCAN_TEXT_MAX + 1];
    size_t size;
    bool framed; /* STX came */
    bool too_long;
    int64_t last_ms;
};

enum scan_event {
    SCAN_NOTHING,
    SCAN_KEY,    /* scan_key() is a key that was pressed */
    SCAN_CODE,   /* text is a whole code */
    SCAN_BROKEN, /* a code that was cut short or is too long: dropped */
};

/* One byte. Enter alone is a key, too. text stays until the next call. */
enum scan_event scan_take(struct scan *s, int byte, int64_t now_ms);
/* Time passed. */
enum scan_event scan_tick(struct scan *s, int64_t now_ms);
int scan_key(const struct scan *s);
/* When to call scan_tick(), in ms from now; -1 when nothing waits. */
int scan_wait_ms(const struct scan *s, int64_t now_ms);

enum scan_kind { SCAN_SERIAL, SCAN_ORDER, SCAN_BADGE, SCAN_SLOT };
enum scan_kind scan_kind(const struct station_console *codes, const char *text);
/* The number a slot's code ends with; 0 when it ends with none. */
int scan_slot(const char *text);

#endif
