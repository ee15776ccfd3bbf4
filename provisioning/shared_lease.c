/* Leases of blocks of identities. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/base/buffer.h"
#include "provisioning/shared_parts.h"
#include "provisioning/shared_schema.h"

/* The end of a transaction; the connection is left without one, whatever came. */
static int settle(struct shared_pool *p, int rc, struct error *err)
{
    if (!rc)
        return shared_run(p, err, NULL, "COMMIT", "");
    shared_roll_back(p);
    return rc;
}

/* *fresh: it was not there before. Whoever asks with the same token at the same time waits here. */
static int find_lease(struct shared_pool *p, const struct shared_lease_wish *w, int64_t *lease,
                      bool *fresh, struct error *err)
{
    PGresult *r = shared_query(p, err,
                               "INSERT INTO takt_pool.lease(token, station, taken_ms, ends_ms)"
                               " VALUES ($1, $2, $3, $4) ON CONFLICT (token) DO NOTHING"
                               " RETURNING id",
                               "ttii", w->token, w->station, w->wall_ms, w->ends_ms);
    *fresh = r && PQntuples(r);
    if (r && !*fresh) {
        PQclear(r);
        r = shared_query(p, err, "SELECT id FROM takt_pool.lease WHERE token = $1", "t", w->token);
    }
    if (!r)
        return err->code;
    *lease = shared_number_at(r, 0, 0);
    PQclear(r);
    return 0;
}

int shared_lease_take(struct shared_pool *p, const struct shared_lease_wish *w,
                      int (*each)(void *context, const struct shared_identity *i,
                                  struct error *err),
                      void *context, struct error *err)
{
    int64_t lease = 0;
    bool fresh = false;
    PGresult *r = NULL;
    int rc = shared_run(p, err, NULL, "BEGIN", "");
    if (rc)
        return rc;
    rc = find_lease(p, w, &lease, &fresh, err);
    if (!rc) {
        r = fresh ? shared_query(p, err, shared_lease_sql, "ii", lease, w->identities)
                  : shared_query(p, err,
                                 "SELECT id, did, mac, key_fingerprint, key_sealed, state FROM"
                                 " takt_pool.identity WHERE lease = $1 AND state = 0",
                                 "i", lease);
        rc = r ? 0 : err->code;
    }
    if (!rc && fresh && PQntuples(r) == 0)
        rc = error_set(err, ERROR_FULL,
                       "the shared pool has no free identity to lease: import more");
    rc = settle(p, rc, err);
    for (int i = 0; !rc && i < PQntuples(r); i++) {
        struct shared_identity identity;
        rc = shared_identity_at(r, i, &identity, err);
        if (!rc)
            rc = each(context, &identity, err);
    }
    PQclear(r);
    return rc;
}

int shared_lease_give_back(struct shared_pool *p, const char *token, const int64_t *ids,
                           size_t count, int64_t wall_ms, struct error *err)
{
    struct buffer list = {0};
    int rc = buffer_append_text(&list, "{");
    for (size_t i = 0; !rc && i < count; i++)
        rc = buffer_printf(&list, "%s%" PRId64, i ? "," : "", ids[i]);
    if (!rc)
        rc = buffer_append_text(&list, "}");
    if (rc || !buffer_text(&list))
        rc = error_set(err, ERROR_MEMORY, "giving a lease back: out of memory");
    if (!rc)
        rc = shared_run(p, err, NULL, "BEGIN", "");
    if (!rc) {
        rc = shared_run(p, err, NULL,
                        "UPDATE takt_pool.identity SET lease = NULL WHERE state = 0 AND"
                        " id = ANY($2::bigint[]) AND"
                        " lease = (SELECT id FROM takt_pool.lease WHERE token = $1)",
                        "tt", token, buffer_text(&list));
        if (!rc)
            rc = shared_run(p, err, NULL,
                            "UPDATE takt_pool.lease SET closed_ms = coalesce(closed_ms, $2)"
                            " WHERE token = $1",
                            "ti", token, wall_ms);
        rc = settle(p, rc, err);
    }
    buffer_free(&list);
    return rc;
}

int shared_lease_write_off(struct shared_pool *p, const char *station, int64_t wall_ms,
                           int64_t *count, struct error *err)
{
    int rc = shared_run(p, err, NULL, "BEGIN", "");
    if (rc)
        return rc;
    /* Through reserved, as the tables' rules want it; a name that is no chip's stands for the unit
     * that may have it. */
    rc = shared_run(p, err, NULL,
                    "UPDATE takt_pool.identity SET state = 1, station = $1, reserved_ms = $2,"
                    " chip_id = 'unknown unit, identity ' || id"
                    " WHERE state = 0 AND lease IN (SELECT id FROM takt_pool.lease WHERE"
                    " station = $1)",
                    "ti", station, wall_ms);
    if (!rc)
        rc = shared_run(p, err, count,
                        "UPDATE takt_pool.identity SET state = 4, quarantined_ms = $2,"
                        " reason = 'its lease was written off' WHERE state = 1 AND station = $1"
                        " AND chip_id = 'unknown unit, identity ' || id",
                        "ti", station, wall_ms);
    if (!rc)
        rc = shared_run(p, err, NULL,
                        "UPDATE takt_pool.lease SET closed_ms = coalesce(closed_ms, $2)"
                        " WHERE station = $1",
                        "ti", station, wall_ms);
    return settle(p, rc, err);
}
