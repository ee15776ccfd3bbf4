/* The server on this machine's loopback, asked by libcurl's TFTP client, which shares no line with
 * it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "protocol/base/buffer.h"
#include "protocol/base/splitmix.h"
#include "station/flash/network/tftp_server.h"

enum { FILE_BYTES = 1000003 };

static uint8_t bytes[FILE_BYTES];

struct counts {
    pthread_mutex_t mutex;
    int began, ended, broke_off;
    uint64_t moved;
    char why[160];
};

static void count(void *context, const struct tftp_progress *p)
{
    struct counts *c = context;
    pthread_mutex_lock(&c->mutex);
    c->began += p->event == TFTP_BEGAN;
    c->ended += p->event == TFTP_ENDED;
    c->broke_off += p->event == TFTP_BROKE_OFF;
    if (p->event == TFTP_ENDED && p->done == p->total && !strcmp(p->client, "127.0.0.1"))
        c->moved += p->done;
    if (p->event == TFTP_BROKE_OFF)
        snprintf(c->why, sizeof c->why, "%s", p->why);
    pthread_mutex_unlock(&c->mutex);
}

static struct tftp_server *start(struct counts *c)
{
    static struct tftp_file file;
    struct tftp_server *s;
    struct error err = {0};
    uint64_t seed = 9;
    for (size_t i = 0; i < FILE_BYTES; i++)
        bytes[i] = (uint8_t)splitmix_next(&seed);
    *c = (struct counts){.mutex = PTHREAD_MUTEX_INITIALIZER};
    file = (struct tftp_file){"images/kernel", FILE_BYTES, tftp_read_memory, bytes};
    const struct tftp_config config = {
        .address = "127.0.0.1", .files = &file, .file_count = 1, .progress = count, .context = c};
    if (tftp_server_start(&config, &s, &err))
        fail_msg("%s", err.text);
    return s;
}

static size_t keep(char *data, size_t size, size_t n, void *context)
{
    return buffer_append(context, data, size * n) ? 0 : size * n;
}

static CURLcode get(const struct tftp_server *s, const char *file, long block, bool options,
                    struct buffer *out)
{
    char url[128];
    CURL *c = curl_easy_init();
    assert_non_null(c);
    snprintf(url, sizeof url, "tftp://127.0.0.1:%u/%s", tftp_server_port(s), file);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_TFTP_BLKSIZE, block);
    curl_easy_setopt(c, CURLOPT_TFTP_NO_OPTIONS, options ? 0L : 1L);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, out);
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, 30L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    const CURLcode rc = curl_easy_perform(c);
    curl_easy_cleanup(c);
    return rc;
}

static void test_curl_gets_the_file_with_and_without_options(void **state)
{
    struct counts c;
    struct tftp_server *s = start(&c);
    for (int options = 0; options < 2; options++) {
        struct buffer got = {0};
        assert_int_equal(get(s, "images/kernel", options ? 1468 : 512, options, &got), CURLE_OK);
        assert_int_equal(got.size, FILE_BYTES);
        assert_memory_equal(got.data, bytes, FILE_BYTES);
        buffer_free(&got);
    }
    tftp_server_stop(s);
    assert_int_equal(c.began, 2);
    assert_int_equal(c.ended, 2);
    assert_int_equal(c.moved, 2 * FILE_BYTES);
}

static void test_nothing_but_what_it_was_given_is_served(void **state)
{
    struct counts c;
    struct tftp_server *s = start(&c);
    static const char *const names[] = {"kernel", "images/../images/kernel", "etc/passwd",
                                        "images/kernel2"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct buffer got = {0};
        assert_int_equal(get(s, names[i], 512, true, &got), CURLE_TFTP_NOTFOUND);
        buffer_free(&got);
    }
    tftp_server_stop(s);
    assert_int_equal(c.broke_off, 4);
    assert_string_equal(c.why, "no such file is served here");
}

struct one {
    const struct tftp_server *server;
    pthread_t thread;
    CURLcode rc;
    bool whole;
};

static void *get_one(void *context)
{
    struct one *o = context;
    struct buffer got = {0};
    o->rc = get(o->server, "images/kernel", 1468, true, &got);
    o->whole = got.size == FILE_BYTES && !memcmp(got.data, bytes, FILE_BYTES);
    buffer_free(&got);
    return NULL;
}

static void test_sixty_four_clients_at_once_each_get_it_whole(void **state)
{
    struct counts c;
    struct tftp_server *s = start(&c);
    static struct one ones[TFTP_CLIENTS_MAX];
    for (size_t i = 0; i < TFTP_CLIENTS_MAX; i++) {
        ones[i] = (struct one){.server = s};
        assert_int_equal(pthread_create(&ones[i].thread, NULL, get_one, &ones[i]), 0);
    }
    for (size_t i = 0; i < TFTP_CLIENTS_MAX; i++) {
        pthread_join(ones[i].thread, NULL);
        assert_int_equal(ones[i].rc, CURLE_OK);
        assert_true(ones[i].whole);
    }
    tftp_server_stop(s);
    assert_int_equal(c.ended, TFTP_CLIENTS_MAX);
}

static void test_two_servers_do_not_share_a_port(void **state)
{
    struct counts c;
    struct error err = {0};
    struct tftp_server *s = start(&c), *other = NULL;
    const struct tftp_config config = {.address = "127.0.0.1", .port = tftp_server_port(s)};
    assert_int_equal(tftp_server_start(&config, &other, &err), ERROR_BUSY);
    assert_null(other);
    assert_non_null(strstr(err.text, "another server has port"));
    tftp_server_stop(s);
}

static void test_a_server_is_stopped_in_mid_transfer(void **state)
{
    struct counts c;
    struct tftp_server *s = start(&c);
    struct one one = {.server = s};
    assert_int_equal(pthread_create(&one.thread, NULL, get_one, &one), 0);
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&c.mutex);
        const int began = c.began;
        pthread_mutex_unlock(&c.mutex);
        if (began)
            break;
        usleep(1000);
    }
    tftp_server_stop(s);
    pthread_join(one.thread, NULL);
    assert_int_equal(c.began, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_curl_gets_the_file_with_and_without_options),
        cmocka_unit_test(test_nothing_but_what_it_was_given_is_served),
        cmocka_unit_test(test_sixty_four_clients_at_once_each_get_it_whole),
        cmocka_unit_test(test_two_servers_do_not_share_a_port),
        cmocka_unit_test(test_a_server_is_stopped_in_mid_transfer),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
