/* Reading the store in a thread of its own: a slow disk, or a day of 100,000 units, never holds up
 * a key. Each kind of reading keeps its newest document. */
#ifndef TAKT_STATION_CONSOLE_READINGS_H
#define TAKT_STATION_CONSOLE_READINGS_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum readings_kind {
    READING_DAY,    /* line_day_document() of the local day */
    READING_RUN,    /* query_run(argument) */
    READING_RECENT, /* recent_runs() */
    READING_GOLDEN, /* recent_golden() */
    READING_QA,     /* recent_defects(), and "figures" of the day (query_shift()) */
    READING_REPORT, /* query_shift() of the local day, or query_order(): readings_order() */
    READING_RACK, /* "campaign", campaign_current()'s last, and "one", campaign_unit(argument) */
    READING_KINDS,
};

struct readings;

/* Nothing is opened before the first wish. `station` is its name in the store. */
int readings_start(const char *store_path, const char *station, struct readings **out,
                   struct error *err);
void readings_stop(struct readings *r);    /* waits for a reading under way; NULL is fine */
int readings_fd(const struct readings *r); /* readable when a document came: readings_take() */

/* Read this kind anew; wishes of a kind that is under way or waits are one. */
void readings_wish(struct readings *r, enum readings_kind kind, int64_t argument);
/* What reports are of from the next wish on; "" the day. */
void readings_order(struct readings *r, const char *order);
/* Drains the descriptor and takes over what came. Only the main thread, as readings_get(). */
void readings_take(struct readings *r);
/* The newest document, valid until the next readings_take(); NULL while there is none: why[0] says
 * so when it was a failure. */
const cJSON *readings_get(const struct readings *r, enum readings_kind kind, const char **why);
int64_t readings_argument(const struct readings *r, enum readings_kind kind); /* of that document */

#endif
