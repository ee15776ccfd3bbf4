/* What an order used of the pool, for the platform's reconciliation: a CSV and, beside it as
 * FILE.sig, the token key's signature over its bytes. `openssl dgst -sha256 -verify token.pem
 * -signature FILE.sig FILE` checks it. */
#ifndef TAKT_PROVISIONING_POOL_REPORT_H
#define TAKT_PROVISIONING_POOL_REPORT_H

#include "protocol/base/buffer.h"
#include "provisioning/pool.h"
#include "provisioning/shared_pool.h"
#include "provisioning/signer.h"

/* Appends a header and a row an identity that was reserved for the order, whatever became of it, in
 * the order of the DIDs: did, mac, state, serial, chip_id, order, station, operator, the time of
 * each state (UTC, "" when it never was in it) and the reason; never a key. Ends of lines are CRLF
 * (RFC 4180). ERROR_MISSING when the order used none. */
int pool_report_csv(sqlite3 *db, const char *order, struct buffer *out, int64_t *rows,
                    struct error *err);

/* The same of the shared pool, over all stations. */
int shared_report_csv(struct shared_pool *p, const char *order, struct buffer *out, int64_t *rows,
                      struct error *err);
/* Writes FILE and FILE.sig, once `record` has put it on record. */
int pool_report_write(const struct buffer *csv, struct signer *signer, const char *path,
                      int (*record)(void *context, const char *sha256, struct error *err),
                      void *context, struct error *err);

/* Writes FILE and FILE.sig, with its entry in the audit chain ("identity.export", the order)
 * committed before either is there. A transaction of its own. */
int pool_report_export(struct pool *p, struct signer *signer, const char *order, const char *path,
                       const char *operator_name, int64_t wall_ms, int64_t *rows,
                       struct error *err);

#endif
