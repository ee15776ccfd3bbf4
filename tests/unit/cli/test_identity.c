/* takt identity without a taktd: under the writer's lock, all or nothing. */
#include "tests/unit/reports/store_fixture.h"

#include <sys/wait.h>

#include "provisioning/pool.h"
#include "station/cli/command.h"
#include "tests/unit/cli/printed.h"

struct desk {
    struct store_fixture *f;
    char station[128], csv[128], text[4096];
};

static void desk_open(struct desk *d)
{
    struct error err = {0};
    static const char json[] = "{ \"state_dir\": \".\", \"custody\": \"file:custody.key\" }\n";
    d->f = store_fixture_new();
    store_close(d->f->store);
    d->f->store = NULL;
    snprintf(d->station, sizeof d->station, "%s/station.json", d->f->folder);
    snprintf(d->csv, sizeof d->csv, "%s/pool.csv", d->f->folder);
    assert_done(file_write(d->station, json, strlen(json), 0644, &err), err);
}

static void write_csv(struct desk *d, const char *lines)
{
    struct error err = {0};
    struct buffer b = {0};
    buffer_printf(&b, "did,mac,key\n%s", lines);
    assert_done(file_write(d->csv, b.data, b.size, 0600, &err), err);
    buffer_free(&b);
}

static int identity(struct desk *d, const char *action, const char *argument, const char *option)
{
    const char *argv[8] = {"identity", action};
    int argc = 2;
    if (argument)
        argv[argc++] = argument;
    argv[argc++] = "--station";
    argv[argc++] = d->station;
    if (option)
        argv[argc++] = option;
    return printed(cli_identity, d->text, sizeof d->text, argc, argv);
}

#define ONE "1,50:ec:50:00:00:01,00112233445566778899aabbccddeeff\n"
#define TWO "2,50:ec:50:00:00:02,10112233445566778899aabbccddeeff\n"

static void test_import_status_and_audit(void **state)
{
    (void)state;
    struct desk d;
    desk_open(&d);
    write_csv(&d, ONE TWO);
    assert_int_equal(identity(&d, "import", d.csv, "--json"), 0);
    assert_string_equal(d.text, "{\"imported\":2}\n");
    assert_int_equal(identity(&d, "status", NULL, "--json"), 0);
    assert_string_equal(d.text, "{\"free\":2,\"reserved\":0,\"injected\":0,\"confirmed\":0,"
                                "\"quarantined\":0,\"scrapped\":0}\n");
    assert_int_equal(identity(&d, "audit", NULL, NULL), 0);
    assert_non_null(strstr(d.text, "audit entries: 1,"));
    assert_int_equal(identity(&d, "import", d.csv, NULL), 2);
    assert_non_null(strstr(d.text, "pool.csv:2: did 1 was imported before"));
    store_fixture_free(d.f);
}

static void test_a_broken_chain_is_exit_1(void **state)
{
    (void)state;
    struct desk d;
    desk_open(&d);
    write_csv(&d, ONE);
    assert_int_equal(identity(&d, "import", d.csv, NULL), 0);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(d.f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TRIGGER audit_stays; UPDATE audit SET actor='nobody'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(identity(&d, "audit", NULL, "--json"), 1);
    assert_non_null(strstr(d.text, "{\"intact\":false"));
    assert_non_null(strstr(d.text, "audit entry 1 "));
    store_fixture_free(d.f);
}

/* Another process has the store and serves no socket: nothing goes in beside it. */
static void test_nothing_is_imported_beside_another_writer(void **state)
{
    (void)state;
    struct desk d;
    int ready[2], done[2];
    char byte;
    desk_open(&d);
    write_csv(&d, ONE);
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    pid_t child = fork();
    if (child == 0) {
        struct error err = {0};
        close(done[1]);
        if (store_open(d.f->path, d.f->attachments, &d.f->store, &err) ||
            write(ready[1], "r", 1) != 1)
            _exit(1);
        _exit(read(done[0], &byte, 1) == 0 ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(identity(&d, "import", d.csv, NULL), 3);
    assert_non_null(strstr(d.text, "in use by process"));
    close(done[1]);
    int status = 1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(identity(&d, "import", d.csv, NULL), 0);
    store_fixture_free(d.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_import_status_and_audit),
        cmocka_unit_test(test_a_broken_chain_is_exit_1),
        cmocka_unit_test(test_nothing_is_imported_beside_another_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
