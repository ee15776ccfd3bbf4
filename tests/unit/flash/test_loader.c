/* Getting to a loader's prompt, against consoles that behave as U-Boot's documentation says
 * (doc/README.autoboot, CONFIG_AUTOBOOT_KEYED, CONFIG_AUTOBOOT_ENCRYPTION; common/autoboot.c): for
 * what no loader that runs in QEMU was built with. What those have is shown on them, in
 * tests/machine/flash_uart*.sh. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "station/flash/uart/loader.h"

enum { COUNT_MS = 1000, CAPTURE_MS = 20000, TYPED_MAX = 65536 };

/* One console. `stops` is asked for each byte that comes while it counts. */
struct console {
    const char *counts; /* printed when it begins to count; "" = nothing */
    bool (*stops)(struct console *c, char byte);
    const char *asks; /* printed when it was stopped, and a password read; NULL = none */
    const char *secret;

    int fd;
    pthread_t thread;
    volatile bool over;
    char typed[TYPED_MAX]; /* while it counted */
    size_t typed_bytes, before_count;
    int wrong_passwords, starts;
};

static bool any_key(struct console *c, char byte)
{
    return byte != '\x03';
}

/* CONFIG_AUTOBOOT_KEYED: the last bytes typed are held against the stop string. */
static bool keyed(struct console *c, char byte)
{
    const size_t size = strlen(c->secret);
    return c->typed_bytes >= size && memcmp(c->typed + c->typed_bytes - size, c->secret, size) == 0;
}

/* CONFIG_AUTOBOOT_ENCRYPTION: at ENTER all since the last one is summed up and compared. */
static bool summed_up(struct console *c, char byte)
{
    size_t from = c->typed_bytes - 1;
    if (byte != '\r')
        return false;
    while (from > 0 && c->typed[from - 1] != '\r')
        from--;
    const size_t size = c->typed_bytes - 1 - from;
    return size == strlen(c->secret) && memcmp(c->typed + from, c->secret, size) == 0;
}

