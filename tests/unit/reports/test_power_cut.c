/* The power goes, or the disk is full, at any write or sync of a store: what was committed is
 * there, nothing is half.
 *
 * TAKT_POWER_CUTS=all tries every point (make soak); else a seeded sample. */
#include "tests/unit/reports/store_fixture.h"

#include "reports/outbox.h"
#include "tests/unit/reports/power_cut_vfs.h"

enum { STEPS = 12, SAMPLE = 40 };

/* A record's life: opened, its steps, closed and queued for two destinations, sent to one, refused
 * by the other. Each is a transaction of its own; `done` of them were told committed. */
enum { LIFE = 1 + STEPS + 1 + 2, CLOSED = 1 + STEPS + 1 };
static const char destinations[] =
    "{\"outbox\": {\"a\": {\"connector\": \"folder\", \"folder\": \"a\", \"format\": \"json\"},"
    "\"b\": {\"connector\": \"folder\", \"folder\": \"b\", \"format\": \"csv\"}}}";

static void with_destinations(struct store *s)
{
    struct json_document *station = NULL;
    struct error err = {0};
    assert_done(json_parse("station.json", destinations, sizeof destinations - 1, &station, &err),
                err);
    assert_done(outbox_configure(s, station, &err), err);
    json_free(station);
}

/* The transaction numbered `n`; `run` is set by the first. */
static int write_part(struct store *s, int n, int64_t *run, struct error *err)
{
    struct store_fixture f = {.store = s};
    struct run_record record = record_of("O-1", "SN1", 1790000000000);
    int rc = store_begin(s, err);
    if (rc)
        return rc;
    if (n == 0) {
        rc = store_run_open(s, &record, err);
        *run = record.id;
    } else if (n <= STEPS)
        rc = step_new(&f, *run, n - 1, 1, "image", n == 3 ? 0.1 : 0.2, err);
    else if (n < CLOSED)
        rc = store_run_close(s, *run, VERDICT_FAIL, "image", 1790000001000, err);
    else { /* the first run of the store has messages 1 and 2 */
        int64_t message = number_of(store_handle(s), "SELECT max(id) FROM outbox") - (n == CLOSED);
        rc = outbox_settle(s, message, n == CLOSED ? OUTBOX_SENT : OUTBOX_PARKED, "no", 0, err);
    }
    int committed = store_commit(s, err);
    return rc ? rc : committed;
}

static int write_life(struct store *s)
{
    struct error err = {0};
    int64_t run = 0;
    for (int n = 0; n < LIFE; n++)
        if (write_part(s, n, &run, &err))
            return n;
    return LIFE;
}

/* Of a store's first run. */
static int transactions_in(sqlite3 *db)
{
    return (int)number_of(db, "SELECT (SELECT count(*) FROM run) + (SELECT count(*) FROM step) + "
                              "(SELECT count(*) FROM run WHERE verdict <> 0) + "
                              "(SELECT count(*) FROM outbox WHERE state <> 0)");
}

