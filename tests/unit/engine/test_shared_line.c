/* Stations that share a pool, each a taktd: with the network, without it, and after it came back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/base/clock.h"
#include "provisioning/shared_pool.h"
#include "tests/unit/engine/bench_line.h"
#include "tests/unit/reports/postgres_fixture.h"

static struct postgres_fixture *postgres;

/* `pool` of the station file; ' stands for " and @ for the address. */
static void share(struct bench_line *l, const char *address, const char *pool)
{
    static const char own[] = "\"pool\": { \"warn_below\": 3 }";
    struct buffer text = {0}, with = {0};
    struct error err = {0};
    assert_int_equal(file_read(l->station, &text, &err), 0);
    const char *at = strstr(buffer_text(&text), own);
    assert_non_null(at);
    buffer_append(&with, text.data, (size_t)(at - (const char *)text.data));
    for (const char *p = pool; *p; p++)
        buffer_printf(&with, "%.*s", *p == '@' ? (int)strlen(address) : 1,
                      *p == '@'    ? address
                      : *p == '\'' ? "\""
                                   : p);
    buffer_append_text(&with, at + strlen(own));
    line_write(l, "station.json", buffer_text(&with));
    buffer_free(&text);
    buffer_free(&with);
}

/* With the custody of this line: made here, before its taktd. */
static void import_some(const struct bench_line *l, const char *address, int first, int count)
{
    struct error err = {0};
    struct shared_pool *p = NULL;
    struct custody *custody = NULL;
    struct buffer csv = {0};
    char custody_address[128], path[128];
    int imported = 0;
    snprintf(custody_address, sizeof custody_address, "file:%s/custody.key", l->root);
    snprintf(path, sizeof path, "%s/ids.csv", l->root);
    buffer_printf(&csv, "did,mac,key\n");
    for (int i = first; i < first + count; i++)
        buffer_printf(&csv, "%d,50:ec:50:00:00:%02x,%032x\n", i, i, i);
    line_write(l, "ids.csv", buffer_text(&csv));
    buffer_free(&csv);
    const struct shared_import wish = {.path = path, .operator_name = "li", .station = "bench"};
    struct shared_import full = wish;
    if (custody_open(custody_address, &custody, &err) || shared_pool_open(address, &p, &err))
        fail_msg("%s", err.text);
    full.custody = custody;
    if (shared_pool_import(p, &full, &imported, &err))
        fail_msg("%s", err.text);
    assert_int_equal(imported, count);
    shared_pool_close(p);
    custody_close(custody);
}

static long long in_pool(const char *address, const char *sql)
{
    PGconn *c = PQconnectdb(address);
    PGresult *r = PQexec(c, sql);
    const long long n = PQntuples(r) == 1 ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : -1;
    PQclear(r);
    PQfinish(c);
    return n;
}

static void wait_pool(const char *address, const char *sql, long long n)
{
    const int64_t until = clock_mono_ms() + 60000;
    while (in_pool(address, sql) != n) {
        if (clock_mono_ms() > until)
            fail_msg("%s: %lld, expected %lld", sql, in_pool(address, sql), n);
        line_pause();
    }
}

static void run_for(struct bench_line *l, const char *chip)
{
    char steps[128];
    snprintf(steps, sizeof steps,
             "{'id':'a','step':'given','deadline_s':60,'params':{'chip':'%s'}}", chip);
    line_plan(l, "p", steps, "");
    line_run(l, "cam/p");
    line_wait_idle(l, 90000);
}

static const char *last_verdict(const struct bench_line *l)
{
    return line_sql(l, "SELECT verdict FROM run ORDER BY id DESC LIMIT 1");
}

static void wait_lease(struct bench_line *l, int free)
{
    const int64_t until = clock_mono_ms() + 60000;
    for (;;) {
        cJSON *status = line_status(l);
        const cJSON *shared = cJSON_GetObjectItem(cJSON_GetObjectItem(status, "pool"), "shared");
        const bool there = json_number(shared, "lease_free", -1) == free;
        if (!there && clock_mono_ms() > until)
            fail_msg("%s", cJSON_Print(status));
        cJSON_Delete(status);
        if (there)
            return;
        line_pause();
    }
}

/* Until the station knows that the pool is there: before that, without a lease, a run is refused at
 * its start. */
static void wait_reached(struct bench_line *l)
{
    const int64_t until = clock_mono_ms() + 60000;
    for (;;) {
        cJSON *status = line_status(l);
        const cJSON *shared = cJSON_GetObjectItem(cJSON_GetObjectItem(status, "pool"), "shared");
        const bool there = json_bool(shared, "reachable", false);
        if (!there && clock_mono_ms() > until)
            fail_msg("%s", cJSON_Print(status));
        cJSON_Delete(status);
        if (there)
            return;
        line_pause();
    }
}

#define PASSED "1"

static void a_unit_gets_its_identity_from_the_shared_pool_and_it_is_told(void **state)
{
    struct bench_line l;
    char address[200];
    (void)state;
    postgres_database(postgres, address);
    line_open(&l, 1);
    share(&l, address, "'pool': { 'shared': '@', 'warn_below': 3 }");
    import_some(&l, address, 1, 3);
    line_start(&l);
    run_for(&l, "chip-a");
    assert_string_equal(last_verdict(&l), PASSED);
    wait_pool(address,
              "SELECT count(*) FROM takt_pool.identity WHERE chip_id='chip-a' AND state=3 AND"
              " work_order='O1' AND station='bench' AND operator='ann'",
              1);
    /* The same unit, after the station died and at another one. */
    line_kill(&l);
    line_start(&l);
    run_for(&l, "chip-a");
    assert_string_equal(last_verdict(&l), PASSED);
    assert_int_equal(in_pool(address, "SELECT count(*) FROM takt_pool.identity WHERE state>0"), 1);
    line_close(&l);
}

