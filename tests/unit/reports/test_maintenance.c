/* Looking after a store: checked, copied, thinned out, and recovered as far as it goes. */
#include "tests/unit/reports/store_fixture.h"

#include <sys/stat.h>

#include "protocol/base/json.h"
#include "reports/maintenance.h"
#include "reports/store_schema.h"

/* Runs of ten steps, each with an attachment of its own; returns the first's id. */
static void fill(struct store_fixture *f, int runs)
{
    struct error err = {0};
    for (int n = 0; n < runs; n++) {
        char serial[16], bytes[32], sha256[65];
        snprintf(serial, sizeof serial, "SN%d", n);
        snprintf(bytes, sizeof bytes, "picture %d", n);
        assert_done(store_begin(f->store, &err), err);
        int64_t run = run_new(f, "O-1", serial, 1000 * n);
        for (int k = 0; k < 10; k++)
            assert_done(step_new(f, run, k, 1, "image", 0.2, &err), err);
        assert_done(store_attachment_write(f->attachments, bytes, strlen(bytes), sha256, &err),
                    err);
        const struct attachment_record a = {"picture", "image/png", sha256, 9};
        const struct step_record step = {.run = run,
                                         .index = 10,
                                         .attempt = 1,
                                         .id = "shot",
                                         .kind = "image",
                                         .verdict = VERDICT_PASS,
                                         .attachments = &a,
                                         .attachment_count = 1};
        assert_done(store_step(f->store, &step, &err), err);
        assert_done(store_run_close(f->store, run, VERDICT_PASS, "", 1000 * n + 500, &err), err);
        assert_done(store_commit(f->store, &err), err);
    }
}

static int64_t rows(struct store_fixture *f, const char *sql)
{
    return number_of(store_handle(f->store), sql);
}

static void test_a_backup_beside_its_writer_is_a_whole_store(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    char folder[128];
    cJSON *found = NULL;
    fill(f, 20);
    snprintf(folder, sizeof folder, "%s/backup", f->folder);
    assert_done(store_begin(f->store, &err), err);
    run_new(f, "O-2", "not yet committed", 1);
    assert_done(maintenance_backup(f->path, f->attachments, folder, &err), err);
    store_rollback(f->store);
    assert_int_equal(maintenance_backup(f->path, f->attachments, folder, &err), ERROR_STATE);
    store_close(f->store);
    snprintf(f->path, sizeof f->path, "%s/store.db", folder);
    snprintf(f->attachments, sizeof f->attachments, "%s/attachments", folder);
    assert_done(maintenance_check(f->path, f->attachments, &found, &err), err);
    assert_int_equal(json_number(found, "contents", 0), 20);
    assert_int_equal(json_number(found, "strays", -1), 0);
    cJSON_Delete(found);
    store_fixture_open(f);
    assert_int_equal(rows(f, "SELECT count(*) FROM run"), 20);
    assert_int_equal(rows(f, "SELECT count(*) FROM measurement"), 200);
    store_fixture_free(f);
}

static void test_a_check_names_what_is_damaged(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    char command[400];
    cJSON *found = NULL;
    fill(f, 3);
    snprintf(command, sizeof command, "for x in %s/*/*; do echo bad >$x; break; done",
             f->attachments);
    assert_int_equal(system(command), 0);
    assert_int_equal(maintenance_check(f->path, f->attachments, &found, &err), ERROR_MISMATCH);
    assert_non_null(strstr(err.text, "no longer holds"));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(found, "problems")), 1);
    cJSON_Delete(found);
    store_fixture_free(f);
}

