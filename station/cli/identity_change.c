/* takt identity: what changes the pool or is on record in its chain. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "provisioning/pool_report.h"
#include "reports/store_schema.h"
#include "station/cli/command.h"
#include "station/cli/identity_parts.h"
#include "station/engine/client.h"

/* The report of an order of 100,000 takes some seconds. */
enum { CHANGE_TIMEOUT_MS = 30000 };

void identity_desk_close(struct identity_desk *d)
{
    pool_close(d->pool);
    custody_close(d->custody);
    store_close(d->store);
}

int identity_desk_open(const struct identity_request *r, struct identity_desk *d, struct error *err)
{
    int rc = store_open(r->place.store, r->place.attachments, &d->store, err);
    if (!rc)
        rc = custody_open(r->place.identities.custody, &d->custody, err);
    return rc ? rc : pool_open(store_handle(d->store), d->custody, &d->pool, err);
}

int identity_change(const struct identity_request *r, const char *method, cJSON *params,
                    int (*here)(const struct identity_request *r, struct identity_desk *desk,
                                struct error *err),
                    cJSON **result, struct error *err)
{
    struct identity_desk desk = {0};
    return identity_change_at(r, &desk, method, params, here, result, err);
}

int identity_change_at(const struct identity_request *r, struct identity_desk *desk,
                       const char *method, cJSON *params,
                       int (*here)(const struct identity_request *r, struct identity_desk *desk,
                                   struct error *err),
                       cJSON **result, struct error *err)
{
    struct client *taktd = NULL;
    cJSON_AddStringToObject(params, "operator", cli_operator_name());
    int rc = client_connect(r->place.socket, &taktd, err);
    if (!rc) {
        rc = client_call(taktd, method, params, CHANGE_TIMEOUT_MS, result, err);
    } else {
        cJSON_Delete(params);
        if (rc == ERROR_MISSING)
            rc = identity_desk_open(r, desk, err);
        if (!rc)
            rc = here(r, desk, err);
    }
    identity_desk_close(desk);
    client_close(taktd);
    return rc;
}

static int quota_here(const struct identity_request *r, struct identity_desk *desk,
                      struct error *err)
{
    return pool_quota_set(desk->pool, r->quota_kind, r->quota_of, r->allowed, cli_operator_name(),
                          clock_wall_ms(), err);
}

static int scrap_here(const struct identity_request *r, struct identity_desk *desk,
                      struct error *err)
{
    return pool_advance(desk->pool, r->file, IDENTITY_SCRAPPED, r->reason, clock_wall_ms(), err);
}

static void show_quota(void *context, enum pool_quota_kind kind, const char *name, int64_t used,
                       int64_t allowed)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "kind", pool_quota_kind_name(kind));
    cJSON_AddStringToObject(row, "name", name);
    cJSON_AddNumberToObject(row, "used", (double)used);
    cJSON_AddNumberToObject(row, "allowed", (double)allowed);
    cJSON_AddItemToArray(context, row);
}

static int list_quotas(const struct identity_request *r, struct error *err)
{
    sqlite3 *db = NULL;
    cJSON *list = cJSON_CreateArray();
    const cJSON *row;
    int rc = 0;
    if (identity_is_shared(r))
        rc = identity_shared_quotas(r, show_quota, list, err);
    else
        rc = store_file_open(r->place.store, &db, err);
    if (!rc && db)
        rc = pool_quota_each(db, show_quota, list, err);
    sqlite3_close(db);
    char *text = !rc && r->json ? cJSON_PrintUnformatted(list) : NULL;
    if (text)
        puts(text);
    else if (!rc)
        cJSON_ArrayForEach(row, list)
            printf("%-8s %-24s %8.0f of %.0f\n", json_string(row, "kind", ""),
                   json_string(row, "name", ""), json_number(row, "used", 0),
                   json_number(row, "allowed", 0));
    cJSON_free(text);
    cJSON_Delete(list);
    return rc;
}

int identity_quota(const struct identity_request *r, struct error *err)
{
    if (!r->quota_of && r->allowed < 0)
        return list_quotas(r, err);
    if (!r->quota_of || r->allowed < 0)
        return error_set(err, ERROR_INPUT,
                         "a quota needs --allowed and one of --order, --operator and --at");
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "kind", pool_quota_kind_name(r->quota_kind));
    cJSON_AddStringToObject(params, "name", r->quota_of);
    cJSON_AddNumberToObject(params, "allowed", (double)r->allowed);
    int rc = identity_change(r, "pool.quota", params, quota_here, NULL, err);
    return rc || !identity_is_shared(r) ? rc : identity_shared_quota(r, err);
}

int identity_scrap(const struct identity_request *r, struct error *err)
{
    if (!r->reason)
        return error_set(err, ERROR_INPUT, "--reason is needed: why the unit is no more");
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "chip_id", r->file);
    cJSON_AddStringToObject(params, "reason", r->reason);
    return identity_change(r, "pool.scrap", params, scrap_here, NULL, err);
}

/* ---- reconciliation ------------------------------------------------------------------------ */

static int signer_of(const char *station_path, struct signer **out, struct error *err)
{
    struct station_file *station = NULL;
    int rc = station_file_load(station_path, &station, err);
    if (!rc && !station->token_key[0])
        rc = error_set(err, ERROR_INPUT, "%s names no \"token_key\" to sign with", station_path);
    if (!rc)
        rc = signer_open(station->token_key, out, err);
    station_file_free(station);
    return rc;
}

static int reconcile_here(const struct identity_request *r, struct identity_desk *desk,
                          struct error *err)
{
    struct signer *signer = NULL;
    int64_t rows = 0;
    int rc = signer_of(r->station, &signer, err);
    if (!rc)
        rc = pool_report_export(desk->pool, signer, r->quota_of, r->out, cli_operator_name(),
                                clock_wall_ms(), &rows, err);
    signer_close(signer);
    return rc;
}

int identity_reconcile(const struct identity_request *r, struct error *err)
{
    char here[PATH_MAX], out[PATH_MAX];
    if (!r->quota_of || r->quota_kind != QUOTA_ORDER || !r->out)
        return error_set(err, ERROR_INPUT, "a reconciliation needs --order and --out FILE");
    if (!getcwd(here, sizeof here)) /* taktd stands in another folder */
        return error_errno(err, ERROR_IO, "cannot say which folder this is");
    int rc = file_join(out, sizeof out, here, r->out, err);
    if (rc)
        return rc;
    if (identity_is_shared(r)) {
        struct signer *signer = NULL;
        rc = signer_of(r->station, &signer, err);
        if (!rc)
            rc = identity_shared_reconcile(r, signer, out, err);
        signer_close(signer);
        return rc;
    }
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "order", r->quota_of);
    cJSON_AddStringToObject(params, "path", out);
    return identity_change(r, "pool.reconcile", params, reconcile_here, NULL, err);
}
