/* The runs under way, for people: on a terminal one line a slot that is drawn over itself, else a
 * line whenever a slot comes to another step. */
#ifndef TAKT_STATION_CLI_RUN_PROGRESS_H
#define TAKT_STATION_CLI_RUN_PROGRESS_H

#include <cjson/cJSON.h>
#include <stdbool.h>

enum { RUN_PROGRESS_SLOTS = 64 };

struct run_progress { /* all zero is the start */
    int lines;        /* drawn, to go back over */
    char last[RUN_PROGRESS_SLOTS][80];
};

/* Status of taktd and the runs that are watched; to stderr. */
void run_progress_show(struct run_progress *p, const cJSON *status, const cJSON *runs);
void run_progress_end(struct run_progress *p);

#endif
