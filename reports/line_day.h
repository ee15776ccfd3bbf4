/* Today's figures of a line, from what the store added up as each run was closed (docs/records.md,
 * tally): a wall screen asks as often as it likes of a store of any size. */
#ifndef TAKT_REPORTS_LINE_DAY_H
#define TAKT_REPORTS_LINE_DAY_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "protocol/base/error.h"
#include "reports/store.h"

/* The document "dashboard" (docs/records.md) of the day that began at `day_ms`, a whole quarter of
 * an hour, as of `now_ms`; runs started before it do not count. `zone_ms` is what is added to UTC
 * in the labels of its hours. A unit that ran three times while the clock was set back over
 * midnight may count twice. The caller's. */
int line_day_document(struct store *s, int64_t day_ms, int64_t zone_ms, int64_t now_ms, cJSON **out,
                      struct error *err);

#endif
