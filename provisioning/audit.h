/* The append-only record of who did what: h_i = SHA-256(h_{i-1} || record). */
#ifndef TAKT_PROVISIONING_AUDIT_H
#define TAKT_PROVISIONING_AUDIT_H

#include <sqlite3.h>
#include <stdint.h>

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
/* Walks the chain again. 0, or ERROR_MISMATCH naming the first entry that was altered, removed or
 * moved; *entries = how many were read. */
int audit_verify(sqlite3 *db, int64_t *entries, struct error *err);

#endif
