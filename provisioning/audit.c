#include "provisioning/audit.h"

#include <string.h>

#include "protocol/base/digest.h"
#include "provisioning/database.h"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS audit(n INTEGER PRIMARY KEY, wall_ms INTEGER NOT NULL,"
    "  actor TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL,"
    "  hash BLOB NOT NULL CHECK(length(hash) = 32)) STRICT;"
    "CREATE TABLE IF NOT EXISTS audit_head(id INTEGER PRIMARY KEY CHECK(id = 1),"
    "  n INTEGER NOT NULL, hash BLOB NOT NULL CHECK(length(hash) = 32)) STRICT;"
    "INSERT OR IGNORE INTO audit_head VALUES (1, 0, zeroblob(32));"
    "CREATE TRIGGER IF NOT EXISTS audit_stays BEFORE UPDATE ON audit BEGIN"
    "  SELECT RAISE(ABORT, 'an audit entry is never changed'); END;"
    "CREATE TRIGGER IF NOT EXISTS audit_kept BEFORE DELETE ON audit BEGIN"
    "  SELECT RAISE(ABORT, 'an audit entry is never removed'); END;"
    "CREATE TRIGGER IF NOT EXISTS audit_head_goes_on BEFORE UPDATE ON audit_head"
    "  WHEN new.n <> old.n + 1 BEGIN"
    "  SELECT RAISE(ABORT, 'the head of the audit goes on by one'); END;"
    "CREATE TRIGGER IF NOT EXISTS audit_head_kept BEFORE DELETE ON audit_head BEGIN"
    "  SELECT RAISE(ABORT, 'the head of the audit is never removed'); END;";

int audit_open(sqlite3 *db, struct error *err)
{
    int rc = database_save(db, err);
    if (rc)
        return rc;
    rc = database_run(db, schema, err, "cannot make the audit's tables");
    return database_keep(db, rc, err);
}

