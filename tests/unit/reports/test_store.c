/* The store: committed is committed, once, and nothing half. */
#include "tests/unit/reports/store_fixture.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int64_t rows(struct store_fixture *f, const char *table)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    return number_of(store_handle(f->store), sql);
}

static void test_a_step_is_never_recorded_twice(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    int64_t run = run_new(f, "O-1", "SN1", 1000);
    assert_done(step_new(f, run, 0, 1, "image", 0.2, &err), err);
    assert_int_equal(step_new(f, run, 0, 1, "image", 0.3, &err), ERROR_STATE);
    assert_done(step_new(f, run, 0, 2, "image", 0.3, &err), err);
    assert_int_equal(rows(f, "step"), 2);
    assert_int_equal(rows(f, "measurement"), 2);
    assert_int_equal(rows(f, "figure"), 1); /* the same name, unit and limits are one */
    assert_done(store_run_close(f->store, run, VERDICT_PASS, "", 2000, &err), err);
    assert_int_equal(store_run_close(f->store, run, VERDICT_FAIL, "", 2000, &err), ERROR_STATE);
    assert_int_equal(step_new(f, run, 1, 1, "ir", 0.3, &err), ERROR_STATE);
    assert_int_equal(step_new(f, 4711, 1, 1, "ir", 0.3, &err), ERROR_MISSING);
    store_fixture_free(f);
}

static void test_a_failed_step_leaves_the_others_of_its_transaction(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    int64_t run = run_new(f, "O-1", "SN1", 1000);
    const struct measurement_record bad[] = {
        {.name = "good", .unit = "mA", .value = 1, .verdict = VERDICT_NONE},
        {.name = "bad", .unit = "mA", .value = 1, .verdict = (enum verdict)99},
    };
    const struct step_record step = {.run = run,
                                     .index = 1,
                                     .attempt = 1,
                                     .id = "power",
                                     .kind = "power",
                                     .verdict = VERDICT_PASS,
                                     .measurements = bad,
                                     .measurement_count = 2};
    assert_done(store_begin(f->store, &err), err);
    assert_done(step_new(f, run, 0, 1, "image", 0.2, &err), err);
    assert_int_equal(store_step(f->store, &step, &err), ERROR_STATE);
    assert_done(step_new(f, run, 2, 1, "ir", 0.2, &err), err);
    assert_done(store_commit(f->store, &err), err);
    assert_int_equal(rows(f, "step"), 2);
    assert_int_equal(rows(f, "measurement"), 2);
    store_fixture_free(f);
}

static void test_nothing_of_a_rolled_back_transaction_is_there(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    assert_done(store_begin(f->store, &err), err);
    assert_int_equal(store_begin(f->store, &err), ERROR_STATE);
    int64_t run = run_new(f, "O-1", "SN1", 1000);
    assert_done(step_new(f, run, 0, 1, "image", 0.2, &err), err);
    store_rollback(f->store);
    assert_int_equal(rows(f, "run"), 0);
    assert_int_equal(rows(f, "unit"), 0);
    assert_int_equal(store_commit(f->store, &err), ERROR_STATE);
    store_fixture_free(f);
}

/* A child commits transactions of three steps and tells of each after its commit; it is killed. */
static void test_a_killed_writer_keeps_every_committed_step_and_no_half(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    store_close(f->store);
    int told[2];
    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    if (child == 0) {
        struct error err = {0};
        close(told[0]);
        store_fixture_open(f);
        int64_t run = run_new(f, "O-1", "SN1", 1000);
        for (int32_t n = 0;; n++) {
            if (store_begin(f->store, &err))
                _exit(1);
            for (int k = 0; k < 3; k++)
                if (step_new(f, run, 3 * n + k, 1, "image", 0.2, &err))
                    _exit(1);
            if (store_commit(f->store, &err) || write(told[1], &n, sizeof n) != sizeof n)
                _exit(1);
        }
    }
    close(told[1]);
    int32_t last = -1;
    while (last < 40 && read(told[0], &last, sizeof last) == sizeof last)
        ;
    kill(child, SIGKILL);
    while (read(told[0], &last, sizeof last) == sizeof last)
        ;
    close(told[0]);
    waitpid(child, NULL, 0);
    assert_true(last >= 40);
    store_fixture_open(f);
    int64_t steps = rows(f, "step");
    assert_int_equal(steps % 3, 0);
    assert_in_range(steps, 3 * (last + 1), 3 * (last + 2));
    assert_int_equal(rows(f, "measurement"), steps);
    assert_int_equal(rows(f, "note"), steps);
    store_fixture_free(f);
}

