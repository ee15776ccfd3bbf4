/* What can still be read of a damaged store, row by row.
 *
 * A table is read in the order of its key. Where a page cannot be read, reading goes on behind it:
 * key by key, each found through the pages above it alone, so one bad page costs its own rows.
 * Tables, indexes and rules are made anew from the damaged file's own list of tables. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/buffer.h"
#include "reports/maintenance.h"
#include "reports/store.h"
#include "reports/store/schema.h"

enum {
    COLUMNS_MAX = 64,
    /* Where the last key cannot be read: keys tried behind a bad page, and how many of them in a
     * row may be unreadable before what is above them is taken for lost as well. */
    BLIND_KEYS = 100000,
    BLIND_FAILURES = 2000,
};

struct copying {
    sqlite3 *from, *to;
    cJSON *tables;
};

/* On files as they are, whole or not. `text` is ?1, NULL where there is none; NULL with err set. */
static sqlite3_stmt *prepare(sqlite3 *db, struct error *err, const char *sql, const char *text)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK) {
        store_fail(db, err, "cannot read the store");
        return NULL;
    }
    if (text)
        sqlite3_bind_text(st, 1, text, -1, SQLITE_TRANSIENT);
    return st;
}

/* 1 a row, 0 the end, negative a failure. */
static int next_row(sqlite3 *db, sqlite3_stmt *st, struct error *err)
{
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : store_fail(db, err, "cannot read the store");
}

static int fail_new(const struct copying *c, struct error *err)
{
    return store_fail(c->to, err, "cannot write the recovered store");
}

/* The damaged file's definitions of one type ("table", ...), run in the new one. */
static int copy_schema(const struct copying *c, const char *type, struct error *err)
{
    sqlite3_stmt *st = prepare(c->from, err,
                               "SELECT sql FROM sqlite_schema WHERE type=?1 AND sql NOT NULL"
                               " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid",
                               type);
    int rc = st ? 0 : err->code;
    while (!rc && (rc = next_row(c->from, st, err)) == 1) {
        rc = 0;
        if (sqlite3_exec(c->to, (const char *)sqlite3_column_text(st, 0), NULL, NULL, NULL) !=
            SQLITE_OK)
            rc = fail_new(c, err);
    }
    sqlite3_finalize(st);
    return rc;
}

struct table {
    const char *name;
    char key[64]; /* the column it is ordered by: rowid, or the first of its primary key */
    bool numeric; /* that column is a number, so keys can be tried one by one */
    int columns;
    sqlite3_stmt *insert, *onward, *only, *backward;
    int64_t rows;
};

static int describe_table(const struct copying *c, struct table *t, struct error *err)
{
    struct buffer insert = {0}, read = {0};
    bool without_rowid = false;
    sqlite3_stmt *st =
        prepare(c->to, err, "SELECT wr FROM pragma_table_list WHERE name=?1", t->name);
    if (st && next_row(c->to, st, err) == 1)
        without_rowid = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    strcpy(t->key, "rowid");
    t->numeric = true;
    buffer_printf(&insert, "INSERT OR IGNORE INTO \"%s\" VALUES (", t->name);
    st = prepare(c->to, err, "SELECT name, type, pk FROM pragma_table_info(?1) ORDER BY cid",
                 t->name);
    int rc = st ? 0 : err->code;
    while (!rc && (rc = next_row(c->to, st, err)) == 1) {
        buffer_printf(&insert, t->columns ? ", ?%d" : "?%d", t->columns + 1);
        if (without_rowid && sqlite3_column_int(st, 2) == 1) {
            snprintf(t->key, sizeof t->key, "%s", (const char *)sqlite3_column_text(st, 0));
            t->numeric = !strcmp((const char *)sqlite3_column_text(st, 1), "INTEGER");
        }
        t->columns++;
        rc = 0;
    }
    sqlite3_finalize(st);
    buffer_append_text(&insert, ")");
    static const char *const forms[3] = {
        "SELECT \"%1$s\", * FROM \"%2$s\" NOT INDEXED WHERE \"%1$s\" > ?1 ORDER BY \"%1$s\"",
        "SELECT \"%1$s\", * FROM \"%2$s\" NOT INDEXED WHERE \"%1$s\" = ?1",
        "SELECT \"%1$s\" FROM \"%2$s\" NOT INDEXED ORDER BY \"%1$s\" DESC LIMIT 1"};
    sqlite3_stmt **reads[3] = {&t->onward, &t->only, &t->backward};
    if (!rc && sqlite3_prepare_v2(c->to, buffer_text(&insert), -1, &t->insert, NULL) != SQLITE_OK)
        rc = fail_new(c, err);
    for (int i = 0; !rc && i < 3; i++) {
        read.size = 0;
        buffer_printf(&read, forms[i], t->key, t->name);
        if (sqlite3_prepare_v2(c->from, buffer_text(&read), -1, reads[i], NULL) != SQLITE_OK)
            rc = store_fail(c->from, err, "cannot read the damaged store");
    }
    buffer_free(&insert);
    buffer_free(&read);
    return rc;
}

