#include "provisioning/pool_report.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "provisioning/database.h"
#include "provisioning/pool_parts.h"
#include "provisioning/shared_parts.h"

enum { TIMES = 5 };

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

struct row {
    const char *did, *mac, *texts[5], *reason; /* texts: serial, chip, order, station, operator */
    enum identity_state state;
    int64_t times[TIMES]; /* 0: never */
};

static int add_row(struct buffer *out, const struct row *row)
{
    int rc = field(out, row->did, ",");
    if (!rc)
        rc = field(out, row->mac, ",");
    if (!rc)
        rc = field(out, pool_state_name(row->state), ",");
    for (int i = 0; i < 5 && !rc; i++)
        rc = field(out, row->texts[i], ",");
    for (int i = 0; i < TIMES && !rc; i++) {
        char at[25] = "";
        if (row->times[i])
            clock_format_utc(row->times[i], at);
        rc = field(out, at, ",");
    }
    return rc ? rc : field(out, row->reason, "\r\n");
}

#define COLUMNS_OF_A_ROW                                                                           \
    "did, mac, state, serial, chip_id, work_order, station, operator, reserved_ms, injected_ms,"   \
    " confirmed_ms, quarantined_ms, scrapped_ms, reason"

static int add_header(struct buffer *out)
{
    return buffer_append_text(out, "did,mac,state,serial,chip_id,order,station,operator,reserved,"
                                   "injected,confirmed,quarantined,scrapped,reason\r\n");
}

static int settle(int rc, const char *order, int64_t rows, struct error *err)
{
    if (rc)
        return error_set(err, rc, "the report of order %s: out of memory", order);
    return rows
               ? 0
               : error_set(err, ERROR_MISSING, "order %s has used no identity of this pool", order);
}

int pool_report_csv(sqlite3 *db, const char *order, struct buffer *out, int64_t *rows,
                    struct error *err)
{
    *rows = 0;
    sqlite3_stmt *st = database_prepare(db, err,
                                        "SELECT " COLUMNS_OF_A_ROW " FROM identity"
                                        " WHERE work_order=?1 AND state>0 ORDER BY did",
                                        "t", order);
    if (!st)
        return pool_failed(err);
    int step, rc = add_header(out);
    while ((step = database_step(db, st, err, "cannot read the pool")) == 1 && !rc) {
        struct row row = {.did = (const char *)sqlite3_column_text(st, 0),
                          .mac = (const char *)sqlite3_column_text(st, 1),
                          .state = (enum identity_state)sqlite3_column_int(st, 2),
                          .reason = (const char *)sqlite3_column_text(st, 8 + TIMES)};
        for (int i = 0; i < 5; i++)
            row.texts[i] = (const char *)sqlite3_column_text(st, 3 + i);
        for (int i = 0; i < TIMES; i++)
            row.times[i] = sqlite3_column_int64(st, 8 + i);
        rc = add_row(out, &row);
        ++*rows;
    }
    sqlite3_finalize(st);
    return step < 0 ? step : settle(rc, order, *rows, err);
}

int shared_report_csv(struct shared_pool *p, const char *order, struct buffer *out, int64_t *rows,
                      struct error *err)
{
    PGresult *r = shared_query(p, err,
                               "SELECT " COLUMNS_OF_A_ROW " FROM takt_pool.identity WHERE"
                               " work_order = $1 AND state > 0 ORDER BY did COLLATE \"C\"",
                               "t", order);
    if (!r)
        return err->code;
    int rc = add_header(out);
    *rows = PQntuples(r);
    for (int n = 0; n < PQntuples(r) && !rc; n++) {
        struct row row = {.did = PQgetvalue(r, n, 0),
                          .mac = PQgetvalue(r, n, 1),
                          .state = (enum identity_state)shared_number_at(r, n, 2),
                          .reason = PQgetvalue(r, n, 8 + TIMES)};
        for (int i = 0; i < 5; i++)
            row.texts[i] = PQgetvalue(r, n, 3 + i);
        for (int i = 0; i < TIMES; i++)
            row.times[i] = shared_number_at(r, n, 8 + i);
        rc = add_row(out, &row);
    }
    PQclear(r);
    return settle(rc, order, *rows, err);
}

int pool_report_write(const struct buffer *csv, struct signer *signer, const char *path,
                      int (*record)(void *context, const char *sha256, struct error *err),
                      void *context, struct error *err)
{
    uint8_t hash[DIGEST_BYTES], signature[SIGNATURE_BYTES_MAX];
    char hex[DIGEST_TEXT], signature_path[PATH_MAX];
    size_t size = 0;
    int rc = 0;
    if (snprintf(signature_path, sizeof signature_path, "%s.sig", path) >=
        (int)sizeof signature_path)
        return error_set(err, ERROR_INPUT, "%s: the path is too long", path);
    if (digest_bytes(csv->data, csv->size, hash))
        return error_set(err, ERROR_MEMORY, "%s: out of memory", path);
    hex_encode(hash, sizeof hash, hex);
    rc = signer_sign(signer, csv->data, csv->size, signature, &size, err);
    if (!rc)
        rc = record(context, hex, err);
    if (!rc)
        rc = file_write(path, csv->data, csv->size, 0644, err);
    if (!rc)
        rc = file_write(signature_path, signature, size, 0644, err);
    return rc;
}

struct export
{
    struct pool *pool;
    const char *order, *operator_name;
    int64_t wall_ms, rows;
};

static int record_export(void *context, const char *sha256, struct error *err)
{
    const struct export *e = context;
    char count[24];
    snprintf(count, sizeof count, "%lld", (long long)e->rows);
    return pool_note(e->pool, err, e->wall_ms, e->operator_name, "identity.export", e->order,
                     "sha256", sha256, "rows", count, NULL);
}

int pool_report_export(struct pool *p, struct signer *signer, const char *order, const char *path,
                       const char *operator_name, int64_t wall_ms, int64_t *rows, struct error *err)
{
    struct buffer csv = {0};
    struct export e = {
        .pool = p, .order = order, .operator_name = operator_name, .wall_ms = wall_ms};
    int rc = pool_report_csv(p->db, order, &csv, &e.rows, err);
    if (!rc)
        rc = pool_report_write(&csv, signer, path, record_export, &e, err);
    *rows = e.rows;
    buffer_free(&csv);
    return rc;
}