static void put(struct digest *d, uint64_t value, int bytes)
{
    uint8_t out[8];
    for (int i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    digest_update(d, out, (size_t)bytes);
}

static int link_hash(const uint8_t previous[DIGEST_BYTES], int64_t n, int64_t wall_ms,
                     const char *const texts[4], uint8_t out[DIGEST_BYTES], struct error *err)
{
    struct digest *d = digest_start();
    if (!d)
        return error_set(err, ERROR_MEMORY, "cannot hash an audit entry: out of memory");
    digest_update(d, previous, DIGEST_BYTES);
    put(d, (uint64_t)n, 8);
    put(d, (uint64_t)wall_ms, 8);
    for (int i = 0; i < 4; i++) {
        const char *text = texts[i] ? texts[i] : "";
        put(d, strlen(text), 4);
        digest_update(d, text, strlen(text));
    }
    digest_finish(d, out);
    return 0;
}

static int read_head(sqlite3 *db, int64_t *n, uint8_t hash[DIGEST_BYTES], struct error *err)
{
    sqlite3_stmt *st = database_prepare(db, err, "SELECT n, hash FROM audit_head", "");
    if (!st)
        return err ? err->code : ERROR_IO;
    int rc = database_step(db, st, err, "cannot read the audit's head");
    if (rc == 1 && sqlite3_column_bytes(st, 1) == DIGEST_BYTES) {
        *n = sqlite3_column_int64(st, 0);
        memcpy(hash, sqlite3_column_blob(st, 1), DIGEST_BYTES);
        rc = 0;
    } else if (rc >= 0) {
        rc = error_set(err, ERROR_MISMATCH, "the audit's head is missing");
    }
    sqlite3_finalize(st);
    return rc;
}

int audit_append(sqlite3 *db, const struct audit_entry *e, struct error *err)
{
    uint8_t previous[DIGEST_BYTES], hash[DIGEST_BYTES];
    int64_t n = 0;
    const char *const texts[4] = {e->actor, e->action, e->subject, e->detail};
    int rc = database_save(db, err);
    if (rc)
        return rc;
    rc = read_head(db, &n, previous, err);
    if (!rc)
        rc = link_hash(previous, ++n, e->wall_ms, texts, hash, err);
    if (!rc)
        rc = database_write(db, err, "cannot write the audit",
                            "INSERT INTO audit(n, wall_ms, actor, action, subject, detail, hash)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                            "iittttb", n, e->wall_ms, e->actor, e->action, e->subject, e->detail,
                            hash, sizeof hash);
    if (!rc)
        rc = database_write(db, err, "cannot write the audit's head",
                            "UPDATE audit_head SET n=?1, hash=?2", "ib", n, hash, sizeof hash);
    return database_keep(db, rc, err);
}

int audit_append_object(sqlite3 *db, struct audit_entry e, cJSON *detail, struct error *err)
{
    char *text = cJSON_PrintUnformatted(detail);
    cJSON_Delete(detail);
    if (!text)
        return error_set(err, ERROR_MEMORY, "cannot write the audit: out of memory");
    e.detail = text;
    const int rc = audit_append(db, &e, err);
    cJSON_free(text);
    return rc;
}

static const char *text_at(sqlite3_stmt *st, int column)
{
    const char *text = (const char *)sqlite3_column_text(st, column);
    return text ? text : "";
}

static int verify_entry(sqlite3_stmt *st, int64_t expected, uint8_t chain[DIGEST_BYTES],
                        struct error *err)
{
    int64_t n = sqlite3_column_int64(st, 0);
    if (n != expected)
        return error_set(err, ERROR_MISMATCH, "audit entry %lld is missing: after it comes %lld",
                         (long long)expected, (long long)n);
    const char *const texts[4] = {text_at(st, 2), text_at(st, 3), text_at(st, 4), text_at(st, 5)};
    uint8_t hash[DIGEST_BYTES];
    int rc = link_hash(chain, n, sqlite3_column_int64(st, 1), texts, hash, err);
    if (rc)
        return rc;
    if (sqlite3_column_bytes(st, 6) != DIGEST_BYTES ||
        memcmp(sqlite3_column_blob(st, 6), hash, DIGEST_BYTES) != 0)
        return error_set(err, ERROR_MISMATCH,
                         "audit entry %lld (%s %s) is not what was written: altered or moved",
                         (long long)n, texts[1], texts[2]);
    memcpy(chain, hash, DIGEST_BYTES);
    return 0;
}

int audit_verify(sqlite3 *db, int64_t *entries, struct error *err)
{
    uint8_t chain[DIGEST_BYTES] = {0}, head[DIGEST_BYTES];
    int64_t last = 0, read = 0;
    /* One statement, so that entries written meanwhile neither come into it nor miss their head. */
    sqlite3_stmt *st = database_prepare(
        db, err, "SELECT n, wall_ms, actor, action, subject, detail, hash FROM audit ORDER BY n",
        "");
    if (!st)
        return err ? err->code : ERROR_IO;
    int rc = database_step(db, st, err, "cannot read the audit");
    /* The first step opened the snapshot in which the head is read. */
    int head_rc = rc < 0 ? rc : read_head(db, &last, head, err);
    while (head_rc == 0 && rc == 1) {
        rc = verify_entry(st, read + 1, chain, err);
        if (rc)
            break;
        read++;
        rc = database_step(db, st, err, "cannot read the audit");
    }
    sqlite3_finalize(st);
    if (head_rc)
        rc = head_rc;
    if (!rc && read < last)
        rc = error_set(err, ERROR_MISMATCH,
                       "audit entry %lld is missing: the chain ends before its head, entry %lld",
                       (long long)read + 1, (long long)last);
    else if (!rc && (read > last || memcmp(chain, head, DIGEST_BYTES) != 0))
        rc = error_set(err, ERROR_MISMATCH, "audit entry %lld is not the one the head names",
                       (long long)(read > last ? last + 1 : read));
    if (entries)
        *entries = read;
    return rc;
}

int audit_head(sqlite3 *db, struct audit_head *out, struct error *err)
{
    uint8_t hash[DIGEST_BYTES];
    int rc = read_head(db, &out->entries, hash, err);
    if (!rc)
        hex_encode(hash, sizeof hash, out->hash);
    return rc;
}

int audit_at(sqlite3 *db, int64_t n, struct audit_head *out, struct error *err)
{
    sqlite3_stmt *st =
        database_prepare(db, err, "SELECT hash FROM audit WHERE n=?1 AND length(hash)=32", "i", n);
    if (!st)
        return err ? err->code : ERROR_IO;
    int rc = database_step(db, st, err, "cannot read the audit");
    if (rc == 1) {
        out->entries = n;
        hex_encode(sqlite3_column_blob(st, 0), DIGEST_BYTES, out->hash);
        rc = 0;
    } else if (rc == 0) {
        rc = error_set(err, ERROR_MISSING, "the audit chain has no entry %lld", (long long)n);
    }
    sqlite3_finalize(st);
    return rc;
}
