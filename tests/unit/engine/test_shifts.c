/* A station at work for days: nothing grows. Its time is simulated, taktd, workers, fixture process
 * and outbox are real: the clock and every wait of this program and of what it forks go FACTOR
 * times as fast. Each round puts a unit into every slot; some hang, crash or are aborted, as in any
 * hall. When all slots are idle again, what taktd has allocated, its memory, descriptors, threads
 * and processes are looked at: what a run leaves behind is seen there.
 *
 *   TAKT_SHIFT_HOURS   how long; without it a sample of a few slots and rounds, for `make check`
 *   TAKT_SHIFT_SLOTS   how many slots (64 with hours)
 *   SEED               of what goes wrong, and where */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "tests/unit/engine/bench_line.h"

enum { FACTOR = 400, ROUNDS_MIN = 10, ROUNDS_MAX = 100000, FAMILY_MAX = 256 };

/* A sanitizer's malloc keeps what was freed. */
#ifdef __SANITIZE_ADDRESS__
#define MEMORY_IS_HELD 0
#else
#define MEMORY_IS_HELD 1
#endif

/* ---- time ------------------------------------------------------------------------------------ */

static int64_t real_start_ns, wall_start_ns;
static int slot_count = 8;

static int64_t real_ns(clockid_t clock)
{
    struct timespec ts;
    syscall(SYS_clock_gettime, clock, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t simulated_ns(void)
{
    return real_start_ns + (real_ns(CLOCK_MONOTONIC) - real_start_ns) * FACTOR;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* The moment of the real clock at which the simulated one shows this. */
static struct timespec real_moment(const struct timespec *simulated)
{
    const int64_t ns = (int64_t)simulated->tv_sec * 1000000000 + simulated->tv_nsec;
    return timespec_of(real_start_ns + (ns - real_start_ns) / FACTOR);
}

static struct timespec real_wait(int timeout_ms)
{
    return timespec_of((int64_t)timeout_ms * 1000000 / FACTOR);
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    if (!real_start_ns || (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME))
        return (int)syscall(SYS_clock_gettime, clock, out);
    const int64_t since_ns = simulated_ns() - real_start_ns;
    *out = timespec_of((clock == CLOCK_REALTIME ? wall_start_ns : real_start_ns) + since_ns);
    return 0;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
    assert_true(clock == CLOCK_MONOTONIC && flags == TIMER_ABSTIME); /* nobody waits otherwise */
    const struct timespec moment = real_moment(until);
    return syscall(SYS_clock_nanosleep, clock, flags, &moment, left) ? EINTR : 0;
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    const struct timespec wait = real_wait(timeout_ms);
    return (int)syscall(SYS_ppoll, fds, count, timeout_ms < 0 ? NULL : &wait, NULL, 0);
}

int epoll_wait(int epoll_fd, struct epoll_event *events, int count, int timeout_ms)
{
    const struct timespec wait = real_wait(timeout_ms);
    return (int)syscall(SYS_epoll_pwait2, epoll_fd, events, count, timeout_ms < 0 ? NULL : &wait,
                        NULL, 0);
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock,
                           const struct timespec *until)
{
    const struct timespec moment = real_moment(until);
    return pthread_cond_clockwait(condition, lock, CLOCK_MONOTONIC, &moment);
}

/* ---- what is looked at ------------------------------------------------------------------------
 */

struct look {
    double hours;
    long allocated; /* bytes, by taktd's malloc, without SQLite's */
    long rss_kb;
    int fds, threads, processes; /* taktd's and its lasting children's */
};

static long *allocated; /* shared with taktd */

static void account(void *context)
{
    (void)context;
    const struct mallinfo2 now = mallinfo2();
    /* SQLite's cache of pages fills up to its bound; that is held by RssAnon. */
    __atomic_store_n(allocated, (long)(now.uordblks + now.hblkhd - (size_t)sqlite3_memory_used()),
                     __ATOMIC_RELAXED);
}

static int entries(pid_t pid, const char *what)
{
    char path[64];
    int n = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static long status_kb(pid_t pid, const char *name)
{
    char path[64], line[200];
    long kb = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            kb = atol(line + strlen(name) + 1);
    if (f)
        fclose(f);
    return kb;
}

static int family_of(pid_t taktd, pid_t out[FAMILY_MAX])
{
    char path[64];
    int count = 1, pid;
    out[0] = taktd;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)taktd, (int)taktd);
    FILE *f = fopen(path, "r");
    while (f && count < FAMILY_MAX && fscanf(f, "%d", &pid) == 1)
        out[count++] = pid;
    if (f)
        fclose(f);
    return count;
}

static void count(struct look *k, pid_t taktd)
{
    pid_t family[FAMILY_MAX];
    *k = (struct look){.processes = family_of(taktd, family)};
    for (int i = 0; i < k->processes; i++) {
        k->fds += entries(family[i], "fd");
        k->threads += entries(family[i], "task");
        k->rss_kb += status_kb(family[i], "RssAnon:");
    }
}

/* Once what a round had started is gone; what is still there after ten seconds stays. */
static struct look look_at(struct bench_line *l, const struct look *first)
{
    struct look k;
    count(&k, l->taktd);
    for (int tries = 0;
         first && tries < 1000 &&
         (k.processes > first->processes || k.fds > first->fds || k.threads > first->threads);
         tries++) {
        const struct timespec pause = {.tv_nsec = 10000000};
        syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &pause, NULL);
        count(&k, l->taktd);
    }
    k.allocated = __atomic_load_n(allocated, __ATOMIC_RELAXED);
    k.hours = (double)(simulated_ns() - real_start_ns) / 3.6e12;
    return k;
}

/* ---- the line ---------------------------------------------------------------------------------
 */

static uint64_t random_state;

static int dice(int sides)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (int)((random_state >> 33) % (uint64_t)sides);
}

