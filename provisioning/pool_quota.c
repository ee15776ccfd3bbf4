#include "provisioning/pool_quota.h"

#include <stdio.h>
#include <string.h>

#include "protocol/base/json.h"
#include "provisioning/audit.h"
#include "provisioning/database.h"

/* Kind, and the column of `identity` that says whose it was. */
static const struct {
    const char *name, *column;
} kinds[QUOTA_KINDS] = {{"order", "work_order"}, {"station", "station"}, {"operator", "operator"}};

const char *pool_quota_kind_name(enum pool_quota_kind k)
{
    return kinds[k].name;
}

int pool_quota_kind_find(const char *name, enum pool_quota_kind *out, struct error *err)
{
    for (int k = 0; k < QUOTA_KINDS; k++)
        if (strcmp(kinds[k].name, name) == 0) {
            *out = (enum pool_quota_kind)k;
            return 0;
        }
    return error_set(err, ERROR_INPUT, "a quota of '%s': expected order, station or operator",
                     name);
}

static int note(sqlite3 *db, enum pool_quota_kind kind, const char *name, int64_t allowed,
                const char *operator_name, int64_t wall_ms, struct error *err)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "kind", kinds[kind].name);
    cJSON_AddNumberToObject(object, "allowed", (double)allowed);
    const struct audit_entry e = {
        .wall_ms = wall_ms, .actor = operator_name, .action = "quota.set", .subject = name};
    return audit_append_object(db, e, object, err);
}

int pool_quota_set(struct pool *p, enum pool_quota_kind kind, const char *name, int64_t allowed,
                   const char *operator_name, int64_t wall_ms, struct error *err)
{
    char sql[320];
    sqlite3 *db = pool_database(p);
    if (!name || !*name || allowed < 0)
        return error_set(err, ERROR_INPUT, "a quota needs a name and 0 or more identities");
    snprintf(sql, sizeof sql,
             "INSERT INTO identity_quota(kind, name, allowed, used)"
             " VALUES (?1, ?2, ?3, (SELECT count(*) FROM identity WHERE %s=?2))"
             " ON CONFLICT DO UPDATE SET allowed=excluded.allowed",
             kinds[kind].column);
    int rc = database_save(db, err);
    if (rc)
        return rc;
    rc = database_write(db, err, "cannot set a quota", sql, "tti", kinds[kind].name, name, allowed);
    if (!rc)
        rc = note(db, kind, name, allowed, operator_name, wall_ms, err);
    return database_keep(db, rc, err);
}

int pool_quota_each(sqlite3 *db,
                    void (*each)(void *context, enum pool_quota_kind kind, const char *name,
                                 int64_t used, int64_t allowed),
                    void *context, struct error *err)
{
    enum pool_quota_kind kind = QUOTA_ORDER;
    sqlite3_stmt *st = database_prepare(
        db, err, "SELECT kind, name, used, allowed FROM identity_quota ORDER BY kind, name", "");
    if (!st)
        return err ? err->code : ERROR_IO;
    int rc;
    while ((rc = database_step(db, st, err, "cannot read the quotas")) == 1)
        if (!pool_quota_kind_find((const char *)sqlite3_column_text(st, 0), &kind, NULL))
            each(context, kind, (const char *)sqlite3_column_text(st, 1),
                 sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 3));
    sqlite3_finalize(st);
    return rc;
}

static int take_one(sqlite3 *db, enum pool_quota_kind kind, const char *name, struct error *err)
{
    sqlite3_stmt *st = database_prepare(db, err,
                                        "UPDATE identity_quota SET used=used+1"
                                        " WHERE kind=?1 AND name=?2 RETURNING used, allowed",
                                        "tt", kinds[kind].name, name);
    if (!st)
        return err ? err->code : ERROR_IO;
    int rc = database_step(db, st, err, "cannot count a quota");
    const long long allowed = rc == 1 ? sqlite3_column_int64(st, 1) : 0;
    const bool over = rc == 1 && sqlite3_column_int64(st, 0) > allowed;
    sqlite3_finalize(st);
    if (over)
        return error_set(err, ERROR_FULL,
                         "the quota of %s %s is used up: %lld identities; an engineer can raise it "
                         "with takt identity quota",
                         kinds[kind].name, name, allowed);
    return rc < 0 ? rc : 0;
}

int pool_quota_take(sqlite3 *db, const struct pool_request *r, struct error *err)
{
    const char *const names[QUOTA_KINDS] = {r->order, r->station, r->operator_name};
    int rc = 0;
    for (int k = 0; k < QUOTA_KINDS && !rc; k++)
        if (names[k] && *names[k])
            rc = take_one(db, (enum pool_quota_kind)k, names[k], err);
    return rc;
}
