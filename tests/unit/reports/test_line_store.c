/* A line's store in PostgreSQL: many stations, a server that goes down in the middle; nothing is
 * lost, nothing is there twice. */
#include "tests/unit/reports/engines_fixture.h"

#include <sys/wait.h>

#include "reports/outbox/line_store.h"

enum { STATIONS = 4, RUNS = 40 };

static const char form[] =
    "{\"run\":%d,\"order\":\"O-1\",\"product\":\"p\",\"plan\":\"line\",\"plan_sha256\":\"\","
    "\"limits_sha256\":\"\",\"product_sha256\":\"\",\"bundle_sha256\":\"\",\"program_version\":"
    "\"1\",\"site\":\"s\",\"line\":\"l\",\"station\":\"st%d\",\"slot\":1,\"serial\":\"%s\","
    "\"chip_id\":\"%s\",\"operator\":\"li\",\"mode\":\"production\",\"started_ms\":1000,"
    "\"ended_ms\":2000,\"verdict\":\"fail\",\"message\":\"x\",\"steps\":[{\"index\":0,\"id\":\"a\","
    "\"kind\":\"image\",\"attempts\":[{\"attempt\":1,\"verdict\":\"fail\",\"message\":\"\","
    "\"started_ms\":1000,\"duration_ms\":5,\"measurements\":[{\"name\":\"mtf\",\"unit\":\"cpp\","
    "\"value\":0.1,\"low\":0.14,\"high\":null,\"verdict\":\"fail\"},{\"name\":\"snr\",\"unit\":"
    "\"dB\",\"value\":null,\"low\":null,\"high\":null,\"verdict\":\"\"}],\"notes\":[{\"name\":"
    "\"fw\","
    "\"text\":\"1\"}],\"attachments\":[]}]}],\"instruments\":[{\"class\":\"light\",\"name\":"
    "\"box\","
    "\"serial\":\"L1\",\"certificate\":\"C\",\"calibrated_on\":\"\",\"due_on\":\"\"}]}";

static cJSON *message(int station, int run, const char *serial, char key[37])
{
    char text[2000], chip[32];
    snprintf(chip, sizeof chip, "chip-%d-%d", station, run);
    snprintf(text, sizeof text, form, run, station, serial ? serial : chip, chip);
    snprintf(key, 37, "00000000-0000-8000-%04d-%012d", station, run);
    cJSON *document = cJSON_Parse(text);
    assert_non_null(document);
    return document;
}

/* As the outbox does it: each until it is acknowledged, and now and then once more. */
static void be_station(const char *address, int station)
{
    struct store *s = NULL;
    for (int run = 1; run <= RUNS; run++) {
        char key[37];
        cJSON *document = message(station, run, NULL, key);
        const struct outbox_message m = {.key = key, .run = document};
        struct error err = {0};
        int64_t until = clock_mono_ms() + 60000;
        int again = run % 7 == 0;
        do {
            int rc = s ? 0 : store_open(address, NULL, &s, &err);
            if (!rc)
                rc = line_store_write(s, &m, &err);
            if (!rc)
                again--;
            else if (clock_mono_ms() > until || rc == ERROR_STATE || rc == ERROR_INPUT) {
                fprintf(stderr, "station %d: %s\n", station, err.text);
                _exit(1);
            } else
                clock_sleep_until_ns(clock_mono_ns() + 10000000);
        } while (again >= 0);
        cJSON_Delete(document);
    }
    store_close(s);
    _exit(0);
}

