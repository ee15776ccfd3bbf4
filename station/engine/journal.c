#include "station/engine/journal.h"

#include <stdio.h>
#include <stdlib.h>

/* The two tables dropped are those of stations before plans were graphs: a run that was open then
 * is closed as aborted. */
static const char schema[] =
    "DROP TABLE IF EXISTS engine_run; DROP TABLE IF EXISTS engine_attempt;"
    "CREATE TABLE IF NOT EXISTS engine_open(run INTEGER PRIMARY KEY, slot INTEGER NOT NULL,"
    "  resumes INTEGER NOT NULL, aborting INTEGER NOT NULL, ending INTEGER NOT NULL, message TEXT "
    "NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS engine_step(run INTEGER NOT NULL, step INTEGER NOT NULL,"
    "  state INTEGER NOT NULL, attempt INTEGER NOT NULL, tries INTEGER NOT NULL,"
    "  verdict INTEGER NOT NULL, first INTEGER NOT NULL, again INTEGER NOT NULL,"
    "  why TEXT NOT NULL, PRIMARY KEY(run, step)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS engine_group(run INTEGER NOT NULL, number INTEGER NOT NULL,"
    "  rounds INTEGER NOT NULL, repeats INTEGER NOT NULL, PRIMARY KEY(run, number))"
    "  STRICT, WITHOUT ROWID;";

enum statement {
    PUT_RUN,
    GET_RUN,
    PUT_STEP,
    GET_STEPS,
    PUT_ROUNDS,
    GET_ROUNDS,
    REMOVE_RUN,
    REMOVE_STEPS,
    REMOVE_ROUNDS,
    STATEMENTS,
};

static const char *const texts[STATEMENTS] = {
    [PUT_RUN] = "INSERT OR REPLACE INTO engine_open VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [GET_RUN] = "SELECT slot, resumes, aborting, ending, message FROM engine_open WHERE run = ?1",
    [PUT_STEP] = "INSERT OR REPLACE INTO engine_step VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [GET_STEPS] = "SELECT step, state, attempt, tries, verdict, first, again, why FROM engine_step "
                  "WHERE run = ?1 ORDER BY step",
    [PUT_ROUNDS] = "INSERT OR REPLACE INTO engine_group VALUES(?1, ?2, ?3, ?4)",
    [GET_ROUNDS] = "SELECT rounds, repeats FROM engine_group WHERE run = ?1 AND number = ?2",
    [REMOVE_RUN] = "DELETE FROM engine_open WHERE run = ?1",
    [REMOVE_STEPS] = "DELETE FROM engine_step WHERE run = ?1",
    [REMOVE_ROUNDS] = "DELETE FROM engine_group WHERE run = ?1",
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

/* A statement whose parameters are numbers, the run's first. */
static sqlite3_stmt *bind(struct journal *j, enum statement which, int64_t run, const int *numbers,
                          int count)
{
    sqlite3_stmt *s = j->statements[which];
    sqlite3_bind_int64(s, 1, run);
    for (int i = 0; i < count; i++)
        sqlite3_bind_int(s, i + 2, numbers[i]);
    return s;
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

int journal_put_run(struct journal *j, const struct journal_run *r, struct error *err)
{
    const int numbers[] = {r->slot, r->resumes, r->aborting, r->ending};
    sqlite3_stmt *s = bind(j, PUT_RUN, r->run, numbers, 4);
    sqlite3_bind_text(s, 6, r->message, -1, SQLITE_STATIC);
    return run(j, PUT_RUN, "noting where a run stands", err);
}

int journal_get_run(struct journal *j, int64_t id, struct journal_run *out, struct error *err)
{
    sqlite3_stmt *s = bind(j, GET_RUN, id, NULL, 0);
    int step = sqlite3_step(s), rc = 0;
    if (step == SQLITE_ROW) {
        *out = (struct journal_run){.run = id,
                                    .slot = sqlite3_column_int(s, 0),
                                    .resumes = sqlite3_column_int(s, 1),
                                    .aborting = sqlite3_column_int(s, 2),
                                    .ending = sqlite3_column_int(s, 3)};
        snprintf(out->message, sizeof out->message, "%s", (const char *)sqlite3_column_text(s, 4));
    } else if (step == SQLITE_DONE) {
        rc = error_set(err, ERROR_MISSING, "the journal has no run %lld", (long long)id);
    } else {
        rc = failed(j, "reading where a run stands", err);
    }
    sqlite3_reset(s);
    return rc;
}

int journal_put_step(struct journal *j, const struct journal_step *e, struct error *err)
{
    const int numbers[] = {e->step, e->state, e->attempt, e->tries, e->verdict, e->first, e->again};
    sqlite3_stmt *s = bind(j, PUT_STEP, e->run, numbers, 7);
    sqlite3_bind_text(s, 9, e->why, -1, SQLITE_STATIC);
    return run(j, PUT_STEP, "noting a step", err);
}

int journal_steps(struct journal *j, int64_t id,
                  int (*each)(void *context, const struct journal_step *s), void *context,
                  struct error *err)
{
    sqlite3_stmt *s = bind(j, GET_STEPS, id, NULL, 0);
    int got, rc = 0;
    while (!rc && (got = sqlite3_step(s)) == SQLITE_ROW) {
        const struct journal_step e = {.run = id,
                                       .step = sqlite3_column_int(s, 0),
                                       .state = sqlite3_column_int(s, 1),
                                       .attempt = sqlite3_column_int(s, 2),
                                       .tries = sqlite3_column_int(s, 3),
                                       .verdict = sqlite3_column_int(s, 4),
                                       .first = sqlite3_column_int(s, 5),
                                       .again = sqlite3_column_int(s, 6),
                                       .why = (const char *)sqlite3_column_text(s, 7)};
        rc = each(context, &e);
    }
    if (!rc && got != SQLITE_DONE)
        rc = failed(j, "reading a run's steps", err);
    else if (rc)
        error_set(err, rc, "the journal of run %lld does not fit its plan", (long long)id);
    sqlite3_reset(s);
    return rc;
}

int journal_put_rounds(struct journal *j, int64_t id, int group, int rounds, bool repeats,
                       struct error *err)
{
    const int numbers[] = {group, rounds, repeats};
    bind(j, PUT_ROUNDS, id, numbers, 3);
    return run(j, PUT_ROUNDS, "noting a group's round", err);
}

int journal_get_rounds(struct journal *j, int64_t id, int group, int *rounds, bool *repeats,
                       struct error *err)
{
    sqlite3_stmt *s = bind(j, GET_ROUNDS, id, &group, 1);
    int got = sqlite3_step(s), rc = 0;
    *rounds = got == SQLITE_ROW ? sqlite3_column_int(s, 0) : 0;
    *repeats = got == SQLITE_ROW && sqlite3_column_int(s, 1);
    if (got != SQLITE_ROW && got != SQLITE_DONE)
        rc = failed(j, "reading a group's round", err);
    sqlite3_reset(s);
    return rc;
}

int journal_remove(struct journal *j, int64_t id, struct error *err)
{
    int rc = 0;
    for (enum statement st = REMOVE_RUN; !rc && st <= REMOVE_ROUNDS; st++) {
        bind(j, st, id, NULL, 0);
        rc = run(j, st, "closing a run", err);
    }
    return rc;
}
