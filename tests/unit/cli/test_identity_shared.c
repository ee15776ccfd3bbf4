/* takt identity at a station that shares its pool: the pool is everyone's, the record this
 * station's. */
#include "tests/unit/provisioning/shared_fixture.h"

#include "protocol/formats/signing.h"
#include "reports/store.h"
#include "station/cli/command.h"
#include "tests/unit/cli/printed.h"

static struct postgres_fixture *postgres;

struct desk {
    char folder[64], station[128], address[200], text[8192];
};

static void write_here(const struct desk *d, const char *name, const char *text, unsigned mode)
{
    char path[160];
    struct error err = {0};
    snprintf(path, sizeof path, "%s/%s", d->folder, name);
    assert_done(file_write(path, text, strlen(text), mode, &err), err);
}

static void desk_open(struct desk *d)
{
    struct buffer station = {0};
    struct signing_key key;
    struct error err = {0};
    char boards[PATH_MAX];
    strcpy(d->folder, "/tmp/takt-desk-XXXXXX");
    assert_non_null(mkdtemp(d->folder));
    snprintf(d->station, sizeof d->station, "%s/station.json", d->folder);
    postgres_database(postgres, d->address);
    assert_done(signing_key_make(&key, &err), err);
    write_here(d, "token.key", key.private_pem, 0600);
    write_here(d, "token.pem", key.public_pem, 0644);
    signing_key_free(&key);
    /* Certificate and key are not used here, but must be there to be read. */
    write_here(d, "any.pem", "-", 0600);
    assert_non_null(realpath("firmware/boards", boards));
    buffer_printf(&station,
                  "{ \"station\": \"s7\", \"line\": \"l\", \"site\": \"x\", \"state_dir\": "
                  "\"state\", \"products_dir\": \".\", \"boards_dir\": \"%s\",\n"
                  "\"custody\": \"file:custody.key\", \"credentials\": { \"certificate\": "
                  "\"any.pem\", \"key\": \"any.pem\", \"token_key\": \"token.key\" },\n"
                  "\"pool\": { \"shared\": \"%s\" }, \"instruments\": {},\n"
                  "\"slots\": [ { \"slot\": 1, \"port\": \"tcp://127.0.0.1:1\", \"wiring\": {} } "
                  "] }\n",
                  boards, d->address);
    write_here(d, "station.json", buffer_text(&station), 0644);
    buffer_free(&station);
    char state[128];
    snprintf(state, sizeof state, "%s/state", d->folder);
    assert_done(file_make_folders(state, 0755, &err), err);
}

static void desk_close(const struct desk *d)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", d->folder);
    assert_int_equal(system(command), 0);
}

/* Words behind `takt identity`, up to NULL; --station is added. */
static int identity(struct desk *d, ...)
{
    const char *argv[16] = {"identity"};
    int argc = 1;
    va_list words;
    va_start(words, d);
    for (const char *w; (w = va_arg(words, const char *));)
        argv[argc++] = w;
    va_end(words);
    argv[argc++] = "--station";
    argv[argc++] = d->station;
    return printed(cli_identity, d->text, sizeof d->text, argc, argv);
}

static void test_what_people_do_to_the_shared_pool(void **state)
{
    (void)state;
    struct desk d;
    struct error err = {0};
    struct shared_pool *p = NULL;
    struct shared_identity i;
    char csv[128], report[128], command[512];
    desk_open(&d);
    snprintf(csv, sizeof csv, "%s/ids.csv", d.folder);
    snprintf(report, sizeof report, "%s/o.csv", d.folder);
    write_here(&d, "ids.csv",
               "did,mac,key\n1,50:ec:50:00:00:01,00112233445566778899aabbccddeeff\n"
               "2,50:ec:50:00:00:02,10112233445566778899aabbccddeeff\n"
               "3,50:ec:50:00:00:03,20112233445566778899aabbccddeeff\n",
               0600);
    if (identity(&d, "import", csv, NULL))
        fail_msg("%s", d.text);
    assert_non_null(strstr(d.text, "3 identities imported"));
    assert_int_equal(identity(&d, "import", csv, NULL), 2);
    assert_non_null(strstr(d.text, "ids.csv:2: did 1 is a duplicate of what was imported before"));
    assert_int_equal(identity(&d, "quota", "--order", "O", "--allowed", "2", NULL), 0);

    assert_done(shared_pool_open(d.address, &p, &err), err);
    const struct pool_request r = shared_request("chip-a", "s9", 1790000000000);
    assert_done(shared_pool_reserve(p, &r, &i, &err), err);
    PGconn *c = PQconnectdb(d.address);
    PQclear(PQexec(c, "INSERT INTO takt_pool.lease(token, station, taken_ms, ends_ms) VALUES"
                      " ('a','s9',0,9); UPDATE takt_pool.identity SET lease=1 WHERE did='3'"));
    PQfinish(c);
    shared_pool_close(p);

    assert_int_equal(identity(&d, "quota", "--json", NULL), 0);
    assert_string_equal(d.text, "[{\"kind\":\"order\",\"name\":\"O\",\"used\":1,\"allowed\":2}]\n");
    assert_int_equal(identity(&d, "write-off", "s9", NULL), 2);
    assert_int_equal(identity(&d, "write-off", "s9", "--reason", "burnt", NULL), 0);
    assert_non_null(strstr(d.text, "1 identities that s9 held are quarantined"));
    assert_int_equal(identity(&d, "status", "--json", NULL), 0);
    assert_string_equal(d.text, "{\"free\":1,\"reserved\":1,\"injected\":0,\"confirmed\":0,"
                                "\"quarantined\":1,\"scrapped\":0}\n");
    if (identity(&d, "reconcile", "--order", "O", "--out", report, NULL))
        fail_msg("%s", d.text);
    snprintf(command, sizeof command,
             "cd %s && openssl dgst -sha256 -verify token.pem -signature o.csv.sig o.csv >said && "
             "grep -q '^1,50:ec:50:00:00:01,reserved,S,chip-a,O,s9,li,2026-09-21T14:13:20.000Z' "
             "o.csv && [ $(wc -l <o.csv) = 2 ]",
             d.folder);
    assert_int_equal(system(command), 0);
    /* The import that went in, the quota, the write-off and the export. */
    assert_int_equal(identity(&d, "audit", NULL), 0);
    assert_non_null(strstr(d.text, "audit entries: 4,"));
    desk_close(&d);
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
        cmocka_unit_test(test_what_people_do_to_the_shared_pool),
    };
    return cmocka_run_group_tests(tests, start_postgres, stop_postgres);
}