static int copy_row(const struct copying *c, struct table *t, sqlite3_stmt *row, struct error *err)
{
    for (int i = 0; i < t->columns; i++)
        sqlite3_bind_value(t->insert, i + 1, sqlite3_column_value(row, i + 1));
    int code = sqlite3_step(t->insert);
    sqlite3_reset(t->insert);
    /* A row that a damaged page bent out of shape is refused by its table's own checks. */
    if (code != SQLITE_DONE && (code & 0xff) != SQLITE_CONSTRAINT &&
        (code & 0xff) != SQLITE_MISMATCH)
        return fail_new(c, err);
    t->rows += code == SQLITE_DONE ? sqlite3_changes(c->to) : 0;
    return 0;
}

/* Reads on from behind *last until the end (1) or a page that cannot be read (0). */
static int copy_onward(const struct copying *c, struct table *t, int64_t *last, bool *any,
                       struct error *err)
{
    int code, rc = 0;
    if (t->numeric)
        sqlite3_bind_int64(t->onward, 1, *last);
    else
        sqlite3_bind_text(t->onward, 1, "", -1, SQLITE_STATIC);
    while (!rc && (code = sqlite3_step(t->onward)) == SQLITE_ROW) {
        *any = true;
        if (t->numeric)
            *last = sqlite3_column_int64(t->onward, 0);
        rc = copy_row(c, t, t->onward, err);
    }
    sqlite3_reset(t->onward);
    return rc ? rc : code == SQLITE_DONE;
}

/* Rows of one key: 1 some, 0 none or unreadable. */
static int copy_key(const struct copying *c, struct table *t, int64_t key, int *failures,
                    struct error *err)
{
    int rc = 0, found = 0, code = SQLITE_DONE;
    sqlite3_bind_int64(t->only, 1, key);
    while (!rc && (code = sqlite3_step(t->only)) == SQLITE_ROW) {
        found = 1;
        rc = copy_row(c, t, t->only, err);
    }
    *failures = code == SQLITE_DONE ? 0 : *failures + 1;
    sqlite3_reset(t->only);
    return rc ? rc : found;
}

static int copy_table(const struct copying *c, const char *name, struct error *err)
{
    struct table t = {.name = name};
    int64_t last = INT64_MIN, end = 0;
    bool any = false;
    int rc = describe_table(c, &t, err);
    if (!rc)
        rc = copy_onward(c, &t, &last, &any, err);
    if (rc == 0 && t.numeric) {
        bool known = sqlite3_step(t.backward) == SQLITE_ROW;
        end = known ? sqlite3_column_int64(t.backward, 0) : (any ? last : 0) + BLIND_KEYS;
        int failures = 0;
        for (int64_t key = any ? last : 0;
             rc == 0 && key <= end && (known || failures < BLIND_FAILURES); key++) {
            rc = copy_key(c, &t, key, &failures, err);
            if (rc == 1) { /* firm ground again: onward from here */
                last = key;
                rc = copy_onward(c, &t, &last, &any, err);
                key = last > key ? last : key;
            }
        }
    }
    cJSON_AddNumberToObject(c->tables, name, (double)t.rows);
    sqlite3_finalize(t.insert);
    sqlite3_finalize(t.onward);
    sqlite3_finalize(t.only);
    sqlite3_finalize(t.backward);
    return rc < 0 ? rc : 0;
}