#define OFF "{'id':'off','step':'touch','deadline_s':3600,'params':{'out':'/dev/null'}}"
#define COMMON                                                                                     \
    "{'id':'on','step':'touch','deadline_s':3600,'params':{'out':'/dev/null'}},"                   \
    "{'id':'a','step':'quick','deadline_s':3600,'params':{'level':4}},"                            \
    "{'id':'b','step':'slow','deadline_s':3600,'params':{'out':'/dev/null','ms':60000}},"          \
    "{'id':'c','step':'chatty','deadline_s':3600,'params':{'count':20}},"

static void make_plans(const struct bench_line *l)
{
    line_plan(l, "good", COMMON "{'id':'f','step':'facts','deadline_s':600,'params':{'of':'a'}}",
              OFF);
    line_plan(l, "hung",
              COMMON "{'id':'h','step':'hang','deadline_s':60,'attempts':2,"
                     "'params':{'out':'/dev/null'}}",
              OFF);
    line_plan(l, "crashed",
              COMMON "{'id':'x','step':'crash','deadline_s':600,"
                     "'params':{'out':'/dev/null','signal':11}}",
              OFF);
}

/* Patience is in simulated time as well. */
static int call(struct bench_line *l, const char *method, cJSON *params, cJSON **result,
                struct error *err)
{
    memset(err, 0, sizeof *err);
    return client_call(l->client, method, params, 60000 * FACTOR, result, err);
}

static void start(struct bench_line *l, const char *plan, int from, int to, int round)
{
    struct error err = {0};
    cJSON *params = cJSON_CreateObject();
    char text[64];
    snprintf(text, sizeof text, "cam/%s", plan);
    cJSON_AddStringToObject(params, "plan", text);
    snprintf(text, sizeof text, "O%d", round / 20);
    cJSON_AddStringToObject(params, "order", text);
    cJSON_AddStringToObject(params, "operator", "ann");
    cJSON *slots = cJSON_AddArrayToObject(params, "slots");
    cJSON *serials = cJSON_AddArrayToObject(params, "serials");
    for (int i = from; i < to; i++) {
        snprintf(text, sizeof text, "SN%06d%02d", round, i);
        cJSON_AddItemToArray(slots, cJSON_CreateNumber(i + 1));
        cJSON_AddItemToArray(serials, cJSON_CreateString(text));
    }
    if (call(l, "run.start", params, NULL, &err))
        fail_msg("round %d: %s", round, err.text);
}

/* What else happens in a hall: somebody looks and goes, somebody aborts, somebody asks rubbish. */
static void disturb(struct bench_line *l)
{
    struct client *other = NULL;
    struct error err = {0};
    if (client_connect(l->socket, &other, &err) ||
        client_call(other, "subscribe", NULL, 60000 * FACTOR, NULL, &err))
        fail_msg("%s", err.text);
    cJSON *params = cJSON_CreateObject();
    cJSON_AddNumberToObject(params, "slot", 1 + dice(slot_count));
    if (call(l, "run.abort", params, NULL, &err))
        fail_msg("%s", err.text);
    assert_int_not_equal(call(l, "run.stat", NULL, NULL, &err), 0);
    client_close(other);
}

/* With every slot idle, and the processes that last there. */
static bool is_idle(struct bench_line *l)
{
    struct error err;
    cJSON *status = NULL, *slot;
    if (call(l, "status", NULL, &status, &err))
        fail_msg("%s", err.text);
    bool idle = json_bool(status, "fixture", false) && json_bool(status, "outbox", false);
    cJSON_ArrayForEach(slot, cJSON_GetObjectItem(status, "slots"))
    {
        idle = idle && strcmp(json_string(slot, "state", ""), "idle") == 0;
    }
    cJSON_Delete(status);
    return idle;
}

static void await_idle(struct bench_line *l)
{
    const int64_t until_ns = real_ns(CLOCK_MONOTONIC) + 120 * (int64_t)1000000000;
    while (!is_idle(l)) {
        if (real_ns(CLOCK_MONOTONIC) > until_ns)
            fail_msg("the slots are not idle again after two minutes");
        const struct timespec pause = {.tv_nsec = 10000000};
        syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &pause, NULL);
    }
}

