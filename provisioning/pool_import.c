/* An import: all of a file or nothing. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "provisioning/database.h"
#include "provisioning/pool_csv.h"
#include "provisioning/pool_parts.h"

struct import {
    struct pool *pool;
    sqlite3_stmt *insert, *next_mac, *within;
    const char *name;
    int64_t id;
    int count, ranges;
};

/* ---- MAC addresses by range ---------------------------------------------------------------- */

/* A row (file, line, this import?) of what is in the way. Takes st, which may be NULL. */
static int name_overlap(struct import *im, int line, sqlite3_stmt *st, const char *what,
                        struct error *err)
{
    int rc = st ? database_step(im->pool->db, st, err, "cannot read the pool") : pool_failed(err);
    if (rc == 1 && sqlite3_column_int(st, 2))
        rc = error_set(err, ERROR_INPUT, "%s:%d: %s line %d of this file", im->name, line, what,
                       sqlite3_column_int(st, 1));
    else if (rc == 1)
        rc = error_set(err, ERROR_INPUT, "%s:%d: %s what was imported before, from %s line %d",
                       im->name, line, what, (const char *)sqlite3_column_text(st, 0),
                       sqlite3_column_int(st, 1));
    sqlite3_finalize(st);
    return rc;
}

static int import_range(void *context, int line, const struct mac_range *r, struct error *err)
{
    struct import *im = context;
    sqlite3 *db = im->pool->db;
    char first[MAC_TEXT], last[MAC_TEXT];
    mac_format(r->first, first);
    mac_format(r->last, last);
    int rc =
        name_overlap(im, line,
                     database_prepare(db, err,
                                      "SELECT m.file, r.import_line, r.import=?3 FROM mac_range r"
                                      " JOIN identity_import m ON m.id=r.import"
                                      " WHERE r.first<=?2 AND r.last>=?1 ORDER BY r.id LIMIT 1",
                                      "iii", (int64_t)r->first, (int64_t)r->last, im->id),
                     "the range overlaps", err);
    /* As texts of one shape they compare like numbers. */
    if (!rc)
        rc = name_overlap(im, line,
                          database_prepare(db, err,
                                           "SELECT m.file, i.import_line, i.import=?3"
                                           " FROM identity i JOIN identity_import m ON"
                                           " m.id=i.import WHERE i.mac BETWEEN ?1 AND ?2"
                                           " ORDER BY i.mac LIMIT 1",
                                           "tti", first, last, im->id),
                          "the range holds a mac of", err);
    if (!rc)
        rc = database_write(db, err, "cannot write the pool",
                            "INSERT INTO mac_range(prefix, first, last, next, import, import_line)"
                            " VALUES (?1, ?2, ?3, ?2, ?4, ?5)",
                            "tiiii", r->prefix, (int64_t)r->first, (int64_t)r->last, im->id,
                            (int64_t)line);
    im->ranges += !rc;
    return rc;
}

/* The next address of the oldest range that has one. */
static int take_mac(struct import *im, int line, const char *did, char out[MAC_TEXT],
                    struct error *err)
{
    int rc = database_step(im->pool->db, im->next_mac, err, "cannot take a mac");
    if (rc == 1)
        mac_format((uint64_t)sqlite3_column_int64(im->next_mac, 0), out);
    else if (rc == 0)
        rc = error_set(err, ERROR_INPUT,
                       "%s:%d: no mac is left for did %s in the ranges of this file and those "
                       "before",
                       im->name, line, did);
    sqlite3_reset(im->next_mac);
    return rc == 1 ? 0 : rc;
}

/* An address that is given may not be one that a range will give. */
static int outside_ranges(struct import *im, int line, const char *mac, struct error *err)
{
    uint64_t value = 0;
    if (mac_parse(mac, &value))
        return error_set(err, ERROR_INPUT, "%s:%d: %s is no mac", im->name, line, mac);
    sqlite3_bind_int64(im->within, 1, (int64_t)value);
    sqlite3_bind_int64(im->within, 2, im->id);
    int rc = database_step(im->pool->db, im->within, err, "cannot read the pool");
    if (rc == 1)
        rc = error_set(err, ERROR_INPUT, "%s:%d: mac %s is within a range, of %s line %d", im->name,
                       line, mac, (const char *)sqlite3_column_text(im->within, 0),
                       sqlite3_column_int(im->within, 1));
    sqlite3_reset(im->within);
    return rc;
}

/* ---- identities ---------------------------------------------------------------------------- */

/* Which of the three is there already, and where did it come from? */
static int name_duplicate(struct import *im, int line, const struct identity *i,
                          const uint8_t fingerprint[DIGEST_BYTES], struct error *err)
{
    struct error ignored;
    sqlite3_stmt *st = database_prepare(
        im->pool->db, &ignored,
        "SELECT i.did=?1, i.mac=?2, m.file, i.import_line, i.import=?4 FROM identity i"
        " JOIN identity_import m ON m.id=i.import"
        " WHERE i.did=?1 OR i.mac=?2 OR i.key_fingerprint=?3 ORDER BY i.id LIMIT 1",
        "ttbi", i->did, i->mac, fingerprint, (size_t)DIGEST_BYTES, im->id);
    int rc = ERROR_INPUT;
    if (st && sqlite3_step(st) == SQLITE_ROW) {
        bool same_did = sqlite3_column_int(st, 0), same_mac = sqlite3_column_int(st, 1);
        const char *what = same_did ? "did " : same_mac ? "mac " : "this key";
        const char *which = same_did ? i->did : same_mac ? i->mac : "";
        if (sqlite3_column_int(st, 4))
            error_set(err, rc, "%s:%d: %s%s is in this file twice, first on line %d", im->name,
                      line, what, which, sqlite3_column_int(st, 3));
        else
            error_set(err, rc, "%s:%d: %s%s was imported before, from %s line %d", im->name, line,
                      what, which, (const char *)sqlite3_column_text(st, 2),
                      sqlite3_column_int(st, 3));
    } else {
        rc = database_fail(im->pool->db, err, im->name);
    }
    sqlite3_finalize(st);
    return rc;
}

