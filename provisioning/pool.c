#include "provisioning/pool.h"

#include <cjson/cJSON.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provisioning/audit.h"
#include "provisioning/database.h"
#include "provisioning/pool_parts.h"
#include "provisioning/pool_quota.h"
#include "provisioning/pool_schema.h"

static const char *const state_names[IDENTITY_STATES] = {"free",      "reserved",    "injected",
                                                         "confirmed", "quarantined", "scrapped"};

const char *pool_state_name(enum identity_state s)
{
    return (size_t)s < IDENTITY_STATES ? state_names[s] : "unknown";
}

void identity_wipe(struct identity *i)
{
    OPENSSL_cleanse(i, sizeof *i);
}

int pool_failed(const struct error *err)
{
    return err && err->code ? err->code : ERROR_IO;
}

int pool_note(struct pool *p, struct error *err, int64_t wall_ms, const char *actor,
              const char *action, const char *subject, ...)
{
    cJSON *object = cJSON_CreateObject();
    va_list texts;
    va_start(texts, subject);
    const char *name;
    while ((name = va_arg(texts, const char *))) {
        const char *value = va_arg(texts, const char *);
        if (value && *value)
            cJSON_AddStringToObject(object, name, value);
    }
    va_end(texts);
    const struct audit_entry e = {
        .wall_ms = wall_ms, .actor = actor, .action = action, .subject = subject};
    return audit_append_object(p->db, e, object, err);
}

/* The fingerprint key rests sealed like any other; opening it also proves that this custody is the
 * one everything else here was sealed with. */
static int open_fingerprint_key(struct pool *p, struct error *err)
{
    uint8_t sealed[POOL_FINGERPRINT_SEALED];
    sqlite3_stmt *st =
        database_prepare(p->db, err, "SELECT value FROM pool_setting WHERE name='fingerprint'", "");
    if (!st)
        return pool_failed(err);
    int rc = database_step(p->db, st, err, "cannot read the pool");
    if (rc == 1) {
        rc = pool_fingerprint_open(p->custody, sqlite3_column_blob(st, 0),
                                   (size_t)sqlite3_column_bytes(st, 0), p->fingerprint_key, err);
    } else if (rc == 0) {
        rc = pool_fingerprint_make(p->custody, p->fingerprint_key, sealed, err);
        if (!rc)
            rc = database_write(p->db, err, "cannot write the pool",
                                "INSERT INTO pool_setting VALUES ('fingerprint', ?1)", "b", sealed,
                                sizeof sealed);
    }
    sqlite3_finalize(st);
    return rc;
}

