#include "provisioning/pool_doubt.h"

#include <stdio.h>

#include "provisioning/audit.h"
#include "provisioning/database.h"

static int one_number(sqlite3 *db, const char *sql, int64_t *out, struct error *err)
{
    sqlite3_stmt *st = database_prepare(db, err, sql, "");
    if (!st)
        return err ? err->code : ERROR_IO;
    int rc = database_step(db, st, err, "cannot read the pool");
    if (rc == 1)
        *out = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return rc < 0 ? rc : 0;
}

/* Without its head the chain could not go on: its last entry is taken for it. */
static int mend_head(sqlite3 *db, struct error *err)
{
    return database_run(db,
                        "INSERT OR IGNORE INTO audit_head"
                        " SELECT 1, n, hash FROM audit ORDER BY n DESC LIMIT 1",
                        err, "cannot mend the audit's head");
}

/* Free to reserved to quarantined, as the tables' rules want it: the unit that may have it is not
 * known, so a name that is no chip's stands for it. */
static int quarantine(sqlite3 *db, bool chain_whole, int64_t wall_ms, int64_t *count,
                      struct error *err)
{
    int rc = database_write(
        db, err, "cannot quarantine identities",
        "UPDATE identity SET state=1, chip_id='unknown unit, identity ' || id,"
        " reason='may have been handed out: the store was recovered' WHERE state=0 AND held=1 AND "
        "(?1 = 0 OR"
        " did IN (SELECT detail ->> 'did' FROM audit WHERE action='identity.reserve'))",
        "i", (int64_t)chain_whole);
    *count = rc ? 0 : sqlite3_changes64(db);
    if (!rc)
        rc = database_write(db, err, "cannot quarantine identities",
                            "UPDATE identity SET state=4, quarantined_ms=?1 WHERE state=1 AND"
                            " chip_id='unknown unit, identity ' || id",
                            "i", wall_ms);
    return rc;
}

static int note(sqlite3 *db, const char *operator_name, int64_t wall_ms,
                const struct pool_doubt *found, struct error *err)
{
    char detail[160];
    snprintf(detail, sizeof detail, "{\"quarantined\":%lld,\"lost\":%lld,\"chain_whole\":%s}",
             (long long)found->quarantined, (long long)found->lost,
             found->chain_whole ? "true" : "false");
    const struct audit_entry e = {.wall_ms = wall_ms,
                                  .actor = operator_name,
                                  .action = "pool.recover",
                                  .subject = "store",
                                  .detail = detail};
    return audit_append(db, &e, err);
}

int pool_doubt_free(sqlite3 *db, const char *operator_name, int64_t wall_ms, struct pool_doubt *out,
                    struct error *err)
{
    struct error broken = {0};
    int64_t tables = 0, entries;
    *out = (struct pool_doubt){0};
    int rc = one_number(db,
                        "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name IN"
                        " ('identity', 'audit', 'audit_head')",
                        &tables, err);
    if (rc || tables < 3)
        return rc;
    int chain = audit_verify(db, &entries, &broken);
    out->chain_whole = chain == 0;
    if (chain && chain != ERROR_MISMATCH)
        return error_set(err, chain, "%s", broken.text);
    rc = database_save(db, err);
    if (rc)
        return rc;
    /* Rows are numbered from 1 and never removed: a number that is missing is one that is lost. */
    rc = one_number(db, "SELECT coalesce(max(id), 0) - count(*) FROM identity", &out->lost, err);
    if (!rc && !out->chain_whole)
        rc = mend_head(db, err);
    if (!rc)
        rc = quarantine(db, out->chain_whole, wall_ms, &out->quarantined, err);
    if (!rc)
        rc = note(db, operator_name, wall_ms, out, err);
    return database_keep(db, rc, err);
}