static void round_of_units(struct bench_line *l, int round)
{
    const int hung = dice(3), crashed = dice(3);
    if (hung)
        start(l, "hung", 0, hung, round);
    if (crashed)
        start(l, "crashed", hung, hung + crashed, round);
    start(l, "good", hung + crashed, slot_count, round);
    disturb(l);
    await_idle(l);
}

static void nothing_grows(void **state)
{
    static struct look looks[ROUNDS_MAX];
    const char *hours_given = getenv("TAKT_SHIFT_HOURS"), *seed = getenv("SEED");
    const char *slots_given = getenv("TAKT_SHIFT_SLOTS");
    const double hours = hours_given ? atof(hours_given) : 0;
    struct bench_line l;
    struct buffer station = {0}, changed = {0};
    struct error err = {0};
    int rounds = 0;
    slot_count = slots_given ? atoi(slots_given) : hours_given ? 64 : slot_count;
    random_state = seed ? strtoull(seed, NULL, 10) : 20261129;
    line_open(&l, slot_count);
    assert_int_equal(file_read(l.station, &station, &err), 0);
    buffer_printf(&changed,
                  "{ \"outbox\": { \"files\": { \"connector\": \"folder\", \"folder\": \"drop\", "
                  "\"format\": \"json\" } },%s",
                  strchr(buffer_text(&station), '{') + 1);
    line_write(&l, "station.json", buffer_text(&changed));
    buffer_free(&station);
    buffer_free(&changed);
    make_plans(&l);
    l.between = account;
    real_start_ns = real_ns(CLOCK_MONOTONIC);
    wall_start_ns = real_ns(CLOCK_REALTIME);
    line_start(&l);
    round_of_units(&l, rounds++); /* what is made at its first use */
    const struct look first = look_at(&l, NULL);
    looks[0] = first;
    do {
        round_of_units(&l, rounds);
        looks[rounds] = look_at(&l, &first);
        rounds++;
    } while (rounds < ROUNDS_MAX && (rounds < ROUNDS_MIN || looks[rounds - 1].hours < hours));
    /* Pools, caches and queues fill at first: a quarter of the time is theirs. */
    const struct look *early = &looks[rounds / 4], *late = &looks[rounds - 1];
    struct look most = *early;
    for (const struct look *k = early; k <= late; k++) {
        most.fds = k->fds > most.fds ? k->fds : most.fds;
        most.threads = k->threads > most.threads ? k->threads : most.threads;
        most.processes = k->processes > most.processes ? k->processes : most.processes;
    }
    for (int tenth = 1; tenth <= 10; tenth++) {
        const struct look *k = &looks[rounds * tenth / 10 - 1];
        print_message("%.1f h: allocated %ld bytes, RssAnon %ld kB, %d descriptors, %d threads\n",
                      k->hours, k->allocated, k->rss_kb, k->fds, k->threads);
    }
    const long units = (long)(rounds - rounds / 4) * slot_count;
    const long grown = late->allocated - early->allocated;
    print_message("%.1f h of %d slots, %d rounds: allocated %ld to %ld bytes (%.2f a unit), "
                  "RssAnon %ld to %ld kB, descriptors %d to %d, threads %d to %d, processes %d to "
                  "%d; steps %s\n",
                  late->hours, slot_count, rounds, early->allocated, late->allocated,
                  (double)grown / (double)units, early->rss_kb, late->rss_kb, early->fds, most.fds,
                  early->threads, most.threads, early->processes, most.processes,
                  line_sql(&l, "SELECT count(*) FROM step"));
    assert_int_equal(most.fds, early->fds);
    assert_int_equal(most.threads, early->threads);
    assert_int_equal(most.processes, early->processes);
    if (MEMORY_IS_HELD && (grown > 65536 || late->rss_kb > early->rss_kb + 4096))
        fail_msg("%ld bytes and %ld kB more than a quarter of the way in", grown,
                 late->rss_kb - early->rss_kb);
    /* It did work meanwhile: every run came to its end, and not all to the same. */
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run WHERE verdict = 0"), "0");
    assert_int_equal(atol(line_sql(&l, "SELECT count(*) FROM run")), (long)rounds * slot_count);
    assert_true(atol(line_sql(&l, "SELECT count(*) FROM step WHERE verdict = 1")) > 0);
    assert_true(atol(line_sql(&l, "SELECT count(*) FROM step WHERE verdict <> 1")) > 0);
    line_close(&l);
}

int main(int argument_count, char **arguments)
{
    (void)argument_count;
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_grows)};
    /* Blocks that malloc keeps at hand would count as allocated. */
    static const char tunables[] = "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0";
    const char *set = getenv("GLIBC_TUNABLES");
    if (!set || strcmp(set, tunables) != 0) {
        setenv("GLIBC_TUNABLES", tunables, 1);
        execv("/proc/self/exe", arguments);
    }
    allocated =
        mmap(NULL, sizeof *allocated, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return allocated == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