int pool_open(sqlite3 *db, struct custody *custody, struct pool **out, struct error *err)
{
    struct pool *p = calloc(1, sizeof *p);
    if (!p)
        return error_set(err, ERROR_MEMORY, "cannot open the pool: out of memory");
    p->db = db;
    p->custody = custody;
    int rc = database_run(db, "BEGIN IMMEDIATE", err, "cannot open the pool");
    if (!rc) {
        rc = pool_schema_migrate(db, err);
        if (!rc)
            rc = audit_open(db, err);
        if (!rc)
            rc = open_fingerprint_key(p, err);
        if (!rc)
            rc = database_run(db, "COMMIT", err, "cannot open the pool");
        if (rc && !sqlite3_get_autocommit(db))
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    if (rc)
        pool_close(p);
    else
        *out = p;
    return rc;
}

void pool_close(struct pool *p)
{
    if (!p)
        return;
    OPENSSL_cleanse(p, sizeof *p);
    free(p);
}

sqlite3 *pool_database(struct pool *p)
{
    return p->db;
}

/* ---- a unit's identity -------------------------------------------------------------------- */

/* did, mac, key_sealed, state from a row; the key stays sealed when `custody` is NULL. */
int pool_take_row(sqlite3_stmt *st, struct custody *custody, struct identity *out,
                  struct error *err)
{
    *out = (struct identity){.state = (enum identity_state)sqlite3_column_int(st, 3)};
    snprintf(out->did, sizeof out->did, "%s", (const char *)sqlite3_column_text(st, 0));
    snprintf(out->mac, sizeof out->mac, "%s", (const char *)sqlite3_column_text(st, 1));
    if (!custody)
        return 0;
    return pool_unseal(custody, sqlite3_column_blob(st, 2), (size_t)sqlite3_column_bytes(st, 2),
                       out, err);
}

static int find(struct pool *p, const char *chip_id, struct custody *custody, struct identity *out,
                struct error *err)
{
    sqlite3_stmt *st = database_prepare(
        p->db, err, "SELECT did, mac, key_sealed, state FROM identity WHERE chip_id=?1", "t",
        chip_id);
    if (!st)
        return pool_failed(err);
    int rc = database_step(p->db, st, err, "cannot read the pool");
    if (rc == 1)
        rc = pool_take_row(st, custody, out, err);
    else if (rc == 0)
        rc = error_set(err, ERROR_MISSING, "unit %s has no identity", chip_id);
    sqlite3_finalize(st);
    return rc;
}

int pool_find(struct pool *p, const char *chip_id, struct identity *out, struct error *err)
{
    return find(p, chip_id, NULL, out, err);
}

int pool_find_with_key(struct pool *p, const char *chip_id, struct identity *out, struct error *err)
{
    return find(p, chip_id, p->custody, out, err);
}

/* One statement picks and takes: two at once cannot take the same, and a unit that has one gets no
 * second. 1 = took one. */
static int take_free(struct pool *p, const struct pool_request *r, struct identity *out,
                     struct error *err)
{
    sqlite3_stmt *st = database_prepare(
        p->db, err,
        "UPDATE identity SET state=1, chip_id=?1, serial=?2, work_order=?3, station=?4,"
        " reserved_ms=?5, operator=?6 WHERE id=(SELECT i.id FROM identity i LEFT JOIN pool_lease l"
        " ON l.id=i.lease WHERE i.state=0 AND i.held=1 AND (i.lease IS NULL OR (l.state=1 AND"
        " l.ends_ms>?5)) ORDER BY i.id LIMIT 1)"
        " AND NOT EXISTS (SELECT 1 FROM identity WHERE chip_id=?1)"
        " RETURNING did, mac, key_sealed, state",
        "ttttin", r->chip_id, r->serial, r->order, r->station, r->wall_ms,
        r->operator_name ? r->operator_name : "");
    if (!st)
        return pool_failed(err);
    int rc = database_step(p->db, st, err, "cannot reserve an identity");
    if (rc == 1) {
        int taken = pool_take_row(st, p->custody, out, err);
        rc = taken ? taken : database_step(p->db, st, err, "cannot reserve an identity");
        if (rc == 0)
            rc = 1;
    }
    sqlite3_finalize(st);
    return rc;
}

int pool_check_key(const struct pool_request *r, const struct identity *i, struct error *err)
{
    return i->key_bytes || r->certifies
               ? 0
               : error_set(err, ERROR_MISSING,
                           "did %s came without a key, for a unit that makes its own, and the "
                           "station names no 'device_ca' to certify it",
                           i->did);
}

int pool_reserve(struct pool *p, const struct pool_request *r, struct identity *out,
                 struct error *err)
{
    if (!r->chip_id || !*r->chip_id)
        return error_set(err, ERROR_INPUT, "an identity is for a unit: its chip id is empty");
    int rc = database_save(p->db, err);
    if (rc)
        return rc;
    rc = take_free(p, r, out, err);
    if (rc == 1) {
        rc = pool_check_key(r, out, err);
        if (!rc)
            rc = pool_quota_take(p->db, r, err);
        if (!rc)
            rc = pool_note(p, err, r->wall_ms, "taktd", "identity.reserve", r->chip_id, "did",
                           out->did, "mac", out->mac, "serial", r->serial, "order", r->order,
                           "station", r->station, NULL);
    } else if (rc == 0) {
        rc = find(p, r->chip_id, p->custody, out, err);
        if (rc == ERROR_MISSING)
            rc = error_set(err, ERROR_FULL,
                           "the pool has no free identity for unit %s: import more", r->chip_id);
        else if (!rc && out->state >= IDENTITY_QUARANTINED)
            rc = error_set(err, ERROR_STATE,
                           "the identity of unit %s (did %s) is %s: it may not be used", r->chip_id,
                           out->did, pool_state_name(out->state));
        if (!rc)
            rc = pool_check_key(r, out, err);
    }
    rc = database_keep(p->db, rc, err);
    if (rc)
        identity_wipe(out);
    return rc;
}

static int write_state(struct pool *p, const char *chip_id, enum identity_state to,
                       const char *reason, int64_t wall_ms, struct error *err)
{
    struct identity now;
    int rc = find(p, chip_id, NULL, &now, err);
    if (rc || now.state == to)
        return rc;
    if (to < now.state || to <= IDENTITY_RESERVED || to >= IDENTITY_STATES)
        return error_set(err, ERROR_STATE,
                         "the identity of unit %s (did %s) is %s and never becomes %s", chip_id,
                         now.did, pool_state_name(now.state), pool_state_name(to));
    rc = database_write(p->db, err, "cannot move an identity on",
                        "UPDATE identity SET state=?2,"
                        " injected_ms=iif(?2=2, ?3, injected_ms),"
                        " confirmed_ms=iif(?2=3, ?3, confirmed_ms),"
                        " quarantined_ms=iif(?2=4, ?3, quarantined_ms),"
                        " scrapped_ms=iif(?2=5, ?3, scrapped_ms),"
                        " reason=coalesce(?4, reason) WHERE chip_id=?1",
                        "tiin", chip_id, (int64_t)to, wall_ms, reason);
    if (!rc) {
        char action[40];
        snprintf(action, sizeof action, "identity.%s", pool_state_name(to));
        rc = pool_note(p, err, wall_ms, "taktd", action, chip_id, "did", now.did, "from",
                       pool_state_name(now.state), "reason", reason, NULL);
    }
    return rc;
}

int pool_advance(struct pool *p, const char *chip_id, enum identity_state to, const char *reason,
                 int64_t wall_ms, struct error *err)
{
    int rc = database_save(p->db, err);
    if (rc)
        return rc;
    return database_keep(p->db, write_state(p, chip_id, to, reason, wall_ms, err), err);
}

int pool_counts_read(sqlite3 *db, struct pool_counts *out, struct error *err)
{
    *out = (struct pool_counts){0};
    /* A reader may see tables that no taktd of this version has opened yet. */
    sqlite3_stmt *st = database_prepare(
        db, err, "SELECT count(*), sum(name='held') FROM pragma_table_info('identity')", "");
    if (!st)
        return pool_failed(err);
    int rc = database_step(db, st, err, "cannot count the pool");
    const bool there = rc == 1 && sqlite3_column_int(st, 0) > 0;
    const bool held = rc == 1 && sqlite3_column_int(st, 1) > 0;
    sqlite3_finalize(st);
    if (rc < 0)
        return rc;
    if (!there)
        return error_set(err, ERROR_MISSING, "there is no pool yet: import identities");
    st = database_prepare(db, err,
                          held ? "SELECT state, count(*) FROM identity WHERE state>0 OR held=1"
                                 " GROUP BY state"
                               : "SELECT state, count(*) FROM identity GROUP BY state",
                          "");
    if (!st)
        return pool_failed(err);
    while ((rc = database_step(db, st, err, "cannot count the pool")) == 1) {
        int state = sqlite3_column_int(st, 0);
        if (state >= 0 && state < IDENTITY_STATES)
            out->of[state] = sqlite3_column_int64(st, 1);
    }
    sqlite3_finalize(st);
    return rc;
}

int pool_free_up_to(struct pool *p, int64_t at_most, int64_t *out, struct error *err)
{
    sqlite3_stmt *st = database_prepare(
        p->db, err,
        "SELECT count(*) FROM (SELECT 1 FROM identity WHERE state=0 AND held=1 LIMIT ?1)", "i",
        at_most);
    if (!st)
        return pool_failed(err);
    int rc = database_step(p->db, st, err, "cannot count the pool");
    if (rc == 1)
        *out = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return rc < 0 ? rc : 0;
}

int pool_counts(struct pool *p, struct pool_counts *out, struct error *err)
{
    return pool_counts_read(p->db, out, err);
}
