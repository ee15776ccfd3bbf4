/* An import into the shared pool: as pool_import.c, against what any station imported. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "provisioning/pool_csv.h"
#include "provisioning/pool_parts.h"
#include "provisioning/shared_parts.h"

_Static_assert((int)POOL_FINGERPRINT_SEALED <= (int)SHARED_PROOF_MAX, "a proof has room for it");

struct import {
    struct shared_pool *pool;
    const struct shared_import *wish;
    uint8_t fingerprint_key[DIGEST_BYTES];
    int64_t id;
    int count;
};

/* A row (file, line, import) of what is in the way: 1 and the complaint, 0 when there is none.
 * Takes r. */
static int complain_of(struct import *im, int line, PGresult *r, const char *what,
                       struct error *err)
{
    int rc = r ? 0 : err->code;
    if (r && PQntuples(r) && shared_number_at(r, 0, 2) == im->id)
        rc = error_set(err, ERROR_INPUT, "%s:%d: %s line %s of this file", im->wish->path, line,
                       what, PQgetvalue(r, 0, 1));
    else if (r && PQntuples(r))
        rc = error_set(err, ERROR_INPUT, "%s:%d: %s what was imported before, from %s line %s",
                       im->wish->path, line, what, PQgetvalue(r, 0, 0), PQgetvalue(r, 0, 1));
    PQclear(r);
    return rc;
}

static int import_range(void *context, int line, const struct mac_range *range, struct error *err)
{
    struct import *im = context;
    char first[MAC_TEXT], last[MAC_TEXT];
    mac_format(range->first, first);
    mac_format(range->last, last);
    int rc = complain_of(
        im, line,
        shared_query(im->pool, err,
                     "SELECT m.file, r.import_line, r.import FROM takt_pool.mac_range r JOIN"
                     " takt_pool.import m ON m.id = r.import WHERE r.first <= $2 AND r.last >= $1"
                     " ORDER BY r.id LIMIT 1",
                     "ii", (int64_t)range->first, (int64_t)range->last),
        "the range overlaps", err);
    if (!rc)
        rc = complain_of(im, line,
                         shared_query(im->pool, err,
                                      "SELECT m.file, i.import_line, i.import FROM"
                                      " takt_pool.identity i JOIN takt_pool.import m ON"
                                      " m.id = i.import WHERE i.mac COLLATE \"C\" BETWEEN $1 AND $2"
                                      " LIMIT 1",
                                      "tt", first, last),
                         "the range holds a mac of", err);
    return rc ? rc
              : shared_run(im->pool, err, NULL,
                           "INSERT INTO takt_pool.mac_range(prefix, first, last, next, import,"
                           " import_line) VALUES ($1, $2, $3, $2, $4, $5)",
                           "tiiii", range->prefix, (int64_t)range->first, (int64_t)range->last,
                           im->id, (int64_t)line);
}

/* The address given, which no range may give, or the next of the oldest range. */
static int choose_mac(struct import *im, int line, const struct identity *i, char out[MAC_TEXT],
                      struct error *err)
{
    uint64_t given = 0;
    if (i->mac[0]) {
        memcpy(out, i->mac, MAC_TEXT);
        if (mac_parse(i->mac, &given))
            return error_set(err, ERROR_INPUT, "%s:%d: %s is no mac", im->wish->path, line, i->mac);
        return complain_of(
            im, line,
            shared_query(im->pool, err,
                         "SELECT m.file, r.import_line, r.import FROM takt_pool.mac_range r JOIN"
                         " takt_pool.import m ON m.id = r.import WHERE $1 BETWEEN r.first AND"
                         " r.last",
                         "i", (int64_t)given),
            "the mac is within a range, of", err);
    }
    PGresult *r = shared_query(im->pool, err,
                               "UPDATE takt_pool.mac_range SET next = next + 1 WHERE id = (SELECT"
                               " id FROM takt_pool.mac_range WHERE next <= last ORDER BY id"
                               " LIMIT 1) RETURNING next - 1",
                               "");
    if (!r)
        return err->code;
    int rc = 0;
    if (PQntuples(r))
        mac_format((uint64_t)shared_number_at(r, 0, 0), out);
    else
        rc = error_set(err, ERROR_INPUT,
                       "%s:%d: no mac is left for did %s in the ranges of this file and those "
                       "before",
                       im->wish->path, line, i->did);
    PQclear(r);
    return rc;
}

static int name_duplicate(struct import *im, int line, const char *did, const char *mac,
                          const uint8_t fingerprint[DIGEST_BYTES], struct error *err)
{
    PGresult *r = shared_query(im->pool, err,
                               "SELECT m.file, i.import_line, i.import, i.did = $1, i.mac = $2 FROM"
                               " takt_pool.identity i JOIN takt_pool.import m ON m.id = i.import"
                               " WHERE i.did = $1 OR i.mac = $2 OR i.key_fingerprint = $3"
                               " ORDER BY i.id LIMIT 1",
                               "ttb", did, mac, fingerprint, (size_t)DIGEST_BYTES);
    char what[80] = "";
    if (r && PQntuples(r))
        snprintf(what, sizeof what, "%s%s is a duplicate of",
                 *PQgetvalue(r, 0, 3) == 't'   ? "did "
                 : *PQgetvalue(r, 0, 4) == 't' ? "mac "
                                               : "this key",
                 *PQgetvalue(r, 0, 3) == 't'   ? did
                 : *PQgetvalue(r, 0, 4) == 't' ? mac
                                               : "");
    return complain_of(im, line, r, what, err);
}

