/* Looking after a station's store: is it whole, a copy of it, old runs out of it, and what can be
 * saved of a damaged one. SQLite alone: a PostgreSQL server has tools of its own (pg_dump,
 * pg_amcheck). */
#ifndef TAKT_REPORTS_MAINTENANCE_H
#define TAKT_REPORTS_MAINTENANCE_H

#include <cjson/cJSON.h>
#include <sqlite3.h>
#include <stdint.h>

#include "protocol/base/error.h"

/* Every page and index, every reference between tables, every attachment's bytes against its hash;
 * beside a running taktd. {"problems": [text...], "contents": n, "strays": n}: strays are files
 * that no row names (a step that was never committed leaves one; harmless). ERROR_MISMATCH with
 * *out still set when there is a problem. */
int maintenance_check(const char *store_path, const char *attachments_dir, cJSON **out,
                      struct error *err);

/* A copy of the store as it is at one moment, with its attachments, into FOLDER/store.db and
 * FOLDER/attachments; beside a running taktd. The copy appears whole or not at all, and is checked
 * before it does; attachments that are there already are left. */
int maintenance_backup(const char *store_path, const char *attachments_dir, const char *folder,
                       struct error *err);

/* Moves runs that ended before `before_ms` out of the store: first a backup into `folder`, then
 * out they go, in one transaction. Kept are open runs, runs still to be sent, and runs that a
 * defect names. ERROR_BUSY while taktd runs. *runs = how many went. */
int maintenance_archive(const char *store_path, const char *attachments_dir, const char *folder,
                        int64_t before_ms, int64_t *runs, struct error *err);

/* Sets a damaged store aside (PATH.damaged-N, with what belongs to it) and puts in its place a new
 * one with every row that can still be read. {"aside": path, "tables": {name: rows...},
 * "dropped": n}: dropped are rows whose run or step is lost. `settle` (may be NULL) sees the new
 * one before it takes the store's place: whoever else keeps tables there settles what the loss puts
 * in doubt; its error ends the recovery. ERROR_BUSY while taktd runs; ERROR_STATE for a store that
 * is whole; ERROR_INPUT when not even the list of tables can be read: nothing is changed then. */
typedef int (*maintenance_settle)(void *context, sqlite3 *db, struct error *err);
int maintenance_recover(const char *store_path, maintenance_settle settle, void *context,
                        cJSON **out, struct error *err);

#endif
