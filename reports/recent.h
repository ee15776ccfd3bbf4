/* What a screen at the station shows of the store: the last runs, golden units, open defects. Each
 * reads a bounded number of rows, whatever the size of the store. */
#ifndef TAKT_REPORTS_RECENT_H
#define TAKT_REPORTS_RECENT_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "protocol/base/error.h"
#include "reports/store.h"

/* {"runs": [{run, ended_ms, ended, serial, chip_id, order, slot, operator, mode, verdict, message,
 * failures [{step, verdict, message, measurement, unit, value, low, high}]}]}: the latest `count`
 * closed runs, the newest first. The caller's. */
int recent_runs(struct store *s, int count, cJSON **out, struct error *err);
/* {"golden": [...]}: of each slot the latest closed run of mode "golden", as above without
 * failures, and its "figures" [{step, measurement, unit, value, low, high, verdict}]. */
int recent_golden(struct store *s, cJSON **out, struct error *err);
/* {"defects": [{defect, serial, code, place, text, operator, found_ms, found}]}: the latest `count`
 * nobody repaired yet. */
int recent_defects(struct store *s, int count, cJSON **out, struct error *err);

#endif
