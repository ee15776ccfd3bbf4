/* The pool that stations share: nobody gets what somebody else has, and what is said no to. */
#include "tests/unit/provisioning/shared_fixture.h"

#include <sys/wait.h>

static struct postgres_fixture *postgres;

struct shared {
    char address[200];
    struct pool_fixture *station;
    struct shared_pool *pool;
};

static void begin(struct shared *s, int identities)
{
    struct error err = {0};
    postgres_database(postgres, s->address);
    s->station = fixture_new();
    assert_done(shared_pool_open(s->address, &s->pool, &err), err);
    if (identities)
        shared_import_some(s->pool, s->station, 0, identities);
}

static void end(struct shared *s)
{
    shared_pool_close(s->pool);
    fixture_free(s->station);
}

static void test_a_unit_has_one_identity_at_whichever_station(void **state)
{
    (void)state;
    struct shared s;
    struct error err = {0};
    struct shared_identity a, again, b;
    begin(&s, 2);
    struct pool_request r = shared_request("chip-a", "s1", 5);
    assert_done(shared_pool_reserve(s.pool, &r, &a, &err), err);
    r.station = "s2";
    assert_done(shared_pool_reserve(s.pool, &r, &again, &err), err);
    assert_memory_equal(&a, &again, sizeof a);
    r.chip_id = "chip-b";
    assert_done(shared_pool_reserve(s.pool, &r, &b, &err), err);
    assert_string_not_equal(a.did, b.did);
    r.chip_id = "chip-c";
    assert_int_equal(shared_pool_reserve(s.pool, &r, &b, &err), ERROR_FULL);
    assert_non_null(strstr(err.text, "chip-c"));
    /* The key opens at the station, and is that DID's. */
    uint8_t key[128];
    size_t size = 0;
    assert_done(
        custody_unseal(s.station->custody, a.did, a.sealed, a.sealed_bytes, key, &size, &err), err);
    assert_int_equal(size, 16);
    end(&s);
}

static void test_imports_are_held_against_those_of_every_station(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"did,mac,key\nx,50:ec:50:11:00:01,f0000000000000000000000000000001\n"
         "100001,50:ec:50:11:00:02,f0000000000000000000000000000002\n",
         ":3: did 100001 is a duplicate of what was imported before, from "},
        {"did,mac,key\nx,50:ec:50:00:00:02,f0000000000000000000000000000001\n",
         ":2: mac 50:ec:50:00:00:02 is a duplicate of"},
        {"did,mac,key\nx,50:ec:50:11:00:01,00000000000000000000000000000002\n",
         ":2: this key is a duplicate of"},
        {"prefix,first,last\n50:ec:50,50:ec:50:00:00:01,50:ec:50:00:00:05\n",
         ":2: the range holds a mac of what was imported before"},
        {"prefix,first,last\n50:ec:51,50:ec:51:00:00:01,50:ec:51:00:00:01\n"
         "did,key\nx,f0000000000000000000000000000001\ny,f0000000000000000000000000000002\n",
         ":5: no mac is left for did y"},
    };
    struct shared s;
    struct error err = {0};
    begin(&s, 3);
    const struct shared_import wish = {.custody = s.station->custody,
                                       .path = s.station->csv,
                                       .operator_name = "w",
                                       .station = "2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int count = 0;
        assert_done(file_write(s.station->csv, bad[i].text, strlen(bad[i].text), 0600, &err), err);
        assert_int_equal(shared_pool_import(s.pool, &wish, &count, &err), ERROR_INPUT);
        if (!strstr(err.text, bad[i].says))
            fail_msg("%s", err.text);
        assert_int_equal(shared_sql(s.address, "SELECT count(*) FROM takt_pool.identity"), 3);
        assert_int_equal(shared_sql(s.address, "SELECT count(*) FROM takt_pool.mac_range"), 0);
    }
    /* A station with another custody key seals nothing into this pool. */
    struct pool_fixture *stranger = fixture_new();
    const struct shared_import other = {
        .custody = stranger->custody, .path = s.station->csv, .operator_name = "w", .station = "3"};
    assert_int_equal(shared_pool_import(s.pool, &other, NULL, &err), ERROR_REFUSED);
    fixture_free(stranger);
    end(&s);
}

