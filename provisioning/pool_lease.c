#include "provisioning/pool_lease.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provisioning/database.h"
#include "provisioning/pool_parts.h"

/* Where rows of the shared pool come from, in the table of imports. */
static int shared_import_id(struct pool *p, int64_t wall_ms, int64_t *id, struct error *err)
{
    static const char find[] = "SELECT id FROM identity_import WHERE file='the shared pool'";
    sqlite3_stmt *st = database_prepare(p->db, err, find, "");
    if (!st)
        return pool_failed(err);
    int rc = database_step(p->db, st, err, "cannot read the pool");
    if (rc == 1)
        *id = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    if (rc)
        return rc < 0 ? rc : 0;
    rc = database_write(p->db, err, "cannot write the pool",
                        "INSERT INTO identity_import(file, sha256, operator, wall_ms) VALUES"
                        " ('the shared pool', '', 'taktd', ?1)",
                        "i", wall_ms);
    *id = sqlite3_last_insert_rowid(p->db);
    return rc;
}

/* Free and held, also when it was here before and was given back. `lease` 0: of none. */
static int take_in(struct pool *p, const struct shared_identity *i, int64_t import, int64_t lease,
                   struct error *err)
{
    return database_write(
        p->db, err, "cannot take an identity in",
        "INSERT INTO identity(did, mac, key_fingerprint, key_sealed, import, import_line, shared,"
        " reported, lease) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, 0, nullif(?7, 0))"
        " ON CONFLICT(did) DO UPDATE SET held=1, lease=excluded.lease WHERE state=0",
        "ttbbiii", i->did, i->mac, i->fingerprint, sizeof i->fingerprint, i->sealed,
        i->sealed_bytes, import, i->id, lease);
}

static int write_reserved(struct pool *p, const struct shared_identity *i,
                          const struct pool_request *r, struct error *err)
{
    int64_t import = 0;
    int rc = shared_import_id(p, r->wall_ms, &import, err);
    if (!rc)
        rc = take_in(p, i, import, 0, err);
    /* It may be further already: another station had this unit. */
    if (!rc)
        rc = database_write(p->db, err, "cannot reserve an identity",
                            "UPDATE identity SET state=1, chip_id=?2, serial=?3, work_order=?4,"
                            " station=?5, reserved_ms=?6, operator=?7, reported=?8 WHERE did=?1 AND"
                            " state=0",
                            "tttttini", i->did, r->chip_id, r->serial, r->order, r->station,
                            r->wall_ms, r->operator_name, (int64_t)i->state);
    if (!rc && i->state > IDENTITY_RESERVED)
        rc = database_write(p->db, err, "cannot reserve an identity",
                            "UPDATE identity SET state=?2 WHERE did=?1 AND state<?2", "ti", i->did,
                            (int64_t)i->state);
    return rc ? rc
              : pool_note(p, err, r->wall_ms, "taktd", "identity.reserve", r->chip_id, "did",
                          i->did, "mac", i->mac, "serial", r->serial, "order", r->order, "station",
                          r->station, "from", "shared", NULL);
}

int pool_take_reserved(struct pool *p, const struct shared_identity *i,
                       const struct pool_request *r, struct identity *out, struct error *err)
{
    if (i->state >= IDENTITY_QUARANTINED)
        return error_set(err, ERROR_STATE,
                         "the identity of unit %s (did %s) is %s: it may not be used", r->chip_id,
                         i->did, pool_state_name(i->state));
    int rc = database_save(p->db, err);
    if (rc)
        return rc;
    rc = write_reserved(p, i, r, err);
    rc = database_keep(p->db, rc, err);
    return rc ? rc : pool_reserve(p, r, out, err);
}

/* ---- leases ---------------------------------------------------------------------------------- */