/* What the first run of a store has: how many of its transactions are there, none of them half. */
static int life_of(struct store *s)
{
    sqlite3 *db = store_handle(s);
    int steps = (int)number_of(db, "SELECT count(*) FROM step");
    bool closed = number_of(db, "SELECT count(*) FROM run WHERE verdict <> 0");
    assert_int_equal(number_of(db, "SELECT count(*) FROM measurement"), steps);
    assert_int_equal(number_of(db, "SELECT count(*) FROM note"), steps);
    /* What goes out, and the day's figures, with the verdict or not at all. */
    assert_int_equal(number_of(db, "SELECT count(*) FROM outbox"), closed ? 2 : 0);
    assert_int_equal(number_of(db, "SELECT count(*) FROM tally"), closed);
    assert_int_equal(number_of(db, "SELECT count(*) FROM tally_failure"), closed);
    assert_int_equal(number_of(db, "SELECT count(*) FROM pragma_integrity_check WHERE"
                                   " integrity_check='ok'"),
                     1);
    assert_int_equal(number_of(db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    return transactions_in(db);
}

/* A store that was made, and synced, before anything is at risk. */
static struct store_fixture *store_at_risk(void)
{
    start_over(0);
    struct store_fixture *f = store_fixture_new();
    with_destinations(f->store);
    store_close(f->store);
    f->store = NULL;
    start_over(0);
    store_fixture_open(f);
    for (int i = 0; i < FILES_MAX; i++)
        if (cut.images[i].path[0])
            take_synced(&cut.images[i]);
    cut.operations = 0;
    return f;
}

/* How many writes and syncs a life is. */
static int operations_of_a_life(void)
{
    struct store_fixture *f = store_at_risk();
    assert_int_equal(write_life(f->store), LIFE);
    assert_int_equal(life_of(f->store), LIFE);
    int operations = cut.operations;
    store_fixture_free(f);
    assert_true(operations > 2 * LIFE);
    return operations;
}

static bool every_point(void)
{
    const char *want = getenv("TAKT_POWER_CUTS");
    return want && !strcmp(want, "all");
}

static void cut_once(int at, uint64_t seed)
{
    struct store_fixture *f = store_at_risk();
    struct error err = {0};
    cut.cut_at = at;
    int committed = write_life(f->store);
    cut.dead = true;
    store_close(f->store);
    for (int i = 0; i < FILES_MAX; i++)
        if (cut.images[i].path[0])
            settle(&cut.images[i], &seed);
    char shm[300];
    snprintf(shm, sizeof shm, "%s-shm", f->path);
    unlink(shm); /* it is memory */
    start_over(0);
    int rc = store_open(f->path, f->attachments, &f->store, &err);
    if (rc)
        fail_msg("cut at operation %d: %s", at, err.text);
    int found = life_of(f->store);
    if (found < committed || found > committed + 1)
        fail_msg("cut at operation %d: %d transactions of %d committed", at, found, committed);
    assert_int_equal(write_life(f->store), LIFE); /* and it goes on */
    store_fixture_free(f);
}

static void test_a_power_cut_at_any_write_keeps_what_was_committed(void **state)
{
    (void)state;
    bool all = every_point();
    uint64_t seed = 0x7a6b;
    int operations = operations_of_a_life(), points = all ? operations : SAMPLE;
    for (int n = 0; n < points; n++) {
        int at = all ? n + 1 : 1 + (int)(splitmix_next(&seed) % (uint64_t)operations);
        for (int image = 0; image < (all ? 8 : 1); image++)
            cut_once(at, splitmix_next(&seed));
    }
    print_message("%d writes and syncs; the power cut at %d of them\n", operations, points);
}

/* ---- no room ----------------------------------------------------------------------------------
 */

/* The disk is full from one write on: what did not fit is said, is not there half, and is there
 * once when it was tried again with room. */
static void fill_once(int at)
{
    struct store_fixture *f = store_at_risk();
    int64_t run = 0;
    int refused = 0;
    cut.full_at = at;
    for (int n = 0; n < LIFE; n++) {
        struct error err = {0};
        int rc = write_part(f->store, n, &run, &err);
        if (!rc)
            continue;
        if (rc != ERROR_FULL || refused)
            fail_msg("full at operation %d: transaction %d gives %d: %s", at, n, rc, err.text);
        refused++;
        cut.full = false;
        cut.full_at = 0;
        assert_int_equal(life_of(f->store), n); /* whole, or not at all */
        n--;
    }
    assert_int_equal(life_of(f->store), LIFE);
    store_close(f->store);
    start_over(0);
    store_fixture_open(f);
    assert_int_equal(life_of(f->store), LIFE);
    store_fixture_free(f);
}

static void test_a_disk_full_at_any_write_leaves_nothing_half(void **state)
{
    (void)state;
    bool all = every_point();
    uint64_t seed = 0xf011;
    int operations = operations_of_a_life(), points = all ? operations : SAMPLE;
    for (int n = 0; n < points; n++)
        fill_once(all ? n + 1 : 1 + (int)(splitmix_next(&seed) % (uint64_t)operations));
    print_message("%d writes and syncs; the disk full at %d of them\n", operations, points);
}

/* A disk that says "synced" and is not would be found out: the proof that this test can fail. */
static int lying_sync(sqlite3_file *f, int flags)
{
    (void)f, (void)flags;
    return gone() ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static void test_a_disk_that_lies_about_syncs_is_noticed_by_this_test(void **state)
{
    (void)state;
    static sqlite3_io_methods lying;
    uint64_t seed = 1;
    int lost = 0;
    lying = cut_methods;
    lying.xSync = lying_sync;
    for (int n = 0; n < 5; n++) {
        struct store_fixture *f = store_at_risk();
        sqlite3_file *wal = NULL;
        sqlite3_file_control(store_handle(f->store), "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
        assert_non_null(wal);
        wal->pMethods = &lying;
        int committed = write_life(f->store);
        cut.dead = true;
        store_close(f->store);
        for (int i = 0; i < FILES_MAX; i++)
            if (cut.images[i].path[0])
                settle(&cut.images[i], &seed);
        start_over(0);
        store_fixture_open(f);
        lost += transactions_in(store_handle(f->store)) < committed;
        store_fixture_free(f);
    }
    assert_true(lost > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_power_cut_at_any_write_keeps_what_was_committed),
        cmocka_unit_test(test_a_disk_full_at_any_write_leaves_nothing_half),
        cmocka_unit_test(test_a_disk_that_lies_about_syncs_is_noticed_by_this_test),
    };
    cut_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
