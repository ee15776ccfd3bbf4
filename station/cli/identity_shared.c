/* takt identity with a pool that stations share: done here, on record in this station's chain. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "provisioning/audit.h"
#include "provisioning/pool_report.h"
#include "provisioning/shared_pool.h"
#include "station/cli/command.h"
#include "station/cli/identity_parts.h"

bool identity_is_shared(const struct identity_request *r)
{
    return r->place.identities.shared[0] != '\0';
}

static int reach(const struct identity_request *r, struct shared_pool **out, struct error *err)
{
    return shared_pool_open(r->place.identities.shared, out, err);
}

/* ---- on record --------------------------------------------------------------------------------
 */

static int record_here(const struct identity_request *r, struct identity_desk *desk,
                       struct error *err)
{
    const struct audit_entry e = {.wall_ms = clock_wall_ms(),
                                  .actor = cli_operator_name(),
                                  .action = desk->action,
                                  .subject = desk->subject,
                                  .detail = desk->detail};
    (void)r;
    return audit_append(store_handle(desk->store), &e, err);
}

static int record(const struct identity_request *r, const char *action, const char *subject,
                  cJSON *detail, struct error *err)
{
    char *text = cJSON_PrintUnformatted(detail);
    cJSON_Delete(detail);
    if (!text)
        return error_set(err, ERROR_MEMORY, "the audit's entry: out of memory");
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "action", action);
    cJSON_AddStringToObject(params, "subject", subject);
    cJSON_AddStringToObject(params, "detail", text);
    struct identity_desk desk = {.action = action, .subject = subject, .detail = text};
    int rc = identity_change_at(r, &desk, "pool.record", params, record_here, NULL, err);
    cJSON_free(text);
    return rc;
}

/* ---- what is done -----------------------------------------------------------------------------
 */

static int record_import(void *context, const char *sha256, int count, struct error *err)
{
    const struct identity_request *r = context;
    cJSON *detail = cJSON_CreateObject();
    cJSON_AddStringToObject(detail, "sha256", sha256);
    cJSON_AddNumberToObject(detail, "identities", count);
    return record(r, "shared.import", r->file, detail, err);
}

int identity_shared_import(const struct identity_request *r, int *count, struct error *err)
{
    struct shared_pool *pool = NULL;
    struct custody *custody = NULL;
    char path[PATH_MAX] = "";
    if (!realpath(r->file, path))
        return error_errno(err, ERROR_MISSING, "cannot open %s", r->file);
    int rc = custody_open(r->place.identities.custody, &custody, err);
    if (!rc)
        rc = reach(r, &pool, err);
    if (!rc) {
        const struct shared_import wish = {.custody = custody,
                                           .keys = &r->place.identities.deliveries,
                                           .path = path,
                                           .operator_name = cli_operator_name(),
                                           .station = r->place.station,
                                           .record = record_import,
                                           .context = (void *)(uintptr_t)r};
        rc = shared_pool_import(pool, &wish, count, err);
    }
    shared_pool_close(pool);
    custody_close(custody);
    return rc;
}

int identity_shared_counts(const struct identity_request *r, struct pool_counts *out,
                           struct error *err)
{
    struct shared_pool *pool = NULL;
    int rc = reach(r, &pool, err);
    if (!rc)
        rc = shared_pool_counts(pool, out, err);
    shared_pool_close(pool);
    return rc;
}

int identity_shared_quota(const struct identity_request *r, struct error *err)
{
    struct shared_pool *pool = NULL;
    int rc = reach(r, &pool, err);
    if (!rc)
        rc = shared_quota_set(pool, r->quota_kind, r->quota_of, r->allowed, err);
    shared_pool_close(pool);
    return rc;
}

int identity_shared_quotas(const struct identity_request *r,
                           void (*each)(void *context, enum pool_quota_kind kind, const char *name,
                                        int64_t used, int64_t allowed),
                           void *context, struct error *err)
{
    struct shared_pool *pool = NULL;
    int rc = reach(r, &pool, err);
    if (!rc)
        rc = shared_quota_each(pool, each, context, err);
    shared_pool_close(pool);
    return rc;
}

struct exported {
    const struct identity_request *request;
    int64_t rows;
};

static int record_export(void *context, const char *sha256, struct error *err)
{
    const struct exported *e = context;
    cJSON *detail = cJSON_CreateObject();
    cJSON_AddStringToObject(detail, "sha256", sha256);
    cJSON_AddNumberToObject(detail, "rows", (double)e->rows);
    return record(e->request, "shared.export", e->request->quota_of, detail, err);
}

int identity_shared_reconcile(const struct identity_request *r, struct signer *signer,
                              const char *path, struct error *err)
{
    struct shared_pool *pool = NULL;
    struct buffer csv = {0};
    struct exported e = {.request = r};
    int rc = reach(r, &pool, err);
    if (!rc)
        rc = shared_report_csv(pool, r->quota_of, &csv, &e.rows, err);
    if (!rc)
        rc = pool_report_write(&csv, signer, path, record_export, &e, err);
    buffer_free(&csv);
    shared_pool_close(pool);
    return rc;
}

int identity_write_off(const struct identity_request *r, struct error *err)
{
    struct shared_pool *pool = NULL;
    int64_t count = 0;
    if (!identity_is_shared(r))
        return error_set(err, ERROR_INPUT, "%s shares no pool: there are no leases", r->station);
    if (!r->reason)
        return error_set(err, ERROR_INPUT, "--reason is needed: how the station was lost");
    int rc = reach(r, &pool, err);
    if (!rc) {
        cJSON *detail = cJSON_CreateObject();
        cJSON_AddStringToObject(detail, "reason", r->reason);
        rc = record(r, "shared.write_off", r->file, detail, err);
    }
    if (!rc)
        rc = shared_lease_write_off(pool, r->file, clock_wall_ms(), &count, err);
    shared_pool_close(pool);
    if (rc)
        return rc;
    if (r->json)
        printf("{\"quarantined\":%lld}\n", (long long)count);
    else
        printf("%lld identities that %s held are quarantined\n", (long long)count, r->file);
    return 0;
}
