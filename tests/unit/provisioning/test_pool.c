/* Identities: each for one unit, never for two, never back. */
#include "tests/unit/provisioning/pool_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void test_the_same_unit_gets_the_same_identity_again(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct identity first, again, other;
    fixture_import(f, 0, 3);
    assert_done(fixture_reserve(f, "chip-a", &first, &err), err);
    assert_done(fixture_reserve(f, "chip-b", &other, &err), err);
    assert_done(fixture_reserve(f, "chip-a", &again, &err), err);
    assert_string_equal(first.did, "100000");
    assert_string_equal(first.mac, "50:ec:50:00:00:00");
    assert_int_equal(first.key_bytes, 16);
    assert_int_equal(first.key[15], 1);
    assert_memory_equal(&first, &again, sizeof first);
    assert_string_not_equal(first.did, other.did);
    fixture_free(f);
}

static void test_an_empty_pool_says_so_and_for_which_unit(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct identity i;
    fixture_import(f, 0, 1);
    assert_done(fixture_reserve(f, "chip-a", &i, &err), err);
    assert_int_equal(fixture_reserve(f, "chip-b", &i, &err), ERROR_FULL);
    assert_non_null(strstr(err.text, "chip-b"));
    assert_int_equal(i.key_bytes, 0);
    assert_int_equal(fixture_reserve(f, "", &i, &err), ERROR_INPUT);
    fixture_free(f);
}

static void test_states_only_go_forward(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct identity i;
    fixture_import(f, 0, 1);
    assert_int_equal(pool_advance(f->pool, "chip-a", IDENTITY_INJECTED, "", 1, &err),
                     ERROR_MISSING);
    assert_done(fixture_reserve(f, "chip-a", &i, &err), err);
    assert_done(pool_advance(f->pool, "chip-a", IDENTITY_INJECTED, "written", 2, &err), err);
    assert_done(pool_advance(f->pool, "chip-a", IDENTITY_INJECTED, "again", 3, &err), err);
    assert_int_equal(pool_advance(f->pool, "chip-a", IDENTITY_RESERVED, "", 4, &err), ERROR_STATE);
    assert_int_equal(pool_advance(f->pool, "chip-a", IDENTITY_FREE, "", 4, &err), ERROR_STATE);
    assert_done(pool_advance(f->pool, "chip-a", IDENTITY_CONFIRMED, "read back", 5, &err), err);
    assert_done(fixture_reserve(f, "chip-a", &i, &err), err);
    assert_int_equal(i.state, IDENTITY_CONFIRMED);
    assert_done(pool_advance(f->pool, "chip-a", IDENTITY_QUARANTINED, "returned", 6, &err), err);
    assert_int_equal(pool_advance(f->pool, "chip-a", IDENTITY_CONFIRMED, "", 7, &err), ERROR_STATE);
    assert_int_equal(fixture_reserve(f, "chip-a", &i, &err), ERROR_STATE);
    assert_non_null(strstr(err.text, "quarantined"));
    fixture_free(f);
}

static void test_the_tables_refuse_what_the_pool_would_not_do(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct identity i;
    fixture_import(f, 0, 2);
    assert_done(fixture_reserve(f, "chip-a", &i, &err), err);
    static const char *const forbidden[] = {
        "UPDATE identity SET state=0, chip_id=NULL WHERE state=1",
        "UPDATE identity SET state=3, chip_id='x' WHERE state=0",
        "UPDATE identity SET chip_id='chip-b' WHERE state=1",
        "UPDATE identity SET mac='50:ec:50:00:00:09'",
        "UPDATE identity SET key_sealed=zeroblob(44)",
        "DELETE FROM identity",
        "UPDATE audit SET actor='nobody'",
        "DELETE FROM audit",
        "UPDATE audit_head SET n=0",
    };
    for (size_t k = 0; k < sizeof forbidden / sizeof forbidden[0]; k++)
        if (sqlite3_exec(f->db, forbidden[k], NULL, NULL, NULL) != SQLITE_CONSTRAINT)
            fail_msg("was allowed: %s", forbidden[k]);
    fixture_free(f);
}

