/* Old runs out of the store, once a copy has them. */
#include <stdio.h>
#include <string.h>

#include "reports/maintenance.h"
#include "reports/store.h"
#include "reports/store/schema.h"
#include "reports/store/strays.h"

/* Runs that may go: judged long ago, sent where they were to go, and named by no defect. */
#define GOING                                                                                      \
    " IN (SELECT r.id FROM run r WHERE r.ended_ms < ?1 AND r.verdict <> 0"                         \
    " AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.run=r.id AND o.state <> 1)"                   \
    " AND NOT EXISTS (SELECT 1 FROM defect d WHERE d.run=r.id))"

static const char *const removals[] = {
    "DELETE FROM measurement WHERE run" GOING,
    "DELETE FROM note WHERE run" GOING,
    "DELETE FROM attachment WHERE run" GOING,
    "DELETE FROM step WHERE run" GOING,
    "DELETE FROM received WHERE run" GOING,
    "DELETE FROM outbox WHERE run" GOING " AND state=1",
    "DELETE FROM run_again WHERE ?1 = ?1", /* filled again below */
    "DELETE FROM run WHERE id" GOING,
    /* What only they named. */
    "DELETE FROM content WHERE ?1 = ?1 AND id NOT IN (SELECT content FROM attachment)",
};

static int execute(sqlite3 *db, const char *sql, int64_t before_ms, int64_t *changed,
                   struct error *err)
{
    sqlite3_stmt *st = NULL;
    int rc = 0;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        return store_fail(db, err, "cannot archive");
    sqlite3_bind_int64(st, 1, before_ms);
    if (sqlite3_step(st) != SQLITE_DONE)
        rc = store_fail(db, err, "cannot archive");
    *changed = sqlite3_changes64(db);
    sqlite3_finalize(st);
    return rc;
}

/* The rules that keep rows are lifted within the transaction that puts them back. */
static int lift_rules(sqlite3 *db, bool lift, struct error *err)
{
    for (int v = 0; v < STORE_VERSION; v++)
        for (const struct store_rule *r = store_migrations[v].rules; r->name; r++) {
            char sql[64];
            snprintf(sql, sizeof sql, "DROP TRIGGER %s", r->name);
            if (strcmp(r->event, "DELETE") != 0)
                continue;
            int rc = lift ? (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK
                                 ? 0
                                 : store_fail(db, err, "cannot archive"))
                          : store_rule_make(db, r, err);
            if (rc)
                return rc;
        }
    return 0;
}

int maintenance_archive(const char *store_path, const char *attachments_dir, const char *folder,
                        int64_t before_ms, int64_t *runs, struct error *err)
{
    struct store *s = NULL;
    int64_t changed = 0, strays = 0;
    *runs = 0;
    int rc = store_open(store_path, attachments_dir, &s, err); /* nobody writes meanwhile */
    if (!rc)
        rc = maintenance_backup(store_path, attachments_dir, folder, err);
    if (!rc)
        rc = store_begin(s, err);
    if (!rc) {
        rc = lift_rules(store_handle(s), true, err);
        for (size_t i = 0; !rc && i < sizeof removals / sizeof removals[0]; i++) {
            rc = execute(store_handle(s), removals[i], before_ms, &changed, err);
            if (!strncmp(removals[i], "DELETE FROM run ", 16))
                *runs = changed;
        }
        if (!rc && sqlite3_exec(store_handle(s), STORE_TALLIES_EMPTY STORE_TALLIES_FILL, NULL, NULL,
                                NULL) != SQLITE_OK)
            rc = store_fail(store_handle(s), err, "cannot archive");
        if (!rc)
            rc = lift_rules(store_handle(s), false, err);
        if (!rc)
            rc = store_commit(s, err);
        else
            store_rollback(s);
    }
    if (!rc)
        rc = maintenance_strays(s, attachments_dir, true, &strays, err);
    store_close(s);
    return rc;
}
