/* The store: committed is committed, once, and nothing half. */
#include "tests/unit/reports/store_fixture.h"

#include "reports/maintenance.h"

#include "reports/store_schema.h"

#include <sys/stat.h>
#include <sys/wait.h>

static int64_t rows(struct store_fixture *f, const char *table)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    return number_of(store_handle(f->store), sql);
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
    assert_int_equal(store_file_open(f->path, &reader, &err), ERROR_STATE);
    sqlite3 *db = NULL;
    sqlite3_open(f->path, &db);
    assert_int_equal(number_of(db, "PRAGMA user_version"), 99);
    char restore[40];
    snprintf(restore, sizeof restore, "PRAGMA user_version=%d", STORE_VERSION);
    sqlite3_exec(db, restore, NULL, NULL, NULL);
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
    char copy[512];
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
    char first[65], second[65], path[400];
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

/* Every version that was shipped has a sample in stores/, dumped from the program that wrote it. */
static void test_a_store_of_each_shipped_version_is_migrated_with_all_it_holds(void **state)
{
    (void)state;
    for (int version = 1; version < STORE_VERSION; version++) {
        struct store_fixture *f = store_fixture_new();
        struct error err = {0};
        char command[1024];
        store_close(f->store);
        snprintf(command, sizeof command,
                 "rm -f %s* && sqlite3 %s <tests/unit/reports/stores/version_%d.sql && "
                 "sqlite3 %s 'SELECT r.id, r.serial, s.step, f.name, m.value, n.text FROM run r"
                 " JOIN step s ON s.run=r.id JOIN measurement m ON m.run=r.id JOIN figure f ON"
                 " f.id=m.figure JOIN note n ON n.run=r.id' >%s/before",
                 f->path, f->path, version, f->path, f->folder);
        assert_int_equal(system(command), 0);
        struct store *reader = NULL; /* which may not bring it forward: it says who does */
        assert_int_equal(store_open_reader(f->path, &reader, &err), ERROR_STATE);
        assert_non_null(strstr(err.text, "takt store migrate"));
        store_fixture_open(f);
        assert_done(store_open_reader(f->path, &reader, &err), err);
        store_close(reader);
        sqlite3 *db = store_handle(f->store);
        assert_int_equal(number_of(db, "PRAGMA user_version"), STORE_VERSION);
        assert_int_equal(number_of(db, "SELECT count(*) FROM run"), 4);
        assert_int_equal(number_of(db, "SELECT count(*) FROM identity WHERE state=1"), 4);
        assert_int_equal(number_of(db, "SELECT length(name) FROM store_identity"), 32);
        assert_int_equal(number_of(db, "SELECT sum(runs) * 10 + sum(passed) FROM tally"), 32);
        assert_int_equal(number_of(db, "SELECT sum(failures) FROM tally_failure"),
                         number_of(db, "SELECT count(*) FROM measurement WHERE verdict=2"));
        /* What was open goes on, with what the newer tables add. */
        int64_t open = number_of(db, "SELECT id FROM run WHERE verdict=0");
        assert_done(step_new(f, open, 1, 1, "ir", 0.2, &err), err);
        assert_done(store_run_close(f->store, open, VERDICT_PASS, "", 2000, &err), err);
        if (version >= 2) /* its second run is of the first one's unit */
            assert_int_equal(number_of(db, "SELECT previous FROM run_again WHERE run=2"), 1);
        store_close(f->store);
        f->store = NULL;
        cJSON *found = NULL;
        int whole = maintenance_check(f->path, f->attachments, &found, &err);
        const cJSON *problem;
        cJSON_ArrayForEach(problem, cJSON_GetObjectItem(found, "problems"))
        {
            /* The sample's one attachment has no file. */
            if (!strstr(problem->valuestring, "/attachments/"))
                fail_msg("version %d: %s", version, problem->valuestring);
        }
        assert_int_equal(whole, ERROR_MISMATCH);
        cJSON_Delete(found);
        snprintf(command, sizeof command,
                 "sqlite3 %s 'SELECT r.id, r.serial, s.step, f.name, m.value, n.text FROM run r"
                 " JOIN step s ON s.run=r.id JOIN measurement m ON m.run=r.id JOIN figure f ON"
                 " f.id=m.figure JOIN note n ON n.run=r.id WHERE s.step=0 AND m.step=0 AND"
                 " n.step=0' | cmp - %s/before",
                 f->path, f->folder);
        assert_int_equal(system(command), 0);
        store_fixture_open(f);
        store_fixture_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_disk_is_said_and_leaves_nothing_half),
        cmocka_unit_test(test_a_transaction_sqlite_gave_up_stays_refused_until_its_commit),
        cmocka_unit_test(test_a_second_writer_is_told_who_has_it),
        cmocka_unit_test(test_a_store_of_a_newer_version_is_refused),
        cmocka_unit_test(test_a_store_of_each_shipped_version_is_migrated_with_all_it_holds),
        cmocka_unit_test(test_a_damaged_file_is_noticed_and_left_alone),
        cmocka_unit_test(test_another_programs_database_is_refused),
        cmocka_unit_test(test_the_same_attachment_twice_is_one_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
