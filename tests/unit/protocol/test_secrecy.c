/* A core dump of a process that holds keys has none, and its pages stay in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/base/secrecy.h"

static long kilobytes(const char *name)
{
    char line[256];
    long n = -1;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            n = strtol(line + strlen(name) + 1, NULL, 10);
    if (f)
        fclose(f);
    return n;
}

static long filter(void)
{
    char line[32] = "";
    FILE *f = fopen("/proc/self/coredump_filter", "re");
    if (f && !fgets(line, sizeof line, f))
        line[0] = '\0';
    if (f)
        fclose(f);
    return strtol(line, NULL, 16);
}

static void test_memory_is_in_no_core_of_the_process_and_its_children(void **state)
{
    (void)state;
    struct error err = {0};
    assert_true(filter() > 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (secrecy_no_core(&err) || filter() != 0)
            _exit(1);
        pid_t grandchild = fork();
        if (grandchild == 0)
            _exit(filter() != 0);
        int status = 1;
        waitpid(grandchild, &status, 0);
        _exit(status != 0);
    }
    int status = 1;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

/* Where it is not allowed, it says so, and memory can be had as before. */
static void test_memory_is_locked_or_it_is_said_that_it_is_not(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    print_message("left out: test_memory_is_locked_or_it_is_said_that_it_is_not: the sanitizer's "
                  "mlockall does nothing\n");
    return;
#endif
    struct error err = {0};
    const int rc = secrecy_lock_memory(&err);
    char *p = malloc(1 << 20);
    assert_non_null(p);
    memset(p, 7, 1 << 20);
    if (rc) {
        assert_int_equal(rc, ERROR_REFUSED);
        assert_non_null(strstr(err.text, "swap"));
    } else {
        assert_true(kilobytes("VmLck") > 1024);
        secrecy_unlock_memory();
        assert_int_equal(kilobytes("VmLck"), 0);
    }
    free(p);
    if (geteuid() != 0)
        return;
    pid_t pid = fork();
    if (pid == 0) { /* an account with the usual limit */
        const struct rlimit limit = {8 << 20, 8 << 20};
        if (setrlimit(RLIMIT_MEMLOCK, &limit) || setuid(65534))
            _exit(2);
        _exit(secrecy_lock_memory(&err) == ERROR_REFUSED ? 0 : 1);
    }
    int status = 1;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_in_no_core_of_the_process_and_its_children),
        cmocka_unit_test(test_memory_is_locked_or_it_is_said_that_it_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