static void a_station_goes_on_with_its_lease_and_tells_it_afterwards(void **state)
{
    struct bench_line l;
    char address[200];
    (void)state;
    postgres_database(postgres, address);
    line_open(&l, 1);
    share(&l, address, "'pool': { 'shared': '@', 'lease': { 'identities': 2, 'hours': 5 } }");
    import_some(&l, address, 1, 6);
    line_start(&l);
    wait_lease(&l, 2);
    assert_int_equal(postgres_stop(postgres, "immediate"), 0);
    run_for(&l, "chip-a");
    assert_string_equal(last_verdict(&l), PASSED);
    line_kill(&l);
    line_start(&l);
    run_for(&l, "chip-b");
    assert_string_equal(last_verdict(&l), PASSED);
    /* The lease is used up: the line stops, and says why. */
    struct error err = {0};
    char steps[128];
    snprintf(steps, sizeof steps,
             "{'id':'a','step':'given','deadline_s':60,'params':{'chip':'chip-c'}}");
    line_plan(&l, "p", steps, "");
    int rc = line_call(&l, "run.start", line_start_params("cam/p"), &err);
    if (rc == 0) {
        line_wait_idle(&l, 90000);
        assert_string_not_equal(last_verdict(&l), PASSED);
        assert_non_null(strstr(line_sql(&l, "SELECT message FROM run ORDER BY id DESC LIMIT 1"),
                               "the shared pool is not reached"));
    } else {
        assert_non_null(strstr(err.text, "the pool has 0 free identities"));
    }
    assert_int_equal(postgres_start(postgres), 0);
    wait_pool(address, "SELECT count(*) FROM takt_pool.identity WHERE state=3", 2);
    wait_reached(&l);
    run_for(&l, "chip-c");
    assert_string_equal(last_verdict(&l), PASSED);
    wait_pool(address, "SELECT count(*) FROM takt_pool.identity WHERE state=3", 3);
    assert_int_equal(
        in_pool(address, "SELECT count(DISTINCT chip_id) FROM takt_pool.identity WHERE state=3"),
        3);
    line_close(&l);
}

static void a_lease_that_is_no_more_wanted_goes_back(void **state)
{
    struct bench_line l;
    char address[200];
    (void)state;
    postgres_database(postgres, address);
    line_open(&l, 1);
    share(&l, address, "'pool': { 'shared': '@', 'lease': { 'identities': 4, 'hours': 5 } }");
    import_some(&l, address, 1, 6);
    line_start(&l);
    wait_lease(&l, 4);
    line_stop(&l);
    assert_int_equal(in_pool(address, "SELECT count(*) FROM takt_pool.identity WHERE lease>0"), 4);
    struct buffer text = {0};
    struct error err = {0};
    assert_int_equal(file_read(l.station, &text, &err), 0);
    char *lease = strstr(buffer_text(&text), ", \"lease\": { \"identities\": 4, \"hours\": 5 }");
    assert_non_null(lease);
    memset(lease, ' ', strlen(", \"lease\": { \"identities\": 4, \"hours\": 5 }"));
    line_write(&l, "station.json", buffer_text(&text));
    buffer_free(&text);
    line_start(&l);
    wait_pool(address, "SELECT count(*) FROM takt_pool.identity WHERE lease>0", 0);
    line_close(&l);
}

static void a_station_with_another_custody_key_takes_nothing(void **state)
{
    struct bench_line l, other;
    char address[200];
    (void)state;
    postgres_database(postgres, address);
    line_open(&l, 1);
    import_some(&l, address, 1, 2);
    line_open(&other, 1);
    share(&other, address, "'pool': { 'shared': '@', 'lease': { 'identities': 2, 'hours': 5 } }");
    line_start(&other);
    const int64_t until = clock_mono_ms() + 60000;
    for (bool said = false; !said;) {
        cJSON *status = line_status(&other);
        const cJSON *shared = cJSON_GetObjectItem(cJSON_GetObjectItem(status, "pool"), "shared");
        said = strstr(json_string(shared, "reason", ""), "the custody key is not the one") != NULL;
        if (!said && clock_mono_ms() > until)
            fail_msg("%s", cJSON_Print(status));
        cJSON_Delete(status);
        line_pause();
    }
    assert_int_equal(in_pool(address, "SELECT count(*) FROM takt_pool.identity WHERE state>0"), 0);
    line_close(&other);
    line_close(&l);
}

static int start_postgres(void **state)
{
    (void)state;
    return (postgres = postgres_new()) ? 0 : -1;
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
        cmocka_unit_test(a_unit_gets_its_identity_from_the_shared_pool_and_it_is_told),
        cmocka_unit_test(a_station_goes_on_with_its_lease_and_tells_it_afterwards),
        cmocka_unit_test(a_lease_that_is_no_more_wanted_goes_back),
        cmocka_unit_test(a_station_with_another_custody_key_takes_nothing),
    };
    return cmocka_run_group_tests(tests, start_postgres, stop_postgres);
}