int pool_lease_find(struct pool *p, enum pool_lease_state state, struct pool_lease *out,
                    struct error *err)
{
    sqlite3_stmt *st = database_prepare(
        p->db, err,
        "SELECT token, wanted, asked_ms, ends_ms, (SELECT count(*) FROM identity WHERE lease=l.id"
        " AND state=0 AND held=1) FROM pool_lease l WHERE state=?1 ORDER BY id LIMIT 1",
        "i", (int64_t)state);
    if (!st)
        return pool_failed(err);
    int rc = database_step(p->db, st, err, "cannot read the leases");
    if (rc == 1) {
        *out = (struct pool_lease){.state = state,
                                   .wanted = sqlite3_column_int64(st, 1),
                                   .asked_ms = sqlite3_column_int64(st, 2),
                                   .ends_ms = sqlite3_column_int64(st, 3),
                                   .free = sqlite3_column_int64(st, 4)};
        snprintf(out->token, sizeof out->token, "%s", (const char *)sqlite3_column_text(st, 0));
        rc = 0;
    } else if (rc == 0) {
        rc = error_set(err, ERROR_MISSING, "there is no such lease");
    }
    sqlite3_finalize(st);
    return rc;
}

/* One step of a lease, with its entry in the chain. */
static int keep(struct pool *p, int rc, const char *action, const char *token, int64_t count,
                int64_t wall_ms, struct error *err)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)count);
    if (!rc)
        rc = pool_note(p, err, wall_ms, "taktd", action, token, "identities", text, NULL);
    return database_keep(p->db, rc, err);
}

int pool_lease_ask(struct pool *p, int64_t wanted, int64_t wall_ms, int64_t ends_ms,
                   struct error *err)
{
    uint8_t random[(POOL_LEASE_TOKEN - 1) / 2];
    char token[POOL_LEASE_TOKEN];
    if (RAND_bytes(random, sizeof random) != 1)
        return error_set(err, ERROR_IO, "no randomness for a lease");
    hex_encode(random, sizeof random, token);
    int rc = database_save(p->db, err);
    if (rc)
        return rc;
    rc = database_write(p->db, err, "cannot ask for a lease",
                        "INSERT INTO pool_lease(token, wanted, asked_ms, ends_ms) VALUES"
                        " (?1, ?2, ?3, ?4)",
                        "tiii", token, wanted, wall_ms, ends_ms);
    return keep(p, rc, "lease.ask", token, wanted, wall_ms, err);
}

static int lease_id(struct pool *p, const char *token, int64_t *id, struct error *err)
{
    sqlite3_stmt *st =
        database_prepare(p->db, err, "SELECT id FROM pool_lease WHERE token=?1", "t", token);
    if (!st)
        return pool_failed(err);
    int rc = database_step(p->db, st, err, "cannot read the leases");
    if (rc == 1)
        *id = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return rc == 1 ? 0 : rc ? rc : error_set(err, ERROR_MISSING, "no lease %s", token);
}

int pool_lease_hold(struct pool *p, const char *token, const struct shared_identity *identities,
                    size_t count, int64_t wall_ms, struct error *err)
{
    int64_t lease = 0, import = 0;
    int rc = database_save(p->db, err);
    if (rc)
        return rc;
    rc = lease_id(p, token, &lease, err);
    if (!rc)
        rc = shared_import_id(p, wall_ms, &import, err);
    for (size_t i = 0; i < count && !rc; i++)
        rc = take_in(p, &identities[i], import, lease, err);
    if (!rc)
        rc = database_write(p->db, err, "cannot hold a lease",
                            "UPDATE pool_lease SET state=1 WHERE id=?1 AND state=0", "i", lease);
    return keep(p, rc, "lease.hold", token, (int64_t)count, wall_ms, err);
}

int pool_lease_end(struct pool *p, const char *token, int64_t wall_ms, struct error *err)
{
    int64_t lease = 0, count = 0;
    int rc = database_save(p->db, err);
    if (rc)
        return rc;
    rc = lease_id(p, token, &lease, err);
    if (!rc)
        rc = database_write(p->db, err, "cannot end a lease",
                            "UPDATE identity SET held=0 WHERE lease=?1 AND state=0 AND held=1", "i",
                            lease);
    count = sqlite3_changes64(p->db);
    if (!rc)
        rc = database_write(p->db, err, "cannot end a lease",
                            "UPDATE pool_lease SET state=2 WHERE id=?1 AND state<2", "i", lease);
    return keep(p, rc, "lease.end", token, count, wall_ms, err);
}

