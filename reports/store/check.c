/* Is a store whole, and a copy of it that is. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/digest.h"
#include "protocol/base/file.h"
#include "reports/maintenance.h"
#include "reports/query_rows.h"
#include "reports/store.h"
#include "reports/store/schema.h"
#include "reports/store/strays.h"

enum { PROBLEMS_MAX = 100 };

static int content_path(char out[PATH_MAX], const char *dir, const char *sha256)
{
    int n = snprintf(out, PATH_MAX, "%s/%.2s/%s", dir, sha256, sha256 + 2);
    return n > 0 && n < PATH_MAX ? 0 : ERROR_INPUT;
}

static void problem(cJSON *problems, const char *text)
{
    if (cJSON_GetArraySize(problems) < PROBLEMS_MAX)
        cJSON_AddItemToArray(problems, cJSON_CreateString(text));
}

/* A pragma that answers "ok", or a line a problem. */
static int check_pages(struct store *s, cJSON *problems, struct error *err)
{
    struct rows *st = rows_open(s, err, "PRAGMA integrity_check(100)", "");
    int rc = st ? 0 : err->code;
    while (!rc && (rc = rows_next(st, err)) == 1) {
        const char *text = rows_bytes(st, 0);
        rc = 0;
        if (text && strcmp(text, "ok") != 0)
            problem(problems, text);
    }
    rows_close(st);
    st = rc ? NULL : rows_open(s, err, "PRAGMA foreign_key_check", "");
    while (st && (rc = rows_next(st, err)) == 1) {
        char text[200];
        snprintf(text, sizeof text, "a row of %s names a row of %s that is not there",
                 rows_bytes(st, 0), rows_bytes(st, 2));
        problem(problems, text);
    }
    rows_close(st);
    if (rc == ERROR_INPUT) { /* damaged past reading: that is an answer too */
        problem(problems, err->text);
        rc = 0;
    }
    return rc;
}

static int check_contents(struct store *s, const char *dir, cJSON *problems, int64_t *count,
                          struct error *err)
{
    struct rows *st = rows_open(s, err, "SELECT sha256, bytes FROM content ORDER BY id", "");
    int rc = st ? 0 : err->code;
    while (!rc && (rc = rows_next(st, err)) == 1) {
        char path[PATH_MAX], text[PATH_MAX + 100];
        uint8_t found[DIGEST_BYTES], expected[DIGEST_BYTES];
        uint64_t bytes = 0;
        struct error why = {0};
        const char *sha256 = rows_bytes(st, 0);
        rc = 0;
        ++*count;
        if (hex_decode(sha256, expected, sizeof expected) || content_path(path, dir, sha256))
            snprintf(text, sizeof text, "content '%.80s' is no SHA-256", sha256);
        else if (digest_file(path, found, &bytes, &why))
            snprintf(text, sizeof text, "%s", why.text);
        else if (memcmp(found, expected, sizeof found) != 0)
            snprintf(text, sizeof text, "%s no longer holds what was written there", path);
        else
            continue;
        problem(problems, text);
    }
    rows_close(st);
    if (rc == ERROR_INPUT)
        rc = 0; /* said by check_pages() already */
    return rc;
}

/* What was added up run by run against the runs. */
static int check_tallies(struct store *s, cJSON *problems, struct error *err)
{
    static const struct {
        const char *table, *sql;
    } tallies[] = {{"tally", STORE_TALLY},
                   {"tally_failure", STORE_TALLY_FAILURE},
                   {"run_again", STORE_RUN_AGAIN}};
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof tallies / sizeof tallies[0]; i++) {
        char sql[2000], text[100];
        snprintf(sql, sizeof sql,
                 "SELECT CASE WHEN EXISTS (SELECT * FROM (%s) a EXCEPT SELECT * FROM %s) OR EXISTS"
                 " (SELECT * FROM %s EXCEPT SELECT * FROM (%s) b) THEN 1 ELSE 0 END",
                 tallies[i].sql, tallies[i].table, tallies[i].table, tallies[i].sql);
        struct rows *st = rows_open(s, err, sql, "");
        rc = st ? rows_next(st, err) : err->code;
        if (rc == 1 && rows_integer(st, 0)) {
            snprintf(text, sizeof text, "%s is not what the runs add up to", tallies[i].table);
            problem(problems, text);
        }
        rows_close(st);
        rc = rc == 1 ? 0 : rc;
    }
    return rc;
}

