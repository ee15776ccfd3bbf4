#include "station/engine/control_pool.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "provisioning/audit.h"
#include "provisioning/pool_quota.h"
#include "provisioning/pool_report.h"
#include "station/engine/operators.h"
#include "station/engine/pool_process.h"

static int need_pool(struct engine *e, struct error *err)
{
    return e->pool ? 0
                   : error_set(err, ERROR_MISSING, "%s names no 'custody', so it has no pool",
                               e->station->path);
}

cJSON *control_pool_describe(const struct engine *e)
{
    char notice[160] = "";
    struct error ignored; /* the store's trouble is told in `paused` */
    int64_t free = 0;
    const long long below = e->station->identities.warn_below;
    if (!e->pool || pool_free_up_to(e->pool, below, &free, &ignored))
        return NULL;
    cJSON *o = cJSON_CreateObject(), *shared = NULL;
    if (pool_process_wanted(e)) {
        shared = pool_process_describe(e);
        cJSON_AddItemToObject(o, "shared", shared);
        if (json_bool(shared, "reachable", false) && pool_process_free(e) >= 0)
            free = pool_process_free(e);
    }
    const bool low = free < below;
    cJSON_AddNumberToObject(o, "warn_below", (double)below);
    cJSON_AddBoolToObject(o, "low", low);
    if (low)
        cJSON_AddNumberToObject(o, "free", (double)free);
    if (low && free == 0)
        snprintf(notice, sizeof notice,
                 "the pool of identities is empty: import more (takt identity import)");
    else if (low)
        snprintf(notice, sizeof notice,
                 "the pool is low: %lld free identities, warned below %lld: import more",
                 (long long)free, below);
    if (shared && !json_bool(shared, "reachable", false) && *json_string(shared, "reason", ""))
        snprintf(notice, sizeof notice,
                 "the shared pool is not reached; %.0f identities of a lease are left, until %s",
                 json_number(shared, "lease_free", 0), json_string(shared, "lease_ends", ""));
    cJSON_AddStringToObject(o, "notice", notice);
    return o;
}

int control_pool_status(struct engine *e, const struct control_request *r, const cJSON *params,
                        cJSON **result, struct error *err)
{
    struct pool_counts counts;
    int rc = need_pool(e, err);
    if (!rc)
        rc = pool_counts(e->pool, &counts, err);
    if (rc)
        return rc;
    *result = cJSON_CreateObject();
    for (int s = 0; s < IDENTITY_STATES; s++)
        cJSON_AddNumberToObject(*result, pool_state_name((enum identity_state)s),
                                (double)counts.of[s]);
    return 0;
}

int control_pool_import(struct engine *e, const struct control_request *r, const cJSON *params,
                        cJSON **result, struct error *err)
{
    int count = 0;
    const char *path = json_string(params, "path", "");
    if (path[0] != '/')
        return error_set(err, ERROR_INPUT, "'path' is '%s', expected an absolute one", path);
    struct stat st;
    char who[OPERATOR_NAME_MAX + 1];
    int rc = need_pool(e, err);
    if (!rc)
        rc = operators_allow(e->operators, ACT_POOL_IMPORT, params, who, err);
    if (rc)
        return rc;
    if (stat(path, &st))
        return error_errno(err, ERROR_MISSING, "cannot open %s", path);
    if (!S_ISREG(st.st_mode)) /* a pipe that nobody fills would hold up every slot */
        return error_set(err, ERROR_INPUT, "%s is no regular file", path);
    rc = pool_import(e->pool, path, &e->station->identities.deliveries, who, &count, err);
    if (rc)
        return rc;
    e->changed = true;
    *result = cJSON_CreateObject();
    cJSON_AddNumberToObject(*result, "imported", count);
    return 0;
}

int control_pool_quota(struct engine *e, const struct control_request *r, const cJSON *params,
                       cJSON **result, struct error *err)
{
    enum pool_quota_kind kind;
    char who[OPERATOR_NAME_MAX + 1];
    int rc = need_pool(e, err);
    if (!rc)
        rc = operators_allow(e->operators, ACT_POOL_QUOTA, params, who, err);
    if (!rc)
        rc = pool_quota_kind_find(json_string(params, "kind", ""), &kind, err);
    if (!rc)
        rc = pool_quota_set(e->pool, kind, json_string(params, "name", ""),
                            (int64_t)json_number(params, "allowed", -1), who, clock_wall_ms(), err);
    if (!rc)
        *result = cJSON_CreateObject();
    return rc;
}

int control_pool_scrap(struct engine *e, const struct control_request *r, const cJSON *params,
                       cJSON **result, struct error *err)
{
    char who[OPERATOR_NAME_MAX + 1];
    int rc = need_pool(e, err);
    if (!rc)
        rc = operators_allow(e->operators, ACT_POOL_SCRAP, params, who, err);
    if (!rc)
        rc = pool_advance(e->pool, json_string(params, "chip_id", ""), IDENTITY_SCRAPPED,
                          json_string(params, "reason", ""), clock_wall_ms(), err);
    if (!rc)
        *result = cJSON_CreateObject();
    return rc;
}

int control_pool_reconcile(struct engine *e, const struct control_request *r, const cJSON *params,
                           cJSON **result, struct error *err)
{
    const char *path = json_string(params, "path", ""), *order = json_string(params, "order", "");
    int64_t rows = 0;
    char who[OPERATOR_NAME_MAX + 1];
    int rc = need_pool(e, err);
    if (!rc)
        rc = operators_allow(e->operators, ACT_POOL_EXPORT, params, who, err);
    if (!rc && !e->signer)
        rc =
            error_set(err, ERROR_MISSING, "%s names no 'token_key' to sign with", e->station->path);
    if (!rc && path[0] != '/')
        rc = error_set(err, ERROR_INPUT, "'path' is '%s', expected an absolute one", path);
    if (!rc)
        rc = pool_report_export(e->pool, e->signer, order, path, who, clock_wall_ms(), &rows, err);
    if (rc)
        return rc;
    *result = cJSON_CreateObject();
    cJSON_AddNumberToObject(*result, "rows", (double)rows);
    return 0;
}

/* What people do to the shared pool is done by `takt`, which must not hold up taktd; who may, and
 * that it is on record first, is taktd's. */
int control_pool_record(struct engine *e, const struct control_request *r, const cJSON *params,
                        cJSON **result, struct error *err)
{
    static const struct {
        const char *action;
        enum operator_act act;
    } acts[] = {{"shared.import", ACT_POOL_IMPORT},
                {"shared.export", ACT_POOL_EXPORT},
                {"shared.write_off", ACT_POOL_SCRAP}};
    const char *action = json_string(params, "action", "");
    char who[OPERATOR_NAME_MAX + 1];
    size_t i = 0;
    while (i < sizeof acts / sizeof acts[0] && strcmp(acts[i].action, action) != 0)
        i++;
    if (i == sizeof acts / sizeof acts[0])
        return error_set(err, ERROR_INPUT, "'%.40s' is nothing to put on record", action);
    int rc = need_pool(e, err);
    if (!rc)
        rc = operators_allow(e->operators, acts[i].act, params, who, err);
    if (rc)
        return rc;
    const struct audit_entry entry = {.wall_ms = clock_wall_ms(),
                                      .actor = who,
                                      .action = acts[i].action,
                                      .subject = json_string(params, "subject", ""),
                                      .detail = json_string(params, "detail", "")};
    rc = audit_append(store_handle(e->store), &entry, err);
    if (!rc)
        *result = cJSON_CreateObject();
    return rc;
}
