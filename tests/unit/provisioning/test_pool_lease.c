/* A station's side of the shared pool: nothing is reserved that was given back, nothing is in two
 * leases, nothing is lost, wherever the station is killed. */
#include "tests/unit/provisioning/shared_fixture.h"

#include <signal.h>
#include <sys/wait.h>

enum { HOUR_MS = 3600000, IN_LEASE = 6, POOL_SIZE = 40 };

static struct postgres_fixture *postgres;

/* ---- what taktd does, one call after the other ------------------------------------------------
 */

static int kill_at; /* the process dies behind its n-th call; 0: never */

static void point(void)
{
    if (kill_at && --kill_at == 0)
        raise(SIGKILL);
}

struct batch {
    struct shared_identity identities[64];
    size_t count;
};

static int add_identity(void *context, const struct shared_identity *i, struct error *err)
{
    struct batch *b = context;
    (void)err;
    b->identities[b->count++] = *i;
    return 0;
}

struct told {
    struct shared_pool *pool;
    int64_t ids[64];
    enum identity_state states[64];
    bool conflicts[64];
    size_t count;
};

static int tell(void *context, const struct shared_report *r, struct error *err)
{
    struct told *t = context;
    t->ids[t->count] = r->id;
    t->states[t->count] = r->state;
    int rc = shared_pool_report(t->pool, r, &t->conflicts[t->count], err);
    t->count += !rc;
    point();
    return rc;
}

static int report_all(struct pool_fixture *f, struct shared_pool *p, int64_t now, struct error *err)
{
    struct told t = {.pool = p};
    int rc = pool_unreported(f->pool, 64, tell, &t, err);
    for (size_t i = 0; i < t.count && !rc; i++) {
        rc = pool_reported(f->pool, t.ids[i], t.states[i], t.conflicts[i], now, err);
        point();
    }
    return rc;
}

/* What is asked or returning is finished. */
static int settle_lease(struct pool_fixture *f, struct shared_pool *p, int64_t now,
                        struct error *err)
{
    struct pool_lease l;
    int rc = pool_lease_find(f->pool, POOL_LEASE_RETURNING, &l, err);
    if (!rc) {
        int64_t *ids;
        size_t count;
        rc = pool_lease_unused(f->pool, l.token, &ids, &count, err);
        if (!rc)
            rc = shared_lease_give_back(p, l.token, ids, count, now, err);
        point();
        free(ids);
        if (!rc)
            rc = pool_lease_close(f->pool, l.token, now, err);
        point();
    }
    if (rc && rc != ERROR_MISSING)
        return rc;
    rc = pool_lease_find(f->pool, POOL_LEASE_ASKED, &l, err);
    if (!rc) {
        struct batch b = {.count = 0};
        const struct shared_lease_wish w = {.token = l.token,
                                            .station = f->folder,
                                            .identities = l.wanted,
                                            .wall_ms = l.asked_ms,
                                            .ends_ms = l.ends_ms};
        rc = shared_lease_take(p, &w, add_identity, &b, err);
        point();
        if (!rc)
            rc = pool_lease_hold(f->pool, l.token, b.identities, b.count, now, err);
        point();
    }
    return rc == ERROR_MISSING ? 0 : rc;
}

static int reserve_here(struct pool_fixture *f, const char *chip, int64_t now, struct error *err)
{
    struct identity i;
    const struct pool_request r = shared_request(chip, f->folder, now);
    int rc = pool_reserve(f->pool, &r, &i, err);
    point();
    if (!rc)
        rc = pool_advance(f->pool, chip, IDENTITY_INJECTED, NULL, now, err);
    point();
    return rc;
}

/* A day of a station: a lease, three units of which one is asked for twice, the lease's end. */
static int one_day(struct pool_fixture *f, struct shared_pool *p, const char *name, int64_t now,
                   struct error *err)
{
    struct pool_lease l;
    char chip[32];
    int rc = report_all(f, p, now, err);
    if (!rc)
        rc = settle_lease(f, p, now, err);
    if (!rc && pool_lease_find(f->pool, POOL_LEASE_HELD, &l, err)) {
        rc = pool_lease_ask(f->pool, IN_LEASE, now, now + HOUR_MS, err);
        point();
        if (!rc)
            rc = settle_lease(f, p, now, err);
    }
    for (int u = 0; u < 4 && !rc; u++) {
        snprintf(chip, sizeof chip, "%s-%d", name, u % 3);
        rc = reserve_here(f, chip, now, err);
    }
    if (!rc)
        rc = pool_lease_find(f->pool, POOL_LEASE_HELD, &l, err);
    if (!rc) {
        rc = pool_lease_end(f->pool, l.token, now, err);
        point();
    }
    if (!rc)
        rc = settle_lease(f, p, now, err);
    return rc ? rc : report_all(f, p, now, err);
}

