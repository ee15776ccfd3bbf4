/* The append-only record of who did what: h_i = SHA-256(h_{i-1} || record).
 *
 * A record is its number and time (8 bytes each, big-endian), then actor, action, subject and
 * detail, each as its length (4 bytes, big-endian) and its bytes; h_0 is 32 zero bytes. The head
 * (number and hash of the last entry) is kept in a row of its own, so an entry taken from the end
 * is missed too. Who can write the file can forge the whole chain: keep heads elsewhere
 * (audit_witness.h). */
#ifndef TAKT_PROVISIONING_AUDIT_H
#define TAKT_PROVISIONING_AUDIT_H

#include <stdint.h>

#include <cjson/cJSON.h>
#include <sqlite3.h>

#include "protocol/base/error.h"

struct audit_entry {
    int64_t wall_ms;
    const char *actor;   /* operator, or "taktd" */
    const char *action;  /* "identity.reserve", "run.abort", "pool.import", ... */
    const char *subject; /* chip id, serial, order, file */
    const char *detail;  /* JSON text; never a key */
};

int audit_open(sqlite3 *db, struct error *err); /* makes the table */
int audit_append(sqlite3 *db, const struct audit_entry *e, struct error *err);
/* With `detail`, which is freed, in place of the entry's own text. */
int audit_append_object(sqlite3 *db, struct audit_entry e, cJSON *detail, struct error *err);
/* Walks the chain again. 0, or ERROR_MISMATCH naming the first entry that was altered, removed or
 * moved; *entries = how many were read. */
int audit_verify(sqlite3 *db, int64_t *entries, struct error *err);

struct audit_head {
    int64_t entries;
    char hash[65]; /* hex, of the last entry */
};
int audit_head(sqlite3 *db, struct audit_head *out, struct error *err);
/* Entry n as if it were the last; ERROR_MISSING when there is none. */
int audit_at(sqlite3 *db, int64_t n, struct audit_head *out, struct error *err);

#endif
