/* What the files of `takt identity` share. */
#ifndef TAKT_STATION_CLI_IDENTITY_PARTS_H
#define TAKT_STATION_CLI_IDENTITY_PARTS_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "provisioning/pool_quota.h"
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

/* Rows of the table in identity.c. */
typedef int identity_action(const struct identity_request *r, struct error *err);
identity_action identity_quota, identity_scrap, identity_reconcile;
identity_action identity_witness, identity_audit;

#endif
