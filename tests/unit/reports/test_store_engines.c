/* What every engine of the store must do: the same tests, on SQLite and on a real PostgreSQL. */
#include "tests/unit/reports/engines_fixture.h"

#include <signal.h>
#include <sys/wait.h>

static int64_t rows(struct store_fixture *f, const char *table)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    return count_of(f, sql);
}

static void test_a_step_is_never_recorded_twice(void **state)
{
    struct store_fixture *f = engine_fixture(state);
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
    struct store_fixture *f = engine_fixture(state);
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
    struct store_fixture *f = engine_fixture(state);
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
    struct store_fixture *f = engine_fixture(state);
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
    struct store_fixture *f = engine_fixture(state);
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
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    /* Two runs by label alone, then the chip speaks: one unit. */
    run_new(f, "O-1", "SN1", 1000);
    int64_t second = run_new(f, "O-1", "SN1", 1001);
    assert_done(store_run_unit(f->store, second, "chip-1", "", &err), err);
    assert_int_equal(rows(f, "unit"), 1);
    /* A run without a label whose chip is known: the same unit. */
    int64_t third = run_new(f, "O-1", "", 1002);
    assert_done(store_run_unit(f->store, third, "chip-1", "", &err), err);
    assert_int_equal(count_of(f, "SELECT count(DISTINCT unit) FROM run"), 1);
    /* The label came first to a unit whose chip was known without one: they become one. */
    int64_t bare = run_new(f, "O-1", "", 1003);
    assert_done(store_run_unit(f->store, bare, "chip-2", "", &err), err);
    int64_t labelled = run_new(f, "O-1", "SN2", 1004);
    assert_int_equal(rows(f, "unit"), 3);
    assert_done(store_run_unit(f->store, labelled, "chip-2", "SN2", &err), err);
    assert_int_equal(rows(f, "unit"), 2);
    assert_int_equal(count_of(f, "SELECT count(*) FROM unit WHERE chip_id='chip-2' AND "
                                 "serial='SN2'"),
                     1);
    /* The board was swapped: another chip under the same label is another unit. */
    int64_t swapped = run_new(f, "O-1", "SN1", 1005);
    assert_done(store_run_unit(f->store, swapped, "chip-9", "", &err), err);
    assert_int_equal(count_of(f, "SELECT count(*) FROM unit WHERE serial='SN1'"), 2);
    assert_int_equal(count_of(f, "SELECT count(*) FROM run r JOIN unit u ON u.id=r.unit "
                                 "WHERE u.chip_id='chip-1'"),
                     3);
    store_fixture_free(f);
}

static void test_hostile_text_stays_text(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    static const char hostile[] = "'; DROP TABLE run; --<script>\"%s%n\xff\xfe";
    run_new(f, hostile, hostile, 1000);
    struct store_statement *st = NULL;
    const struct store_engine *e = f->store->engine;
    struct error err = {0};
    /* PostgreSQL keeps texts as UTF-8 alone. */
    const char *kept = strcmp(e->name, "sqlite") ? "'; DROP TABLE run; --<script>\"%s%n\xef\xbf\xbd"
                                                   "\xef\xbf\xbd"
                                                 : hostile;
    const struct store_value given = {.kind = VALUE_TEXT, .text = hostile};
    assert_done(
        e->prepare(f->store->connection, "SELECT serial FROM unit WHERE serial=?1", &st, &err),
        err);
    assert_done(e->start(st, &given, 1, &err), err);
    assert_int_equal(e->next(st, &err), 1);
    assert_string_equal(e->text(st, 0), kept);
    e->release(st);
    assert_int_equal(rows(f, "run"), 1);
    store_fixture_free(f);
}

