/* Reading the store: rows become JSON documents, which renderers turn into pages. On a handle of
 * store_open_reader(), of either engine; safe beside a running taktd. docs/records.md describes the
 * documents. */
#ifndef TAKT_REPORTS_QUERY_H
#define TAKT_REPORTS_QUERY_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "protocol/base/error.h"
#include "reports/store.h"

/* Each makes a document that the caller frees with cJSON_Delete(). A document is one snapshot of
 * the store. */

/* Everything of one unit by serial, chip id, DID or MAC: its runs, steps with every attempt,
 * measurements with limits, notes, attachments, identity state. ERROR_MISSING. When several units
 * answer to the name (a board was swapped under its label), the one with the latest run, and the
 * chip ids of the others. */
int query_unit(struct store *s, const char *name, cJSON **out, struct error *err);
/* The label (ZPL, text) that the unit's latest run with one printed, appended to `zpl`; *unit as of
 * query_unit(), *run is that run in it. ERROR_MISSING also when it never had one. On failure *unit
 * is NULL or the caller's all the same. */
int query_label(struct store *s, const char *attachments_dir, const char *name, cJSON **unit,
                const cJSON **run, struct buffer *zpl, struct error *err);
/* One run with its steps. */
int query_run(struct store *s, int64_t run, cJSON **out, struct error *err);
/* An order: units, verdicts, first-pass and last-pass yield, failures by step and measurement. */
int query_order(struct store *s, const char *order, cJSON **out, struct error *err);
/* The same of all runs of a station. */
int query_station(struct store *s, const char *station, cJSON **out, struct error *err);
/* The same of a station's runs that started in [from_ms, to_ms), wall time. */
int query_shift(struct store *s, const char *station, int64_t from_ms, int64_t to_ms, cJSON **out,
                struct error *err);
/* The same of the runs of a mode other than "production" (burn-in, engineering), whichever stations
 * ran them; with hours under test and bounds of the MTBF. */
int query_mode(struct store *s, const char *mode, cJSON **out, struct error *err);
/* The committed figures of the last attempt of one step: {"measurement": value, "note": "text"}. */
int query_step(struct store *s, int64_t run, const char *step_id, cJSON **out, struct error *err);

#endif
