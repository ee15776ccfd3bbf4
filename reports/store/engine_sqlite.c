/* The store in one SQLite file: WAL, synchronous=FULL, one writer. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/file.h"
#include "reports/store/engine.h"

struct store_connection {
    sqlite3 *db;
    int lock_fd;
    bool begun; /* between begin and commit */
    bool lost;  /* begun, and SQLite rolled the transaction back by itself */
    struct error why_lost;
    struct store_statement *save, *release, *take_back, *begin, *snapshot, *commit, *rollback;
};

struct store_statement {
    struct store_connection *connection;
    sqlite3_stmt *st;
    bool row; /* start() stepped onto one that next() has not handed out */
    bool done;
};

/* A POSIX record lock belongs to this process alone: forked slot workers do not keep it alive, and
 * the kernel drops it with the process, however that ends. */
static int take_lock(const char *path, int *lock_fd, struct error *err)
{
    char name[PATH_MAX];
    if (snprintf(name, sizeof name, "%s.lock", path) >= (int)sizeof name)
        return error_set(err, ERROR_INPUT, "%s: the path is too long", path);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(err, errno == ENOSPC ? ERROR_FULL : ERROR_IO, "cannot open %s", name);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &lock)) {
        int rc;
        if (errno != EACCES && errno != EAGAIN) {
            rc = error_errno(err, ERROR_IO, "cannot lock %s", name);
        } else {
            struct flock holder = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
            fcntl(fd, F_GETLK, &holder);
            rc = error_set(err, ERROR_BUSY,
                           "the store %s is in use by process %ld: a store has one writer", path,
                           (long)holder.l_pid);
        }
        close(fd);
        return rc;
    }
    *lock_fd = fd;
    return 0;
}

/* A file that is there must look like SQLite before SQLite is let near it. */
static int check_header(const char *path, bool *fresh, int64_t *size_bytes, struct error *err)
{
    *fresh = true;
    *size_bytes = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return error_errno(err, ERROR_IO, "cannot open the store %s", path);
    int rc = 0;
    struct stat st;
    unsigned char header[100] = {0};
    if (fstat(fd, &st)) {
        rc = error_errno(err, ERROR_IO, "cannot read the store %s", path);
    } else if (!S_ISREG(st.st_mode)) {
        rc = error_set(err, ERROR_INPUT, "the store %s is not a plain file", path);
    } else if (st.st_size > 0) {
        *fresh = false;
        *size_bytes = st.st_size;
        ssize_t n = pread(fd, header, sizeof header, 0);
        unsigned page = (unsigned)header[16] << 8 | header[17];
        page = page == 1 ? 65536 : page;
        if (n != (ssize_t)sizeof header || memcmp(header, "SQLite format 3", 16) || page < 512)
            rc = error_set(err, ERROR_INPUT,
                           "%s is damaged: it does not begin as an SQLite file does; it is left "
                           "as it is: restore it, or move it away to begin a new store",
                           path);
    }
    close(fd);
    return rc;
}

static int damaged(const char *path, const char *what, struct error *err)
{
    return error_set(err, ERROR_INPUT,
                     "%s is damaged: %s; it is left as it is: restore it from a copy, or set it "
                     "aside and save what can be read with `takt store recover --store %s`",
                     path, what, path);
}

/* quick_check reads every page: half a second here, minutes for a store of years. So past this
 * size the roots of all tables and indexes are read instead; SQLite checks each page it reads. */
enum { QUICK_CHECK_BYTES = 64 << 20 };

static int check_pages(sqlite3 *db, const char *path, int64_t size_bytes, struct error *err)
{
    sqlite3_stmt *st = NULL;
    int rc = 0;
    const char *sql = size_bytes <= QUICK_CHECK_BYTES
                          ? "PRAGMA quick_check(1)"
                          : "SELECT 'SELECT count(*) FROM (SELECT 1 FROM \"' || name || '\" LIMIT "
                            "1)' FROM sqlite_schema WHERE type='table'";
    int code = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    while (code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(st, 0);
        if (size_bytes > QUICK_CHECK_BYTES)
            code = sqlite3_exec(db, text, NULL, NULL, NULL);
        else if (text && !strcmp(text, "ok"))
            code = SQLITE_OK;
        else
            rc = damaged(path, text ? text : "quick_check failed", err);
        if (rc)
            break;
    }
    if (!rc && code != SQLITE_DONE && code != SQLITE_OK) {
        rc = store_code(code);
        rc = rc == ERROR_INPUT ? damaged(path, sqlite3_errmsg(db), err)
                               : store_fail(db, err, "cannot check the store");
    }
    sqlite3_finalize(st);
    return rc;
}

static int make_folder_of(const char *path, struct error *err)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    return file_make_folders(folder, 0755, err);
}

static bool takes(const char *place)
{
    (void)place; /* whatever no other engine takes is a path */
    return true;
}

/* ---- statements ------------------------------------------------------------------------------ */

