/* Deadlines: how late a step's processes end, and that teardowns and sections have their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "tests/unit/engine/bench_line.h"

#define OFF "{'id':'off','step':'touch','deadline_s':5,'params':{'out':'@','says':'torn-down'}}"

enum {
    RUNS = 2,
    ATTEMPTS = 3,
    HUNG = RUNS * ATTEMPTS,
    DEADLINE_MS = 1500, /* a busy machine takes its time to begin */
    LATE_MS = 50,       /* what the engine promises */
    KILLS = 4,          /* taktd, the killed process, the kernel's reaping, this program's look */
    LOOKS_MAX = 4096    /* of the reference */
};

/* ---- what this machine takes for sleeping until a moment, a kill and the end of who is killed --
 */

struct reference {
    pthread_t thread;
    bool over;
    double late_ms[LOOKS_MAX];
    int count;
};

static void *sleeper(void *context)
{
    struct reference *r = context;
    while (!__atomic_load_n(&r->over, __ATOMIC_RELAXED) && r->count < LOOKS_MAX) {
        const pid_t child = fork();
        if (child == 0)
            for (;;)
                pause();
        const int64_t due = clock_mono_ns() + 100 * 1000000;
        clock_sleep_until_ns(due);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        r->late_ms[r->count++] = (double)(clock_mono_ns() - due) / 1e6;
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double *values, int count)
{
    assert_true(count > 0);
    qsort(values, (size_t)count, sizeof *values, by_size);
    return values[count / 2];
}

/* ---- the deadline itself ----------------------------------------------------------------------
 */

/* The child of the k-th hung step (from 0), once it is there; a descriptor that tells its end. */
static int watch_child(struct bench_line *l, int k)
{
    struct buffer all = {0};
    struct error err;
    int pid = 0;
    line_wait_out(l, "child ", k + 1, 60000);
    assert_int_equal(file_read(l->out, &all, &err), 0);
    const char *at = buffer_text(&all);
    for (int i = 0; i <= k; i++)
        at = strstr(at, "child ") + strlen("child ");
    assert_int_equal(sscanf(at, "%d", &pid), 1);
    buffer_free(&all);
    return (int)syscall(SYS_pidfd_open, pid, 0); /* -1: it ended while the file was read */
}

/* A column of the k-th attempt's record. */
static const char *of_attempt(const struct bench_line *l, int k, const char *column)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "SELECT %s FROM step WHERE run = %d AND attempt = %d AND step = 0 AND verdict = 4",
             column, 1 + k / ATTEMPTS, 1 + k % ATTEMPTS);
    return line_sql(l, sql);
}

/* What hangs has a child of its own: the moment that child is dead is the moment the whole group
 * is. The median is held, against the promise and what the machine itself was late by meanwhile: a
 * loaded one wakes everybody late, and now and then somebody very late. */
static void a_hung_step_is_over_within_50_ms_of_its_deadline(void **state)
{
    struct bench_line l;
    struct reference machine = {0};
    double seen_ms[HUNG], told_ms[HUNG];
    int64_t died_ms[HUNG];
    char plan[200];
    int seen = 0;
    line_open(&l, 1);
    snprintf(plan, sizeof plan,
             "{'id':'h','step':'hang','deadline_s':%g,'attempts':%d,'params':{'out':'@'}}",
             DEADLINE_MS / 1000.0, ATTEMPTS);
    line_plan(&l, "p", plan, OFF);
    line_start(&l);
    assert_int_equal(pthread_create(&machine.thread, NULL, sleeper, &machine), 0);
    for (int i = 0; i < HUNG; i++) {
        if (i % ATTEMPTS == 0) {
            line_wait_idle(&l, 60000);
            line_run(&l, "cam/p");
        }
        struct pollfd p = {.fd = watch_child(&l, i), .events = POLLIN};
        died_ms[i] = p.fd >= 0 && poll(&p, 1, 60000) == 1 ? clock_wall_ms() : 0;
        if (p.fd >= 0)
            close(p.fd);
    }
    __atomic_store_n(&machine.over, true, __ATOMIC_RELAXED);
    pthread_join(machine.thread, NULL);
    line_wait_idle(&l, 60000);
    for (int i = 0; i < HUNG; i++) {
        const int64_t due_ms = atoll(of_attempt(&l, i, "started_ms")) + DEADLINE_MS;
        told_ms[i] = atof(of_attempt(&l, i, "duration_ms")) - DEADLINE_MS;
        if (due_ms == DEADLINE_MS || told_ms[i] < 0)
            fail_msg("attempt %d was ended %g ms before its deadline", i, -told_ms[i]);
        if (died_ms[i])
            seen_ms[seen++] = (double)(died_ms[i] - due_ms);
    }
    const double machine_ms = median(machine.late_ms, machine.count);
    const double allowed_ms = LATE_MS + KILLS * machine_ms;
    const double told = median(told_ms, HUNG), saw = median(seen_ms, seen);
    print_message("late: %.1f ms as seen, %.1f ms as recorded; the machine itself %.2f ms\n", saw,
                  told, machine_ms);
    if (seen < HUNG / 2 + 1 || saw > allowed_ms || told > allowed_ms)
        fail_msg("%d deaths seen, %.1f ms late, %.1f ms as recorded; allowed %.1f ms", seen, saw,
                 told, allowed_ms);
    line_close(&l);
}

/* ---- teardown ---------------------------------------------------------------------------------
 */

static void a_teardown_that_hangs_ends_by_its_own_deadline_and_the_rest_is_done(void **state)
{
    struct bench_line l;
    line_open(&l, 1);
    line_plan(&l, "p", "{'id':'h','step':'hang','deadline_s':1.5,'params':{'out':'@'}}",
              "{'id':'arm','step':'hang','deadline_s':1.5,'params':{'out':'@'}}," OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_idle(&l, 60000);
    assert_string_equal(line_sql(&l, "SELECT group_concat(verdict) FROM step"), "4,4,1");
    assert_int_equal(line_count(&l, "torn-down"), 1);
    const double ms = atof(line_sql(&l, "SELECT duration_ms FROM step WHERE step = 1"));
    assert_true(ms >= 1500);
    /* In a worker of its own: what the step hung on is not there any more. */
    assert_int_equal(line_count(&l, "child "), 2);
    /* And the slot takes the next unit. */
    line_run(&l, "cam/p");
    line_wait_idle(&l, 60000);
    assert_int_equal(line_count(&l, "torn-down"), 2);
    line_close(&l);
}

/* An abort does not keep the teardown from its end, either. */
static void an_abort_while_tearing_down_leaves_the_teardown_its_time(void **state)
{
    struct bench_line l;
    struct error err;
    line_open(&l, 1);
    line_plan(&l, "p", "{'id':'q','step':'quick','deadline_s':5}",
              "{'id':'park','step':'slow','deadline_s':30,'params':{'out':'@','ms':400,"
              "'says':'parking'}}," OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_out(&l, "parking", 1, 60000);
    cJSON *params = cJSON_CreateObject();
    cJSON_AddTrueToObject(params, "all");
    assert_int_equal(line_call(&l, "run.abort", params, &err), 0);
    line_wait_idle(&l, 60000);
    assert_int_equal(line_count(&l, "slow-ended"), 1);
    assert_int_equal(line_count(&l, "torn-down"), 1);
    line_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hung_step_is_over_within_50_ms_of_its_deadline),
        cmocka_unit_test(a_teardown_that_hangs_ends_by_its_own_deadline_and_the_rest_is_done),
        cmocka_unit_test(an_abort_while_tearing_down_leaves_the_teardown_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
