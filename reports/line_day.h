/* Today's figures of a line, kept up to date: each update reads only the runs that came or ended
 * since the last one, so a wall screen asks as often as it likes of a store of any size. */
#ifndef TAKT_REPORTS_LINE_DAY_H
#define TAKT_REPORTS_LINE_DAY_H

#include <cjson/cJSON.h>
#include <sqlite3.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct line_day;

/* The day that began at `day_ms`; runs started before it do not count. `zone_ms` is what is added
 * to UTC in the labels of its hours. NULL out of memory. */
struct line_day *line_day_new(int64_t day_ms, int64_t zone_ms);
void line_day_free(struct line_day *d); /* NULL is fine */
int64_t line_day_start(const struct line_day *d);

/* Takes in what is committed by now. After an error the day is as far as it came; a later call goes
 * on from there. */
int line_day_update(struct line_day *d, sqlite3 *db, struct error *err);
/* The document "dashboard" (docs/records.md), as of the last update; the caller's. NULL out of
 * memory. */
cJSON *line_day_document(const struct line_day *d, int64_t now_ms);

#endif
