/* "May this unit run here?": a yes is a yes; nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reports/ask.h"
#include "tests/unit/engine/line_receiver.h"

/* Answers each question with `status` and `body`, if the question names the unit; NULL: never. */
static pid_t answering(int fd, const char *status, const char *body)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        char text[4096];
        int peer = accept(fd, NULL, NULL);
        ssize_t n = read(peer, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        while (!status)
            pause();
        if (strstr(text,
                   "GET /may?serial=SN%201%26order%3Dx&order=O-1&product=ptz&station=final-1 "))
            receiver_answer(peer, status, body);
        close(peer);
    }
}

static int ask(int port, struct ask_answer *a, struct error *err)
{
    char url[100];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/may", port);
    const struct ask_question q = {.url = url,
                                   .serial = "SN 1&order=x",
                                   .order = "O-1",
                                   .product = "ptz",
                                   .station = "final-1",
                                   .timeout_ms = 400};
    memset(err, 0, sizeof *err);
    return ask_line(&q, a, err);
}

static void test_a_yes_is_a_yes_and_nothing_else_is(void **state)
{
    static const struct {
        const char *status, *body;
        int rc;
        bool allowed;
    } cases[] = {
        {"200 OK", "{\"allowed\": true}", 0, true},
        {"200 OK", "{\"allowed\": false, \"reason\": \"solder first\\u001b[2J\"}", 0, false},
        {"200 OK", "{\"allowed\": \"true\"}", ERROR_PROTOCOL, false},
        {"200 OK", "{\"allowed\": 1}", ERROR_PROTOCOL, false},
        {"200 OK", "", ERROR_PROTOCOL, false},
        {"200 OK", "<html>welcome</html>", ERROR_PROTOCOL, false},
        {"500 Oh", "{\"allowed\": true}", ERROR_PROTOCOL, false},
        {"302 Found", "{\"allowed\": true}", ERROR_PROTOCOL, false},
        {NULL, NULL, ERROR_TIMEOUT, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ask_answer a;
        struct error err;
        int port, fd = receiver_listen(&port);
        pid_t server = answering(fd, cases[i].status, cases[i].body);
        int rc = ask(port, &a, &err);
        if (rc != cases[i].rc || a.allowed != cases[i].allowed)
            fail_msg("case %zu: %d %s", i, rc, err.text);
        if (i == 1)
            assert_string_equal(a.reason, "solder first?[2J");
        receiver_kill(&server);
        close(fd);
        assert_int_equal(ask(port, &a, &err), ERROR_CLOSED);
        assert_false(a.allowed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_yes_is_a_yes_and_nothing_else_is)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
