/* The shared pool's tables in PostgreSQL, in a schema of their own, "takt_pool"; docs/records.md
 * says what they mean. Only the shared pool's own files include this. */
#ifndef TAKT_PROVISIONING_SHARED_SCHEMA_H
#define TAKT_PROVISIONING_SHARED_SCHEMA_H

enum { SHARED_POOL_VERSION = 1 };

/* From nothing to version 1, in one transaction of the caller's. */
extern const char shared_schema_1[];

/* Parameters: chip, serial, order, station, operator, time in ms. One row (id, did, mac,
 * fingerprint, sealed key, state) or none when the pool is empty. One statement: whoever comes at
 * the same time skips the row that is being taken instead of waiting for it. */
extern const char shared_reserve_sql[];
/* Parameters: lease, how many. The rows taken. */
extern const char shared_lease_sql[];

#endif