/* In a process of its own, which may die. */
static bool day_of(struct pool_fixture *f, const char *address, const char *name, int64_t now,
                   int die_at)
{
    fflush(stdout);
    fixture_close(f);
    pid_t pid = fork();
    if (pid == 0) {
        struct error err = {0};
        struct shared_pool *p = NULL;
        kill_at = die_at;
        fixture_open(f);
        int rc = shared_pool_open(address, &p, &err);
        if (!rc)
            rc = one_day(f, p, name, now, &err);
        if (rc)
            fprintf(stderr, "%s: %s\n", name, err.text);
        _exit(rc ? 1 : 0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    fixture_open(f);
    if (!WIFSIGNALED(status) && WEXITSTATUS(status))
        fail_msg("%s, killed at %d", name, die_at);
    return !WIFSIGNALED(status);
}

/* ---- what must hold at any moment --------------------------------------------------------------
 */

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    const int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

/* By DID: what a station could still hand out or has handed out is in no other's hands, and in the
 * shared pool it is neither free for all nor another station's. */
static void check(struct pool_fixture *const stations[], int count, const char *address)
{
    PGconn *c = PQconnectdb(address);
    for (int s = 0; s < count; s++) {
        sqlite3_stmt *st = NULL;
        assert_int_equal(sqlite3_prepare_v2(stations[s]->db,
                                            "SELECT did, chip_id, state FROM identity WHERE"
                                            " state>0 OR held=1",
                                            -1, &st, NULL),
                         SQLITE_OK);
        while (sqlite3_step(st) == SQLITE_ROW) {
            const char *did = (const char *)sqlite3_column_text(st, 0);
            const char *chip = (const char *)sqlite3_column_text(st, 1);
            char sql[300];
            snprintf(sql, sizeof sql,
                     "SELECT coalesce(l.station, ''), coalesce(i.chip_id, '') FROM"
                     " takt_pool.identity i LEFT JOIN takt_pool.lease l ON l.id=i.lease WHERE"
                     " i.did='%s'",
                     did);
            PGresult *r = PQexec(c, sql);
            assert_int_equal(PQntuples(r), 1);
            if (strcmp(PQgetvalue(r, 0, 0), stations[s]->folder) != 0)
                fail_msg("%s is at %s, and in the shared pool leased by '%s'", did,
                         stations[s]->folder, PQgetvalue(r, 0, 0));
            if (*PQgetvalue(r, 0, 1) && (!chip || strcmp(PQgetvalue(r, 0, 1), chip) != 0))
                fail_msg("%s is of %s, and in the shared pool of %s", did, chip ? chip : "nobody",
                         PQgetvalue(r, 0, 1));
            PQclear(r);
            for (int o = 0; o < s; o++) {
                snprintf(sql, sizeof sql,
                         "SELECT count(*) FROM identity WHERE did='%s' AND (state>0 OR held=1)",
                         did);
                if (number(stations[o]->db, sql))
                    fail_msg("%s is in the hands of two stations", did);
            }
        }
        sqlite3_finalize(st);
    }
    PQfinish(c);
}

static void test_killed_at_every_point_nothing_is_issued_twice_or_lost(void **state)
{
    (void)state;
    struct error err = {0};
    char address[200];
    int points = 0;
    bool whole = false;
    postgres_database(postgres, address);
    for (int at = 1; !whole; at++) {
        struct pool_fixture *stations[2] = {fixture_new()};
        struct shared_pool *p = NULL;
        stations[1] = shared_station(stations[0]);
        /* A new pool each time; databases take longer to make. */
        PGconn *c = PQconnectdb(address);
        PQclear(PQexec(
            c, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS takt_pool CASCADE"));
        PQfinish(c);
        assert_done(shared_pool_open(address, &p, &err), err);
        shared_import_some(p, stations[0], 0, POOL_SIZE);
        shared_pool_close(p);
        whole = day_of(stations[0], address, "a", 1000, at);
        check(stations, 2, address);
        /* Another station works meanwhile, then the first comes back and finishes. */
        assert_true(day_of(stations[1], address, "b", 2000, 0));
        check(stations, 2, address);
        assert_true(day_of(stations[0], address, "a", 3000, 0));
        check(stations, 2, address);
        /* Six units, each with one; all others free for everyone. */
        assert_int_equal(
            shared_sql(address, "SELECT count(*) FROM takt_pool.identity WHERE state=2"), 6);
        assert_int_equal(
            shared_sql(address,
                       "SELECT count(*) FROM takt_pool.identity WHERE state=0 AND lease IS NULL"),
            POOL_SIZE - 6);
        for (int s = 1; s >= 0; s--) {
            int64_t entries;
            assert_done(audit_verify(stations[s]->db, &entries, &err), err);
            fixture_free(stations[s]);
        }
        points = at;
    }
    if (points < 15)
        fail_msg("only %d points", points);
    print_message("killed at each of %d points\n", points - 1);
}

static void test_a_lease_ends_with_its_date_and_what_is_given_back_is_not_used(void **state)
{
    (void)state;
    struct error err = {0};
    char address[200];
    struct shared_pool *p = NULL;
    struct pool_fixture *f = fixture_new();
    struct pool_lease l;
    postgres_database(postgres, address);
    assert_done(shared_pool_open(address, &p, &err), err);
    shared_import_some(p, f, 0, 4);
    assert_done(pool_lease_ask(f->pool, 3, 1000, 1000 + HOUR_MS, &err), err);
    assert_int_equal(reserve_here(f, "chip-a", 1001, &err), ERROR_FULL); /* asked is not held */
    assert_done(settle_lease(f, p, 1002, &err), err);
    assert_done(reserve_here(f, "chip-a", 1003, &err), err);
    assert_int_equal(reserve_here(f, "chip-b", 1000 + HOUR_MS, &err), ERROR_FULL);
    assert_done(pool_lease_find(f->pool, POOL_LEASE_HELD, &l, &err), err);
    assert_int_equal(l.free, 2);
    assert_done(pool_lease_end(f->pool, l.token, 1004, &err), err);
    assert_int_equal(reserve_here(f, "chip-b", 1005, &err), ERROR_FULL);
    assert_int_not_equal(sqlite3_exec(f->db,
                                      "UPDATE identity SET state=1, chip_id='x' WHERE state=0",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
    assert_done(settle_lease(f, p, 1006, &err), err);
    assert_done(report_all(f, p, 1007, &err), err);
    /* The one that was used stays its unit's; the other three serve whoever comes, here too. */
    assert_int_equal(
        shared_sql(address,
                   "SELECT count(*) FROM takt_pool.identity WHERE state=0 AND lease IS NULL"),
        3);
    assert_done(pool_lease_ask(f->pool, 3, 2000, 2000 + HOUR_MS, &err), err);
    assert_done(settle_lease(f, p, 2001, &err), err);
    for (int u = 0; u < 3; u++) {
        char chip[32];
        snprintf(chip, sizeof chip, "chip-%d", u);
        assert_done(reserve_here(f, chip, 2002, &err), err);
    }
    shared_pool_close(p);
    fixture_free(f);
}

/* What the shared pool reserved for a unit is this station's from then on, whatever it was before.
 */
static void test_what_is_reserved_online_is_taken_in_once(void **state)
{
    (void)state;
    struct error err = {0};
    char address[200];
    struct shared_pool *p = NULL;
    struct pool_fixture *f = fixture_new();
    struct shared_identity s;
    struct identity i, again;
    postgres_database(postgres, address);
    assert_done(shared_pool_open(address, &p, &err), err);
    shared_import_some(p, f, 0, 4);
    const struct pool_request r = shared_request("chip-a", "here", 1000);
    assert_done(shared_pool_reserve(p, &r, &s, &err), err);
    assert_done(pool_take_reserved(f->pool, &s, &r, &i, &err), err);
    assert_string_equal(i.did, s.did);
    assert_int_equal(i.key_bytes, 16);
    assert_done(pool_take_reserved(f->pool, &s, &r, &again, &err), err);
    assert_memory_equal(&i, &again, sizeof i);
    assert_int_equal(number(f->db, "SELECT count(*) FROM identity WHERE reported<>state"), 0);
    assert_done(pool_advance(f->pool, "chip-a", IDENTITY_INJECTED, NULL, 1001, &err), err);
    assert_done(pool_advance(f->pool, "chip-a", IDENTITY_CONFIRMED, NULL, 1002, &err), err);
    assert_done(report_all(f, p, 1003, &err), err);
    /* At another station it comes as what it is. */
    struct pool_fixture *g = shared_station(f);
    assert_done(shared_pool_reserve(p, &r, &s, &err), err);
    assert_int_equal(s.state, IDENTITY_CONFIRMED);
    assert_done(pool_take_reserved(g->pool, &s, &r, &again, &err), err);
    assert_int_equal(again.state, IDENTITY_CONFIRMED);
    assert_memory_equal(i.key, again.key, sizeof i.key);
    /* What is quarantined is given to nobody. */
    assert_done(pool_advance(f->pool, "chip-a", IDENTITY_QUARANTINED, "doubt", 1004, &err), err);
    assert_done(report_all(f, p, 1005, &err), err);
    assert_done(shared_pool_reserve(p, &r, &s, &err), err);
    assert_int_equal(pool_take_reserved(g->pool, &s, &r, &again, &err), ERROR_STATE);
    shared_pool_close(p);
    fixture_free(g);
    fixture_free(f);
}

static int start_postgres(void **state)
{
    (void)state;
    postgres = postgres_new();
    if (!postgres)
        return -1;
    /* The server is not killed here, only its clients. */
    postgres_sql(postgres, "postgres", "ALTER ROLE takt SET synchronous_commit = off");
    return 0;
}

static int stop_postgres(void **state)
{
    (void)state;
    postgres_free(postgres);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lease_ends_with_its_date_and_what_is_given_back_is_not_used),
        cmocka_unit_test(test_what_is_reserved_online_is_taken_in_once),
        cmocka_unit_test(test_killed_at_every_point_nothing_is_issued_twice_or_lost),
    };
    return cmocka_run_group_tests(tests, start_postgres, stop_postgres);
}
