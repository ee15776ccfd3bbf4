#include "reports/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/file.h"
#include "reports/store_schema.h"
#include "reports/store_statements.h"

static const char *const verdict_names[] = {
    [VERDICT_NONE] = "",           [VERDICT_PASS] = "pass",       [VERDICT_FAIL] = "fail",
    [VERDICT_ERROR] = "error",     [VERDICT_TIMEOUT] = "timeout", [VERDICT_ABORTED] = "aborted",
    [VERDICT_SKIPPED] = "skipped",
};

const char *verdict_name(enum verdict v)
{
    return (size_t)v < sizeof verdict_names / sizeof verdict_names[0] ? verdict_names[v] : "";
}

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
                     "%s is damaged: %s; it is left as it is: restore it from a copy, or save what "
                     "is readable with `sqlite3 %s .recover`",
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

static void on_rollback(void *context)
{
    struct store *s = context;
    if (s->begun)
        s->lost = true;
}

static int on_commit(void *context)
{
    const struct store *s = context;
    return s->begun && s->lost; /* non-zero turns the commit into a rollback */
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

int store_open(const char *path, const char *attachments_dir, struct store **out, struct error *err)
{
    int rc = 0, version = 0;
    bool fresh = true;
    int64_t size_bytes = 0;
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERROR_MEMORY, "cannot open the store %s: out of memory", path);
    s->lock_fd = -1;

    if ((rc = make_folder_of(path, err)) || (rc = file_make_folders(attachments_dir, 0755, err)) ||
        (rc = take_lock(path, &s->lock_fd, err)) ||
        (rc = check_header(path, &fresh, &size_bytes, err)))
        goto out;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (fresh ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK) {
        rc = store_fail(s->db, err, "cannot open the store");
        goto out;
    }
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, 5000); /* a reader's checkpoint or recovery may hold it briefly */
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (!fresh) {
        rc = store_schema_check(s->db, path, &version, err);
        if (rc == ERROR_INPUT && sqlite3_errcode(s->db) != SQLITE_OK &&
            store_code(sqlite3_errcode(s->db)) == ERROR_INPUT)
            rc = damaged(path, sqlite3_errmsg(s->db), err);
        if (rc || (rc = check_pages(s->db, path, size_bytes, err)))
            goto out;
    }
    if (sqlite3_exec(s->db,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                     "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY",
                     NULL, NULL, NULL) != SQLITE_OK) {
        rc = store_fail(s->db, err, "cannot set up the store");
        goto out;
    }
    if ((rc = store_schema_migrate(s->db, path, err)))
        goto out;
    sqlite3_rollback_hook(s->db, on_rollback, s);
    sqlite3_commit_hook(s->db, on_commit, s);
out:
    if (rc)
        store_close(s);
    else
        *out = s;
    return rc;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    for (int i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(s->statements[i]);
    s->begun = false;
    sqlite3_close_v2(s->db);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s);
}

sqlite3 *store_handle(struct store *s)
{
    return s->db;
}

int store_begin(struct store *s, struct error *err)
{
    if (s->begun || !sqlite3_get_autocommit(s->db))
        return error_set(err, ERROR_STATE, "the store is in a transaction already");
    int rc = store_run(s, ST_BEGIN, err, "");
    s->begun = rc == 0;
    s->lost = false;
    s->why_lost = (struct error){0};
    return rc;
}

int store_commit(struct store *s, struct error *err)
{
    if (!s->begun)
        return error_set(err, ERROR_STATE, "no transaction of the store is open");
    int rc = 0;
    if (!s->lost)
        rc = store_run(s, ST_COMMIT, err, "");
    else if (s->why_lost.code)
        rc = error_set(err, s->why_lost.code, "%s", s->why_lost.text);
    else
        rc = error_set(err, ERROR_IO, "the store's transaction was taken back by SQLite");
    store_rollback(s);
    return rc;
}

void store_rollback(struct store *s)
{
    s->begun = false;
    s->lost = false;
    if (!sqlite3_get_autocommit(s->db))
        store_run(s, ST_ROLLBACK, NULL, "");
}
