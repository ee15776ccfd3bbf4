/* The operators' screen: a tile a slot, in colour and in words, in English and Chinese.
 *
 * A client of taktd's control socket like any other: closing it stops nothing, several may watch
 * the same station, and it finds taktd again after a restart. Runs are started by who is signed in;
 * the first start makes the first account (operators.h). */
#ifndef TAKT_STATION_CONSOLE_CONSOLE_H
#define TAKT_STATION_CONSOLE_CONSOLE_H

#include "protocol/base/error.h"

struct console_config {
    const char *station_path;  /* station.json; taktd is started for it when none runs */
    const char *plan;          /* what the start key runs: "ptz-indoor-3mp/line" */
    const char *order;         /* NULL: it is scanned */
    const char *operator_name; /* who aborts while nobody is signed in */
    const char *language;      /* "en", "zh", or NULL for the environment's */
};

/* Runs until the operator quits. ERROR_INPUT without a usable terminal. */
int console_run(const struct console_config *config, struct error *err);

#endif