/* Calls `each` with every file of attachments/xx/ and the content it is named for. */
static int each_content_file(const char *dir,
                             int (*each)(void *context, const char *path, const char *sha256),
                             void *context)
{
    DIR *top = opendir(dir);
    int rc = 0;
    for (struct dirent *a; !rc && top && (a = readdir(top));) {
        char folder[PATH_MAX];
        if (strlen(a->d_name) != 2 || a->d_name[0] == '.' ||
            snprintf(folder, sizeof folder, "%s/%s", dir, a->d_name) >= (int)sizeof folder)
            continue;
        DIR *sub = opendir(folder);
        for (struct dirent *b; !rc && sub && (b = readdir(sub));) {
            char path[PATH_MAX], sha256[DIGEST_TEXT];
            if (strlen(b->d_name) != DIGEST_TEXT - 3 ||
                snprintf(path, sizeof path, "%s/%s", folder, b->d_name) >= (int)sizeof path)
                continue;
            snprintf(sha256, sizeof sha256, "%.2s%.62s", a->d_name, b->d_name);
            rc = each(context, path, sha256);
        }
        if (sub)
            closedir(sub);
    }
    if (top)
        closedir(top);
    return rc;
}

struct strays {
    struct rows *find;
    int64_t count;
    bool remove;
    struct error *err;
};

static int note_stray(void *context, const char *path, const char *sha256)
{
    struct strays *s = context;
    int rc = rows_again(s->find, s->err, "t", sha256);
    if (!rc)
        rc = rows_next(s->find, s->err);
    if (rc == 0) {
        s->count++;
        if (s->remove)
            unlink(path);
    }
    return rc < 0 ? rc : 0;
}

int maintenance_strays(struct store *store, const char *attachments_dir, bool remove,
                       int64_t *count, struct error *err)
{
    struct strays s = {.remove = remove, .err = err};
    s.find = rows_open(store, err, "SELECT 1 FROM content WHERE sha256=?1", "t", "");
    if (!s.find)
        return rows_code(err);
    int rc = each_content_file(attachments_dir, note_stray, &s);
    rows_close(s.find);
    *count = s.count;
    return rc;
}

int maintenance_check(const char *store_path, const char *attachments_dir, cJSON **out,
                      struct error *err)
{
    struct store *s = NULL;
    struct error local = {0};
    int64_t contents = 0, strays = 0;
    cJSON *object = cJSON_CreateObject();
    cJSON *problems = object ? cJSON_AddArrayToObject(object, "problems") : NULL;
    int rc = problems ? store_open_reader(store_path, &s, &local)
                      : error_set(&local, ERROR_MEMORY, "checking a store: out of memory");
    if (rc == ERROR_INPUT) {
        problem(problems, local.text);
        rc = 0;
    } else if (!rc) {
        const bool is_file = store_handle(s) != NULL;
        rc = is_file ? check_pages(s, problems, &local) : 0; /* a server watches over its own */
        if (!rc && !cJSON_GetArraySize(problems))
            rc = check_tallies(s, problems, &local);
        if (!rc && is_file)
            rc = check_contents(s, attachments_dir, problems, &contents, &local);
        if (!rc && is_file && !cJSON_GetArraySize(problems))
            rc = maintenance_strays(s, attachments_dir, false, &strays, &local);
    }
    store_close(s);
    if (rc) {
        cJSON_Delete(object);
        if (err)
            *err = local;
        return rc;
    }
    cJSON_AddNumberToObject(object, "contents", (double)contents);
    cJSON_AddNumberToObject(object, "strays", (double)strays);
    *out = object;
    int count = cJSON_GetArraySize(problems);
    return count ? error_set(err, ERROR_MISMATCH, "%s: %d problem%s: %s", store_path, count,
                             count == 1 ? "" : "s", problems->child->valuestring)
                 : 0;
}