static void test_nothing_is_lost_or_twice_while_the_server_goes_down(void **state)
{
    char address[200];
    pid_t stations[STATIONS];
    int alive = STATIONS, restarts = 0;
    postgres_database(postgres, address);
    struct store_fixture *f = store_fixture_at(address);
    for (int i = 0; i < STATIONS; i++)
        if ((stations[i] = fork()) == 0)
            be_station(address, i + 1);
    while (alive) {
        int status;
        if (restarts < 2) {
            clock_sleep_until_ns(clock_mono_ns() + 50000000);
            assert_int_equal(postgres_stop(postgres, "immediate"), 0);
            assert_int_equal(postgres_start(postgres), 0);
            restarts++;
        }
        while (alive && waitpid(-1, &status, restarts < 2 ? WNOHANG : 0) > 0) {
            assert_int_equal(status, 0);
            alive--;
        }
    }
    store_close(f->store);
    store_fixture_open(f); /* its connection went with the first restart */
    assert_int_equal(count_of(f, "SELECT count(*) FROM run"), STATIONS * RUNS);
    assert_int_equal(count_of(f, "SELECT count(DISTINCT message) FROM received"), STATIONS * RUNS);
    assert_int_equal(count_of(f, "SELECT count(*) FROM measurement"), 2 * STATIONS * RUNS);
    assert_int_equal(count_of(f, "SELECT count(*) FROM unit"), STATIONS * RUNS);
    assert_int_equal(count_of(f, "SELECT count(*) FROM figure"), 2);
    assert_int_equal(count_of(f, "SELECT count(*) FROM tooling"), 1);
    assert_int_equal(count_of(f, "SELECT count(*) FROM run WHERE verdict=0"), 0);
    store_fixture_free(f);
}

/* Records of a station whose clock goes back an hour at each: order comes from numbers, not times.
 */
static void test_a_clock_set_back_loses_and_doubles_nothing(void **state)
{
    char address[200];
    struct error err = {0};
    postgres_database(postgres, address);
    struct store_fixture *f = store_fixture_at(address);
    for (int run = 1; run <= 12; run++) {
        char key[37];
        cJSON *document = message(1, run, "SAME", key);
        int64_t at_ms = INT64_C(1790000000000) - run * INT64_C(3600000);
        cJSON_SetNumberValue(cJSON_GetObjectItem(document, "started_ms"), (double)at_ms);
        cJSON_SetNumberValue(cJSON_GetObjectItem(document, "ended_ms"), (double)at_ms + 1000);
        const struct outbox_message m = {.key = key, .run = document};
        for (int again = 0; again < 2; again++)
            assert_done(line_store_write(f->store, &m, &err), err);
        cJSON_Delete(document);
    }
    assert_int_equal(count_of(f, "SELECT count(*) FROM run"), 12);
    assert_int_equal(count_of(f, "SELECT sum(runs) FROM tally"), 12);
    assert_int_equal(count_of(f, "SELECT sum(failures) FROM tally_failure"), 12);
    assert_int_equal(
        count_of(f, "SELECT min(started_ms) FROM run WHERE id=(SELECT max(id) FROM run)"),
        INT64_C(1790000000000) - 12 * INT64_C(3600000));
    store_fixture_free(f);
}

/* The server's disk fills: what does not fit is "later", never a refusal, and goes in once there is
 * room; nothing is lost, nothing twice. */