static int copy_tables(const struct copying *c, struct error *err)
{
    sqlite3_stmt *st = prepare(c->to, err,
                               "SELECT name FROM sqlite_schema WHERE type='table' AND name"
                               " NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid",
                               NULL);
    int rc = st ? 0 : err->code;
    while (!rc && (rc = next_row(c->to, st, err)) == 1)
        rc = copy_table(c, (const char *)sqlite3_column_text(st, 0), err);
    sqlite3_finalize(st);
    return rc;
}

/* Runs and names that are lost get one that says so, so that steps and figures that used them
 * stay; what has lost its step says nothing any more and is dropped. */
static const char mend[] =
    "INSERT OR IGNORE INTO run(id, work_order, product, plan, limits, product_file, bundle,"
    "  program_version, station, slot, serial, operator, mode, started_ms, ended_ms, verdict,"
    "  message) SELECT run, 0, 0, 0, 0, 0, 0, '', 0, 0, '', '', '', min(started_ms),"
    "  max(started_ms), 5, 'the row of this run is lost' FROM step"
    "  WHERE run NOT IN (SELECT id FROM run) GROUP BY run;"
    "INSERT OR IGNORE INTO verdict VALUES (0,''),(1,'pass'),(2,'fail'),(3,'error'),(4,'timeout'),"
    "  (5,'aborted'),(6,'skipped');"
    "INSERT OR IGNORE INTO product SELECT DISTINCT product, 'lost ' || product FROM run;"
    "INSERT OR IGNORE INTO work_order SELECT work_order, 'lost ' || work_order, min(product),"
    "  min(started_ms) FROM run GROUP BY work_order;"
    "INSERT OR IGNORE INTO station SELECT DISTINCT station, 0, 'lost ' || station FROM run;"
    "INSERT OR IGNORE INTO line SELECT DISTINCT line, 0, 'lost ' || line FROM station;"
    "INSERT OR IGNORE INTO site SELECT DISTINCT site, 'lost ' || site FROM line;"
    "INSERT OR IGNORE INTO file_version SELECT DISTINCT plan, 'plan', 'lost ' || plan, '' FROM run;"
    "INSERT OR IGNORE INTO file_version SELECT DISTINCT limits, 'limits', 'lost ' || limits, ''"
    "  FROM run;"
    "INSERT OR IGNORE INTO file_version SELECT DISTINCT product_file, 'product',"
    "  'lost ' || product_file, '' FROM run;"
    "INSERT OR IGNORE INTO file_version SELECT DISTINCT bundle, 'bundle', 'lost ' || bundle, ''"
    "  FROM run;"
    "UPDATE run SET unit=NULL WHERE unit NOT IN (SELECT id FROM unit);"
    "INSERT OR IGNORE INTO step_name SELECT DISTINCT name, 'lost ' || name, '' FROM step;"
    "INSERT OR IGNORE INTO figure SELECT DISTINCT figure, 'lost ' || figure, '', -9e999, 9e999"
    "  FROM measurement;";
static const char mend_2[] =
    "UPDATE run SET tooling=NULL WHERE tooling NOT IN (SELECT id FROM tooling);";