static int import_identity(void *context, int line, const struct identity *i, struct error *err)
{
    struct import *im = context;
    char mac[MAC_TEXT];
    uint8_t fingerprint[DIGEST_BYTES], sealed[SEALED_MAX];
    size_t sealed_size = 0;
    int rc = pool_seal(im->pool->custody, im->pool->fingerprint_key, i, fingerprint, sealed,
                       &sealed_size, err);
    if (!rc && i->mac[0]) {
        memcpy(mac, i->mac, sizeof mac);
        rc = outside_ranges(im, line, mac, err);
    } else if (!rc) {
        rc = take_mac(im, line, i->did, mac, err);
    }
    if (rc)
        return rc;
    sqlite3_stmt *st = im->insert;
    sqlite3_bind_text(st, 1, i->did, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 2, mac, -1, SQLITE_STATIC);
    sqlite3_bind_blob(st, 3, fingerprint, sizeof fingerprint, SQLITE_STATIC);
    sqlite3_bind_blob(st, 4, sealed, (int)sealed_size, SQLITE_STATIC);
    sqlite3_bind_int64(st, 5, im->id);
    sqlite3_bind_int(st, 6, line);
    int code = sqlite3_step(st);
    if (code == SQLITE_DONE)
        im->count++;
    else if ((code & 0xff) == SQLITE_CONSTRAINT)
        rc = name_duplicate(im, line, i, fingerprint, err);
    else
        rc = database_fail(im->pool->db, err, "cannot write the pool");
    sqlite3_reset(st);
    return rc;
}

static int import_text(struct import *im, const struct buffer *text, const char *operator_name,
                       struct error *err)
{
    struct pool *p = im->pool;
    uint8_t digest[DIGEST_BYTES];
    char hex[DIGEST_TEXT], count[16], ranges[16];
    int64_t now = clock_wall_ms();
    if (digest_bytes(text->data, text->size, digest))
        return error_set(err, ERROR_MEMORY, "cannot hash %s", im->name);
    hex_encode(digest, sizeof digest, hex);
    int rc = database_write(p->db, err, "cannot write the pool",
                            "INSERT INTO identity_import(file, sha256, operator, wall_ms)"
                            " VALUES (?1, ?2, ?3, ?4)",
                            "ttti", im->name, hex, operator_name, now);
    if (rc)
        return rc;
    im->id = sqlite3_last_insert_rowid(p->db);
    im->insert = database_prepare(p->db, err,
                                  "INSERT INTO identity(did, mac, key_fingerprint, key_sealed,"
                                  " import, import_line) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                                  "");
    if (im->insert)
        im->next_mac = database_prepare(p->db, err,
                                        "UPDATE mac_range SET next=next+1 WHERE id=(SELECT id FROM"
                                        " mac_range WHERE next<=last ORDER BY id LIMIT 1)"
                                        " RETURNING next-1",
                                        "");
    if (im->next_mac)
        im->within =
            database_prepare(p->db, err,
                             "SELECT iif(r.import=?2, 'this file', m.file), r.import_line FROM"
                             " mac_range r JOIN identity_import m ON m.id=r.import"
                             " WHERE ?1 BETWEEN r.first AND r.last",
                             "");
    const struct pool_csv_reader reader = {import_identity, import_range, im};
    rc = im->within ? pool_csv_parse(im->name, (const char *)text->data, text->size, &reader, err)
                    : pool_failed(err);
    snprintf(count, sizeof count, "%d", im->count);
    snprintf(ranges, sizeof ranges, "%d", im->ranges);
    if (!rc)
        rc = pool_note(p, err, now, operator_name, "pool.import", im->name, "sha256", hex,
                       "identities", count, "mac_ranges", ranges, NULL);
    sqlite3_finalize(im->insert);
    sqlite3_finalize(im->next_mac);
    sqlite3_finalize(im->within);
    return rc;
}

int pool_import(struct pool *p, const char *path, const struct delivery_keys *keys,
                const char *operator_name, int *count, struct error *err)
{
    struct buffer text;
    struct import im = {.pool = p, .name = path};
    if (!sqlite3_get_autocommit(p->db))
        return error_set(err, ERROR_STATE, "%s: an import is a transaction of its own", path);
    int rc = delivery_read(keys, path, &text, err);
    if (rc)
        return rc;
    rc = database_run(p->db, "BEGIN IMMEDIATE", err, "cannot begin an import");
    if (!rc) {
        rc = import_text(&im, &text, operator_name, err);
        if (!rc)
            rc = database_run(p->db, "COMMIT", err, "cannot commit an import");
        if (rc && !sqlite3_get_autocommit(p->db))
            sqlite3_exec(p->db, "ROLLBACK", NULL, NULL, NULL);
    }
    delivery_wipe(&text);
    if (!rc && count)
        *count = im.count;
    return rc;
}
