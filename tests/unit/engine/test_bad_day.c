/* A PC on a bad day: its clock jumps, its disk is slow, somebody else has the store locked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "tests/unit/engine/bench_line.h"

#define OFF "{'id':'off','step':'touch','deadline_s':5,'params':{'out':'@','says':'torn-down'}}"

/* ---- the wall clock, for this program and the taktd it forks --------------------------------- */

static int64_t *ahead_s; /* shared: how far the wall clock is off */
static int64_t *sync_ms; /* shared: how long the disk takes for a sync */

int clock_gettime(clockid_t clock, struct timespec *out);
int clock_gettime(clockid_t clock, struct timespec *out)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, out);
    if (!rc && clock == CLOCK_REALTIME && ahead_s)
        out->tv_sec += __atomic_load_n(ahead_s, __ATOMIC_RELAXED);
    return rc;
}

static void set_clock(int64_t off_s)
{
    __atomic_store_n(ahead_s, off_s, __ATOMIC_RELAXED);
}

static void a_clock_that_jumps_breaks_nothing(void **state)
{
    static const int64_t jumps_s[] = {-3600 * 24 * 400, 3600 * 24 * 400};
    for (size_t i = 0; i < 2; i++) {
        struct bench_line l;
        set_clock(0);
        line_open(&l, 2);
        line_plan(&l, "p",
                  "{'id':'a','step':'slow','deadline_s':30,'params':{'out':'@','ms':900}},"
                  "{'id':'h','step':'hang','deadline_s':0.6,'on_fail':'continue',"
                  "'params':{'out':'@'}}",
                  OFF);
        line_start(&l);
        line_run(&l, "cam/p");
        line_wait_out(&l, "touched", 2, 20000);
        set_clock(jumps_s[i]);
        line_wait_out(&l, "child", 2, 20000); /* step a ended in its time, h has begun */
        line_kill(&l);
        line_start(&l); /* open runs that began in the future, or long ago */
        line_wait_idle(&l, 30000);
        /* Step a took what it takes, and h was ended when its time was over. */
        assert_string_equal(line_sql(&l,
                                     "SELECT count(*) FROM step WHERE step = 0 AND verdict = 1 AND "
                                     "duration_ms BETWEEN 890 AND 8000"),
                            "2");
        assert_string_equal(line_sql(&l,
                                     "SELECT count(*) FROM step WHERE step = 1 AND verdict = 4 AND "
                                     "duration_ms BETWEEN 600 AND 5000"),
                            "2");
        assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 4"), "2");
        assert_int_equal(line_count(&l, "torn-down"), 2);
        line_run(&l, "cam/p"); /* and the next ones go as ever */
        line_wait_idle(&l, 30000);
        assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 4"), "4");
        line_close(&l);
    }
    set_clock(0);
}

/* ---- the store ------------------------------------------------------------------------------- */

static void a_locked_store_is_awaited(void **state)
{
    struct bench_line l;
    sqlite3 *db;
    line_open(&l, 2);
    line_plan(&l, "p",
              "{'id':'a','step':'slow','deadline_s':30,'params':{'out':'@','ms':300}},"
              "{'id':'b','step':'touch','deadline_s':30,'params':{'out':'@','says':'b-done'}}",
              OFF);
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_out(&l, "touched", 2, 20000);
    assert_int_equal(sqlite3_open(l.store, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 20000);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    int had = line_count(&l, "b-done"); /* what began before the lock */
    clock_sleep_until_ns(clock_mono_ns() + 2500000000);
    assert_int_equal(line_count(&l, "b-done"), had);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    line_wait_idle(&l, 60000);
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 1"), "2");
    assert_int_equal(line_count(&l, "b-done"), 2);
    assert_int_equal(line_count(&l, "torn-down"), 2);
    line_close(&l);
}

static sqlite3_vfs slow_vfs, *fast_vfs;
/* Files of different sorts have methods of their own, all with the same sync. */
static struct {
    const sqlite3_io_methods *fast;
    sqlite3_io_methods slow;
} sorts[4];
static int (*fast_sync)(sqlite3_file *f, int flags);

static int slow_sync(sqlite3_file *f, int flags)
{
    clock_sleep_until_ns(clock_mono_ns() + __atomic_load_n(sync_ms, __ATOMIC_RELAXED) * 1000000);
    return fast_sync(f, flags);
}

static int slow_open(sqlite3_vfs *v, sqlite3_filename name, sqlite3_file *f, int flags, int *out)
{
    (void)v;
    int rc = fast_vfs->xOpen(fast_vfs, name, f, flags, out);
    for (size_t i = 0; !rc && f->pMethods && i < 4; i++) {
        if (!sorts[i].fast) {
            sorts[i].fast = f->pMethods;
            sorts[i].slow = *f->pMethods;
            fast_sync = sorts[i].slow.xSync;
            sorts[i].slow.xSync = slow_sync;
        }
        if (sorts[i].fast == f->pMethods) {
            f->pMethods = &sorts[i].slow;
            break;
        }
    }
    return rc;
}

static void slow_disk(void)
{
    fast_vfs = sqlite3_vfs_find(NULL);
    slow_vfs = *fast_vfs;
    slow_vfs.pNext = NULL;
    slow_vfs.zName = "slow";
    slow_vfs.xOpen = slow_open;
    sqlite3_vfs_register(&slow_vfs, 1);
}

/* Gone, or a zombie that nobody has reaped yet. */
static bool gone(int pid)
{
    char path[40], text[300];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return true;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *after = strrchr(text, ')');
    return !after || after[2] == 'Z';
}

static void a_slow_disk_moves_no_deadline(void **state)
{
    struct bench_line l;
    struct buffer all = {0};
    struct error err;
    int child, worker;
    line_open(&l, 1);
    /* While step h hangs, its neighbour's end is committed, which takes 5 s. */
    line_plan(&l, "p",
              "{'id':'h','step':'hang','deadline_s':1,'on_fail':'continue','after':[],"
              "'parts':['x'],'params':{'out':'@'}},"
              "{'id':'a','step':'slow','deadline_s':60,'after':[],'parts':['y'],"
              "'params':{'out':'@','ms':400}}",
              OFF);
    l.before = slow_disk;
    *sync_ms = 0;
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_out(&l, "child", 1, 20000);
    const int64_t began_ms = clock_mono_ms();
    __atomic_store_n(sync_ms, 5000, __ATOMIC_RELAXED);
    assert_int_equal(file_read(l.out, &all, &err), 0);
    assert_int_equal(
        sscanf(strstr(buffer_text(&all), "child "), "child %d worker %d", &child, &worker), 2);
    buffer_free(&all);
    while (!gone(child))
        line_pause();
    const int64_t took_ms = clock_mono_ms() - began_ms;
    __atomic_store_n(sync_ms, 0, __ATOMIC_RELAXED);
    if (took_ms > 3500)
        fail_msg("a deadline of 1 s was kept after %lld ms", (long long)took_ms);
    line_wait_idle(&l, 60000);
    assert_string_equal(line_sql(&l, "SELECT verdict FROM step WHERE step = 0"), "4");
    assert_string_equal(line_sql(&l, "SELECT verdict FROM step WHERE step = 1"), "1");
    assert_int_equal(line_count(&l, "torn-down"), 1);
    line_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_that_jumps_breaks_nothing),
        cmocka_unit_test(a_locked_store_is_awaited),
        cmocka_unit_test(a_slow_disk_moves_no_deadline),
    };
    ahead_s =
        mmap(NULL, 2 * sizeof *ahead_s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sync_ms = ahead_s + 1;
    return ahead_s == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