/* A transaction that SQLite gave up by itself stays refused until commit() said so: the commit hook
 * keeps what comes after it from being committed piecemeal. */
static int refuse_lost(struct store_connection *c, struct error *err)
{
    if (!c->begun || !c->lost)
        return 0;
    if (c->why_lost.code)
        return error_set(err, c->why_lost.code, "%s", c->why_lost.text);
    return error_set(err, ERROR_IO, "the store's transaction was taken back by SQLite");
}

static int fail(struct store_connection *c, struct error *err)
{
    struct error local;
    int rc = store_fail(c->db, &local,
                        sqlite3_db_readonly(c->db, "main") == 1 ? "cannot read the store"
                                                                : "cannot write the store");
    if (c->begun && c->lost && !c->why_lost.code)
        c->why_lost = local;
    if (err)
        *err = local;
    return rc;
}

static int prepare(struct store_connection *c, const char *sql, struct store_statement **out,
                   struct error *err)
{
    struct store_statement *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERROR_MEMORY, "the store's statements: out of memory");
    s->connection = c;
    if (sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->st, NULL) != SQLITE_OK) {
        free(s);
        return fail(c, err);
    }
    *out = s;
    return 0;
}

static void finish(struct store_statement *s)
{
    sqlite3_reset(s->st);
    sqlite3_clear_bindings(s->st);
    s->row = false;
    s->done = true;
}

static int step(struct store_statement *s, struct error *err)
{
    int code = sqlite3_step(s->st);
    if (code == SQLITE_ROW)
        return 1;
    s->done = true;
    int rc = code == SQLITE_DONE ? 0 : fail(s->connection, err);
    finish(s);
    return rc;
}

static int start(struct store_statement *s, const struct store_value *values, size_t count,
                 struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_value *v = &values[i];
        int n = (int)i + 1;
        switch (v->kind) {
        case VALUE_NULL:
            sqlite3_bind_null(s->st, n);
            break;
        case VALUE_INTEGER:
            sqlite3_bind_int64(s->st, n, v->integer);
            break;
        case VALUE_REAL:
            sqlite3_bind_double(s->st, n, v->real);
            break;
        case VALUE_TEXT:
            sqlite3_bind_text(s->st, n, v->text, -1, SQLITE_STATIC);
            break;
        }
    }
    s->done = false;
    int rc = step(s, err);
    s->row = rc == 1;
    return rc < 0 ? rc : 0;
}

static int next(struct store_statement *s, struct error *err)
{
    if (s->row) {
        s->row = false;
        return 1;
    }
    return s->done ? 0 : step(s, err);
}

static void release(struct store_statement *s)
{
    if (!s)
        return;
    sqlite3_finalize(s->st);
    free(s);
}

/* Rows are made as they are asked for. */
static void in_portions(struct store_statement *s)
{
    (void)s;
}

static int columns(struct store_statement *s)
{
    return sqlite3_column_count(s->st);
}

static const char *column(struct store_statement *s, int column)
{
    return sqlite3_column_name(s->st, column);
}

static enum store_kind kind(struct store_statement *s, int column)
{
    static const enum store_kind kinds[] = {[SQLITE_INTEGER] = VALUE_INTEGER,
                                            [SQLITE_FLOAT] = VALUE_REAL,
                                            [SQLITE_TEXT] = VALUE_TEXT,
                                            [SQLITE_BLOB] = VALUE_TEXT,
                                            [SQLITE_NULL] = VALUE_NULL};
    return kinds[sqlite3_column_type(s->st, column)];
}

static int64_t integer(struct store_statement *s, int column)
{
    return sqlite3_column_int64(s->st, column);
}

static double real(struct store_statement *s, int column)
{
    return sqlite3_column_double(s->st, column);
}

static const char *text(struct store_statement *s, int column)
{
    const char *t = (const char *)sqlite3_column_text(s->st, column);
    return t ? t : "";
}

/* ---- transactions ---------------------------------------------------------------------------- */

static void on_rollback(void *context)
{
    struct store_connection *c = context;
    if (c->begun)
        c->lost = true;
}

static int on_commit(void *context)
{
    const struct store_connection *c = context;
    return c->begun && c->lost; /* non-zero turns the commit into a rollback */
}

static int run(struct store_connection *c, struct store_statement **kept, const char *sql,
               struct error *err)
{
    int rc = *kept ? 0 : prepare(c, sql, kept, err);
    if (!rc)
        rc = start(*kept, NULL, 0, err);
    return rc;
}

static void roll_back(struct store_connection *c)
{
    c->begun = false;
    c->lost = false;
    if (!sqlite3_get_autocommit(c->db))
        run(c, &c->rollback, "ROLLBACK", NULL);
}

static int begin(struct store_connection *c, struct error *err)
{
    if (c->begun || !sqlite3_get_autocommit(c->db))
        return error_set(err, ERROR_STATE, "the store is in a transaction already");
    /* A reader's is one snapshot. */
    int rc = run(c, &c->begin,
                 sqlite3_db_readonly(c->db, "main") == 1 ? "BEGIN" : "BEGIN IMMEDIATE", err);
    c->begun = rc == 0;
    c->lost = false;
    c->why_lost = (struct error){0};
    return rc;
}