/* ---- a copy ---------------------------------------------------------------------------------- */

static int sync_path(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) ? error_errno(err, ERROR_IO, "cannot sync %s", path) : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

static int keep_text(void *context, int count, char **values, char **names)
{
    (void)names;
    if (count > 0 && values[0])
        snprintf(context, 200, "%s", values[0]);
    return 0;
}

/* Pages as they are at one moment: the reader's snapshot; a writer goes on meanwhile. */
static int copy_pages(sqlite3 *from, const char *path, struct error *err)
{
    sqlite3 *to = NULL;
    int rc = 0;
    unlink(path);
    if (sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK) {
        rc = store_fail(to, err, "cannot make the copy");
        sqlite3_close(to);
        return rc;
    }
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    if (b) {
        sqlite3_backup_step(b, -1);
        sqlite3_backup_finish(b);
    }
    if (sqlite3_errcode(to) != SQLITE_OK)
        rc = store_fail(to, err, "cannot copy the store");
    /* One file that stands alone, with nothing beside it. */
    if (!rc && sqlite3_exec(to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) != SQLITE_OK)
        rc = store_fail(to, err, "cannot finish the copy");
    char said[200] = "it cannot be read";
    if (!rc && (sqlite3_exec(to, "PRAGMA quick_check(1)", keep_text, said, NULL) != SQLITE_OK ||
                strcmp(said, "ok") != 0))
        rc = error_set(err, ERROR_MISMATCH, "the copy %s is not whole: %s", path, said);
    sqlite3_close(to);
    return rc ? rc : sync_path(path, err);
}

static int copy_content(const char *from_dir, const char *to_dir, const char *sha256,
                        struct error *err)
{
    char path[PATH_MAX], written[DIGEST_TEXT];
    struct buffer bytes = {0};
    if (content_path(path, to_dir, sha256))
        return error_set(err, ERROR_INPUT, "the path below %s is too long", to_dir);
    if (!access(path, F_OK))
        return 0;
    int rc = store_attachment_read(from_dir, sha256, &bytes, err);
    if (!rc)
        rc = store_attachment_write(to_dir, bytes.data, bytes.size, written, err);
    buffer_free(&bytes);
    return rc;
}

/* Of the copy, so that what it names is what is copied. */
static int copy_contents(const char *copy_path, const char *from_dir, const char *to_dir,
                         struct error *err)
{
    struct store *s = NULL;
    int rc = store_open_reader(copy_path, &s, err);
    struct rows *st = rc ? NULL : rows_open(s, err, "SELECT sha256 FROM content", "");
    if (!rc && !st)
        rc = rows_code(err);
    while (!rc && (rc = rows_next(st, err)) == 1)
        rc = copy_content(from_dir, to_dir, rows_bytes(st, 0), err);
    rows_close(st);
    store_close(s);
    return rc;
}

int maintenance_backup(const char *store_path, const char *attachments_dir, const char *folder,
                       struct error *err)
{
    char path[PATH_MAX], whole[PATH_MAX], contents[PATH_MAX];
    struct error local = {0};
    sqlite3 *db = NULL;
    int rc = file_join(whole, sizeof whole, folder, STORE_FILE, &local);
    if (!rc)
        rc = file_join(path, sizeof path, folder, STORE_FILE ".new", &local);
    if (!rc)
        rc = file_join(contents, sizeof contents, folder, STORE_ATTACHMENTS, &local);
    if (!rc && !access(whole, F_OK))
        rc = error_set(&local, ERROR_STATE, "%s is there already: give another folder", whole);
    if (!rc)
        rc = file_make_folders(contents, 0755, &local);
    if (!rc)
        rc = store_file_open(store_path, &db, &local);
    if (!rc)
        rc = copy_pages(db, path, &local);
    sqlite3_close(db);
    if (!rc)
        rc = copy_contents(path, attachments_dir, contents, &local);
    if (!rc && rename(path, whole))
        rc = error_errno(&local, ERROR_IO, "cannot name %s", whole);
    if (!rc)
        rc = sync_path(folder, &local);
    if (rc)
        unlink(path);
    if (rc && err)
        *err = local;
    return rc;
}