static int import_identity(void *context, int line, const struct identity *i, struct error *err)
{
    struct import *im = context;
    char mac[MAC_TEXT];
    uint8_t fingerprint[DIGEST_BYTES], sealed[SEALED_MAX];
    size_t sealed_size = 0;
    int64_t in = 0;
    int rc = pool_seal(im->wish->custody, im->fingerprint_key, i, fingerprint, sealed, &sealed_size,
                       err);
    if (!rc)
        rc = choose_mac(im, line, i, mac, err);
    if (!rc)
        rc = shared_run(im->pool, err, &in,
                        "INSERT INTO takt_pool.identity(did, mac, key_fingerprint, key_sealed,"
                        " import, import_line) VALUES ($1, $2, $3, $4, $5, $6)"
                        " ON CONFLICT DO NOTHING",
                        "ttbbii", i->did, mac, fingerprint, sizeof fingerprint, sealed, sealed_size,
                        im->id, (int64_t)line);
    if (!rc && in == 0)
        rc = name_duplicate(im, line, i->did, mac, fingerprint, err);
    im->count += !rc;
    return rc;
}

int shared_pool_proof(struct shared_pool *p, uint8_t sealed[SHARED_PROOF_MAX], size_t *size,
                      struct error *err)
{
    PGresult *r = shared_query(
        p, err, "SELECT encode(value, 'hex') FROM takt_pool.setting WHERE name='fingerprint'", "");
    if (!r)
        return err->code;
    const char *hex = PQntuples(r) ? PQgetvalue(r, 0, 0) : "";
    const int bytes = hex_decode_some(hex, sealed, SHARED_PROOF_MAX);
    *size = bytes < 0 ? 0 : (size_t)bytes;
    PQclear(r);
    return bytes < 0 ? error_set(err, ERROR_INPUT, "the shared pool's settings are damaged") : 0;
}

int shared_pool_prove(struct custody *custody, const uint8_t *sealed, size_t size,
                      struct error *err)
{
    uint8_t key[DIGEST_BYTES];
    const int rc = size ? pool_fingerprint_open(custody, sealed, size, key, err) : 0;
    OPENSSL_cleanse(key, sizeof key);
    return rc;
}

/* Made by whoever imports first; for all others the proof that they have the same custody key. */
static int open_fingerprint_key(struct import *im, struct error *err)
{
    uint8_t sealed[SHARED_PROOF_MAX];
    size_t size = 0;
    int rc = shared_pool_proof(im->pool, sealed, &size, err);
    if (!rc && size)
        return pool_fingerprint_open(im->wish->custody, sealed, size, im->fingerprint_key, err);
    if (!rc)
        rc = pool_fingerprint_make(im->wish->custody, im->fingerprint_key, sealed, err);
    return rc ? rc
              : shared_run(im->pool, err, NULL,
                           "INSERT INTO takt_pool.setting VALUES ('fingerprint', $1)", "b", sealed,
                           (size_t)POOL_FINGERPRINT_SEALED);
}

static int import_text(struct import *im, const struct buffer *text, struct error *err)
{
    const struct pool_csv_reader reader = {import_identity, import_range, im};
    uint8_t digest[DIGEST_BYTES];
    char hex[DIGEST_TEXT];
    if (digest_bytes(text->data, text->size, digest))
        return error_set(err, ERROR_MEMORY, "cannot hash %s", im->wish->path);
    hex_encode(digest, sizeof digest, hex);
    /* One import at a time: ranges are not given out twice, and whoever waits sees them all. */
    int rc = shared_run(im->pool, err, NULL,
                        "LOCK TABLE takt_pool.import IN SHARE ROW EXCLUSIVE MODE", "");
    if (!rc)
        rc = open_fingerprint_key(im, err);
    PGresult *r = rc ? NULL
                     : shared_query(im->pool, err,
                                    "INSERT INTO takt_pool.import(file, sha256, operator, station,"
                                    " wall_ms) VALUES ($1, $2, $3, $4, $5) RETURNING id",
                                    "tttti", im->wish->path, hex, im->wish->operator_name,
                                    im->wish->station, clock_wall_ms());
    if (!rc && !r)
        rc = err->code;
    if (r)
        im->id = shared_number_at(r, 0, 0);
    PQclear(r);
    if (!rc)
        rc = pool_csv_parse(im->wish->path, (const char *)text->data, text->size, &reader, err);
    if (!rc && im->wish->record)
        rc = im->wish->record(im->wish->context, hex, im->count, err);
    return rc;
}

int shared_pool_import(struct shared_pool *p, const struct shared_import *wish, int *count,
                       struct error *err)
{
    struct import im = {.pool = p, .wish = wish};
    struct buffer text;
    int rc = delivery_read(wish->keys, wish->path, &text, err);
    if (rc)
        return rc;
    rc = shared_run(p, err, NULL, "BEGIN", "");
    if (!rc) {
        rc = import_text(&im, &text, err);
        if (!rc)
            rc = shared_run(p, err, NULL, "COMMIT", "");
        else
            shared_roll_back(p);
    }
    delivery_wipe(&text);
    OPENSSL_cleanse(im.fingerprint_key, sizeof im.fingerprint_key);
    if (!rc && count)
        *count = im.count;
    return rc;
}