static void test_an_archive_takes_old_runs_and_keeps_the_rest(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    char folder[128];
    int64_t runs = 0;
    cJSON *found = NULL;
    fill(f, 20);
    int64_t open = run_new(f, "O-1", "SN-open", 1);
    struct defect_record d = {.unit = "SN3", .run = 4, .code = "E1", .operator_name = "li"};
    assert_done(store_defect(f->store, &d, &err), err);
    snprintf(folder, sizeof folder, "%s/archive", f->folder);
    /* A child would be refused: this process holds the lock, so it is asked from within. */
    store_close(f->store);
    assert_done(maintenance_archive(f->path, f->attachments, folder, 10 * 1000, &runs, &err), err);
    assert_int_equal(runs, 9); /* ten ended before; one of them has a defect */
    store_fixture_open(f);
    assert_int_equal(rows(f, "SELECT count(*) FROM run"), 12);
    assert_int_equal(rows(f, "SELECT count(*) FROM run WHERE id=4"), 1);
    assert_int_equal(rows(f, "SELECT count(*) FROM content"), 11);
    assert_done(step_new(f, open, 0, 1, "image", 0.2, &err), err);
    /* Its rules are back. */
    assert_int_equal(sqlite3_exec(store_handle(f->store), "DELETE FROM step", NULL, NULL, NULL) &
                         0xff,
                     SQLITE_CONSTRAINT);
    assert_done(maintenance_check(f->path, f->attachments, &found, &err), err);
    assert_int_equal(json_number(found, "strays", -1), 0);
    cJSON_Delete(found);
    store_close(f->store);
    snprintf(f->path, sizeof f->path, "%s/store.db", folder);
    snprintf(f->attachments, sizeof f->attachments, "%s/attachments", folder);
    assert_done(maintenance_check(f->path, f->attachments, &found, &err), err);
    cJSON_Delete(found);
    store_fixture_open(f);
    assert_int_equal(rows(f, "SELECT count(*) FROM run"), 21);
    store_fixture_free(f);
}

/* Every seventh page but the first, in turn: rubbish in it costs the rows of that page, no more. */
static void test_a_damaged_store_is_recovered_as_far_as_it_goes(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    struct stat st;
    char command[2048];
    cJSON *saved = NULL;
    fill(f, 60);
    assert_int_equal(maintenance_recover(f->path, NULL, NULL, &saved, &err), ERROR_STATE);
    store_close(f->store);
    snprintf(command, sizeof command, "cp %s %s.good", f->path, f->path);
    assert_int_equal(system(command), 0);
    assert_int_equal(stat(f->path, &st), 0);
    int pages = (int)(st.st_size / 4096), tried = 0, empty = 0, left = 0, refused = 0;
    for (int page = 1; page < pages; page += 7) {
        snprintf(
            command, sizeof command,
            "rm -f %s %s-* %s.damaged*; cp %s.good %s; head -c 4096 /dev/zero | tr '\\0' '\\245'"
            " | dd of=%s bs=4096 seek=%d conv=notrunc status=none",
            f->path, f->path, f->path, f->path, f->path, f->path, page);
        assert_int_equal(system(command), 0);
        int rc = store_open(f->path, f->attachments, &f->store, &err);
        if (rc == 0) { /* a free page */
            store_close(f->store);
            continue;
        }
        assert_int_equal(rc, ERROR_INPUT);
        saved = NULL;
        rc = maintenance_recover(f->path, NULL, NULL, &saved, &err);
        if (rc) { /* a page of the list of tables */
            assert_int_equal(rc, ERROR_INPUT);
            refused++;
            continue;
        }
        assert_int_equal(access(json_string(saved, "aside", ""), F_OK), 0);
        cJSON_Delete(saved);
        store_fixture_open(f);
        assert_int_equal(rows(f, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
        assert_int_equal(rows(f, "SELECT count(*) FROM pragma_integrity_check WHERE"
                                 " integrity_check='ok'"),
                         1);
        int measurements = (int)rows(f, "SELECT count(*) FROM measurement");
        tried++;
        left += measurements;
        empty += measurements == 0;
        assert_int_equal(rows(f, "SELECT count(*) FROM run WHERE verdict NOT IN (1, 5)"), 0);
        run_new(f, "O-9", "after", 5);
        store_close(f->store);
    }
    print_message("%d pages: on average %d of 600 measurements left; none in %d; %d refused\n",
                  tried, left / tried, empty, refused);
    assert_true(left / tried >= 500);
    assert_true(empty <= 2); /* the roots of the trees of steps and of measurements */
    assert_true(refused <= 3);
    snprintf(command, sizeof command, "rm -f %s %s-*; cp %s.good %s", f->path, f->path, f->path,
             f->path);
    assert_int_equal(system(command), 0);
    store_fixture_open(f);
    store_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_backup_beside_its_writer_is_a_whole_store),
        cmocka_unit_test(test_a_check_names_what_is_damaged),
        cmocka_unit_test(test_an_archive_takes_old_runs_and_keeps_the_rest),
        cmocka_unit_test(test_a_damaged_store_is_recovered_as_far_as_it_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
