/* How many identities an order, a station or an operator may use. A quota counts from when it is
 * set, with what was used before; what has none is not bounded. */
#ifndef TAKT_PROVISIONING_POOL_QUOTA_H
#define TAKT_PROVISIONING_POOL_QUOTA_H

#include "provisioning/pool.h"

enum pool_quota_kind { QUOTA_ORDER, QUOTA_STATION, QUOTA_OPERATOR, QUOTA_KINDS };
const char *pool_quota_kind_name(enum pool_quota_kind k); /* "order", ... */
/* ERROR_INPUT naming those there are. */
int pool_quota_kind_find(const char *name, enum pool_quota_kind *out, struct error *err);

/* Set anew, raised or lowered; audited. Below what is used already it stops the next one. */
int pool_quota_set(struct pool *p, enum pool_quota_kind kind, const char *name, int64_t allowed,
                   const char *operator_name, int64_t wall_ms, struct error *err);
/* One row a quota, in order of kind and name. */
int pool_quota_each(sqlite3 *db,
                    void (*each)(void *context, enum pool_quota_kind kind, const char *name,
                                 int64_t used, int64_t allowed),
                    void *context, struct error *err);

/* For pool.c, within a reservation's savepoint: one more is used. ERROR_FULL names the quota that
 * is used up. */
int pool_quota_take(sqlite3 *db, const struct pool_request *r, struct error *err);

#endif
