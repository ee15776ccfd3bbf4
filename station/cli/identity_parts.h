/* What the files of `takt identity` share. */
#ifndef TAKT_STATION_CLI_IDENTITY_PARTS_H
#define TAKT_STATION_CLI_IDENTITY_PARTS_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "provisioning/pool_quota.h"
#include "provisioning/signer.h"
#include "reports/store.h"
#include "station/cli/state_place.h"

struct identity_request {
    const char *station;
    const char *file; /* import's; scrap's chip */
    const char *reason;
    const char *quota_of; /* the name, of quota_kind; NULL: only list */
    enum pool_quota_kind quota_kind;
    long long allowed; /* negative: not given */
    const char *out, *witness, *key;
    bool json;
    struct state_place place;
};

/* The pool under the writer's lock, so that no taktd can start meanwhile. */
struct identity_desk {
    struct store *store;
    struct custody *custody;
    struct pool *pool;
    const char *action, *subject, *detail; /* of what `here` is to put on record */
};

int identity_desk_open(const struct identity_request *r, struct identity_desk *d,
                       struct error *err);
void identity_desk_close(struct identity_desk *d);

/* taktd is the only writer: while it runs, it does it; else `here` under the writer's lock. Takes
 * params; *result, when it is wanted, is taktd's answer and NULL where `here` did it. */
int identity_change(const struct identity_request *r, const char *method, cJSON *params,
                    int (*here)(const struct identity_request *r, struct identity_desk *desk,
                                struct error *err),
                    cJSON **result, struct error *err);

/* The same with a desk that says more than `here` finds in the request. */
int identity_change_at(const struct identity_request *r, struct identity_desk *desk,
                       const char *method, cJSON *params,
                       int (*here)(const struct identity_request *r, struct identity_desk *desk,
                                   struct error *err),
                       cJSON **result, struct error *err);

/* identity_shared.c: for a station that shares its pool. */
bool identity_is_shared(const struct identity_request *r);
int identity_shared_import(const struct identity_request *r, int *count, struct error *err);
int identity_shared_counts(const struct identity_request *r, struct pool_counts *out,
                           struct error *err);
int identity_shared_quota(const struct identity_request *r, struct error *err);
int identity_shared_quotas(const struct identity_request *r,
                           void (*each)(void *context, enum pool_quota_kind kind, const char *name,
                                        int64_t used, int64_t allowed),
                           void *context, struct error *err);
int identity_shared_reconcile(const struct identity_request *r, struct signer *signer,
                              const char *path, struct error *err);

/* Rows of the table in identity.c. */
typedef int identity_action(const struct identity_request *r, struct error *err);
identity_action identity_quota, identity_scrap, identity_reconcile;
identity_action identity_witness, identity_audit, identity_write_off;

#endif
