/* A flashing under way, for people: on a terminal one line with a bar, rate and time left, drawn
 * over itself; else a line whenever another stage begins. */
#ifndef TAKT_STATION_CLI_FLASH_PROGRESS_H
#define TAKT_STATION_CLI_FLASH_PROGRESS_H

#include "station/flash/flash.h"

struct flash_progress_line { /* all zero is the start */
    bool drawn;
    char last[64];
};

/* To stderr; `context` is the line: a flash_job's progress. */
void flash_progress_show(void *context, const struct flash_progress *p);
void flash_progress_end(struct flash_progress_line *line);

#endif