static void test_the_tables_refuse_what_the_pool_would_not_do(void **state)
{
    (void)state;
    static const char *const forbidden[] = {
        "UPDATE takt_pool.identity SET state=0, chip_id=NULL WHERE state=1",
        "UPDATE takt_pool.identity SET state=3, chip_id='x' WHERE state=0",
        "UPDATE takt_pool.identity SET chip_id='chip-b' WHERE state=1",
        "UPDATE takt_pool.identity SET mac='50:ec:50:00:00:09'",
        "UPDATE takt_pool.identity SET lease=2 WHERE lease=1",
        "UPDATE takt_pool.identity SET lease=1 WHERE state=1",
        "DELETE FROM takt_pool.identity",
        "DELETE FROM takt_pool.mac_range",
    };
    struct shared s;
    struct error err = {0};
    struct shared_identity a;
    begin(&s, 3);
    const struct pool_request r = shared_request("chip-a", "s1", 5);
    assert_done(shared_pool_reserve(s.pool, &r, &a, &err), err);
    PGconn *c = PQconnectdb(s.address);
    PQclear(PQexec(c, "INSERT INTO takt_pool.lease(token, station, taken_ms, ends_ms) VALUES"
                      " ('a','1',0,9), ('b','2',0,9); UPDATE takt_pool.identity SET lease=1 WHERE"
                      " id=(SELECT max(id) FROM takt_pool.identity)"));
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        PGresult *r2 = PQexec(c, forbidden[i]);
        if (PQresultStatus(r2) != PGRES_FATAL_ERROR)
            fail_msg("was allowed: %s", forbidden[i]);
        PQclear(r2);
    }
    PQfinish(c);
    end(&s);
}

static void test_quotas_hold_over_all_stations(void **state)
{
    (void)state;
    struct shared s;
    struct error err = {0};
    struct shared_identity i;
    begin(&s, 5);
    assert_done(shared_quota_set(s.pool, QUOTA_ORDER, "O", 2, &err), err);
    for (int n = 0; n < 4; n++) {
        char chip[32];
        snprintf(chip, sizeof chip, "chip-%d", n);
        const struct pool_request r = shared_request(chip, n % 2 ? "s1" : "s2", 5);
        int rc = shared_pool_reserve(s.pool, &r, &i, &err);
        assert_int_equal(rc, n < 2 ? 0 : ERROR_FULL);
        if (rc)
            assert_non_null(strstr(err.text, "the quota of order O is used up: 2 identities"));
    }
    /* Who has one already is not counted again. */
    const struct pool_request r = shared_request("chip-0", "s1", 6);
    assert_done(shared_pool_reserve(s.pool, &r, &i, &err), err);
    assert_int_equal(shared_sql(s.address, "SELECT used FROM takt_pool.quota"), 2);
    end(&s);
}

/* Eight stations at once until the pool is empty, some of them for the same units. */
static void test_eight_at_once_take_each_identity_once(void **state)
{
    (void)state;
    enum { STATIONS = 8, UNITS = 60 };
    struct shared s;
    begin(&s, 400);
    pid_t children[STATIONS];
    for (int n = 0; n < STATIONS; n++) {
        children[n] = fork();
        if (children[n])
            continue;
        struct shared_pool *p = NULL;
        struct error err = {0};
        int rc = shared_pool_open(s.address, &p, &err);
        for (int u = 0; u < UNITS && !rc; u++) {
            struct shared_identity i;
            char chip[48], station[24];
            /* Every third unit is asked for by two stations. */
            snprintf(chip, sizeof chip, "chip-%d-%d", u % 3 ? n : n / 2 * 2, u);
            snprintf(station, sizeof station, "s%d", n);
            const struct pool_request r = shared_request(chip, station, 5);
            rc = shared_pool_reserve(p, &r, &i, &err);
        }
        if (rc)
            fprintf(stderr, "station %d: %s\n", n, err.text);
        _exit(rc != 0);
    }
    for (int n = 0; n < STATIONS; n++) {
        int status = 1;
        waitpid(children[n], &status, 0);
        assert_int_equal(status, 0);
    }
    const int expected = STATIONS * (UNITS - UNITS / 3) + STATIONS / 2 * (UNITS / 3);
    assert_int_equal(shared_sql(s.address, "SELECT count(*) FROM takt_pool.identity WHERE state=1"),
                     expected);
    assert_int_equal(
        shared_sql(s.address, "SELECT count(DISTINCT chip_id) FROM takt_pool.identity"), expected);
    end(&s);
}

static void report(struct shared *s, int64_t id, const char *chip, enum identity_state to,
                   bool conflict)
{
    struct error err = {0};
    bool found = !conflict;
    const struct shared_report r = {.id = id,
                                    .chip_id = chip,
                                    .serial = "S",
                                    .order = "O",
                                    .station = "s1",
                                    .operator_name = "li",
                                    .state = to,
                                    .reserved_ms = 7};
    assert_done(shared_pool_report(s->pool, &r, &found, &err), err);
    assert_int_equal(found, conflict);
}

/* A reservation whose answer was lost, and the unit then got one of the lease; and the other way
 * round, a unit that another station has given its identity meanwhile. */
