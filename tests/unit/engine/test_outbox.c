/* From a closed run to the factory's system: once, in order, whatever is killed on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reports/outbox.h"
#include "reports/outbox/connector.h"
#include "tests/unit/engine/bench_line.h"
#include "tests/unit/engine/line_receiver.h"

/* Puts "outbox" into the line's station file; ' stands for ". */
static void line_outbox(struct bench_line *l, const char *outbox)
{
    struct buffer text = {0}, with = {0};
    struct error err = {0};
    assert_int_equal(file_read(l->station, &text, &err), 0);
    while (text.size && text.data[text.size - 1] != '}')
        text.size--;
    buffer_append(&with, text.data, text.size - 1);
    buffer_append_text(&with, ",\n\"outbox\": ");
    for (const char *p = outbox; *p; p++)
        buffer_append(&with, *p == '\'' ? "\"" : p, 1);
    buffer_append_text(&with, " }\n");
    line_write(l, "station.json", buffer_text(&with));
    buffer_free(&text);
    buffer_free(&with);
}

static cJSON *outbox_of(const struct bench_line *l)
{
    struct store *reader = NULL;
    struct error err = {0};
    cJSON *list = NULL;
    if (store_open_reader(l->store, &reader, &err) || outbox_list(reader, &list, &err))
        fail_msg("%s", err.text);
    store_close(reader);
    return list;
}

/* Of one destination. */
static int outbox_count(const struct bench_line *l, const char *destination, const char *what)
{
    cJSON *list = outbox_of(l);
    const cJSON *row;
    int n = -1;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(list, "destinations"))
    {
        if (strcmp(json_string(row, "name", ""), destination) == 0)
            n = (int)json_number(row, what, -1);
    }
    cJSON_Delete(list);
    return n;
}

static void wait_count(const struct bench_line *l, const char *destination, const char *what,
                       int count)
{
    int64_t until = clock_mono_ms() + 60000;
    while (outbox_count(l, destination, what) != count) {
        if (clock_mono_ms() > until) {
            cJSON *list = outbox_of(l);
            fail_msg("never %d %s: %s", count, what, cJSON_PrintUnformatted(list));
        }
        line_pause();
    }
}

/* taktd's child of that name; 0 while there is none. */
static pid_t outbox_pid(const struct bench_line *l)
{
    char path[100], list[4096] = "", name[32];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)l->taktd, (int)l->taktd);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(list, 1, sizeof list - 1, f) : 0;
    if (f)
        fclose(f);
    list[n] = '\0';
    for (char *rest = list, *end; *rest; rest = end + (*end == ' ')) {
        long pid = strtol(rest, &end, 10);
        if (end == rest)
            break;
        snprintf(path, sizeof path, "/proc/%ld/comm", pid);
        f = fopen(path, "r");
        bool it = f && fgets(name, sizeof name, f) && strcmp(name, "taktd-outbox\n") == 0;
        if (f)
            fclose(f);
        if (it)
            return (pid_t)pid;
    }
    return 0;
}

static void run_order(struct bench_line *l, const char *order)
{
    struct error err = {0};
    cJSON *params = line_start_params("cam/quick");
    cJSON_ReplaceItemInObject(params, "order", cJSON_CreateString(order));
    if (client_call(l->client, "run.start", params, 10000, NULL, &err))
        fail_msg("%s", err.text);
    line_wait_idle(l, 20000);
}

static void quick_plan(const struct bench_line *l)
{
    line_plan(l, "quick",
              "{ 'id': 'a', 'step': 'quick', 'deadline_s': 5 },"
              "{ 'id': 'b', 'step': 'quick', 'deadline_s': 5 }",
              "");
}

/* The keys of all runs that were queued, in that order, each as the store's name, the run and its
 * beginning make it; there is one of every run that is closed. */
static int keys_of(const struct bench_line *l, char *out)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    int runs = 0;
    struct error err;
    sqlite3_open_v2(l->store, &db, SQLITE_OPEN_READONLY, NULL);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT i.name || ' ' || o.run || ' ' || r.started_ms FROM"
                                        " store_identity i, outbox o JOIN run r ON r.id = o.run"
                                        " ORDER BY o.id",
                                        -1, &st, NULL),
                     SQLITE_OK);
    for (; sqlite3_step(st) == SQLITE_ROW; runs++) {
        char key[OUTBOX_UUID_TEXT];
        assert_int_equal(outbox_uuid((const char *)sqlite3_column_text(st, 0), key, &err), 0);
        out += sprintf(out, "%s ", key);
    }
    sqlite3_finalize(st);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT count(*) FROM run WHERE verdict <> 0", -1, &st, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(st, 0), runs);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return runs;
}