static const char *const drops[] = {
    "DELETE FROM step WHERE run NOT IN (SELECT id FROM run)",
    "DELETE FROM measurement WHERE (run, step, attempt) NOT IN"
    " (SELECT run, step, attempt FROM step)",
    "DELETE FROM note WHERE (run, step, attempt) NOT IN (SELECT run, step, attempt FROM step)",
    "DELETE FROM attachment WHERE (run, step, attempt) NOT IN"
    " (SELECT run, step, attempt FROM step) OR content NOT IN (SELECT id FROM content)",
};
static const char *const drops_2[] = {
    "DELETE FROM tooling_part WHERE tooling NOT IN (SELECT id FROM tooling) OR calibration NOT IN"
    " (SELECT id FROM calibration)",
    "DELETE FROM repair WHERE defect NOT IN (SELECT id FROM defect)",
    "DELETE FROM outbox WHERE run NOT IN (SELECT id FROM run) OR destination NOT IN"
    " (SELECT id FROM destination)",
    "DELETE FROM received WHERE run NOT IN (SELECT id FROM run)",
};

static int drop_all(const struct copying *c, const char *const *sql, size_t count, int64_t *dropped,
                    struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (sqlite3_exec(c->to, sql[i], NULL, NULL, NULL) != SQLITE_OK)
            return fail_new(c, err);
        *dropped += sqlite3_changes(c->to);
    }
    return 0;
}

static int mend_references(const struct copying *c, int64_t version, int64_t *dropped,
                           struct error *err)
{
    if (sqlite3_exec(c->to, mend, NULL, NULL, NULL) != SQLITE_OK ||
        (version >= 2 && sqlite3_exec(c->to, mend_2, NULL, NULL, NULL) != SQLITE_OK))
        return fail_new(c, err);
    int rc = drop_all(c, drops, sizeof drops / sizeof drops[0], dropped, err);
    if (!rc && version >= 2)
        rc = drop_all(c, drops_2, sizeof drops_2 / sizeof drops_2[0], dropped, err);
    if (!rc && version >= 3 &&
        sqlite3_exec(c->to, STORE_TALLIES_EMPTY STORE_TALLIES_FILL, NULL, NULL, NULL) != SQLITE_OK)
        rc = fail_new(c, err);
    return rc;
}

static int header_number(sqlite3 *db, const char *sql, int64_t *out, struct error *err)
{
    sqlite3_stmt *st = prepare(db, err, sql, NULL);
    int rc = st ? next_row(db, st, err) : err->code;
    if (rc == 1)
        *out = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return rc < 0 ? rc : 0;
}