int pool_lease_unused(struct pool *p, const char *token, int64_t **ids, size_t *count,
                      struct error *err)
{
    size_t room = 0;
    *ids = NULL;
    *count = 0;
    sqlite3_stmt *st = database_prepare(p->db, err,
                                        "SELECT i.shared FROM identity i JOIN pool_lease l ON"
                                        " l.id=i.lease WHERE l.token=?1 AND i.state=0 AND i.held=0",
                                        "t", token);
    if (!st)
        return pool_failed(err);
    int rc;
    while ((rc = database_step(p->db, st, err, "cannot read a lease")) == 1) {
        if (*count == room) {
            room = room ? 2 * room : 64;
            int64_t *more = realloc(*ids, room * sizeof **ids);
            if (!more) {
                rc = error_set(err, ERROR_MEMORY, "a lease's identities: out of memory");
                break;
            }
            *ids = more;
        }
        (*ids)[(*count)++] = sqlite3_column_int64(st, 0);
    }
    sqlite3_finalize(st);
    if (rc) {
        free(*ids);
        *ids = NULL;
        *count = 0;
    }
    return rc;
}

int pool_lease_close(struct pool *p, const char *token, int64_t wall_ms, struct error *err)
{
    int rc = database_save(p->db, err);
    if (rc)
        return rc;
    rc = database_write(p->db, err, "cannot close a lease",
                        "UPDATE pool_lease SET state=3 WHERE token=?1 AND state=2", "t", token);
    return keep(p, rc, "lease.close", token, 0, wall_ms, err);
}

/* ---- telling --------------------------------------------------------------------------------- */

static const char *text_at(sqlite3_stmt *st, int column)
{
    const char *text = (const char *)sqlite3_column_text(st, column);
    return text ? text : "";
}

int pool_unreported(struct pool *p, int64_t limit,
                    int (*each)(void *context, const struct shared_report *r, struct error *err),
                    void *context, struct error *err)
{
    sqlite3_stmt *st = database_prepare(
        p->db, err,
        "SELECT shared, state, chip_id, serial, work_order, station, operator, reason, reserved_ms,"
        " injected_ms, confirmed_ms, quarantined_ms, scrapped_ms FROM identity"
        " WHERE shared IS NOT NULL AND reported <> state ORDER BY id LIMIT ?1",
        "i", limit);
    if (!st)
        return pool_failed(err);
    int rc;
    while ((rc = database_step(p->db, st, err, "cannot read the pool")) == 1) {
        const struct shared_report r = {.id = sqlite3_column_int64(st, 0),
                                        .state = (enum identity_state)sqlite3_column_int(st, 1),
                                        .chip_id = text_at(st, 2),
                                        .serial = text_at(st, 3),
                                        .order = text_at(st, 4),
                                        .station = text_at(st, 5),
                                        .operator_name = text_at(st, 6),
                                        .reason = text_at(st, 7),
                                        .reserved_ms = sqlite3_column_int64(st, 8),
                                        .injected_ms = sqlite3_column_int64(st, 9),
                                        .confirmed_ms = sqlite3_column_int64(st, 10),
                                        .quarantined_ms = sqlite3_column_int64(st, 11),
                                        .scrapped_ms = sqlite3_column_int64(st, 12)};
        rc = each(context, &r, err);
        if (rc)
            break;
    }
    sqlite3_finalize(st);
    return rc;
}

int pool_reported(struct pool *p, int64_t shared_id, enum identity_state state, bool conflict,
                  int64_t wall_ms, struct error *err)
{
    int rc = database_save(p->db, err);
    if (rc)
        return rc;
    rc = database_write(p->db, err, "cannot note a report",
                        "UPDATE identity SET reported=iif(?3, max(state, 4), max(reported, ?2)),"
                        " state=iif(?3, max(state, 4), state),"
                        " quarantined_ms=iif(?3, coalesce(quarantined_ms, ?4), quarantined_ms)"
                        " WHERE shared=?1",
                        "iiii", shared_id, (int64_t)state, (int64_t)conflict, wall_ms);
    if (!rc && conflict) {
        char subject[40];
        snprintf(subject, sizeof subject, "shared %lld", (long long)shared_id);
        rc = pool_note(p, err, wall_ms, "taktd", "identity.quarantined", subject, "reason",
                       "its unit has another identity in the shared pool", NULL);
    }
    return database_keep(p->db, rc, err);
}
