/* Reading the store: rows become JSON documents, which renderers turn into pages. Read-only
 * handles; safe beside a running taktd. docs/records.md describes the documents. */
#ifndef TAKT_REPORTS_QUERY_H
#define TAKT_REPORTS_QUERY_H

#include <cjson/cJSON.h>
#include <sqlite3.h>
#include <stdint.h>

#include "protocol/base/error.h"

/* Read-only, whoever runs the program: every write through it is refused. ERROR_MISSING when there
 * is no store, ERROR_STATE for one of a newer version. Close with sqlite3_close(). */
int query_open(const char *store_path, sqlite3 **out, struct error *err);

/* Each makes a document that the caller frees with cJSON_Delete(). A document is one snapshot of
 * the store. */

/* Everything of one unit by serial, chip id, DID or MAC: its runs, steps with every attempt,
 * measurements with limits, notes, attachments, identity state. ERROR_MISSING. When several units
 * answer to the name (a board was swapped under its label), the one with the latest run, and the
 * chip ids of the others. */
int query_unit(sqlite3 *db, const char *name, cJSON **out, struct error *err);
/* One run with its steps. */
int query_run(sqlite3 *db, int64_t run, cJSON **out, struct error *err);
/* An order: units, verdicts, first-pass and last-pass yield, failures by step and measurement. */
int query_order(sqlite3 *db, const char *order, cJSON **out, struct error *err);
/* The same of all runs of a station. */
int query_station(sqlite3 *db, const char *station, cJSON **out, struct error *err);
/* The same of a station's runs that started in [from_ms, to_ms), wall time. */
int query_shift(sqlite3 *db, const char *station, int64_t from_ms, int64_t to_ms, cJSON **out,
                struct error *err);
/* The committed figures of the last attempt of one step: {"measurement": value, "note": "text"}. */
int query_step(sqlite3 *db, int64_t run, const char *step_id, cJSON **out, struct error *err);

#endif