static void test_a_unit_keeps_what_is_on_it(void **state)
{
    (void)state;
    struct shared s;
    struct error err = {0};
    struct shared_identity lost, given;
    begin(&s, 6);
    PGconn *c = PQconnectdb(s.address);
    PQclear(PQexec(c, "INSERT INTO takt_pool.lease(token, station, taken_ms, ends_ms) VALUES"
                      " ('a','s1',0,9); UPDATE takt_pool.identity SET lease=1 WHERE id > 3"));
    PQfinish(c);
    struct pool_request r = shared_request("chip-a", "s1", 5);
    assert_done(shared_pool_reserve(s.pool, &r, &lost, &err), err);
    report(&s, 4, "chip-a", IDENTITY_CONFIRMED, false);
    report(&s, 4, "chip-a", IDENTITY_CONFIRMED, false); /* told twice */
    assert_done(shared_pool_reserve(s.pool, &r, &given, &err), err);
    assert_int_equal(given.id, 4);
    assert_int_equal(given.state, IDENTITY_CONFIRMED);

    r.chip_id = "chip-b";
    assert_done(shared_pool_reserve(s.pool, &r, &given, &err), err);
    report(&s, given.id, "chip-b", IDENTITY_INJECTED, false);
    report(&s, 5, "chip-b", IDENTITY_RESERVED, true);
    report(&s, 5, "chip-b", IDENTITY_RESERVED, true);
    assert_done(shared_pool_reserve(s.pool, &r, &lost, &err), err);
    assert_int_equal(lost.id, given.id);
    assert_int_equal(shared_sql(s.address, "SELECT count(*) FROM takt_pool.identity WHERE state=4"),
                     2);
    end(&s);
}

static void test_a_lost_stations_lease_is_written_off_and_never_issued(void **state)
{
    (void)state;
    struct shared s;
    struct error err = {0};
    struct shared_identity i;
    int64_t count = 0;
    begin(&s, 6);
    PGconn *c = PQconnectdb(s.address);
    PQclear(PQexec(c, "INSERT INTO takt_pool.lease(token, station, taken_ms, ends_ms) VALUES"
                      " ('a','s9',0,9); UPDATE takt_pool.identity SET lease=1 WHERE id > 2"));
    PQfinish(c);
    report(&s, 3, "chip-x", IDENTITY_CONFIRMED, false);
    assert_done(shared_lease_write_off(s.pool, "s9", 9, &count, &err), err);
    assert_int_equal(count, 3);
    /* It comes back after all, with a unit that has one of them. */
    report(&s, 4, "chip-y", IDENTITY_CONFIRMED, true);
    for (int n = 0; n < 3; n++) {
        char chip[32];
        snprintf(chip, sizeof chip, "chip-%d", n);
        const struct pool_request r = shared_request(chip, "s1", 5);
        assert_int_equal(shared_pool_reserve(s.pool, &r, &i, &err), n < 2 ? 0 : ERROR_FULL);
    }
    end(&s);
}

/* Its machine still answers for it, so nothing but time says that it is gone. */
static void test_a_silent_server_is_given_up_and_the_unit_keeps_its_identity(void **state)
{
    (void)state;
    struct shared s;
    struct error err = {0};
    struct shared_identity first, again;
    begin(&s, 3);
    const long long backend = shared_sql(
        s.address, "SELECT pid FROM pg_stat_activity WHERE application_name = 'takt pool'"
                   " AND datname = current_database()");
    assert_true(backend > 1);
    assert_int_equal(kill((pid_t)backend, SIGSTOP), 0);
    const struct pool_request r = shared_request("chip-a", "s1", 5);
    const int64_t began_ms = clock_mono_ms();
    const int rc = shared_pool_reserve(s.pool, &r, &first, &err);
    const int64_t took_ms = clock_mono_ms() - began_ms;
    assert_int_equal(kill((pid_t)backend, SIGCONT), 0);
    assert_int_equal(rc, ERROR_CLOSED);
    assert_non_null(strstr(err.text, "silent"));
    assert_in_range(took_ms, 20000, 120000);
    /* What was asked may still be done there: asked again, it is the same identity. */
    shared_pool_close(s.pool);
    assert_done(shared_pool_open(s.address, &s.pool, &err), err);
    assert_done(shared_pool_reserve(s.pool, &r, &first, &err), err);
    assert_done(shared_pool_reserve(s.pool, &r, &again, &err), err);
    assert_string_equal(first.did, again.did);
    assert_int_equal(
        shared_sql(s.address, "SELECT count(*) FROM takt_pool.identity WHERE state > 0"), 1);
    end(&s);
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
        cmocka_unit_test(test_a_unit_has_one_identity_at_whichever_station),
        cmocka_unit_test(test_imports_are_held_against_those_of_every_station),
        cmocka_unit_test(test_the_tables_refuse_what_the_pool_would_not_do),
        cmocka_unit_test(test_quotas_hold_over_all_stations),
        cmocka_unit_test(test_eight_at_once_take_each_identity_once),
        cmocka_unit_test(test_a_unit_keeps_what_is_on_it),
        cmocka_unit_test(test_a_lost_stations_lease_is_written_off_and_never_issued),
        cmocka_unit_test(test_a_silent_server_is_given_up_and_the_unit_keeps_its_identity),
    };
    return cmocka_run_group_tests(tests, start_postgres, stop_postgres);
}
