/* The power goes at any write or sync of a store: what was committed is there, nothing is half.
 *
 * TAKT_POWER_CUTS=all tries every point (make soak); else a seeded sample. */
#include "tests/unit/reports/store_fixture.h"

#include "tests/unit/reports/power_cut_vfs.h"

enum { STEPS = 12, SAMPLE = 40 };

/* One run of so many steps, each step a transaction; how many were told committed. */
static int write_steps(struct store *s)
{
    struct error err = {0};
    struct run_record run = {.order = "O-1",
                             .product = "p",
                             .plan = "p",
                             .site = "s",
                             .line = "l",
                             .station = "b",
                             .serial = "SN1"};
    struct store_fixture f = {.store = s};
    if (store_run_open(s, &run, &err))
        return -1;
    for (int n = 0; n < STEPS; n++)
        if (store_begin(s, &err) || step_new(&f, run.id, n, 1, "image", 0.2, &err) ||
            store_commit(s, &err))
            return n;
    return STEPS;
}

static void cut_once(int at, uint64_t seed)
{
    start_over(0);
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    store_close(f->store);
    f->store = NULL;
    start_over(0);
    store_fixture_open(f); /* made, and synced, before the power is at risk */
    for (int i = 0; i < FILES_MAX; i++)
        if (cut.images[i].path[0])
            take_synced(&cut.images[i]);
    cut.operations = 0;
    cut.cut_at = at;
    int committed = write_steps(f->store);
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
    sqlite3 *db = store_handle(f->store);
    int steps = (int)number_of(db, "SELECT count(*) FROM step");
    if (steps < committed || steps > committed + 1)
        fail_msg("cut at operation %d: %d steps of %d committed", at, steps, committed);
    assert_int_equal(number_of(db, "SELECT count(*) FROM measurement"), steps);
    assert_int_equal(number_of(db, "SELECT count(*) FROM note"), steps);
    assert_int_equal(number_of(db, "SELECT count(*) FROM pragma_integrity_check WHERE"
                                   " integrity_check='ok'"),
                     1);
    assert_int_equal(number_of(db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    assert_int_equal(write_steps(f->store), STEPS); /* and it goes on */
    store_fixture_free(f);
}

static void test_a_power_cut_at_any_write_keeps_what_was_committed(void **state)
{
    (void)state;
    const char *want = getenv("TAKT_POWER_CUTS");
    bool all = want && !strcmp(want, "all");
    uint64_t seed = 0x7a6b;
    start_over(0);
    struct store_fixture *f = store_fixture_new();
    cut.operations = 0;
    assert_int_equal(write_steps(f->store), STEPS);
    int operations = cut.operations;
    store_fixture_free(f);
    assert_true(operations > 2 * STEPS);
    int points = all ? operations : SAMPLE;
    for (int n = 0; n < points; n++) {
        int at = all ? n + 1 : 1 + (int)(splitmix_next(&seed) % (uint64_t)operations);
        for (int image = 0; image < (all ? 8 : 1); image++)
            cut_once(at, splitmix_next(&seed));
    }
    print_message("%d writes and syncs; the power cut at %d of them\n", operations, points);
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
        start_over(0);
        struct store_fixture *f = store_fixture_new();
        store_close(f->store);
        start_over(0);
        store_fixture_open(f);
        for (int i = 0; i < FILES_MAX; i++)
            if (cut.images[i].path[0])
                take_synced(&cut.images[i]);
        sqlite3_file *wal = NULL;
        sqlite3_file_control(store_handle(f->store), "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
        assert_non_null(wal);
        wal->pMethods = &lying;
        int committed = write_steps(f->store);
        cut.dead = true;
        store_close(f->store);
        for (int i = 0; i < FILES_MAX; i++)
            if (cut.images[i].path[0])
                settle(&cut.images[i], &seed);
        start_over(0);
        store_fixture_open(f);
        lost += number_of(store_handle(f->store), "SELECT count(*) FROM step") < committed;
        store_fixture_free(f);
    }
    assert_true(lost > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_power_cut_at_any_write_keeps_what_was_committed),
        cmocka_unit_test(test_a_disk_that_lies_about_syncs_is_noticed_by_this_test),
    };
    cut_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
