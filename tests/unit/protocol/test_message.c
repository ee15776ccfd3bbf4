#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/wire/message.h"

static int parse(const char *text, struct message *m, struct error *err)
{
    return message_parse(text, strlen(text), m, err);
}

static void test_a_request_comes_back_as_it_was(void **state)
{
    struct message m;
    struct error err = {0};
    struct message_attachment a = {.stream = 3, .bytes = 96000, .name = "pcm", .type = "audio/l16"};
    cJSON *params = cJSON_Parse("{\"rate_hz\":16000}");
    char *text = message_build_request(7, "audio.play", params, 5000, &a, 1);
    assert_string_equal(text, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"audio.play\",\"params\":"
                              "{\"rate_hz\":16000},\"timeout_ms\":5000,\"attachments\":[{"
                              "\"stream\":3,\"name\":\"pcm\",\"type\":\"audio/l16\",\"bytes\":"
                              "96000}]}");
    assert_int_equal(parse(text, &m, &err), 0);
    assert_int_equal(m.kind, MESSAGE_REQUEST);
    assert_int_equal(m.id, 7);
    assert_string_equal(m.method, "audio.play");
    assert_int_equal(m.timeout_ms, 5000);
    assert_int_equal(m.attachment_count, 1);
    assert_int_equal(m.attachments[0].stream, 3);
    assert_int_equal(m.attachments[0].bytes, 96000);
    assert_string_equal(m.attachments[0].name, "pcm");
    message_free(&m);
    cJSON_free(text);
    cJSON_Delete(params);
}

static void test_answers_and_errors(void **state)
{
    struct message m;
    struct error err = {0};
    char *text = message_build_result(9, NULL);
    assert_string_equal(text, "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{}}");
    cJSON_free(text);
    text = message_build_error(9, message_code_of(ERROR_REFUSED), "the lock is set");
    assert_string_equal(text,
                        "{\"jsonrpc\":\"2.0\",\"id\":9,\"error\":{\"code\":-32009,\"message\":"
                        "\"the lock is set\",\"data\":{\"name\":\"refused\"}}}");
    assert_int_equal(parse(text, &m, &err), 0);
    assert_int_equal(m.kind, MESSAGE_ERROR);
    assert_int_equal(message_error_of(m.error_code), ERROR_REFUSED);
    assert_string_equal(m.error_text, "the lock is set");
    message_free(&m);
    cJSON_free(text);
    assert_int_equal(
        parse("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":"
              "\"parse error\"}}",
              &m, &err),
        0);
    assert_int_equal(m.id, 0);
    message_free(&m);
}

static void test_what_is_not_json_rpc_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"x\"}",
        "{\"jsonrpc\":2.0,\"id\":1,\"method\":\"x\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1}",
        "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"x\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":-1,\"method\":\"x\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"x\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1e300,\"method\":\"x\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"method\":\"x\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"x\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":[1]}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"result\":1}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"timeout_ms\":0}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"attachments\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"attachments\":[{}]}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"attachments\":[{\"stream\":0,\"name\":"
        "\"a\",\"type\":\"b\",\"bytes\":1}]}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"attachments\":[{\"stream\":1,\"name\":"
        "\"a\",\"type\":\"b\",\"bytes\":-1}]}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1,\"error\":{\"code\":1,\"message\":\"x\"}}",
        "{\"jsonrpc\":\"2.0\",\"result\":1}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":\"no\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\ny\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct message m;
        struct error err = {0};
        int rc = parse(bad[i], &m, &err);
        if (rc != ERROR_PROTOCOL)
            fail_msg("%d for: %s", rc, bad[i]);
        assert_int_equal(err.code, ERROR_PROTOCOL);
    }
}

static void test_bombs_are_refused_before_they_are_parsed(void **state)
{
    struct message m;
    struct error err = {0};
    enum { SIZE = 600000 };
    char *text = malloc(SIZE);
    memset(text, '[', SIZE);
    assert_int_equal(message_parse(text, SIZE, &m, &err), ERROR_PROTOCOL);
    assert_non_null(strstr(err.text, "nested"));
    for (size_t i = 0; i < SIZE; i++)
        text[i] = i ? (i & 1 ? '0' : ',') : '[';
    assert_int_equal(message_parse(text, SIZE, &m, &err), ERROR_PROTOCOL);
    assert_non_null(strstr(err.text, "values"));
    free(text);
    text = calloc(1, MESSAGE_BYTES_MAX + 1);
    assert_int_equal(message_parse(text, MESSAGE_BYTES_MAX + 1, &m, &err), ERROR_PROTOCOL);
    free(text);
}

static void test_strings_are_wiped(void **state)
{
    cJSON *tree = cJSON_Parse("{\"key\":\"0123456789abcdef\",\"list\":[\"secret\"]}");
    message_wipe(tree);
    assert_string_equal(cJSON_GetObjectItem(tree, "key")->valuestring, "");
    assert_int_equal(cJSON_GetObjectItem(tree, "key")->valuestring[15], 0);
    assert_string_equal(cJSON_GetObjectItem(tree, "list")->child->valuestring, "");
    cJSON_Delete(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_comes_back_as_it_was),
        cmocka_unit_test(test_answers_and_errors),
        cmocka_unit_test(test_what_is_not_json_rpc_is_refused),
        cmocka_unit_test(test_bombs_are_refused_before_they_are_parsed),
        cmocka_unit_test(test_strings_are_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
