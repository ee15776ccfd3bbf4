#include "station/engine/journal.h"

#include <stdio.h>
#include <stdlib.h>

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS engine_run(run INTEGER PRIMARY KEY, slot INTEGER NOT NULL,"
    "  at INTEGER NOT NULL, current INTEGER NOT NULL, attempt INTEGER NOT NULL,"
    "  tries INTEGER NOT NULL, resumes INTEGER NOT NULL, begun INTEGER NOT NULL,"
    "  ending INTEGER NOT NULL, worst INTEGER NOT NULL, message TEXT NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS engine_attempt(run INTEGER NOT NULL, step INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL, PRIMARY KEY(run, step)) STRICT, WITHOUT ROWID;";

enum statement { PUT, GET, REMOVE, REMOVE_ATTEMPTS, PUT_ATTEMPT, GET_ATTEMPT, STATEMENTS };

static const char *const texts[STATEMENTS] = {
    [PUT] = "INSERT OR REPLACE INTO engine_run VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
    [GET] = ("SELECT slot, at, current, attempt, tries, resumes, begun, ending, worst, message"
             " FROM engine_run WHERE run = ?1"),
    [REMOVE] = "DELETE FROM engine_run WHERE run = ?1",
    [REMOVE_ATTEMPTS] = "DELETE FROM engine_attempt WHERE run = ?1",
    [PUT_ATTEMPT] = "INSERT OR REPLACE INTO engine_attempt VALUES(?1, ?2, ?3)",
    [GET_ATTEMPT] = "SELECT attempt FROM engine_attempt WHERE run = ?1 AND step = ?2",
};

struct journal {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
};

static int failed(const struct journal *j, const char *what, struct error *err)
{
    int code = sqlite3_errcode(j->db) & 0xff;
    return error_set(err, code == SQLITE_FULL ? ERROR_FULL : ERROR_IO, "the journal, %s: %s", what,
                     sqlite3_errmsg(j->db));
}

int journal_open(sqlite3 *db, struct journal **out, struct error *err)
{
    *out = NULL;
    struct journal *j = calloc(1, sizeof *j);
    if (!j)
        return error_set(err, ERROR_MEMORY, "the journal: out of memory");
    j->db = db;
    int rc = 0;
    if (sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK)
        rc = failed(j, "making its tables", err);
    for (int i = 0; !rc && i < STATEMENTS; i++)
        if (sqlite3_prepare_v3(db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &j->statements[i],
                               NULL) != SQLITE_OK)
            rc = failed(j, "preparing", err);
    if (rc) {
        journal_close(j);
        return rc;
    }
    *out = j;
    return 0;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(j->statements[i]);
    free(j);
}

/* Runs a statement without rows. */
static int run(struct journal *j, enum statement which, const char *what, struct error *err)
{
    sqlite3_stmt *s = j->statements[which];
    int rc = sqlite3_step(s) == SQLITE_DONE ? 0 : failed(j, what, err);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return rc;
}

int journal_put(struct journal *j, const struct journal_entry *e, struct error *err)
{
    sqlite3_stmt *s = j->statements[PUT];
    const int numbers[] = {e->slot,    e->at,    e->current, e->attempt, e->tries,
                           e->resumes, e->begun, e->ending,  e->worst};
    sqlite3_bind_int64(s, 1, e->run);
    for (int i = 0; i < 9; i++)
        sqlite3_bind_int(s, i + 2, numbers[i]);
    sqlite3_bind_text(s, 11, e->message, -1, SQLITE_STATIC);
    return run(j, PUT, "noting where a run stands", err);
}

int journal_get(struct journal *j, int64_t id, struct journal_entry *out, struct error *err)
{
    sqlite3_stmt *s = j->statements[GET];
    sqlite3_bind_int64(s, 1, id);
    int step = sqlite3_step(s), rc = 0;
    if (step == SQLITE_ROW) {
        *out = (struct journal_entry){
            .run = id,
            .slot = sqlite3_column_int(s, 0),
            .at = sqlite3_column_int(s, 1),
            .current = sqlite3_column_int(s, 2),
            .attempt = sqlite3_column_int(s, 3),
            .tries = sqlite3_column_int(s, 4),
            .resumes = sqlite3_column_int(s, 5),
            .begun = sqlite3_column_int(s, 6),
            .ending = sqlite3_column_int(s, 7),
            .worst = sqlite3_column_int(s, 8),
        };
        snprintf(out->message, sizeof out->message, "%s", (const char *)sqlite3_column_text(s, 9));
    } else if (step == SQLITE_DONE) {
        rc = error_set(err, ERROR_MISSING, "the journal has no run %lld", (long long)id);
    } else {
        rc = failed(j, "reading where a run stands", err);
    }
    sqlite3_reset(s);
    return rc;
}

int journal_remove(struct journal *j, int64_t id, struct error *err)
{
    sqlite3_bind_int64(j->statements[REMOVE], 1, id);
    sqlite3_bind_int64(j->statements[REMOVE_ATTEMPTS], 1, id);
    int rc = run(j, REMOVE, "closing a run", err);
    return rc ? rc : run(j, REMOVE_ATTEMPTS, "closing a run", err);
}

int journal_put_attempt(struct journal *j, int64_t id, int step, int attempt, struct error *err)
{
    sqlite3_stmt *s = j->statements[PUT_ATTEMPT];
    sqlite3_bind_int64(s, 1, id);
    sqlite3_bind_int(s, 2, step);
    sqlite3_bind_int(s, 3, attempt);
    return run(j, PUT_ATTEMPT, "noting an attempt", err);
}

int journal_get_attempt(struct journal *j, int64_t id, int step, int *attempt, struct error *err)
{
    sqlite3_stmt *s = j->statements[GET_ATTEMPT];
    sqlite3_bind_int64(s, 1, id);
    sqlite3_bind_int(s, 2, step);
    int got = sqlite3_step(s), rc = 0;
    *attempt = got == SQLITE_ROW ? sqlite3_column_int(s, 0) : 0;
    if (got != SQLITE_ROW && got != SQLITE_DONE)
        rc = failed(j, "reading an attempt", err);
    sqlite3_reset(s);
    return rc;
}
