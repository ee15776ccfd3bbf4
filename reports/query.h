/* Reading the store: rows become JSON documents, which renderers turn into pages. Read-only
 * handles; safe beside a running taktd. docs/records.md describes the documents. */
#ifndef TAKT_REPORTS_QUERY_H
#define TAKT_REPORTS_QUERY_H

#include <cjson/cJSON.h>
#include <sqlite3.h>
#include <stdint.h>

#include "protocol/base/error.h"

int query_open(const char *store_path, sqlite3 **out, struct error *err);

/* Everything of one unit by serial, chip id or DID: its runs, steps with every attempt,
 * measurements with limits, notes, attachments, identity state. ERROR_MISSING. */
int query_unit(sqlite3 *db, const char *name, cJSON **out, struct error *err);
/* One run with its steps. */
int query_run(sqlite3 *db, int64_t run, cJSON **out, struct error *err);
/* An order: units, verdicts, first-pass and last-pass yield, failures by step and measurement. */
int query_order(sqlite3 *db, const char *order, cJSON **out, struct error *err);
/* The committed figures of one step of a run: {"measurement": value, "note": "text"}. */
int query_step(sqlite3 *db, int64_t run, const char *step_id, cJSON **out, struct error *err);

#endif
