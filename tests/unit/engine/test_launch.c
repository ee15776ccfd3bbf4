/* taktd started in the background by whoever needs it first. This program is its own taktd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "station/engine/launch.h"
#include "tests/unit/engine/bench_line.h"

static pid_t pid_of(struct client *c)
{
    cJSON *status = NULL;
    struct error err = {0};
    assert_int_equal(client_call(c, "status", NULL, 5000, &status, &err), 0);
    pid_t pid = (pid_t)json_number(status, "pid", 0);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(status, "instruments")), 1);
    cJSON_Delete(status);
    return pid;
}

static void it_is_started_once_and_outlives_its_client(void **state)
{
    struct bench_line l;
    struct error err = {0};
    struct client *first = NULL, *second = NULL;
    line_open(&l, 1);
    if (launch_connect(l.station, 20000, &first, &err))
        fail_msg("%s", err.text);
    pid_t pid = pid_of(first);
    assert_true(pid > 1);
    client_close(first);
    assert_int_equal(launch_connect(l.station, 20000, &second, &err), 0);
    assert_int_equal(pid_of(second), pid);
    assert_int_equal(client_call(second, "stop", NULL, 5000, NULL, &err), 0);
    for (int64_t until = clock_mono_ms() + 20000; kill(pid, 0) == 0 && clock_mono_ms() < until;)
        line_pause();
    assert_int_equal(kill(pid, 0), -1); /* ended, in good order */
    client_close(second);
    assert_int_equal(client_connect(l.socket, &first, &err), ERROR_MISSING);
    line_close(&l);
}

static void two_that_need_it_at_once_get_the_same_one(void **state)
{
    struct bench_line l;
    struct error err = {0};
    struct client *c = NULL;
    pid_t children[4];
    line_open(&l, 1);
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(launch_connect(l.station, 20000, &c, &err) ? 1 : 0);
    }
    for (int i = 0; i < 4; i++) {
        int status;
        waitpid(children[i], &status, 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(launch_connect(l.station, 20000, &c, &err), 0);
    pid_t pid = pid_of(c);
    assert_int_equal(client_call(c, "stop", NULL, 5000, NULL, &err), 0);
    client_close(c);
    for (int64_t until = clock_mono_ms() + 20000; kill(pid, 0) == 0 && clock_mono_ms() < until;)
        line_pause();
    line_close(&l);
}

static void why_it_cannot_start_is_told(void **state)
{
    struct bench_line l;
    struct error err = {0};
    struct client *c = NULL;
    line_open(&l, 1);
    line_write(&l, "station.json", "{ \"state_dir\": \"state\",\n\"slot\": 1 }");
    assert_int_equal(launch_connect(l.station, 20000, &c, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "station.json:2: unknown member 'slot'"));
    assert_null(c);
    line_close(&l);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "--station") == 0) {
        struct bench_line l = {0};
        snprintf(l.station, sizeof l.station, "%s", argv[2]);
        line_be_taktd(&l, -1, atoi(argv[4]));
    }
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    setenv("TAKTD", self, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_started_once_and_outlives_its_client),
        cmocka_unit_test(two_that_need_it_at_once_get_the_same_one),
        cmocka_unit_test(why_it_cannot_start_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