static int count_open(void *context, const struct open_run *r)
{
    struct open_run *seen = context;
    *seen = *r;
    assert_string_equal(r->run.order, "O-1");
    assert_string_equal(r->run.serial, "SN2");
    assert_string_equal(r->run.plan, "ptz-indoor-3mp/line");
    assert_string_equal(r->run.plan_sha256, PLAN_SHA256);
    assert_string_equal(r->run.bundle_sha256, "");
    assert_string_equal(r->run.station, "bench");
    assert_string_equal(r->chip_id, "chip-2");
    return 0;
}

static void test_runs_without_a_verdict_are_found_again(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    int64_t closed = run_new(f, "O-1", "SN1", 1000), open = run_new(f, "O-1", "SN2", 1001);
    assert_done(store_run_unit(f->store, open, "chip-2", "", &err), err);
    assert_done(step_new(f, open, 0, 1, "image", 0.1, &err), err);
    assert_done(step_new(f, open, 0, 2, "image", 0.2, &err), err);
    assert_done(step_new(f, open, 1, 1, "ir", 0.2, &err), err);
    assert_done(store_run_close(f->store, closed, VERDICT_ABORTED, "by hand", 2000, &err), err);
    store_close(f->store);
    store_fixture_open(f);
    struct open_run seen = {0};
    assert_done(store_open_runs(f->store, count_open, &seen, &err), err);
    assert_int_equal(seen.run.id, open);
    assert_int_equal(seen.steps_committed, 2);
    assert_int_equal(seen.run.started_wall_ms, 1001);
    store_fixture_free(f);
}

static void test_a_unit_is_its_chip_whatever_the_label_says(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    sqlite3 *db = store_handle(f->store);
    /* Two runs by label alone, then the chip speaks: one unit. */
    run_new(f, "O-1", "SN1", 1000);
    int64_t second = run_new(f, "O-1", "SN1", 1001);
    assert_done(store_run_unit(f->store, second, "chip-1", "", &err), err);
    assert_int_equal(rows(f, "unit"), 1);
    /* A run without a label whose chip is known: the same unit. */
    int64_t third = run_new(f, "O-1", "", 1002);
    assert_done(store_run_unit(f->store, third, "chip-1", "", &err), err);
    assert_int_equal(number_of(db, "SELECT count(DISTINCT unit) FROM run"), 1);
    /* The label came first to a unit whose chip was known without one: they become one. */
    int64_t bare = run_new(f, "O-1", "", 1003);
    assert_done(store_run_unit(f->store, bare, "chip-2", "", &err), err);
    int64_t labelled = run_new(f, "O-1", "SN2", 1004);
    assert_int_equal(rows(f, "unit"), 3);
    assert_done(store_run_unit(f->store, labelled, "chip-2", "SN2", &err), err);
    assert_int_equal(rows(f, "unit"), 2);
    assert_int_equal(number_of(db, "SELECT count(*) FROM unit WHERE chip_id='chip-2' AND "
                                   "serial='SN2'"),
                     1);
    /* The board was swapped: another chip under the same label is another unit. */
    int64_t swapped = run_new(f, "O-1", "SN1", 1005);
    assert_done(store_run_unit(f->store, swapped, "chip-9", "", &err), err);
    assert_int_equal(number_of(db, "SELECT count(*) FROM unit WHERE serial='SN1'"), 2);
    assert_int_equal(number_of(db, "SELECT count(*) FROM run r JOIN unit u ON u.id=r.unit "
                                   "WHERE u.chip_id='chip-1'"),
                     3);
    store_fixture_free(f);
}

static void test_hostile_text_stays_text(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    static const char hostile[] = "'; DROP TABLE run; --<script>\"%s%n\xff\xfe";
    run_new(f, hostile, hostile, 1000);
    sqlite3_stmt *st = NULL;
    assert_int_equal(sqlite3_prepare_v2(store_handle(f->store),
                                        "SELECT serial FROM unit WHERE serial=?1", -1, &st, NULL),
                     SQLITE_OK);
    sqlite3_bind_text(st, 1, hostile, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), hostile);
    sqlite3_finalize(st);
    store_fixture_free(f);
}

