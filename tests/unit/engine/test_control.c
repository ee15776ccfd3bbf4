/* The control socket against bytes, clients and moments it did not ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "station/engine/channel.h"
#include "station/engine/socket_path.h"
#include "tests/unit/engine/bench_line.h"

static void rubbish_ends_its_sender_and_nobody_else(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } rubbish[] = {
        {"GET / HTTP/1.1\r\n\r\n", 18},
        {"\xff\xff\xff\xff", 4},
        {"\0\0\0\2[]", 6},
        {"\0\0\0\1{", 5},
        {"\0\0\0\0", 4},
        {"\0\0", 2},
    };
    struct bench_line l;
    struct error err = {0};
    line_open(&l, 1);
    line_start(&l);
    for (size_t i = 0; i < sizeof rubbish / sizeof *rubbish; i++) {
        int fd;
        char answer[4096];
        assert_int_equal(socket_connect(l.socket, &fd, &err), 0);
        assert_int_equal(send(fd, rubbish[i].bytes, rubbish[i].size, 0), (ssize_t)rubbish[i].size);
        shutdown(fd, SHUT_WR);
        while (recv(fd, answer, sizeof answer, 0) > 0)
            ; /* until it is hung up on */
        close(fd);
        assert_true(line_is_idle(&l));
    }
    assert_int_equal(line_call(&l, "run.strat", NULL, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "unknown method 'run.strat', did you mean 'run.start'?"));
    cJSON *wrong = line_start_params("cam/p");
    cJSON_ReplaceItemInObject(wrong, "order", cJSON_CreateNumber(7));
    assert_int_equal(line_call(&l, "run.start", wrong, &err), ERROR_INPUT);
    wrong = line_start_params("cam/p");
    cJSON_AddItemToObject(wrong, "slots", cJSON_Parse("[99]"));
    assert_int_equal(line_call(&l, "run.start", wrong, &err), ERROR_MISSING);
    line_close(&l);
}

static void a_client_that_vanishes_stops_nothing(void **state)
{
    struct bench_line l;
    struct error err = {0};
    line_open(&l, 2);
    line_plan(&l, "p", "{'id':'a','step':'chatty','deadline_s':60,'params':{'count':4000}}", "");
    line_start(&l);
    for (int i = 0; i < 20; i++) {
        struct client *c;
        assert_int_equal(client_connect(l.socket, &c, &err), 0);
        assert_int_equal(client_call(c, "subscribe", NULL, 5000, NULL, &err), 0);
        if (i == 7) /* asks, and does not wait for the answer */
            client_call(c, "run.start", line_start_params("cam/p"), 0, NULL, &err);
        client_close(c);
    }
    line_wait_idle(&l, 60000);
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 1"), "2");
    line_close(&l);
}

static void a_subscriber_sees_the_run_begin_and_end(void **state)
{
    struct bench_line l;
    struct error err = {0};
    bool ran = false;
    line_open(&l, 1);
    line_plan(&l, "p", "{'id':'a','step':'slow','deadline_s':60,'params':{'out':'@','ms':400}}",
              "");
    line_start(&l);
    assert_int_equal(client_call(l.client, "subscribe", NULL, 5000, NULL, &err), 0);
    line_run(&l, "cam/p");
    int events = 0;
    for (;;) {
        cJSON *event;
        assert_int_equal(client_event(l.client, 10000, &event, &err), 0);
        events++;
        const cJSON *slot = cJSON_GetObjectItem(event, "slots")->child;
        ran = ran || (strcmp(json_string(slot, "state", ""), "running") == 0 &&
                      strcmp(json_string(slot, "step", ""), "a") == 0);
        bool over = strcmp(json_string(slot, "verdict", ""), "pass") == 0;
        cJSON_Delete(event);
        if (over)
            break;
    }
    assert_true(ran);
    assert_in_range(events, 2, 12); /* ten a second at most */
    line_close(&l);
}

static void a_subscriber_that_never_reads_costs_nothing(void **state)
{
    struct bench_line l;
    struct error err = {0};
    struct client *deaf;
    line_open(&l, 4);
    line_plan(&l, "p", "{'id':'a','step':'chatty','deadline_s':60,'params':{'count':8000}}", "");
    line_start(&l);
    assert_int_equal(client_connect(l.socket, &deaf, &err), 0);
    assert_int_equal(client_call(deaf, "subscribe", NULL, 5000, NULL, &err), 0);
    line_run(&l, "cam/p");
    line_wait_idle(&l, 60000);
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 1"), "4");
    client_close(deaf);
    line_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rubbish_ends_its_sender_and_nobody_else),
        cmocka_unit_test(a_client_that_vanishes_stops_nothing),
        cmocka_unit_test(a_subscriber_sees_the_run_begin_and_end),
        cmocka_unit_test(a_subscriber_that_never_reads_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