static void test_a_full_disk_at_the_server_only_delays(void **state)
{
    enum { FILL_RUNS = 3000, STEPS = 40 };
    char command[300], address[200], key[37];
    struct error err = {0};
    struct postgres_fixture *full = calloc(1, sizeof *full);
    strcpy(full->folder, "/tmp/takt-pgfull-XXXXXX");
    assert_non_null(mkdtemp(full->folder));
    snprintf(command, sizeof command, "mount -t tmpfs -o size=96m,mode=755 tmpfs %s 2>/dev/null",
             full->folder);
    if (system(command)) {
        printf("left out: a_full_disk_at_the_server: it takes root to mount a small disk\n");
        rmdir(full->folder);
        free(full);
        return;
    }
    assert_int_equal(postgres_begin(full), 0);
    postgres_database(full, address);
    struct store *s = NULL;
    assert_done(store_open(address, NULL, &s, &err), err);
    snprintf(command, sizeof command,
             "head -c 200m /dev/zero >%s/filler 2>/dev/null; truncate -s -1m %s/filler",
             full->folder, full->folder);
    assert_int_equal(system(command), 0);
    int written = 0, refusals = 0;
    for (int run = 1; run <= FILL_RUNS && !refusals; run++) {
        cJSON *document = message(1, run, NULL, key);
        /* A long message fills the disk sooner. */
        static char words[20000];
        memset(words, 'x', sizeof words - 1);
        for (size_t i = 0; i < sizeof words - 1; i++)
            words[i] = (char)('a' + (i * 7919 + (size_t)run * 31 + i / 26 * 17) % 26);
        cJSON_ReplaceItemInObject(document, "message", cJSON_CreateString(words));
        const struct outbox_message m = {.key = key, .run = document};
        int rc = line_store_write(s, &m, &err);
        if (rc) {
            refusals++;
            assert_true(rc == ERROR_FULL || rc == ERROR_CLOSED || rc == ERROR_IO);
            /* Room again, as when somebody looked after the server. It may have stopped itself. */
            snprintf(command, sizeof command, "rm %s/filler", full->folder);
            assert_int_equal(system(command), 0);
            postgres_stop(full, "immediate");
            assert_int_equal(postgres_start(full), 0);
            for (int again = 0; again < 3; again++)
                if ((rc = line_store_write(s, &m, &err)) == 0)
                    break;
            assert_done(rc, err);
            assert_done(line_store_write(s, &m, &err), err); /* once more */
        }
        written++;
        cJSON_Delete(document);
    }
    assert_int_equal(refusals, 1);
    store_close(s);
    assert_done(store_open(address, NULL, &s, &err), err);
    struct store_fixture f = {.store = s};
    assert_int_equal(count_of(&f, "SELECT count(*) FROM run"), written);
    assert_int_equal(count_of(&f, "SELECT count(DISTINCT message) FROM received"), written);
    assert_int_equal(count_of(&f, "SELECT sum(runs) FROM tally"), written);
    store_close(s);
    postgres_stop(full, "immediate");
    snprintf(command, sizeof command, "umount -l %s && rmdir %s", full->folder, full->folder);
    assert_int_equal(system(command), 0);
    free(full);
}

static void test_a_role_that_may_only_read_cannot_write(void **state)
{
    char address[200], reading[260], key[37];
    struct error err = {0};
    postgres_sql(postgres, "postgres", "CREATE ROLE takt_reader LOGIN");
    postgres_database(postgres, address);
    struct store_fixture *f = store_fixture_at(address);
    cJSON *document = message(1, 1, "'; DROP TABLE run; --", key);
    const struct outbox_message m = {.key = key, .run = document};
    assert_done(line_store_write(f->store, &m, &err), err);
    snprintf(reading, sizeof reading, "postgresql:///t%d?host=%s&user=takt_reader",
             postgres->databases, postgres->folder);
    struct store *reader = NULL;
    assert_done(store_open_reader(reading, &reader, &err), err);
    store_close(reader);
    /* Also one who leaves the reader's own restraint out. */
    PGconn *c = PQconnectdb(reading);
    PGresult *r = PQexec(c, "SELECT count(*) FROM run");
    assert_string_equal(PQgetvalue(r, 0, 0), "1");
    PQclear(r);
    static const char *const forbidden[] = {"INSERT INTO site(name) VALUES ('x')",
                                            "UPDATE run SET serial='x'",
                                            "DELETE FROM outbox",
                                            "DROP TABLE run",
                                            "TRUNCATE run CASCADE",
                                            "CREATE TABLE x(y int)"};
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        r = PQexec(c, forbidden[i]);
        if (PQresultStatus(r) != PGRES_FATAL_ERROR ||
            strncmp(PQresultErrorField(r, PG_DIAG_SQLSTATE), "42501", 5) != 0)
            fail_msg("was allowed: %s: %s", forbidden[i], PQerrorMessage(c));
        PQclear(r);
    }
    PQfinish(c);
    cJSON_Delete(document);
    store_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_lost_or_twice_while_the_server_goes_down),
        cmocka_unit_test(test_a_clock_set_back_loses_and_doubles_nothing),
        cmocka_unit_test(test_a_full_disk_at_the_server_only_delays),
        cmocka_unit_test(test_a_role_that_may_only_read_cannot_write),
    };
    return cmocka_run_group_tests(tests, engines_up, engines_down);
}