static void say(struct console *c, const char *text)
{
    assert_int_equal(write(c->fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* A byte, or -1 when none came in time. */
static int next_byte(struct console *c, int timeout_ms)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    unsigned char byte;
    return poll(&p, 1, timeout_ms) > 0 && read(c->fd, &byte, 1) == 1 ? byte : -1;
}

static bool counts_down(struct console *c)
{
    say(c, "\r\n\r\nU-Boot 2013.07 (Jan 01 2020)\r\n\r\nDRAM:  64 MiB\r\n");
    /* What is typed before it counts stays in its UART. */
    const int64_t counting = clock_mono_ms() + 300;
    while (clock_mono_ms() < counting)
        usleep(1000);
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    c->typed_bytes = 0;
    c->before_count = poll(&p, 1, 0) > 0 ? 1 : 0;
    say(c, c->counts);
    const int64_t end = clock_mono_ms() + COUNT_MS;
    while (clock_mono_ms() < end && !c->over) {
        const int byte = next_byte(c, 20);
        if (byte < 0 || c->typed_bytes == TYPED_MAX)
            continue;
        c->typed[c->typed_bytes++] = (char)byte;
        if (c->stops(c, (char)byte))
            return true;
    }
    return false;
}

static bool password_is_right(struct console *c)
{
    char given[64];
    size_t used = 0;
    say(c, c->asks);
    while (!c->over) {
        const int byte = next_byte(c, 100);
        if (byte == '\r') {
            const bool right = used == strlen(c->secret) && memcmp(given, c->secret, used) == 0;
            /* Keys that were under way when it was stopped are a password too, a wrong one. */
            if (right)
                return true;
            c->wrong_passwords++;
            used = 0;
            say(c, "\r\n");
            say(c, c->asks);
        } else if (byte >= ' ' && used < sizeof given) {
            given[used++] = (char)byte;
        } else if (byte == '\x03') {
            used = 0;
        }
    }
    return false;
}

/* Line by line, each echoed; `echo` is the one command there is. */
static void listens(struct console *c)
{
    char line[256];
    size_t used = 0;
    say(c, "\r\n=> ");
    while (!c->over) {
        const int byte = next_byte(c, 100);
        if (byte < 0)
            continue;
        if (byte == '\x03') {
            used = 0;
            say(c, "<INTERRUPT>\r\n=> ");
        } else if (byte != '\r' && used < sizeof line - 1) {
            line[used++] = (char)byte;
            say(c, (char[2]){(char)byte, '\0'});
        } else if (byte == '\r') {
            line[used] = '\0';
            used = 0;
            say(c, "\r\n");
            char *rest = NULL;
            for (char *one = strtok_r(line, ";", &rest); one; one = strtok_r(NULL, ";", &rest)) {
                one += strspn(one, " ");
                char *status = strstr(one, "$?");
                if (strncmp(one, "echo ", 5) != 0) {
                    say(c, "Unknown command\r\n");
                    continue;
                }
                if (status)
                    memcpy(status, "0", 2);
                say(c, one + 5);
                say(c, "\r\n");
            }
            say(c, "=> ");
        }
    }
}

static void *runs(void *context)
{
    struct console *c = context;
    while (!c->over) {
        if (counts_down(c) && (!c->asks || password_is_right(c)))
            listens(c);
        else if (!c->over)
            say(c, "Starting kernel ...\r\n");
        c->starts++;
    }
    return NULL;
}

/* Captures it within 20 s: what loader_capture() returned. */
static int captured(struct console *c, struct board *board, struct error *err)
{
    struct loader *loader = NULL;
    char port[64];
    struct termios raw;
    board->boot.baud = 115200;
    board->boot.prompt_count = 1;
    strcpy(board->boot.prompts[0], "=> ");
    c->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(c->fd >= 0 && !grantpt(c->fd) && !unlockpt(c->fd));
    snprintf(port, sizeof port, "pty:%s", ptsname(c->fd));
    const int held = open(ptsname(c->fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_int_equal(tcgetattr(held, &raw), 0);
    cfmakeraw(&raw);
    assert_int_equal(tcsetattr(held, TCSANOW, &raw), 0);
    const struct flash_job job = {.board = board, .port = port};
    assert_int_equal(loader_open(&job, &loader, err), 0);
    assert_int_equal(pthread_create(&c->thread, NULL, runs, c), 0);
    int rc = loader_capture(loader, CAPTURE_MS, err);
    struct loader_answer answer;
    if (!rc)
        rc = loader_run(loader, 5000, &answer, err, "echo it listens");
    if (!rc)
        assert_string_equal(answer.text, "it listens\n");
    c->over = true;
    pthread_join(c->thread, NULL);
    loader_close(loader);
    close(held);
    close(c->fd);
    return rc;
}

static void test_keys_go_to_a_loader_that_counts_aloud_when_it_does(void **state)
{
    struct error err = {0};
    struct board board = {.boot = {.stop_keys = " ", .stop_prompt = "Hit any key"}};
    static struct console c = {.counts = "Hit any key to stop autoboot:  1 ", .stops = any_key};
    assert_int_equal(captured(&c, &board, &err), 0);
    /* No blank came before it counted: the first bytes it saw were Ctrl-C alone. */
    assert_true(c.typed_bytes > 0);
    assert_null(memchr(c.typed, ' ', c.typed_bytes - 1));
}

static void test_keys_are_streamed_to_a_loader_that_says_nothing(void **state)
{
    struct error err = {0};
    struct board board = {.boot = {.stop_keys = "\r"}};
    static struct console c = {.counts = "", .stops = any_key};
    assert_int_equal(captured(&c, &board, &err), 0);
    assert_int_equal(c.before_count, 1);
}

static void test_a_password_is_given_when_it_is_asked_for(void **state)
{
    struct error err = {0};
    struct board board = {
        .boot = {.stop_keys = "\r", .stop_prompt = "Hit any key", .password = "s3cr3t key"}};
    static struct console c = {.counts = "Hit any key to stop autoboot:  1 ",
                               .stops = any_key,
                               .asks = "Please input password: ",
                               .secret = "s3cr3t key"};
    assert_int_equal(captured(&c, &board, &err), 0);
}

static void test_a_wrong_password_ends_as_no_prompt(void **state)
{
    struct error err = {0};
    struct board board = {
        .boot = {.stop_keys = "\r", .stop_prompt = "Hit any key", .password = "other"}};
    static struct console c = {.counts = "Hit any key to stop autoboot:  1 ",
                               .stops = any_key,
                               .asks = "Password: ",
                               .secret = "s3cr3t key"};
    assert_int_equal(captured(&c, &board, &err), ERROR_STATE);
    assert_non_null(strstr(err.text, "no prompt of the boot loader"));
    assert_true(c.wrong_passwords > 0);
    /* Neither in what people see nor in the log. */
    assert_null(strstr(err.text, "other"));
}

static void test_a_stop_string_is_typed_whole(void **state)
{
    struct error err = {0};
    struct board board = {.boot = {.stop_prompt = "Autoboot in", .password = "tpl"}};
    static struct console c = {
        .counts = "Autoboot in 1 seconds\r\n", .stops = keyed, .secret = "tpl"};
    assert_int_equal(captured(&c, &board, &err), 0);
    assert_int_equal(c.starts, 1);
}

static void test_a_stop_string_that_is_summed_up_has_nothing_else_before_it(void **state)
{
    struct error err = {0};
    struct board board = {.boot = {.password = "factory 7"}};
    static struct console c = {.counts = "", .stops = summed_up, .secret = "factory 7"};
    assert_int_equal(captured(&c, &board, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_go_to_a_loader_that_counts_aloud_when_it_does),
        cmocka_unit_test(test_keys_are_streamed_to_a_loader_that_says_nothing),
        cmocka_unit_test(test_a_password_is_given_when_it_is_asked_for),
        cmocka_unit_test(test_a_wrong_password_ends_as_no_prompt),
        cmocka_unit_test(test_a_stop_string_is_typed_whole),
        cmocka_unit_test(test_a_stop_string_that_is_summed_up_has_nothing_else_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