static void arrive_once_and_in_order(const char *connector)
{
    struct bench_line l;
    char outbox[400], file[128], expected[4096] = "", got[4096] = "";
    uint64_t seed = 20261128;
    int receiver_port, network_port, kills[4] = {0};
    int receiver_fd = receiver_listen(&receiver_port), network_fd = receiver_listen(&network_port);
    line_open(&l, 2);
    quick_plan(&l);
    snprintf(file, sizeof file, "%s/received", l.root);
    snprintf(outbox, sizeof outbox,
             "{ 'mes': { 'connector': '%s', 'url': 'http://127.0.0.1:%d/units', 'timeout_ms': "
             "2000, 'first_pause_ms': 5, 'longest_pause_ms': 40 } }",
             connector, network_port);
    line_outbox(&l, outbox);
    pid_t receiver = 0, network = 0;
    line_start(&l);
    for (int n = 0; n < 24; n++) {
        if (!receiver && (receiver = fork()) == 0)
            receiver_serve(receiver_fd, file, seed + 1);
        if (!network && (network = fork()) == 0)
            network_serve(network_fd, receiver_port, seed + 2);
        cJSON *params = line_start_params("cam/quick");
        struct error err = {0};
        if (client_call(l.client, "run.start", params, 10000, NULL, &err))
            fail_msg("%s", err.text);
        clock_sleep_until_ns(clock_mono_ns() + (int64_t)(splitmix_next(&seed) % 60) * 1000000);
        uint64_t victim = splitmix_next(&seed) % 4;
        pid_t sender = outbox_pid(&l);
        kills[victim]++;
        if (victim == 0)
            receiver_kill(&receiver);
        else if (victim == 1)
            receiver_kill(&network);
        else if (victim == 2 && sender)
            kill(sender, SIGKILL);
        else if (victim == 3) {
            line_kill(&l);
            line_start(&l);
        }
        line_wait_idle(&l, 20000);
    }
    if (!receiver && (receiver = fork()) == 0)
        receiver_serve(receiver_fd, file, seed + 1);
    if (!network && (network = fork()) == 0)
        network_serve(network_fd, receiver_port, seed + 2);
    wait_count(&l, "mes", "waiting", 0);
    wait_count(&l, "mes", "parked", 0);
    receiver_kill(&receiver);
    receiver_kill(&network);
    for (int i = 0; i < 4; i++)
        assert_true(kills[i] > 0);

    assert_int_equal(keys_of(&l, expected), 48);
    FILE *f = fopen(file, "r");
    char line[100];
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, " ")] = '\0';
        sprintf(got + strlen(got), "%s ", line);
    }
    fclose(f);
    assert_string_equal(got, expected);
    line_close(&l);
    close(receiver_fd);
    close(network_fd);
}

static void test_each_run_arrives_once_and_in_order_whoever_is_killed(void **state)
{
    arrive_once_and_in_order("http");
}

static void test_so_does_each_report_to_wats(void **state)
{
    arrive_once_and_in_order("wats");
}

static void test_what_is_refused_is_parked_and_holds_up_nothing(void **state)
{
    struct bench_line l;
    char outbox[400], file[128], strict[160];
    int port, fd = receiver_listen(&port);
    line_open(&l, 1);
    quick_plan(&l);
    snprintf(file, sizeof file, "%s/received", l.root);
    snprintf(strict, sizeof strict, "%s.strict", file);
    snprintf(outbox, sizeof outbox,
             "{ 'mes': { 'connector': 'http', 'url': 'http://127.0.0.1:%d/', 'first_pause_ms': 5, "
             "'longest_pause_ms': 40 } }",
             port);
    line_outbox(&l, outbox);
    line_write(&l, "received.strict", "");
    pid_t receiver = fork();
    if (receiver == 0)
        receiver_serve(fd, file, 7);
    line_start(&l);
    run_order(&l, "O1");
    run_order(&l, "REFUSED");
    run_order(&l, "O2");
    wait_count(&l, "mes", "sent", 2);
    wait_count(&l, "mes", "parked", 1);
    cJSON *list = outbox_of(&l),
          *parked = cJSON_GetArrayItem(cJSON_GetObjectItem(list, "parked"), 0);
    assert_non_null(strstr(json_string(parked, "reason", ""), "422: no such order"));
    int message = (int)json_number(parked, "message", 0);
    cJSON_Delete(list);
    /* The order is known now. */
    unlink(strict);
    struct error err;
    cJSON *params = cJSON_CreateObject();
    cJSON_AddNumberToObject(params, "message", message);
    assert_int_equal(line_call(&l, "outbox.retry", params, &err), 0);
    wait_count(&l, "mes", "sent", 3);
    params = cJSON_CreateObject();
    cJSON_AddNumberToObject(params, "message", message);
    assert_int_equal(line_call(&l, "outbox.retry", params, &err), ERROR_STATE);
    receiver_kill(&receiver);
    line_close(&l);
    close(fd);
}

