#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "tests/unit/protocol/peers.h"

static void test_a_call_gets_its_answer(void **state)
{
    struct peers p;
    struct error err = {0};
    cJSON *result = NULL;
    assert_int_equal(peers_pair(&p, NULL, &err), 0);
    assert_int_equal(call_json(p.station, "echo", "{\"x\":[1,\"two\"]}", 5000, &result, &err), 0);
    char *text = cJSON_PrintUnformatted(result);
    assert_string_equal(text, "{\"x\":[1,\"two\"]}");
    cJSON_free(text);
    cJSON_Delete(result);
    peers_close(&p);
}

static void test_an_error_brings_the_units_words(void **state)
{
    struct peers p;
    struct error err = {0};
    assert_int_equal(peers_pair(&p, NULL, &err), 0);
    assert_int_equal(call_json(p.station, "fail", NULL, 5000, NULL, &err), ERROR_REMOTE);
    assert_string_equal(err.text, "fail: the lock is set");
    assert_int_equal(call_json(p.station, "fly", NULL, 5000, NULL, &err), ERROR_REMOTE);
    assert_string_equal(err.text, "fly: no method 'fly' here");
    peers_close(&p);
}

static void test_both_sides_may_call(void **state)
{
    struct peers p;
    struct error err = {0};
    assert_int_equal(peers_pair(&p, NULL, &err), 0);
    assert_int_equal(call_json(p.unit, "hello", NULL, 5000, NULL, &err), ERROR_REMOTE);
    assert_string_equal(err.text, "hello: no method 'hello' here");
    peers_close(&p);
}

/* A 3-megapixel NV12 frame is 4.5 MB: the reader holds a window of it and no more. */
static void test_a_large_attachment_never_holds_more_than_the_window(void **state)
{
    enum { BYTES = 2304 * 1296 * 3 / 2 };
    struct peers p;
    struct error err = {0};
    struct session_counters c;
    assert_int_equal(peers_pair(&p, NULL, &err), 0);
    struct stream in = {.seed = 9, .slow_us = 200};
    struct attachment_sink sink = {stream_begin, stream_write, &in};
    cJSON *params = cJSON_CreateObject();
    cJSON_AddNumberToObject(params, "bytes", BYTES);
    cJSON_AddNumberToObject(params, "seed", 9);
    struct call call = {.method = "give", .params = params, .timeout_ms = 60000, .sink = &sink};
    assert_int_equal(session_call(p.station, &call, NULL, &err), 0);
    assert_int_equal(in.total, BYTES);
    assert_int_equal(in.wrong, 0);
    session_counters(p.station, &c);
    assert_int_equal(c.payload_received, BYTES);
    assert_in_range(c.held_max, 1, 256 * 1024);
    cJSON_Delete(params);
    peers_close(&p);
}

struct worker {
    struct session *session;
    uint32_t seed;
    int rc;
    struct error err;
};

static void *work(void *context)
{
    struct worker *w = context;
    enum { BYTES = 300001, COUNT = 3 };
    char json[100];
    struct stream out[COUNT], in = {.seed = w->seed + 100};
    struct attachment_source sources[COUNT];
    char names[COUNT][16];
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "a%d", i);
        out[i] = (struct stream){.seed = w->seed};
        sources[i] = (struct attachment_source){names[i], "x/y", BYTES, stream_read, &out[i], NULL};
    }
    struct attachment_sink sink = {stream_begin, stream_write, &in};
    for (int turn = 0; turn < 4 && !w->rc; turn++) {
        cJSON *result = NULL;
        snprintf(json, sizeof json, "{\"seed\":%u,\"bytes\":%d,\"count\":%d}", w->seed, BYTES,
                 COUNT);
        cJSON *params = cJSON_Parse(json);
        for (int i = 0; i < COUNT; i++)
            out[i].at = 0;
        struct call take = {.method = "take",
                            .params = params,
                            .timeout_ms = 60000,
                            .sources = sources,
                            .source_count = COUNT};
        w->rc = session_call(w->session, &take, &result, &w->err);
        if (!w->rc && (json_number(result, "bytes", 0) != BYTES * COUNT ||
                       json_number(result, "wrong", 1) != 0 ||
                       json_number(result, "attachments", 0) != COUNT))
            w->rc = -100;
        cJSON_Delete(result);
        struct call give = {.method = "give", .params = params, .timeout_ms = 60000, .sink = &sink};
        in.seed = w->seed;
        in.total = 0;
        if (!w->rc)
            w->rc = session_call(w->session, &give, NULL, &w->err);
        if (!w->rc && (in.total != BYTES * COUNT || in.wrong))
            w->rc = -101;
        cJSON_Delete(params);
    }
    return NULL;
}

static void test_eight_calls_at_once_with_attachments_both_ways(void **state)
{
    struct peers p;
    struct error err = {0};
    struct worker w[8] = {0};
    pthread_t thread[8];
    assert_int_equal(peers_pair(&p, NULL, &err), 0);
    for (uint32_t i = 0; i < 8; i++) {
        w[i].session = p.station;
        w[i].seed = i + 1;
        assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(thread[i], NULL);
        if (w[i].rc)
            print_message("call %d: %s\n", i, w[i].err.text);
        assert_int_equal(w[i].rc, 0);
    }
    peers_close(&p);
}

/* A session takes such a nonce: of so many, 14 would have opened with a Ctrl-C. */
static void test_no_session_opens_with_ctrl_c(void **state)
{
    enum { SESSIONS = 400, OPEN_BYTES = 28 };
    struct error err = {0};
    for (int i = 0; i < SESSIONS; i++) {
        const struct session_config config = {0};
        struct transport *t;
        struct session *s;
        uint8_t open[OPEN_BYTES];
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(transport_from_fd(pair[0], pair[0], false, "test", &t, &err), 0);
        assert_int_equal(session_open(t, &config, &s, &err), 0);
        assert_int_equal(recv(pair[1], open, sizeof open, MSG_WAITALL), sizeof open);
        assert_null(memchr(open, 3, sizeof open));
        session_close(s);
        close(pair[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_gets_its_answer),
        cmocka_unit_test(test_an_error_brings_the_units_words),
        cmocka_unit_test(test_both_sides_may_call),
        cmocka_unit_test(test_a_large_attachment_never_holds_more_than_the_window),
        cmocka_unit_test(test_eight_calls_at_once_with_attachments_both_ways),
        cmocka_unit_test(test_no_session_opens_with_ctrl_c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