static void test_a_full_disk_is_said_and_leaves_nothing_half(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    sqlite3 *db = store_handle(f->store);
    int64_t run = run_new(f, "O-1", "SN1", 1000);
    char limit[64];
    snprintf(limit, sizeof limit, "PRAGMA max_page_count=%lld",
             (long long)number_of(db, "PRAGMA page_count") + 4);
    assert_int_equal(sqlite3_exec(db, limit, NULL, NULL, NULL), SQLITE_OK);
    int committed = 0, rc = 0;
    for (int n = 0; n < 10000 && !rc; n++) {
        assert_done(store_begin(f->store, &err), err);
        for (int k = 0; k < 3; k++) {
            int step_rc = step_new(f, run, 3 * n + k, 1, "image", 0.2, &err);
            rc = rc ? rc : step_rc;
        }
        if (rc) {
            assert_int_equal(rc, ERROR_FULL);
            /* The caller that does not look gets the same answer at the commit, or its own steps
             * whole. */
            store_rollback(f->store);
        } else {
            assert_done(store_commit(f->store, &err), err);
            committed += 3;
        }
    }
    assert_int_equal(rc, ERROR_FULL);
    assert_non_null(strstr(err.text, "disk"));
    assert_int_equal(rows(f, "step"), committed);
    assert_int_equal(rows(f, "measurement"), committed);
    /* Room again: it goes on. */
    sqlite3_exec(db, "PRAGMA max_page_count=100000", NULL, NULL, NULL);
    assert_done(step_new(f, run, committed, 1, "image", 0.2, &err), err);
    store_close(f->store);
    store_fixture_open(f);
    assert_int_equal(rows(f, "step"), committed + 1);
    store_fixture_free(f);
}

/* When SQLite itself rolls back in the middle, later writes of the same transaction must not be
 * committed one by one. */
static void test_a_transaction_sqlite_gave_up_stays_refused_until_its_commit(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    sqlite3 *db = store_handle(f->store);
    int64_t run = run_new(f, "O-1", "SN1", 1000);
    assert_done(store_begin(f->store, &err), err);
    assert_done(step_new(f, run, 0, 1, "image", 0.2, &err), err);
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* as SQLITE_IOERR would */
    assert_true(step_new(f, run, 1, 1, "ir", 0.2, &err) < 0);
    /* What provisioning does on the same handle is held back too. */
    assert_int_not_equal(sqlite3_exec(db, "INSERT INTO site(name) VALUES ('x')", NULL, NULL, NULL),
                         SQLITE_OK);
    assert_true(store_commit(f->store, &err) < 0);
    assert_int_equal(rows(f, "step"), 0);
    assert_int_equal(number_of(db, "SELECT count(*) FROM site WHERE name='x'"), 0);
    assert_done(store_begin(f->store, &err), err);
    assert_done(step_new(f, run, 0, 1, "image", 0.2, &err), err);
    assert_done(store_commit(f->store, &err), err);
    assert_int_equal(rows(f, "step"), 1);
    store_fixture_free(f);
}