static void test_recorded_figures_cannot_be_changed(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    int64_t run = run_new(f, "O-1", "SN1", 1000);
    assert_done(step_new(f, run, 0, 1, "image", 0.1, &err), err);
    assert_done(store_run_close(f->store, run, VERDICT_FAIL, "image", 2000, &err), err);
    struct defect_record d = {.unit = "SN1", .run = run, .code = "E1", .operator_name = "wang"};
    struct repair_record r = {.action = "resolder", .operator_name = "wang"};
    assert_done(store_defect(f->store, &d, &err), err);
    r.defect = d.id;
    assert_done(store_repair(f->store, &r, &err), err);
    static const char *const forbidden[] = {
        "UPDATE defect SET code='x'",       "DELETE FROM defect",
        "UPDATE repair SET action='x'",     "DELETE FROM repair",
        "UPDATE measurement SET value=0.9", "DELETE FROM measurement",
        "UPDATE step SET verdict=1",        "DELETE FROM step",
        "UPDATE run SET verdict=1",         "DELETE FROM run",
    };
    for (size_t k = 0; k < sizeof forbidden / sizeof forbidden[0]; k++) {
        struct store_statement *st = NULL;
        const struct store_engine *e = f->store->engine;
        assert_done(e->prepare(f->store->connection, forbidden[k], &st, &err), err);
        if (e->start(st, NULL, 0, &err) != ERROR_STATE)
            fail_msg("was allowed: %s", forbidden[k]);
        e->release(st);
    }
    store_fixture_free(f);
}

static void test_a_reader_cannot_write(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    struct store *reader = NULL, *none = NULL;
    int64_t run = run_new(f, "O-1", "SN1", 1000);
    assert_done(step_new(f, run, 0, 1, "image", 0.2, &err), err);
    assert_done(store_open_reader(f->path, &reader, &err), err);
    const struct step_record step = {.run = run, .index = 1, .attempt = 1, .id = "x", .kind = "x"};
    assert_int_equal(store_step(reader, &step, &err), ERROR_REFUSED);
    assert_int_equal(store_run_close(reader, run, VERDICT_PASS, "", 1, &err), ERROR_REFUSED);
    assert_int_equal(rows(f, "step"), 1);
    store_close(reader);
    char address[200];
    if (strcmp(*state, "sqlite"))
        postgres_database(postgres, address);
    else
        strcpy(address, "/tmp/takt-there-is-no-store");
    assert_int_equal(store_open_reader(address, &none, &err), ERROR_MISSING);
    store_fixture_free(f);
}

static void test_what_touches_a_unit_is_kept_once(void **state)
{
    struct store_fixture *f = engine_fixture(state);
    struct error err = {0};
    struct instrument_record set[] = {
        {"power_supply", "psu", "PS-77", "C-1", "2026-01-05", "2027-01-05"},
        {"light", "box", "", "", "", ""},
    };
    struct run_record run = {.order = "O-1",
                             .product = "p",
                             .plan = "p",
                             .site = "s",
                             .line = "l",
                             .station = "b",
                             .serial = "SN1",
                             .operator_name = "li",
                             .instruments = set,
                             .instrument_count = 2};
    for (int n = 0; n < 3; n++)
        assert_done(store_run_open(f->store, &run, &err), err);
    assert_int_equal(rows(f, "tooling"), 1);
    assert_int_equal(rows(f, "tooling_part"), 2);
    assert_int_equal(rows(f, "operator"), 1);
    set[0].certificate = "C-2"; /* calibrated again */
    assert_done(store_run_open(f->store, &run, &err), err);
    assert_int_equal(rows(f, "tooling"), 2);
    assert_int_equal(rows(f, "instrument"), 2);
    assert_int_equal(rows(f, "calibration"), 3);
    assert_int_equal(count_of(f, "SELECT count(DISTINCT tooling) FROM run"), 2);
    store_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(test_a_step_is_never_recorded_twice),
        ON_BOTH(test_a_failed_step_leaves_the_others_of_its_transaction),
        ON_BOTH(test_nothing_of_a_rolled_back_transaction_is_there),
        ON_BOTH(test_a_killed_writer_keeps_every_committed_step_and_no_half),
        ON_BOTH(test_runs_without_a_verdict_are_found_again),
        ON_BOTH(test_a_unit_is_its_chip_whatever_the_label_says),
        ON_BOTH(test_hostile_text_stays_text),
        ON_BOTH(test_recorded_figures_cannot_be_changed),
        ON_BOTH(test_a_reader_cannot_write),
        ON_BOTH(test_what_touches_a_unit_is_kept_once),
    };
    return cmocka_run_group_tests(tests, engines_up, engines_down);
}