static void test_a_server_that_hangs_stops_nothing(void **state)
{
    struct bench_line l;
    char outbox[600], drop[128], command[600];
    int port, fd = receiver_listen(&port); /* nobody ever accepts */
    struct error err;
    line_open(&l, 1);
    quick_plan(&l);
    snprintf(drop, sizeof drop, "%s/drop", l.root);
    assert_int_equal(file_make_folders(drop, 0700, &err), 0);
    snprintf(outbox, sizeof outbox,
             "{ 'hung': { 'connector': 'wats', 'url': 'http://127.0.0.1:%d/' },"
             "'files': { 'connector': 'folder', 'folder': 'drop', 'format': 'wsjf' } }",
             port);
    line_outbox(&l, outbox);
    line_start(&l);
    for (int n = 0; n < 5; n++)
        run_order(&l, "O1");
    wait_count(&l, "files", "sent", 5);
    assert_int_equal(outbox_count(&l, "hung", "waiting"), 5);
    int64_t before = clock_mono_ms();
    line_stop(&l); /* in the middle of its call */
    assert_true(clock_mono_ms() - before < 5000);
    /* What was dropped is a report WATS would take. */
    snprintf(command, sizeof command,
             "cat %s/*.json | jq -es 'length == 5 and all(.type == \"T\" and .result == \"P\" and "
             ".root.stepType == \"SequenceCall\" and (.root.steps | length) == 2 and "
             ".root.steps[0].stepType == \"ET_MNLT\" and "
             "(.root.steps[0].numericMeas | length) == 3 and "
             ".root.steps[0].numericMeas[0].compOp == \"LOG\")' >/dev/null",
             drop);
    assert_int_equal(system(command), 0);
    line_close(&l);
    close(fd);
}

static void check_complaint(const char *outbox, const char *complaint)
{
    struct bench_line l;
    char said[500], expected[300];
    line_open(&l, 1);
    line_outbox(&l, outbox);
    line_launch(&l, said);
    snprintf(expected, sizeof expected, "station.json:%s", complaint);
    if (!strstr(said, expected))
        fail_msg("'%s' is not in '%s'", expected, said);
    line_reap(&l);
    line_close(&l);
}

static void test_a_wrong_destination_is_named_with_its_line(void **state)
{
    check_complaint("{ 'mes':\n { 'connector': 'htp', 'url': 'http://x' } }",
                    "9: no connector 'htp', did you mean 'http'?");
    check_complaint("{ 'mes': { 'connector': 'http',\n 'url': 'ftp://x' } }",
                    "9: 'ftp://x' is no address");
    check_complaint("{ 'mes': { 'connector': 'http', 'url': 'http://x',\n 'urk': 1 } }", "9: ");
    check_complaint("{ 'pg': { 'connector': 'postgresql', 'address': '/tmp/x' } }",
                    "8: '/tmp/x' is no address of a PostgreSQL database");
    check_complaint("{ 'd': { 'connector': 'folder', 'folder': 'x', 'format': 'xml' } }",
                    "8: 'xml' is no format");
}

static void test_pauses_grow_and_differ(void **state)
{
    assert_int_equal(outbox_pause_ms(1, 1000, 300000, 0), 500);
    assert_int_equal(outbox_pause_ms(1, 1000, 300000, 500), 1000);
    assert_int_equal(outbox_pause_ms(4, 1000, 300000, 4000), 8000);
    assert_in_range(outbox_pause_ms(1000, 1000, 300000, UINT64_MAX), 150000, 300000);
    assert_int_equal(outbox_pause_ms(1, 1, 1, 9), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_run_arrives_once_and_in_order_whoever_is_killed),
        cmocka_unit_test(test_so_does_each_report_to_wats),
        cmocka_unit_test(test_what_is_refused_is_parked_and_holds_up_nothing),
        cmocka_unit_test(test_a_server_that_hangs_stops_nothing),
        cmocka_unit_test(test_a_wrong_destination_is_named_with_its_line),
        cmocka_unit_test(test_pauses_grow_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