static int save_rows(const char *path, const char *fresh, cJSON *tables, int64_t *dropped,
                     struct error *err)
{
    struct copying c = {.tables = tables};
    int64_t version = 0, application = 0;
    int rc = 0;
    if (sqlite3_open_v2(path, &c.from, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        rc = store_fail(c.from, err, "cannot open the damaged store");
    if (!rc && sqlite3_open_v2(fresh, &c.to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
                   SQLITE_OK)
        rc = fail_new(&c, err);
    if (!rc)
        rc = header_number(c.from, "PRAGMA user_version", &version, err);
    if (!rc)
        rc = header_number(c.from, "PRAGMA application_id", &application, err);
    if (!rc && application != STORE_APPLICATION_ID)
        rc = error_set(err, ERROR_INPUT,
                       "%s is of another program (application id %#llx, expected %#x): it is "
                       "left as it is",
                       path, (unsigned long long)application, STORE_APPLICATION_ID);
    if (!rc && (version < 1 || version > STORE_VERSION))
        rc = error_set(err, ERROR_INPUT, "%s says it is of version %lld, expected 1 to %d", path,
                       (long long)version, STORE_VERSION);
    if (!rc && sqlite3_exec(c.to, "PRAGMA synchronous=OFF; BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        rc = fail_new(&c, err);
    if (!rc && !(rc = copy_schema(&c, "table", err)) && !(rc = copy_tables(&c, err)) &&
        !(rc = mend_references(&c, version, dropped, err)) &&
        !(rc = copy_schema(&c, "index", err)) && !(rc = copy_schema(&c, "trigger", err))) {
        char stamp[120];
        snprintf(stamp, sizeof stamp,
                 "PRAGMA application_id=%d; PRAGMA user_version=%lld; COMMIT; PRAGMA "
                 "synchronous=FULL; PRAGMA journal_mode=WAL",
                 STORE_APPLICATION_ID, (long long)version);
        if (sqlite3_exec(c.to, stamp, NULL, NULL, NULL) != SQLITE_OK)
            rc = fail_new(&c, err);
    }
    sqlite3_close(c.from);
    sqlite3_close(c.to);
    return rc;
}

/* The damaged file and what belongs to it, under a name that is free. */
static int set_aside(const char *path, char aside[PATH_MAX], struct error *err)
{
    static const char *const parts[] = {"-wal", "-shm", ""};
    int n = 1;
    do {
        if (snprintf(aside, PATH_MAX, "%s.damaged-%d", path, n) >= PATH_MAX - 4)
            return error_set(err, ERROR_INPUT, "%s: the path is too long", path);
    } while (!access(aside, F_OK) && ++n < 1000);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char from[PATH_MAX + 8], to[PATH_MAX + 8];
        snprintf(from, sizeof from, "%s%s", path, parts[i]);
        snprintf(to, sizeof to, "%s%s", aside, parts[i]);
        if (link(from, to) && errno != ENOENT)
            return error_errno(err, ERROR_IO, "cannot set %s aside", from);
    }
    return 0;
}

int maintenance_recover(const char *store_path, maintenance_settle settle, void *context,
                        cJSON **out, struct error *err)
{
    char fresh[PATH_MAX], aside[PATH_MAX] = "", wal[PATH_MAX + 8];
    struct store *s = NULL;
    int64_t dropped = 0;
    cJSON *object = cJSON_CreateObject();
    cJSON *tables = object ? cJSON_AddObjectToObject(object, "tables") : NULL;
    if (!tables) {
        cJSON_Delete(object);
        return error_set(err, ERROR_MEMORY, "recovering a store: out of memory");
    }
    /* Whole? Then there is nothing to recover; the writer's lock comes with asking. */
    int rc = store_open(store_path, NULL, &s, err);
    store_close(s);
    s = NULL;
    if (rc == 0)
        rc = error_set(err, ERROR_STATE, "%s is whole: there is nothing to recover", store_path);
    else if (rc == ERROR_INPUT)
        rc = snprintf(fresh, sizeof fresh, "%s.recovering", store_path) < (int)sizeof fresh
                 ? 0
                 : error_set(err, ERROR_INPUT, "%s: the path is too long", store_path);
    if (!rc) {
        unlink(fresh);
        rc = save_rows(store_path, fresh, tables, &dropped, err);
    }
    /* Opened as a store: migrated, checked, and its log folded in. */
    if (!rc)
        rc = store_open(fresh, NULL, &s, err);
    if (!rc && settle)
        rc = settle(context, store_handle(s), err);
    store_close(s);
    if (!rc)
        rc = set_aside(store_path, aside, err);
    if (!rc) {
        /* The old log must be gone before the new file takes the name it belongs to. */
        snprintf(wal, sizeof wal, "%s-wal", store_path);
        unlink(wal);
        snprintf(wal, sizeof wal, "%s-shm", store_path);
        unlink(wal);
        if (rename(fresh, store_path))
            rc = error_errno(err, ERROR_IO, "cannot name %s", store_path);
    }
    snprintf(wal, sizeof wal, "%s.recovering.lock", store_path);
    unlink(wal);
    if (rc) {
        unlink(fresh);
        cJSON_Delete(object);
        return rc;
    }
    cJSON_AddStringToObject(object, "aside", aside);
    cJSON_AddNumberToObject(object, "dropped", (double)dropped);
    *out = object;
    return 0;
}
