/* How tiles share a terminal: as large as can be while all are seen, then smaller, then by rows. */
#ifndef TAKT_STATION_CONSOLE_LAYOUT_H
#define TAKT_STATION_CONSOLE_LAYOUT_H

#include <stddef.h>

enum {
    LAYOUT_FULL_COLUMNS = 38, /* the least a tile with a large mark needs */
    LAYOUT_FULL_LINES = 9,
    LAYOUT_SMALL_COLUMNS = 26, /* a slot, its serial, a word in colour */
    LAYOUT_SMALL_LINES = 5,
};

struct layout {
    int across, rows; /* tiles side by side and above each other that are seen at once */
    int tile_columns, tile_lines;
};

/* For `count` tiles on an area of columns by lines; every field is at least 1. */
struct layout layout_of(size_t count, int columns, int lines);

#endif
