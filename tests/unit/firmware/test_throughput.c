/* Throughput by the real iperf3, against a real server of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "firmware/factory/throughput.h"
#include "protocol/base/clock.h"

extern char **environ;

static int listening(int *fd)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(*fd, 4), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&at, &size), 0);
    return ntohs(at.sin_port);
}

static int free_port(void)
{
    int fd, port = listening(&fd);
    close(fd);
    return port;
}

static void test_a_real_server_is_measured_both_ways(void **state)
{
    (void)state;
    int port = free_port();
    char number[12];
    pid_t server;
    snprintf(number, sizeof number, "%d", port);
    char *const argv[] = {"iperf3", "-s", "-B", "127.0.0.1", "-p", number, NULL};
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", 1, 0);
    assert_int_equal(posix_spawnp(&server, "iperf3", &quiet, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&quiet);
    for (int round = 0; round < 4; round++) {
        const bool down = round % 2, datagrams = round > 1;
        struct throughput t;
        struct error err = {0};
        const struct throughput_config c = {.host = "127.0.0.1",
                                            .port = port,
                                            .interface = "",
                                            .seconds = 1,
                                            .down = down,
                                            .datagrams_mbit_s = datagrams ? 2 : 0};
        int rc;
        /* The server needs a moment to listen, and one between two clients. */
        int64_t until = clock_mono_ms() + 10000;
        while ((rc = throughput_measure(&c, &t, &err)) && clock_mono_ms() < until)
            clock_sleep_until_ns(clock_mono_ns() + 50000000);
        if (rc)
            fail_msg("%s", err.text);
        assert_true(t.seconds > 0.5 && t.seconds < 3);
        /* What it says must fit together: bits are eight times the bytes, over the time. */
        assert_float_equal(t.bits_per_second / (t.bytes * 8 / t.seconds), 1, 0.02);
        if (!datagrams) {
            assert_true(t.bits_per_second > 1e6);
            continue;
        }
        /* At the rate that was asked for, less what a busy machine drops. */
        assert_true(t.bits_per_second > 0.2e6 && t.bits_per_second < 6e6);
        assert_true(t.loss_percent >= 0 && t.loss_percent < 90);
        assert_true(t.jitter_ms > 0 && t.jitter_ms < 5000);
    }
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

static void test_nobody_there_is_said_in_iperf3s_words(void **state)
{
    (void)state;
    struct throughput t;
    struct error err = {0};
    const struct throughput_config c = {
        .host = "127.0.0.1", .port = free_port(), .interface = "", .seconds = 1};
    assert_int_equal(throughput_measure(&c, &t, &err), ERROR_REMOTE);
    assert_non_null(strstr(err.text, "refused"));
}

static bool after_a_while(void *context)
{
    return ++*(int *)context > 3;
}

/* A server that takes the connection and says nothing. */
static void test_a_silent_server_is_left_when_the_call_is_taken_back(void **state)
{
    (void)state;
    int fd, port = listening(&fd), asked = 0;
    struct throughput t;
    struct error err = {0};
    const struct throughput_config c = {.host = "127.0.0.1",
                                        .port = port,
                                        .interface = "",
                                        .seconds = 60,
                                        .stop = after_a_while,
                                        .context = &asked};
    int64_t began = clock_mono_ms();
    assert_int_equal(throughput_measure(&c, &t, &err), ERROR_CANCELLED);
    assert_true(clock_mono_ms() - began < 5000);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
    close(fd);
}

static void test_rubbish_is_not_taken_for_a_figure(void **state)
{
    (void)state;
    struct throughput t;
    struct error err = {0};
    assert_int_equal(throughput_parse("", &t, &err), ERROR_PROTOCOL);
    assert_int_equal(throughput_parse("{\"end\":{}}", &t, &err), ERROR_PROTOCOL);
    assert_int_equal(
        throughput_parse("{\"end\":{\"sum_received\":{\"bits_per_second\":\"1\"}}}", &t, &err),
        ERROR_PROTOCOL);
    assert_int_equal(
        throughput_parse("{\"error\":\"the server is busy running a test. try again later\"}", &t,
                         &err),
        ERROR_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_real_server_is_measured_both_ways),
        cmocka_unit_test(test_nobody_there_is_said_in_iperf3s_words),
        cmocka_unit_test(test_a_silent_server_is_left_when_the_call_is_taken_back),
        cmocka_unit_test(test_rubbish_is_not_taken_for_a_figure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
