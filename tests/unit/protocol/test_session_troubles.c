#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/protocol/line.h"
#include "tests/unit/protocol/peers.h"
#include "tests/unit/protocol/stranger.h"

/* ---- between two honest sides -----------------------------------------------------------------
 */

static void test_a_call_past_its_deadline_is_taken_back_on_the_unit(void **state)
{
    struct peers p;
    struct error err = {0};
    assert_int_equal(peers_pair(&p, NULL, &err), 0);
    int64_t begun = clock_mono_ms();
    assert_int_equal(call_json(p.station, "wait", "{\"ms\":60000}", 200, NULL, &err),
                     ERROR_TIMEOUT);
    assert_in_range(clock_mono_ms() - begun, 200, 3000);
    assert_string_equal(err.text, "unit: wait gave no answer within 200 ms");
    /* Its late answer (the unit's error) is ignored and the session goes on. */
    assert_int_equal(call_json(p.station, "echo", NULL, 5000, NULL, &err), 0);
    for (int i = 0; i < 500 && !__atomic_load_n(&p.cancelled, __ATOMIC_SEQ_CST); i++)
        usleep(10000);
    assert_int_equal(__atomic_load_n(&p.cancelled, __ATOMIC_SEQ_CST), 1);
    struct session_counters c;
    session_counters(p.station, &c);
    assert_int_equal(c.stray_answers, 0);
    peers_close(&p);
}

struct waiting {
    struct session *session;
    bool cancel;
    const struct attachment_sink *sink;
    int rc;
    struct error err;
};

static void *wait_long(void *context)
{
    struct waiting *w = context;
    cJSON *params = cJSON_Parse("{\"ms\":60000}");
    struct call call = {
        .method = "wait", .params = params, .timeout_ms = 60000, .cancel = &w->cancel};
    do /* refused while others are served: asks again */
        w->rc = session_call(w->session, &call, NULL, &w->err);
    while (w->rc == ERROR_REMOTE);
    cJSON_Delete(params);
    return NULL;
}

