/* Stations that share a pool in a real PostgreSQL, each with tables of its own. */
#ifndef TAKT_TESTS_SHARED_FIXTURE_H
#define TAKT_TESTS_SHARED_FIXTURE_H

#include "tests/unit/provisioning/pool_fixture.h"
#include "tests/unit/reports/postgres_fixture.h"

#include "provisioning/pool_lease.h"

/* Identities first..first+count-1 into the shared pool, by that station's custody. */
static inline void shared_import_some(struct shared_pool *p, struct pool_fixture *f, int first,
                                      int count)
{
    struct buffer text = {0};
    struct error err = {0};
    int imported = 0;
    buffer_append_text(&text, "did,mac,key\n");
    for (int i = first; i < first + count; i++)
        buffer_printf(&text, "%d,50:ec:50:%02x:%02x:%02x,%032x\n", 100000 + i, i >> 16 & 255,
                      i >> 8 & 255, i & 255, i + 1);
    assert_done(file_write(f->csv, text.data, text.size, 0600, &err), err);
    buffer_free(&text);
    const struct shared_import wish = {
        .custody = f->custody, .path = f->csv, .operator_name = "li", .station = "s1"};
    assert_done(shared_pool_import(p, &wish, &imported, &err), err);
    assert_int_equal(imported, count);
}

/* A station that shares a pool has the custody key of the others. */
static inline struct pool_fixture *shared_station(const struct pool_fixture *other)
{
    struct pool_fixture *f = fixture_new();
    fixture_close(f);
    unlink(f->database);
    strcpy(f->custody_address, other->custody_address);
    fixture_open(f);
    return f;
}

/* One number of the shared pool's tables. */
static inline long long shared_sql(const char *address, const char *sql)
{
    PGconn *c = PQconnectdb(address);
    PGresult *r = PQexec(c, sql);
    if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1)
        fail_msg("%s: %s", sql, PQerrorMessage(c));
    long long n = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    PQfinish(c);
    return n;
}

static inline struct pool_request shared_request(const char *chip, const char *station,
                                                 int64_t wall_ms)
{
    return (struct pool_request){.chip_id = chip,
                                 .serial = "S",
                                 .order = "O",
                                 .station = station,
                                 .operator_name = "li",
                                 .wall_ms = wall_ms};
}

#endif
