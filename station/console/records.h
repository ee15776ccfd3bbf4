/* Reading the store in a thread of its own: a slow disk, or a day of 100,000 units, never holds up
 * a key. Each kind of reading keeps its newest document. */
#ifndef TAKT_STATION_CONSOLE_RECORDS_H
#define TAKT_STATION_CONSOLE_RECORDS_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum records_kind {
    RECORDS_DAY,    /* line_day_document() of the local day */
    RECORDS_RUN,    /* query_run(argument) */
    RECORDS_RECENT, /* recent_runs() */
    RECORDS_GOLDEN, /* recent_golden() */
    RECORDS_QA,     /* recent_defects(), and "figures" of the day (query_shift()) */
    RECORDS_KINDS,
};

struct records;

/* Nothing is opened before the first wish. `station` is its name in the store. */
int records_start(const char *store_path, const char *station, struct records **out,
                  struct error *err);
void records_stop(struct records *r);    /* waits for a reading under way; NULL is fine */
int records_fd(const struct records *r); /* readable when a document came: records_take() */

/* Read this kind anew; wishes of a kind that is under way or waits are one. */
void records_wish(struct records *r, enum records_kind kind, int64_t argument);
/* Drains the descriptor and takes over what came. Only the main thread, as records_get(). */
void records_take(struct records *r);
/* The newest document, valid until the next records_take(); NULL while there is none: why[0] says
 * so when it was a failure. */
const cJSON *records_get(const struct records *r, enum records_kind kind, const char **why);
int64_t records_argument(const struct records *r, enum records_kind kind); /* of that document */

#endif