static void test_a_call_can_be_taken_back_from_elsewhere(void **state)
{
    struct peers p;
    struct error err = {0};
    assert_int_equal(peers_pair(&p, NULL, &err), 0);
    struct waiting w = {.session = p.station};
    pthread_t thread;
    assert_int_equal(call_json(p.station, "echo", NULL, 5000, NULL, &err), 0);
    pthread_create(&thread, NULL, wait_long, &w);
    usleep(100000);
    __atomic_store_n(&w.cancel, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    assert_int_equal(w.rc, ERROR_CANCELLED);
    for (int i = 0; i < 500 && !__atomic_load_n(&p.cancelled, __ATOMIC_SEQ_CST); i++)
        usleep(10000);
    assert_int_equal(__atomic_load_n(&p.cancelled, __ATOMIC_SEQ_CST), 1);
    peers_close(&p);
}

static void count_closed(void *context, const struct error *why)
{
    __atomic_add_fetch((int *)context, why->code == ERROR_CLOSED, __ATOMIC_SEQ_CST);
}

static void test_a_unit_that_vanishes_ends_its_calls(void **state)
{
    struct error err = {0};
    int fd[2], closed = 0;
    struct transport *a, *b;
    struct session *station, *unit;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(transport_from_fd(fd[0], fd[0], true, "slot 1", &a, &err), 0);
    assert_int_equal(transport_from_fd(fd[1], fd[1], true, "station", &b, &err), 0);
    struct session_config its = {.server = true, .methods = peer_methods};
    struct session_config mine = {.on_closed = count_closed, .callback_context = &closed};
    assert_int_equal(session_open(b, &its, &unit, &err), 0);
    assert_int_equal(session_open(a, &mine, &station, &err), 0);
    assert_int_equal(call_json(station, "echo", NULL, 5000, NULL, &err), 0);
    struct waiting w = {.session = station};
    pthread_t thread;
    pthread_create(&thread, NULL, wait_long, &w);
    usleep(50000);
    shutdown(fd[1], SHUT_RDWR); /* as when the process is killed */
    pthread_join(thread, NULL);
    assert_int_equal(w.rc, ERROR_CLOSED);
    assert_non_null(strstr(w.err.text, "slot 1: "));
    assert_false(session_alive(station));
    assert_int_equal(call_json(station, "echo", NULL, 5000, NULL, &err), ERROR_CLOSED);
    session_close(station);
    session_close(unit);
    assert_int_equal(closed, 1);
}

static void test_a_closing_side_says_goodbye(void **state)
{
    struct peers p;
    struct error err = {0};
    assert_int_equal(peers_pair(&p, NULL, &err), 0);
    assert_int_equal(call_json(p.station, "echo", NULL, 5000, NULL, &err), 0);
    session_close(p.unit);
    assert_int_equal(call_json(p.station, "wait", "{\"ms\":60000}", 5000, NULL, &err),
                     ERROR_CLOSED);
    assert_string_equal(err.text, "unit: closed by the peer: the session was closed");
    session_close(p.station);
}

static void test_more_calls_than_the_unit_serves_are_refused(void **state)
{
    struct peers p;
    struct error err = {0};
    struct peers_wish wish = {.concurrent_max = 2};
    assert_int_equal(peers_pair(&p, &wish, &err), 0);
    struct waiting w[2] = {{.session = p.station}, {.session = p.station}};
    pthread_t thread[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, wait_long, &w[i]);
    int rc = 0;
    for (int i = 0; i < 200 && rc != ERROR_REMOTE; i++) {
        rc = call_json(p.station, "echo", NULL, 5000, NULL, &err);
        usleep(5000);
    }
    assert_int_equal(rc, ERROR_REMOTE);
    assert_string_equal(err.text, "echo: 2 calls are under way already, no more are served");
    for (int i = 0; i < 2; i++) {
        __atomic_store_n(&w[i].cancel, true, __ATOMIC_RELAXED);
        pthread_join(thread[i], NULL);
    }
    peers_close(&p);
}

static int short_read(void *context, uint8_t *data, size_t size, struct error *err)
{
    int *left = context;
    if (!*left)
        return error_set(err, ERROR_IO, "the disk is gone");
    size_t n = (size_t)*left < size ? (size_t)*left : size;
    memset(data, 0, n);
    *left -= (int)n;
    return (int)n;
}

static void test_a_source_or_sink_that_fails_ends_the_call_alone(void **state)
{
    struct peers p;
    struct error err = {0};
    int left = 100000;
    assert_int_equal(peers_pair(&p, NULL, &err), 0);
    struct attachment_source source = {"image", "x/y", 1000000, short_read, &left, NULL};
    struct call call = {
        .method = "take", .timeout_ms = 5000, .sources = &source, .source_count = 1};
    assert_int_equal(session_call(p.station, &call, NULL, &err), ERROR_IO);
    assert_string_equal(err.text, "the disk is gone");
    /* None expected */
    assert_int_equal(call_json(p.station, "give", "{\"bytes\":9}", 5000, NULL, &err),
                     ERROR_PROTOCOL);
    assert_int_equal(call_json(p.station, "echo", NULL, 5000, NULL, &err), 0);
    peers_close(&p);
}

static void test_a_method_need_not_take_its_attachments(void **state)
{
    struct peers p;
    struct error err = {0};
    struct stream out = {.seed = 1};
    struct attachment_source source = {"pcm", "x/y", 3000000, stream_read, &out, NULL};
    struct call call = {
        .method = "echo", .timeout_ms = 5000, .sources = &source, .source_count = 1};
    assert_int_equal(peers_pair(&p, NULL, &err), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(session_call(p.station, &call, NULL, &err), 0);
    peers_close(&p);
}

/* ---- with a unit that does not keep to the protocol -------------------------------------------
 */

struct odd {
    struct stranger unit;
    struct session *station;
};

static void odd_open(struct odd *o)
{
    int fd[2];
    struct error err = {0};
    struct transport *t;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(stranger_open(&o->unit, fd[1], true), 0);
    assert_int_equal(transport_from_fd(fd[0], fd[0], true, "slot 3", &t, &err), 0);
    assert_int_equal(session_open(t, &(struct session_config){0}, &o->station, &err), 0);
}

static void odd_close(struct odd *o)
{
    session_close(o->station);
    stranger_close(&o->unit);
}

static void *ask(void *context)
{
    struct waiting *w = context;
    struct call call = {.method = "unit.info", .timeout_ms = 4000, .sink = w->sink};
    w->rc = session_call(w->session, &call, NULL, &w->err);
    return NULL;
}

/* The station calls; the unit hears it and says `answer`. */
static void provoke(struct odd *o, const char *answer, struct waiting *w)
{
    pthread_t thread;
    char text[300];
    *w = (struct waiting){.session = o->station};
    pthread_create(&thread, NULL, ask, w);
    assert_int_equal(stranger_hear(&o->unit, text, sizeof text, 3000), 1);
    assert_non_null(strstr(text, "unit.info"));
    stranger_say(&o->unit, answer);
    pthread_join(thread, NULL);
}

static void test_an_answer_to_another_request_names_it(void **state)
{
    struct odd o;
    struct waiting w;
    struct session_counters c;
    odd_open(&o);
    provoke(&o, "{\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{}}", &w);
    assert_int_equal(w.rc, ERROR_PROTOCOL);
    assert_string_equal(w.err.text, "slot 3: answered request 99, which was never made; waiting "
                                    "were: 1 (unit.info)");
    session_counters(o.station, &c);
    assert_int_equal(c.stray_answers, 1);
    /* The right answer comes after all: nobody minds, and the next call works. */
    stranger_say(&o.unit, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
    provoke(&o, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}", &w);
    assert_int_equal(w.rc, 0);
    session_counters(o.station, &c);
    assert_int_equal(c.stray_answers, 1);
    /* But an answer twice is one too many. */
    provoke(&o, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}", &w);
    assert_int_equal(w.rc, ERROR_PROTOCOL);
    assert_non_null(strstr(w.err.text, "answered request 2, which had its answer already"));
    odd_close(&o);
}

static void test_rubbish_in_a_record_closes_the_session(void **state)
{
    static const struct {
        const char *said, *expected;
    } cases[] = {
        {"all fine here", "slot 3: message: not JSON: 'all fine here'"},
        {"{\"id\":1,\"result\":{}}", "expected an object with \"jsonrpc\":\"2.0\""},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{}}", "id is no positive integer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct odd o;
        struct waiting w;
        odd_open(&o);
        provoke(&o, cases[i].said, &w);
        assert_int_equal(w.rc, ERROR_PROTOCOL);
        if (!strstr(w.err.text, cases[i].expected))
            fail_msg("'%s' was expected in '%s'", cases[i].expected, w.err.text);
        assert_false(session_alive(o.station));
        odd_close(&o);
    }
}

static const char announcement[] =
    "{\"jsonrpc\":\"2.0\",\"method\":\"$/attachment\",\"params\":{\"id\":1,\"stream\":5,"
    "\"name\":\"frame0\",\"type\":\"image/nv12\",\"bytes\":1000000}}";

/* The station calls with a sink; the unit hears it. */
static void start_call(struct odd *o, struct waiting *w, const struct attachment_sink *sink,
                       pthread_t *thread)
{
    char text[300];
    odd_open(o);
    *w = (struct waiting){.session = o->station, .sink = sink};
    pthread_create(thread, NULL, ask, w);
    assert_int_equal(stranger_hear(&o->unit, text, sizeof text, 3000), 1);
}

static void expect_end(struct odd *o, struct waiting *w, pthread_t thread, const char *why)
{
    pthread_join(thread, NULL);
    assert_int_equal(w->rc, ERROR_PROTOCOL);
    assert_string_equal(w->err.text, why);
    odd_close(o);
}

static void test_data_of_no_stream_closes_the_session(void **state)
{
    struct odd o;
    struct waiting w;
    pthread_t thread;
    uint8_t data[104] = {5};
    start_call(&o, &w, NULL, &thread);
    stranger_record(&o.unit, 2, data, sizeof data);
    expect_end(&o, &w, thread, "slot 3: data for stream 5, which was never announced");
}

static void test_more_data_than_credit_closes_the_session(void **state)
{
    struct odd o;
    struct waiting w;
    pthread_t thread;
    static uint8_t data[32004] = {5};
    struct stream in = {.slow_us = 1000000}; /* takes the first piece, then nothing for long */
    struct attachment_sink sink = {stream_begin, stream_write, &in};
    start_call(&o, &w, &sink, &thread);
    stranger_say(&o.unit, announcement);
    char credit[16];
    assert_int_equal(stranger_hear(&o.unit, credit, sizeof credit, 3000), 3);
    for (int i = 0; i < 12; i++)
        stranger_record(&o.unit, 2, data, sizeof data);
    pthread_join(thread, NULL);
    assert_int_equal(w.rc, ERROR_PROTOCOL);
    assert_non_null(strstr(w.err.text, "slot 3: attachment frame0: "));
    assert_non_null(strstr(w.err.text, " bytes came, credit was given for 262144"));
    odd_close(&o);
}

static void test_an_attachment_that_stops_short_is_an_error(void **state)
{
    struct odd o;
    struct waiting w;
    pthread_t thread;
    struct stream in = {0};
    struct attachment_sink sink = {stream_begin, stream_write, &in};
    start_call(&o, &w, &sink, &thread);
    stranger_say(&o.unit, announcement);
    stranger_say(&o.unit, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
    expect_end(&o, &w, thread,
               "unit.info: the answer came after 0 of the 1000000 bytes of "
               "attachment 'frame0'");
}

static void test_a_web_server_on_the_port_is_no_unit(void **state)
{
    int fd[2];
    struct error err = {0};
    struct transport *t;
    struct session *s;
    static const char http[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(transport_from_fd(fd[0], fd[0], true, "tcp://10.0.0.9:80", &t, &err), 0);
    assert_int_equal(session_open(t, &(struct session_config){0}, &s, &err), 0);
    assert_int_equal(send(fd[1], http, sizeof http - 1, 0), sizeof http - 1);
    assert_int_equal(call_json(s, "hello", NULL, 300, NULL, &err), ERROR_PROTOCOL);
    assert_non_null(strstr(err.text, "tcp://10.0.0.9:80: no session within 300 ms, but 47 bytes"));
    assert_non_null(strstr(err.text, "Connection: close"));
    session_close(s);
    close(fd[1]);
}

static void test_a_silent_port_says_that_nothing_came(void **state)
{
    int fd[2];
    struct error err = {0};
    struct transport *t;
    struct session *s;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(transport_from_fd(fd[0], fd[0], true, "slot 4", &t, &err), 0);
    assert_int_equal(session_open(t, &(struct session_config){0}, &s, &err), 0);
    assert_int_equal(call_json(s, "hello", NULL, 100, NULL, &err), ERROR_TIMEOUT);
    assert_string_equal(err.text, "slot 4: no session within 100 ms, nothing came at all");
    session_close(s);
    close(fd[1]);
}

static void test_rubbish_in_mid_session_is_told(void **state)
{
    struct odd o;
    struct waiting w;
    odd_open(&o);
    provoke(&o, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", &w);
    assert_int_equal(w.rc, 0);
    assert_int_equal(send(o.unit.fd, "Segmentation fault\n", 19, 0), 19);
    struct error err = {0};
    assert_int_equal(call_json(o.station, "hello", NULL, 3000, NULL, &err), ERROR_PROTOCOL);
    assert_non_null(strstr(err.text, "'Segmentation fault.'"));
    odd_close(&o);
}

/* ---- closing under a caller that waits for its turn --------------------------------------------
 */

struct caller {
    struct session *session;
    _Atomic pid_t tid;
    _Atomic int sent;
    int rc;
};

/* Says things to a peer that does not read, until no room is left and it has to wait. */
static void *say_much(void *context)
{
    struct caller *c = context;
    struct error err = {0};
    char *text = calloc(1, 50001);
    cJSON *params = cJSON_CreateObject();
    memset(text, 'x', 50000);
    cJSON_AddStringToObject(params, "text", text);
    atomic_store(&c->tid, gettid());
    while (!(c->rc = session_notify(c->session, "news", params, &err)))
        atomic_fetch_add(&c->sent, 1);
    cJSON_Delete(params);
    free(text);
    return NULL;
}

static bool sleeps(pid_t tid)
{
    char path[64], state = '?';
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%*d %*s %c", &state) != 1)
        state = '?';
    if (f)
        fclose(f);
    return state == 'S';
}

static void test_a_session_closes_under_a_caller_that_waits_for_room(void **state)
{
    int fd[2];
    struct error err = {0};
    struct transport *t;
    struct caller c = {0};
    pthread_t thread;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(transport_from_fd(fd[0], fd[0], true, "slot 5", &t, &err), 0);
    assert_int_equal(session_open(t, &(struct session_config){0}, &c.session, &err), 0);
    pthread_create(&thread, NULL, say_much, &c);
    /* 128 KiB may wait, and the link takes some: it stays asleep once one does not get in. */
    int64_t until = clock_mono_ms() + 10000;
    for (int asleep = 0, sent = 0; asleep < 20 && clock_mono_ms() < until;) {
        bool still = sent == atomic_load(&c.sent) && sent >= 3 && sleeps(atomic_load(&c.tid));
        sent = atomic_load(&c.sent);
        asleep = still ? asleep + 1 : 0;
        usleep(1000);
    }
    assert_true(atomic_load(&c.sent) >= 3);
    session_close(c.session);
    pthread_join(thread, NULL);
    assert_int_equal(c.rc, ERROR_CLOSED);
    close(fd[1]);
}

static void test_ids_that_no_call_can_have_are_nobodys(void **state)
{
    static const char *const ids[] = {"1e300", "-1e300", "0", "-1", "1.5", "\"1\"", "null", "{}"};
    struct odd o;
    struct waiting w;
    char text[300];
    odd_open(&o);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        snprintf(text, sizeof text,
                 "{\"jsonrpc\":\"2.0\",\"method\":\"$/cancel\",\"params\":{\"id\":%s}}", ids[i]);
        stranger_say(&o.unit, text);
        snprintf(text, sizeof text,
                 "{\"jsonrpc\":\"2.0\",\"method\":\"$/attachment\",\"params\":{\"id\":%s,"
                 "\"stream\":%zu,\"name\":\"pcm\",\"type\":\"x/y\",\"bytes\":10}}",
                 ids[i], i + 1);
        stranger_say(&o.unit, text);
    }
    provoke(&o, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", &w);
    assert_int_equal(w.rc, 0);
    odd_close(&o);
}

/* ---- over a line that a kernel writes its log to -----------------------------------------------
 */

static void test_a_session_over_a_noisy_serial_line(void **state)
{
    struct line line = {
        .bytes_per_second = 0, .damaged = 2e-5, .log_every_ms = 30, .seed = 20260001};
    struct error err = {0};
    struct transport *a, *b;
    struct session *station, *unit;
    assert_int_equal(line_open(&line), 0);
    assert_int_equal(transport_open(line.port[0], 1000, &a, &err), 0);
    assert_int_equal(transport_open(line.port[1], 1000, &b, &err), 0);
    assert_false(transport_reliable(a));
    struct session_config its = {.server = true, .methods = peer_methods};
    assert_int_equal(session_open(b, &its, &unit, &err), 0);
    assert_int_equal(session_open(a, &(struct session_config){0}, &station, &err), 0);
    struct stream in = {.seed = 3}, out = {.seed = 3};
    struct attachment_sink sink = {stream_begin, stream_write, &in};
    struct attachment_source source = {"pcm", "x/y", 1500000, stream_read, &out, NULL};
    cJSON *params = cJSON_Parse("{\"bytes\":1500000,\"seed\":3}"), *result = NULL;
    struct call give = {.method = "give", .params = params, .timeout_ms = 60000, .sink = &sink};
    struct call take = {.method = "take",
                        .params = params,
                        .timeout_ms = 60000,
                        .sources = &source,
                        .source_count = 1};
    int rc = session_call(station, &give, NULL, &err);
    if (!rc)
        rc = session_call(station, &take, &result, &err);
    if (rc)
        fail_msg("%s", err.text);
    assert_int_equal(in.total, 1500000);
    assert_int_equal(in.wrong, 0);
    assert_int_equal(json_number(result, "bytes", 0), 1500000);
    assert_int_equal(json_number(result, "wrong", 1), 0);
    struct session_counters c;
    session_counters(unit, &c);
    assert_true(c.frames_resent > 0);
    session_counters(station, &c);
    assert_true(c.noise_bytes > 0);
    cJSON_Delete(params);
    cJSON_Delete(result);
    session_close(station);
    session_close(unit);
    line_close(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_past_its_deadline_is_taken_back_on_the_unit),
        cmocka_unit_test(test_a_call_can_be_taken_back_from_elsewhere),
        cmocka_unit_test(test_a_unit_that_vanishes_ends_its_calls),
        cmocka_unit_test(test_a_closing_side_says_goodbye),
        cmocka_unit_test(test_more_calls_than_the_unit_serves_are_refused),
        cmocka_unit_test(test_a_source_or_sink_that_fails_ends_the_call_alone),
        cmocka_unit_test(test_a_method_need_not_take_its_attachments),
        cmocka_unit_test(test_an_answer_to_another_request_names_it),
        cmocka_unit_test(test_rubbish_in_a_record_closes_the_session),
        cmocka_unit_test(test_data_of_no_stream_closes_the_session),
        cmocka_unit_test(test_more_data_than_credit_closes_the_session),
        cmocka_unit_test(test_an_attachment_that_stops_short_is_an_error),
        cmocka_unit_test(test_a_web_server_on_the_port_is_no_unit),
        cmocka_unit_test(test_a_silent_port_says_that_nothing_came),
        cmocka_unit_test(test_rubbish_in_mid_session_is_told),
        cmocka_unit_test(test_a_session_closes_under_a_caller_that_waits_for_room),
        cmocka_unit_test(test_ids_that_no_call_can_have_are_nobodys),
        cmocka_unit_test(test_a_session_over_a_noisy_serial_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
