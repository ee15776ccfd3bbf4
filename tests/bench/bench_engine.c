/* Committed steps a second over 64 slots with three measurements each, and what 64 slots cost in
 * memory while they wait. The engine is the real one: a taktd in a process of its own, a worker a
 * slot, the store with every commit synced. Peer figures: OpenHTF on two cores, which journals
 * nothing (a kill -9 in mid-run leaves no record). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>

#include "tests/unit/engine/bench_line.h"

enum { SLOTS = 64, STEPS = 500 };

static void print_figure(const char *name, double value, const char *unit, double reference,
                         const char *peer, const char *method)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "bench", name);
    cJSON_AddNumberToObject(o, "value", value);
    cJSON_AddStringToObject(o, "unit", unit);
    cJSON_AddNumberToObject(o, "reference", reference);
    cJSON_AddStringToObject(o, "peer", peer);
    cJSON_AddStringToObject(o, "method", method);
    char *text = cJSON_PrintUnformatted(o);
    printf("%s\n", text);
    fflush(stdout);
    cJSON_free(text);
    cJSON_Delete(o);
}

/* Pss of a process, kB; 0 when it is gone. */
static long pss_kb(pid_t pid)
{
    char path[64], line[200];
    long kb = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Pss: %ld", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb;
}

static pid_t parent_of(pid_t pid)
{
    char path[64], text[300];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    const char *after = strrchr(text, ')');
    return after && sscanf(after, ") %*c %d", &parent) == 1 ? parent : 0;
}

static long family_pss_kb(pid_t taktd, int *processes)
{
    long total = pss_kb(taktd);
    DIR *proc = opendir("/proc");
    *processes = 1;
    for (struct dirent *d; proc && (d = readdir(proc));) {
        pid_t pid = atoi(d->d_name);
        if (pid > 0 && parent_of(pid) == taktd) {
            total += pss_kb(pid);
            ++*processes;
        }
    }
    if (proc)
        closedir(proc);
    return total;
}

static void throughput(void)
{
    struct bench_line l;
    struct buffer steps = {0};
    line_open(&l, SLOTS);
    for (int i = 0; i < STEPS; i++)
        buffer_printf(&steps, "%s{'id':'s%d','step':'quick','deadline_s':60}", i ? "," : "", i);
    line_plan(&l, "p", buffer_text(&steps), "");
    buffer_free(&steps);
    line_start(&l);
    int64_t began = clock_mono_ns();
    line_run(&l, "cam/p");
    line_wait_idle(&l, 300000);
    double seconds = (double)(clock_mono_ns() - began) / 1e9;
    double committed = atof(line_sql(&l, "SELECT count(*) FROM step WHERE verdict = 1"));
    assert_true(committed == SLOTS * STEPS);
    print_figure("engine committed steps", committed / seconds, "steps/s", 2000,
                 "OpenHTF, not journalled",
                 "64 slots x 500 steps of 3 measurements, from run.start to idle, every result "
                 "committed with synchronous=FULL before the next step begins");
    const double settled = atof(line_sql(
        &l, "WITH r AS (SELECT min(started_ms) b, max(started_ms) e FROM step GROUP BY run),"
            " w AS (SELECT max(b) t0, min(e) t1 FROM r)"
            " SELECT (SELECT count(*) FROM step, w WHERE started_ms BETWEEN t0 AND t1) * 1000.0 /"
            " (t1 - t0) FROM w WHERE t1 > t0"));
    print_figure("engine committed steps, all slots at work", settled, "steps/s", 5000,
                 "what it shall reach",
                 "of the same run, from when the last of the 64 workers has begun until the first "
                 "slot begins its last step");
    line_close(&l);
}

static void memory(void)
{
    struct bench_line l;
    int processes;
    line_open(&l, SLOTS);
    line_plan(&l, "p",
              "{'id':'a','step':'slow','deadline_s':60,'params':{'out':'@','ms':30000,"
              "'says':'waits'}}",
              "");
    line_start(&l);
    line_run(&l, "cam/p");
    line_wait_out(&l, "waits", SLOTS, 60000);
    long kb = family_pss_kb(l.taktd, &processes);
    assert_int_equal(processes, 1 + SLOTS + 1); /* taktd, workers, the fixture */
    print_figure("taktd, fixture and 64 waiting workers", (double)kb / 1024, "MB PSS", 45,
                 "OpenHTF, one slot, RSS", "sum of Pss in /proc/PID/smaps_rollup");
    line_close(&l);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* From exec to exit of `takt --version`; nothing is printed where takt is not built. */
static void start_up(void)
{
    enum { TIMES = 21 };
    const char *build = getenv("BUILD");
    char program[PATH_MAX];
    double ms[TIMES];
    snprintf(program, sizeof program, "%s/takt", build ? build : "build");
    if (access(program, X_OK))
        return;
    for (int i = 0; i < TIMES; i++) {
        int64_t began = clock_mono_ns();
        pid_t pid = fork();
        if (pid == 0) {
            int null = open("/dev/null", O_RDWR);
            dup2(null, STDOUT_FILENO);
            dup2(null, STDERR_FILENO);
            execl(program, program, "--version", (char *)NULL);
            _exit(127);
        }
        waitpid(pid, NULL, 0);
        ms[i] = (double)(clock_mono_ns() - began) / 1e6;
    }
    qsort(ms, TIMES, sizeof *ms, compare);
    print_figure("takt start-up", ms[TIMES / 2], "ms", 270, "OpenHTF",
                 "median of 21 runs of takt --version, exec to exit");
}

int main(void)
{
    throughput();
    memory();
    start_up();
    return 0;
}
