#include "provisioning/pool_report.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "provisioning/database.h"
#include "provisioning/pool_parts.h"

enum { TEXTS = 7, TIMES = 5 };

static int field(struct buffer *out, const char *text, const char *end)
{
    int rc = 0;
    if (text && text[strcspn(text, ",\"\r\n")] == '\0') {
        rc = buffer_append_text(out, text);
    } else if (text) {
        rc = buffer_append_text(out, "\"");
        for (; *text && !rc; text++)
            rc = buffer_append(out, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
        if (!rc)
            rc = buffer_append_text(out, "\"");
    }
    return rc ? rc : buffer_append_text(out, end);
}

static int row(struct buffer *out, sqlite3_stmt *st)
{
    int rc = field(out, (const char *)sqlite3_column_text(st, 0), ",");
    if (!rc)
        rc = field(out, (const char *)sqlite3_column_text(st, 1), ",");
    if (!rc)
        rc = field(out, identity_state_name((enum identity_state)sqlite3_column_int(st, 2)), ",");
    for (int i = 3; i < 3 + TEXTS - 2 && !rc; i++)
        rc = field(out, (const char *)sqlite3_column_text(st, i), ",");
    for (int i = 8; i < 8 + TIMES && !rc; i++) {
        char at[25] = "";
        if (sqlite3_column_type(st, i) == SQLITE_INTEGER)
            clock_format_utc(sqlite3_column_int64(st, i), at);
        rc = field(out, at, ",");
    }
    return rc ? rc : field(out, (const char *)sqlite3_column_text(st, 8 + TIMES), "\r\n");
}

int pool_report_csv(sqlite3 *db, const char *order, struct buffer *out, int64_t *rows,
                    struct error *err)
{
    *rows = 0;
    sqlite3_stmt *st = database_prepare(
        db, err,
        "SELECT did, mac, state, serial, chip_id, work_order, station, operator, reserved_ms,"
        " injected_ms, confirmed_ms, quarantined_ms, scrapped_ms, reason FROM identity"
        " WHERE work_order=?1 AND state>0 ORDER BY did",
        "t", order);
    if (!st)
        return pool_failed(err);
    int step, rc = buffer_append_text(out, "did,mac,state,serial,chip_id,order,station,operator,"
                                           "reserved,injected,confirmed,quarantined,scrapped,"
                                           "reason\r\n");
    while ((step = database_step(db, st, err, "cannot read the pool")) == 1 && !rc) {
        rc = row(out, st);
        ++*rows;
    }
    sqlite3_finalize(st);
    if (step < 0)
        return step;
    if (rc)
        return error_set(err, rc, "the report of order %s: out of memory", order);
    return *rows
               ? 0
               : error_set(err, ERROR_MISSING, "order %s has used no identity of this pool", order);
}

int pool_report_export(struct pool *p, struct signer *signer, const char *order, const char *path,
                       const char *operator_name, int64_t wall_ms, int64_t *rows, struct error *err)
{
    struct buffer csv = {0};
    uint8_t hash[DIGEST_BYTES], signature[SIGNATURE_BYTES_MAX];
    char hex[DIGEST_TEXT], count[24], signature_path[PATH_MAX];
    size_t size = 0;
    int rc = pool_report_csv(p->db, order, &csv, rows, err);
    if (!rc && snprintf(signature_path, sizeof signature_path, "%s.sig", path) >=
                   (int)sizeof signature_path)
        rc = error_set(err, ERROR_INPUT, "%s: the path is too long", path);
    if (!rc && digest_bytes(csv.data, csv.size, hash))
        rc = error_set(err, ERROR_MEMORY, "the report of order %s: out of memory", order);
    if (!rc)
        rc = signer_sign(signer, csv.data, csv.size, signature, &size, err);
    if (!rc) {
        hex_encode(hash, sizeof hash, hex);
        snprintf(count, sizeof count, "%lld", (long long)*rows);
        rc = pool_note(p, err, wall_ms, operator_name, "identity.export", order, "sha256", hex,
                       "rows", count, NULL);
    }
    if (!rc)
        rc = file_write(path, csv.data, csv.size, 0644, err);
    if (!rc)
        rc = file_write(signature_path, signature, size, 0644, err);
    buffer_free(&csv);
    return rc;
}