static void test_a_second_writer_is_told_who_has_it(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    char expected[32];
    snprintf(expected, sizeof expected, "process %ld", (long)getpid());
    pid_t child = fork();
    if (child == 0) {
        struct error err = {0};
        struct store *second = NULL;
        int rc = store_open(f->path, f->attachments, &second, &err);
        _exit(rc == ERROR_BUSY && strstr(err.text, expected) ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    store_fixture_free(f);
}

static void test_a_store_of_a_newer_version_is_refused(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    struct store *s = NULL;
    sqlite3 *reader = NULL;
    sqlite3_exec(store_handle(f->store), "PRAGMA user_version=99", NULL, NULL, NULL);
    store_close(f->store);
    assert_int_equal(store_open(f->path, f->attachments, &s, &err), ERROR_STATE);
    assert_non_null(strstr(err.text, "99"));
    assert_int_equal(query_open(f->path, &reader, &err), ERROR_STATE);
    sqlite3 *db = NULL;
    sqlite3_open(f->path, &db);
    assert_int_equal(number_of(db, "PRAGMA user_version"), 99);
    sqlite3_exec(db, "PRAGMA user_version=1", NULL, NULL, NULL);
    sqlite3_close(db);
    store_fixture_open(f);
    store_fixture_free(f);
}

static void damage(const char *path, long offset, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, offset, SEEK_SET);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void check_refused_and_untouched(struct store_fixture *f)
{
    struct error err = {0};
    struct store *s = NULL;
    struct buffer before = {0}, after = {0};
    assert_done(file_read(f->path, &before, &err), err);
    assert_int_equal(store_open(f->path, f->attachments, &s, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, f->path));
    assert_done(file_read(f->path, &after, &err), err);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    buffer_free(&before);
    buffer_free(&after);
}

static void test_a_damaged_file_is_noticed_and_left_alone(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    int64_t run = run_new(f, "O-1", "SN1", 1000);
    for (int n = 0; n < 300; n++)
        assert_done(step_new(f, run, n, 1, "image", 0.2, &err), err);
    store_close(f->store);
    f->store = NULL;
    char copy[256];
    snprintf(copy, sizeof copy, "cp %s %s.good", f->path, f->path);
    assert_int_equal(system(copy), 0);

    char rubbish[4096];
    memset(rubbish, 0xa5, sizeof rubbish);
    damage(f->path, 0, "not a database, surely", 22);
    check_refused_and_untouched(f);

    snprintf(copy, sizeof copy, "cp %s.good %s", f->path, f->path);
    assert_int_equal(system(copy), 0);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    damage(f->path, st.st_size / 4096 / 2 * 4096, rubbish, sizeof rubbish);
    check_refused_and_untouched(f);

    assert_int_equal(system(copy), 0);
    assert_int_equal(truncate(f->path, st.st_size / 2), 0);
    check_refused_and_untouched(f);

    assert_int_equal(system(copy), 0);
    damage(f->path, 100, rubbish, 3000); /* the page of the table of tables */
    check_refused_and_untouched(f);

    assert_int_equal(system(copy), 0);
    store_fixture_open(f);
    assert_int_equal(rows(f, "step"), 300);
    store_fixture_free(f);
}

static void test_another_programs_database_is_refused(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    store_close(f->store);
    f->store = NULL;
    unlink(f->path);
    sqlite3 *db = NULL;
    sqlite3_open(f->path, &db);
    sqlite3_exec(db, "CREATE TABLE theirs(x)", NULL, NULL, NULL);
    sqlite3_close(db);
    check_refused_and_untouched(f);
    store_fixture_free(f);
}

static void test_the_same_attachment_twice_is_one_file(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    char first[65], second[65], path[256];
    /* FIPS 180-2's "abc" */
    static const char expected[] =
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_done(store_attachment_write(f->attachments, "abc", 3, first, &err), err);
    assert_done(store_attachment_write(f->attachments, "abc", 3, second, &err), err);
    assert_string_equal(first, expected);
    assert_string_equal(second, expected);
    snprintf(path, sizeof path, "%s/ba/%s", f->attachments, expected + 2);
    struct buffer b = {0};
    assert_done(store_attachment_read(f->attachments, first, &b, &err), err);
    assert_int_equal(b.size, 3);
    damage(path, 0, "x", 1);
    assert_int_equal(store_attachment_read(f->attachments, first, &b, &err), ERROR_MISMATCH);
    assert_int_equal(b.size, 3);
    assert_int_equal(store_attachment_read(f->attachments, "../../etc/passwd", &b, &err),
                     ERROR_INPUT);
    assert_int_equal(store_attachment_read(f->attachments, PLAN_SHA256, &b, &err), ERROR_MISSING);
    buffer_free(&b);
    /* As after power loss with a file cut short: the right bytes come back. */
    assert_int_equal(truncate(path, 1), 0);
    assert_done(store_attachment_write(f->attachments, "abc", 3, first, &err), err);
    b = (struct buffer){0};
    assert_done(store_attachment_read(f->attachments, first, &b, &err), err);
    buffer_free(&b);
    store_fixture_free(f);
}

static void test_recorded_figures_cannot_be_changed(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    sqlite3 *db = store_handle(f->store);
    int64_t run = run_new(f, "O-1", "SN1", 1000);
    assert_done(step_new(f, run, 0, 1, "image", 0.1, &err), err);
    assert_done(store_run_close(f->store, run, VERDICT_FAIL, "image", 2000, &err), err);
    static const char *const forbidden[] = {
        "UPDATE measurement SET value=0.9", "DELETE FROM measurement",
        "UPDATE step SET verdict=1",        "DELETE FROM step",
        "UPDATE run SET verdict=1",         "DELETE FROM run",
    };
    for (size_t k = 0; k < sizeof forbidden / sizeof forbidden[0]; k++)
        if ((sqlite3_exec(db, forbidden[k], NULL, NULL, NULL) & 0xff) != SQLITE_CONSTRAINT)
            fail_msg("was allowed: %s", forbidden[k]);
    store_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_is_never_recorded_twice),
        cmocka_unit_test(test_a_failed_step_leaves_the_others_of_its_transaction),
        cmocka_unit_test(test_nothing_of_a_rolled_back_transaction_is_there),
        cmocka_unit_test(test_a_killed_writer_keeps_every_committed_step_and_no_half),
        cmocka_unit_test(test_runs_without_a_verdict_are_found_again),
        cmocka_unit_test(test_a_unit_is_its_chip_whatever_the_label_says),
        cmocka_unit_test(test_hostile_text_stays_text),
        cmocka_unit_test(test_a_full_disk_is_said_and_leaves_nothing_half),
        cmocka_unit_test(test_a_transaction_sqlite_gave_up_stays_refused_until_its_commit),
        cmocka_unit_test(test_a_second_writer_is_told_who_has_it),
        cmocka_unit_test(test_a_store_of_a_newer_version_is_refused),
        cmocka_unit_test(test_a_damaged_file_is_noticed_and_left_alone),
        cmocka_unit_test(test_another_programs_database_is_refused),
        cmocka_unit_test(test_the_same_attachment_twice_is_one_file),
        cmocka_unit_test(test_recorded_figures_cannot_be_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