static void test_a_reservation_is_gone_with_its_transaction(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct identity i;
    int64_t before = 0, after = 0;
    fixture_import(f, 0, 1);
    assert_done(audit_verify(f->db, &before, &err), err);
    sqlite3_exec(f->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    assert_done(fixture_reserve(f, "chip-a", &i, &err), err);
    sqlite3_exec(f->db, "ROLLBACK", NULL, NULL, NULL);
    assert_int_equal(pool_find(f->pool, "chip-a", &i, &err), ERROR_MISSING);
    assert_done(audit_verify(f->db, &after, &err), err);
    assert_int_equal(before, after);
    assert_done(fixture_reserve(f, "chip-b", &i, &err), err);
    fixture_free(f);
}

/* One unit's identity as a model that a hand could keep on paper. */
struct model {
    char did[IDENTITY_DID_MAX];
    enum identity_state state;
};

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void check_invariants(struct pool_fixture *f, const struct model *model, int units,
                             int pool_size)
{
    struct error err = {0};
    struct pool_counts counts;
    int64_t expected[IDENTITY_STATES] = {0};
    assert_done(pool_counts(f->pool, &counts, &err), err);
    int given = 0;
    for (int u = 0; u < units; u++) {
        char chip[32];
        struct identity i;
        snprintf(chip, sizeof chip, "chip-%d", u);
        if (!model[u].did[0]) {
            assert_int_equal(pool_find(f->pool, chip, &i, &err), ERROR_MISSING);
            continue;
        }
        assert_done(pool_find(f->pool, chip, &i, &err), err);
        assert_string_equal(i.did, model[u].did);
        assert_int_equal(i.state, model[u].state);
        for (int v = 0; v < u; v++)
            assert_string_not_equal(model[u].did, model[v].did);
        expected[model[u].state]++;
        given++;
    }
    expected[IDENTITY_FREE] = pool_size - given;
    for (int s = 0; s < IDENTITY_STATES; s++)
        assert_int_equal(counts.of[s], expected[s]);
}

static void test_a_thousand_random_operations_keep_every_promise(void **state)
{
    (void)state;
    enum { UNITS = 40, POOL = 30, OPERATIONS = 1000 };
    struct pool_fixture *f = fixture_new();
    struct model model[UNITS] = {0}, saved[UNITS];
    uint64_t seed = 20261122;
    bool transaction = false;
    int given = 0, saved_given = 0;
    fixture_import(f, 0, POOL);
    for (int n = 0; n < OPERATIONS; n++) {
        struct error err = {0};
        uint32_t r = next_random(&seed);
        int u = (int)(next_random(&seed) % UNITS);
        char chip[32];
        snprintf(chip, sizeof chip, "chip-%d", u);
        if (r % 8 < 3) {
            struct identity i;
            int rc = fixture_reserve(f, chip, &i, &err);
            if (model[u].did[0] && model[u].state >= IDENTITY_QUARANTINED) {
                assert_int_equal(rc, ERROR_STATE);
            } else if (model[u].did[0]) {
                assert_done(rc, err);
                assert_string_equal(i.did, model[u].did);
            } else if (given == POOL) {
                assert_int_equal(rc, ERROR_FULL);
            } else {
                assert_done(rc, err);
                strcpy(model[u].did, i.did);
                model[u].state = IDENTITY_RESERVED;
                given++;
            }
        } else if (r % 8 < 7) {
            enum identity_state to = next_random(&seed) % IDENTITY_STATES;
            int rc = pool_advance(f->pool, chip, to, "random", n, &err);
            if (!model[u].did[0]) {
                assert_int_equal(rc, ERROR_MISSING);
            } else if (to < model[u].state) {
                assert_int_equal(rc, ERROR_STATE);
            } else {
                assert_done(rc, err);
                model[u].state = to;
            }
        } else if (!transaction) {
            sqlite3_exec(f->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
            memcpy(saved, model, sizeof model);
            saved_given = given;
            transaction = true;
        } else {
            bool commit = next_random(&seed) & 1;
            sqlite3_exec(f->db, commit ? "COMMIT" : "ROLLBACK", NULL, NULL, NULL);
            if (!commit) {
                memcpy(model, saved, sizeof model);
                given = saved_given;
            }
            transaction = false;
        }
        if (n % 50 == 0)
            check_invariants(f, model, UNITS, POOL);
    }
    if (transaction)
        sqlite3_exec(f->db, "COMMIT", NULL, NULL, NULL);
    check_invariants(f, model, UNITS, POOL);
    struct error err = {0};
    int64_t entries = 0;
    assert_done(audit_verify(f->db, &entries, &err), err);
    assert_true(entries > 30);
    fixture_free(f);
}

/* What one of two racing processes did, in memory they share. */
static int reserve_in_child(struct pool_fixture *f, int who, int count)
{
    struct pool_fixture mine = *f;
    fixture_open(&mine);
    for (int n = 0; n < count; n++) {
        struct error err = {0};
        struct identity i;
        char chip[32];
        snprintf(chip, sizeof chip, "chip-%d-%d", who, n);
        if (fixture_reserve(&mine, chip, &i, &err)) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
    }
    fixture_close(&mine);
    return 0;
}

static int one_number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int n = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return n;
}

static void test_two_processes_at_once_never_get_the_same(void **state)
{
    (void)state;
    enum { EACH = 60 };
    struct pool_fixture *f = fixture_new();
    fixture_import(f, 0, 2 * EACH);
    fixture_close(f); /* SQLite handles do not cross a fork */
    for (int who = 0; who < 2; who++)
        if (fork() == 0)
            _exit(reserve_in_child(f, who, EACH));
    for (int who = 0; who < 2; who++) {
        int status = 0;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    fixture_open(f);
    assert_int_equal(one_number(f->db, "SELECT count(DISTINCT did) FROM identity WHERE state=1"),
                     2 * EACH);
    assert_int_equal(one_number(f->db, "SELECT count(DISTINCT chip_id) FROM identity"), 2 * EACH);
    struct error err = {0};
    int64_t entries = 0;
    assert_done(audit_verify(f->db, &entries, &err), err);
    assert_int_equal(entries, 2 * EACH + 1);
    fixture_free(f);
}

/* A child reserves and writes what it got to a pipe only after the call returned; it is killed in
 * the middle. All it told of must be there, each once. */
static void test_a_killed_process_issues_nothing_twice(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    fixture_import(f, 0, 4000);
    fixture_close(f);
    int told[2];
    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    if (child == 0) {
        struct pool_fixture mine = *f;
        close(told[0]);
        fixture_open(&mine);
        for (int n = 0;; n++) {
            struct error err = {0};
            struct identity i;
            char chip[32];
            snprintf(chip, sizeof chip, "chip-%d", n);
            if (fixture_reserve(&mine, chip, &i, &err) ||
                write(told[1], i.did, sizeof i.did) != sizeof i.did)
                _exit(1);
        }
    }
    close(told[1]);
    char dids[4000][IDENTITY_DID_MAX];
    int heard = 0;
    while (heard < 25 && read(told[0], dids[heard], IDENTITY_DID_MAX) == IDENTITY_DID_MAX)
        heard++;
    kill(child, SIGKILL);
    while (heard < 4000 && read(told[0], dids[heard], IDENTITY_DID_MAX) == IDENTITY_DID_MAX)
        heard++;
    waitpid(child, NULL, 0);
    close(told[0]);
    assert_true(heard >= 25);

    fixture_open(f);
    int reserved = one_number(f->db, "SELECT count(*) FROM identity WHERE state=1");
    assert_in_range(reserved, heard, heard + 1); /* one may be committed and not told yet */
    for (int n = 0; n < heard; n++) {
        struct error err = {0};
        struct identity i;
        char chip[32];
        snprintf(chip, sizeof chip, "chip-%d", n);
        assert_done(fixture_reserve(f, chip, &i, &err), err);
        assert_string_equal(i.did, dids[n]);
    }
    struct error err = {0};
    int64_t entries = 0;
    assert_done(audit_verify(f->db, &entries, &err), err);
    assert_int_equal(entries, reserved + 1);
    fixture_free(f);
}

static bool file_holds(const char *path, const void *bytes, size_t size)
{
    struct buffer b = {0};
    struct error err = {0};
    bool found = !file_read(path, &b, &err) && memmem(b.data, b.size, bytes, size);
    buffer_free(&b);
    return found;
}

static void test_no_key_is_found_in_the_database_or_its_log(void **state)
{
    (void)state;
    static const char did[] = "did-of-the-search";
    static const char hex[] = "c0ffee11c0ffee22c0ffee33c0ffee44c0ffee55";
    uint8_t key[20];
    for (int i = 0; i < 20; i++)
        sscanf(hex + 2 * i, "%2hhx", &key[i]);
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct identity i;
    char text[256], log[128];
    int count = 0;
    snprintf(text, sizeof text, "did,mac,key\n%s,50:EC:50:AA:BB:CC,%s\n", did, hex);
    assert_done(fixture_import_text(f, text, &count, &err), err);
    assert_done(fixture_reserve(f, "chip-a", &i, &err), err);
    assert_memory_equal(i.key, key, sizeof key);
    snprintf(log, sizeof log, "%s-wal", f->database);
    assert_true(file_holds(log, did, strlen(did))); /* the search does find what is there */
    assert_false(file_holds(log, key, 8));
    assert_false(file_holds(log, hex, 16));
    sqlite3_exec(f->db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
    assert_true(file_holds(f->database, did, strlen(did)));
    assert_false(file_holds(f->database, key, 8));
    assert_false(file_holds(f->database, hex, 16));
    fixture_free(f);
}

static void test_another_custody_key_is_refused_at_the_start(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    char address[128];
    struct custody *other = NULL;
    struct pool *pool = NULL;
    snprintf(address, sizeof address, "file:%s/other.key", f->folder);
    assert_done(custody_open(address, &other, &err), err);
    assert_int_equal(pool_open(f->db, other, &pool, &err), ERROR_REFUSED);
    assert_non_null(strstr(err.text, "custody"));
    custody_close(other);
    fixture_free(f);
}

static void test_tables_of_a_newer_version_are_refused(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct pool *pool = NULL;
    sqlite3_exec(f->db, "UPDATE pool_setting SET value=99 WHERE name='version'", NULL, NULL, NULL);
    assert_int_equal(pool_open(f->db, f->custody, &pool, &err), ERROR_STATE);
    assert_non_null(strstr(err.text, "99"));
    fixture_free(f);
}

/* A store of the version before, from its program: what it knew stays, new tables come. */
static void test_a_pool_of_version_1_goes_on(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct buffer sql = {0};
    struct identity first, second;
    int64_t entries;
    char key[66];
    fixture_close(f);
    assert_int_equal(unlink(f->database), 0);
    assert_done(file_read("tests/unit/provisioning/pool_version_1.sql", &sql, &err), err);
    assert_int_equal(sscanf(buffer_text(&sql), "%*[^\n]\n-- %64s", key), 1);
    strcat(key, "\n");
    assert_done(file_write(f->custody_address + 5, key, 65, 0600, &err), err);
    assert_int_equal(sqlite3_open(f->database, &f->db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(f->db, buffer_text(&sql), NULL, NULL, NULL), SQLITE_OK);
    buffer_free(&sql);
    assert_int_equal(sqlite3_close(f->db), SQLITE_OK);
    fixture_open(f);
    assert_done(fixture_reserve(f, "chip-a", &first, &err), err);
    assert_string_equal(first.did, "101");
    assert_int_equal(first.state, IDENTITY_INJECTED);
    assert_int_equal(first.key[15], 15);
    assert_done(fixture_reserve(f, "chip-b", &second, &err), err);
    assert_string_equal(second.did, "102");
    assert_done(audit_verify(f->db, &entries, &err), err);
    assert_done(pool_advance(f->pool, "chip-b", IDENTITY_SCRAPPED, "dropped", 9, &err), err);
    fixture_free(f);
}

static void test_a_scrapped_units_identity_is_nobodys_again(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct identity i;
    struct pool_counts counts;
    fixture_import(f, 0, 2);
    assert_done(fixture_reserve(f, "chip-a", &i, &err), err);
    assert_done(pool_advance(f->pool, "chip-a", IDENTITY_SCRAPPED, "burnt", 2, &err), err);
    assert_int_equal(fixture_reserve(f, "chip-a", &i, &err), ERROR_STATE);
    assert_non_null(strstr(err.text, "scrapped"));
    assert_int_equal(pool_advance(f->pool, "chip-a", IDENTITY_CONFIRMED, "", 3, &err), ERROR_STATE);
    assert_done(pool_counts(f->pool, &counts, &err), err);
    assert_int_equal(counts.of[IDENTITY_SCRAPPED], 1);
    assert_int_equal(counts.of[IDENTITY_FREE], 1);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_unit_gets_the_same_identity_again),
        cmocka_unit_test(test_an_empty_pool_says_so_and_for_which_unit),
        cmocka_unit_test(test_states_only_go_forward),
        cmocka_unit_test(test_the_tables_refuse_what_the_pool_would_not_do),
        cmocka_unit_test(test_a_reservation_is_gone_with_its_transaction),
        cmocka_unit_test(test_a_thousand_random_operations_keep_every_promise),
        cmocka_unit_test(test_two_processes_at_once_never_get_the_same),
        cmocka_unit_test(test_a_killed_process_issues_nothing_twice),
        cmocka_unit_test(test_no_key_is_found_in_the_database_or_its_log),
        cmocka_unit_test(test_another_custody_key_is_refused_at_the_start),
        cmocka_unit_test(test_tables_of_a_newer_version_are_refused),
        cmocka_unit_test(test_a_pool_of_version_1_goes_on),
        cmocka_unit_test(test_a_scrapped_units_identity_is_nobodys_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
