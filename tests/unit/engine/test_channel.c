/* Messages whole, whatever the socket does with their bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/base/json.h"
#include "station/engine/channel.h"

static void make_pair(struct channel **a, struct channel **b)
{
    int fd[2];
    struct error err;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(channel_create(fd[0], a, &err), 0);
    assert_int_equal(channel_create(fd[1], b, &err), 0);
}

static void large_and_small_arrive_in_order(void **state)
{
    struct channel *a, *b;
    struct error err = {0};
    make_pair(&a, &b);
    char *text = malloc(1 << 20);
    memset(text, 'x', 1 << 20);
    text[(1 << 20) - 1] = '\0';
    for (int i = 0; i < 4; i++) {
        cJSON *m = cJSON_CreateObject();
        cJSON_AddNumberToObject(m, "n", i);
        if (i % 2)
            cJSON_AddStringToObject(m, "text", text);
        assert_int_equal(channel_send(a, m, &err), 0);
        cJSON_Delete(m);
    }
    assert_true(channel_unsent(a) > 0);
    for (int i = 0; i < 4;) {
        cJSON *m;
        assert_int_equal(channel_flush(a, &err), 0);
        assert_int_equal(channel_fill(b, &err), 0);
        assert_int_equal(channel_next(b, &m, &err), 0);
        if (!m)
            continue;
        assert_int_equal((int)json_number(m, "n", -1), i);
        assert_int_equal(strlen(json_string(m, "text", "")), i % 2 ? (1 << 20) - 1 : 0);
        cJSON_Delete(m);
        i++;
    }
    assert_int_equal(channel_unsent(a), 0);
    free(text);
    channel_free(a);
    channel_free(b);
}

static void a_peer_that_never_reads_is_bounded(void **state)
{
    struct channel *a, *b;
    struct error err = {0};
    make_pair(&a, &b);
    char *text = malloc(1 << 20);
    memset(text, 'x', 1 << 20);
    text[(1 << 20) - 1] = '\0';
    cJSON *m = cJSON_CreateObject();
    cJSON_AddStringToObject(m, "text", text);
    int sent = 0;
    while (sent < 100 && channel_send(a, m, &err) == 0)
        sent++;
    assert_int_equal(err.code, ERROR_FULL);
    assert_in_range(sent, 7, 9); /* CHANNEL_QUEUE_MAX and what the socket holds */
    cJSON_Delete(m);
    free(text);
    channel_free(a);
    channel_free(b);
}

static void what_was_said_before_the_end_still_counts(void **state)
{
    struct channel *a, *b;
    struct error err = {0};
    cJSON *m = cJSON_CreateObject(), *got;
    make_pair(&a, &b);
    cJSON_AddNumberToObject(m, "n", 5);
    assert_int_equal(channel_send(a, m, &err), 0);
    cJSON_Delete(m);
    channel_free(a);
    assert_int_equal(channel_wait(b, 1000, &got, &err), 0);
    assert_int_equal((int)json_number(got, "n", 0), 5);
    cJSON_Delete(got);
    assert_int_equal(channel_wait(b, 1000, &got, &err), ERROR_CLOSED);
    channel_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_and_small_arrive_in_order),
        cmocka_unit_test(a_peer_that_never_reads_is_bounded),
        cmocka_unit_test(what_was_said_before_the_end_still_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