/* Not `begun`: nothing is written that could be lost. */
static int snapshot(struct store_connection *c, bool *began, struct error *err)
{
    *began = sqlite3_get_autocommit(c->db);
    return *began ? run(c, &c->snapshot, "BEGIN", err) : 0;
}

static int commit(struct store_connection *c, struct error *err)
{
    if (!c->begun)
        return error_set(err, ERROR_STATE, "no transaction of the store is open");
    int rc = refuse_lost(c, err);
    if (!rc)
        rc = run(c, &c->commit, "COMMIT", err);
    roll_back(c);
    return rc;
}

static int save(struct store_connection *c, struct error *err)
{
    int rc = refuse_lost(c, err);
    return rc ? rc : run(c, &c->save, "SAVEPOINT record", err);
}

static int keep(struct store_connection *c, int rc, struct error *err)
{
    if (rc == 0 && (rc = run(c, &c->release, "RELEASE record", err)) == 0)
        return 0;
    /* Gone already when SQLite took the whole transaction back. */
    if (!sqlite3_get_autocommit(c->db)) {
        run(c, &c->take_back, "ROLLBACK TO record", NULL);
        run(c, &c->release, "RELEASE record", NULL);
    }
    return rc;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void close_connection(struct store_connection *c)
{
    if (!c)
        return;
    c->begun = false;
    struct store_statement *kept[] = {c->save,     c->release, c->take_back, c->begin,
                                      c->snapshot, c->commit,  c->rollback};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        release(kept[i]);
    sqlite3_close_v2(c->db);
    if (c->lock_fd >= 0)
        close(c->lock_fd);
    free(c);
}

static int open_writer(struct store_connection *c, const char *path, struct error *err)
{
    int version = 0;
    bool fresh = true;
    int64_t size_bytes = 0;
    int rc = make_folder_of(path, err);
    if (rc || (rc = take_lock(path, &c->lock_fd, err)) ||
        (rc = check_header(path, &fresh, &size_bytes, err)))
        return rc;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (fresh ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(path, &c->db, flags, NULL) != SQLITE_OK)
        return store_fail(c->db, err, "cannot open the store");
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_timeout(c->db, 5000); /* a reader's checkpoint or recovery may hold it briefly */
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (!fresh) {
        rc = store_schema_check(c->db, path, &version, err);
        if (rc == ERROR_INPUT && sqlite3_errcode(c->db) != SQLITE_OK &&
            store_code(sqlite3_errcode(c->db)) == ERROR_INPUT)
            rc = damaged(path, sqlite3_errmsg(c->db), err);
        if (rc || (rc = check_pages(c->db, path, size_bytes, err)))
            return rc;
    }
    if (sqlite3_exec(c->db,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                     "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY",
                     NULL, NULL, NULL) != SQLITE_OK)
        return store_fail(c->db, err, "cannot set up the store");
    if ((rc = store_schema_migrate(c->db, path, err)))
        return rc;
    sqlite3_rollback_hook(c->db, on_rollback, c);
    sqlite3_commit_hook(c->db, on_commit, c);
    return 0;
}

/* A reader changes nothing, so it cannot bring an older store forward. */
static int open_reader(struct store_connection *c, const char *path, struct error *err)
{
    int version = 0;
    int rc = store_file_open(path, &c->db, err);
    if (!rc)
        rc = store_schema_check(c->db, path, &version, err);
    if (!rc && version < STORE_VERSION)
        rc = error_set(err, ERROR_STATE,
                       "%s is a store of version %d, this program reads version %d: taktd brings "
                       "it forward when it starts, and so does takt store migrate",
                       path, version, STORE_VERSION);
    return rc;
}

static int open_connection(const char *path, bool reader, struct store_connection **out,
                           struct error *err)
{
    struct store_connection *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(err, ERROR_MEMORY, "cannot open the store %s: out of memory", path);
    c->lock_fd = -1;
    int rc = reader ? open_reader(c, path, err) : open_writer(c, path, err);
    if (rc)
        close_connection(c);
    else
        *out = c;
    return rc;
}

static sqlite3 *handle(struct store_connection *c)
{
    return c->db;
}

const struct store_engine store_engine_sqlite = {
    .name = "sqlite",
    .takes = takes,
    .open = open_connection,
    .close = close_connection,
    .handle = handle,
    .begin = begin,
    .commit = commit,
    .rollback = roll_back,
    .snapshot = snapshot,
    .save = save,
    .keep = keep,
    .prepare = prepare,
    .start = start,
    .next = next,
    .finish = finish,
    .in_portions = in_portions,
    .release = release,
    .columns = columns,
    .column = column,
    .kind = kind,
    .integer = integer,
    .real = real,
    .text = text,
};
