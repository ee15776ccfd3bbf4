#include "station/study/study_run.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "reports/query.h"
#include "reports/store.h"

enum { ARGUMENTS_MAX = 200, BENCH_UP_MS = 60000, STOP_MS = 20000, LOOK_NS = 50000000 };

struct study_run {
    struct study_run_config config;
    char dir[PATH_MAX - 64], station[PATH_MAX];
    pid_t bench;
    int rounds;
};

/* ---- programs ---- */

/* argv[0] is the program. Its stdout and stderr go to files of the study's folder. */
static pid_t start(struct study_run *r, const char *const argv[], const char *out, const char *log)
{
    char paths[2][PATH_MAX];
    snprintf(paths[0], PATH_MAX, "%s/%s", r->dir, out);
    snprintf(paths[1], PATH_MAX, "%s/%s", r->dir, log);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    for (int i = 0; i < 2; i++) {
        int fd = open(paths[i], O_WRONLY | O_CREAT | (i ? O_APPEND : O_TRUNC), 0600);
        if (fd < 0 || dup2(fd, i + 1) < 0)
            _exit(127);
    }
    int none = open("/dev/null", O_RDONLY);
    if (none >= 0)
        dup2(none, 0);
    setpgid(0, 0);
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

/* Waits at most so long; false while it still runs. */
static bool ended(pid_t pid, int *status, int64_t timeout_ms)
{
    const int64_t until = clock_mono_ms() + timeout_ms;
    for (;;) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid || (got < 0 && errno != EINTR))
            return true;
        if (clock_mono_ms() >= until)
            return false;
        clock_sleep_until_ns(clock_mono_ns() + LOOK_NS);
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    return remove(path);
}

/* ---- bench ---- */

static int wait_for_bench(struct study_run *r, struct error *err)
{
    const int64_t until = clock_mono_ms() + BENCH_UP_MS;
    while (access(r->station, R_OK)) {
        int status;
        if (ended(r->bench, &status, 0)) {
            r->bench = 0;
            return error_set(err, ERROR_STATE, "the bench ended, see %s/bench.log", r->dir);
        }
        if (clock_mono_ms() > until)
            return error_set(err, ERROR_TIMEOUT, "the bench did not come up, see %s/bench.log",
                             r->dir);
        clock_sleep_until_ns(clock_mono_ns() + LOOK_NS);
    }
    return 0;
}

/* On the bench every unit has an access point's air to itself, so all may have traffic at once. */
static int open_access_point(struct study_run *r, struct error *err)
{
    struct json_document *doc;
    int rc = json_load(r->station, &doc, err);
    if (rc)
        return rc;
    cJSON *ap = cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItemCaseSensitive(json_root(doc), "instruments"), "ap");
    cJSON_ReplaceItemInObjectCaseSensitive(ap, "capacity", cJSON_CreateNumber(r->config.slots));
    char *text = cJSON_Print(json_root(doc));
    rc = text ? file_write(r->station, text, strlen(text), 0600, err)
              : error_set(err, ERROR_MEMORY, "out of memory");
    cJSON_free(text);
    json_free(doc);
    return rc;
}

int study_run_open(const struct study_run_config *config, struct study_run **out, struct error *err)
{
    char slots[12], seed[24], marker[PATH_MAX];
    struct study_run *r = *out = calloc(1, sizeof *r);
    if (!r)
        return error_set(err, ERROR_MEMORY, "out of memory for a study");
    r->config = *config;
    snprintf(r->dir, sizeof r->dir, "%s", config->dir);
    snprintf(r->station, sizeof r->station, "%s/station.json", r->dir);
    snprintf(marker, sizeof marker, "%s/units.json", r->dir);
    int rc = 0;
    /* What is thrown away must be a bench. */
    if (access(r->dir, F_OK) == 0 && access(marker, F_OK) != 0 && rmdir(r->dir) != 0)
        rc = error_set(err, ERROR_INPUT, "%s holds other things than a bench: name a new folder",
                       r->dir);
    else if (access(r->dir, F_OK) == 0)
        nftw(r->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (!rc)
        rc = file_make_folders(r->dir, 0700, err);
    snprintf(slots, sizeof slots, "%d", config->slots);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)(config->seed & 0x7fffffff));
    const char *const argv[] = {config->takt_path, "bench", "up",     "--units", slots,
                                "--dir",           r->dir,  "--seed", seed,      NULL};
    if (!rc && (r->bench = start(r, argv, "bench.out", "bench.log")) < 0) {
        r->bench = 0;
        rc = error_errno(err, ERROR_IO, "cannot start the bench");
    }
    if (!rc)
        rc = wait_for_bench(r, err);
    if (!rc)
        rc = open_access_point(r, err);
    if (rc) {
        study_run_close(r);
        *out = NULL;
    }
    return rc;
}

void study_run_close(struct study_run *r)
{
    int status;
    if (!r)
        return;
    if (r->rounds) {
        const char *const argv[] = {r->config.takt_path, "station",  "stop", "--force",
                                    "--station",         r->station, NULL};
        pid_t pid = start(r, argv, "stop.out", "stop.log");
        if (pid > 0 && !ended(pid, &status, STOP_MS)) {
            kill(pid, SIGKILL);
            ended(pid, &status, STOP_MS);
        }
    }
    if (r->bench > 0) {
        kill(r->bench, SIGTERM);
        if (!ended(r->bench, &status, STOP_MS)) {
            kill(-r->bench, SIGKILL);
            ended(r->bench, &status, STOP_MS);
        }
    }
    free(r);
}

/* ---- results ---- */

static double number_or_nan(const cJSON *object, const char *name)
{
    return json_number(object, name, NAN);
}

static void read_measurement(const struct study *s, const char *step, const cJSON *m,
                             struct study_result *out)
{
    const char *name = json_string(m, "name", "");
    for (int i = 0; i < s->figure_count; i++)
        if (strcmp(s->figures[i].step, step) == 0 && strcmp(s->figures[i].measurement, name) == 0)
            out->figures[i] = (struct study_value){
                number_or_nan(m, "value"), number_or_nan(m, "low"), number_or_nan(m, "high")};
    if (!out->failed[0] && strcmp(json_string(m, "verdict", ""), "fail") == 0)
        snprintf(out->failed, sizeof out->failed, "%s.%s", step, name);
}

void study_result_read(const struct study *s, const cJSON *document, struct study_result *out)
{
    const cJSON *step, *attempt, *m;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < STUDY_FIGURES_MAX; i++)
        out->figures[i] = (struct study_value){NAN, NAN, NAN};
    snprintf(out->verdict, sizeof out->verdict, "%s", json_string(document, "verdict", ""));
    snprintf(out->message, sizeof out->message, "%s", json_string(document, "message", ""));
    cJSON_ArrayForEach(step, cJSON_GetObjectItemCaseSensitive(document, "steps"))
    {
        cJSON_ArrayForEach(attempt, cJSON_GetObjectItemCaseSensitive(step, "attempts"))
        {
            cJSON_ArrayForEach(m, cJSON_GetObjectItemCaseSensitive(attempt, "measurements"))
            {
                read_measurement(s, json_string(step, "id", ""), m, out);
            }
        }
    }
}

/* What `takt run --json` printed names the runs; their figures are read from the store. */
static int read_results(struct study_run *r, int count, cJSON **documents, struct error *err)
{
    char path[PATH_MAX], store[PATH_MAX];
    struct json_document *doc = NULL;
    struct store *db = NULL;
    const cJSON *run;
    int got = 0;
    snprintf(path, sizeof path, "%s/run.json", r->dir);
    snprintf(store, sizeof store, "%s/state/store.db", r->dir);
    int rc = json_load(path, &doc, err);
    if (!rc)
        rc = store_open_reader(store, &db, err);
    const cJSON *runs = rc ? NULL : cJSON_GetObjectItemCaseSensitive(json_root(doc), "runs");
    cJSON_ArrayForEach(run, runs)
    {
        const int slot = (int)json_number(run, "slot", 0);
        if (!rc && (slot < 1 || slot > count))
            rc = error_set(err, ERROR_STATE, "a run in slot %d, expected 1 to %d", slot, count);
        if (!rc && documents[slot - 1])
            rc = error_set(err, ERROR_STATE, "two runs in slot %d", slot);
        if (!rc)
            rc = query_run(db, (int64_t)json_number(run, "run", 0), &documents[slot - 1], err);
        got += rc == 0;
    }
    if (!rc && got != count)
        rc = error_set(err, ERROR_STATE, "%d of %d units have a result, see %s/run.log", got, count,
                       r->dir);
    store_close(db);
    json_free(doc);
    return rc;
}

static int place_units(struct study_run *r, cJSON *const *units, int count, struct error *err)
{
    char path[PATH_MAX];
    int rc = 0;
    for (int i = 0; i < count && !rc; i++) {
        char *text = cJSON_Print(units[i]);
        snprintf(path, sizeof path, "%s/slot%d/unit.json", r->dir, i + 1);
        rc = text ? file_write(path, text, strlen(text), 0600, err)
                  : error_set(err, ERROR_MEMORY, "out of memory for a unit");
        cJSON_free(text);
    }
    return rc;
}

int study_run_round(struct study_run *r, cJSON *const *units, int count, cJSON **documents,
                    struct error *err)
{
    char plan[128], order[32], slots[64][12];
    const char *argv[ARGUMENTS_MAX] = {
        r->config.takt_path, "run", "--json", "--station", r->station, "--plan", plan,
        "--order",           order};
    int n = 9, status = 0;
    snprintf(plan, sizeof plan, "%s/%s", r->config.study->product, r->config.study->plan);
    snprintf(order, sizeof order, "STUDY-%d", ++r->rounds);
    for (int i = 0; i < count && i < 64; i++) {
        snprintf(slots[i], sizeof slots[i], "%d", i + 1);
        argv[n++] = "--slot";
        argv[n++] = slots[i];
    }
    memset(documents, 0, (size_t)count * sizeof *documents);
    int rc = place_units(r, units, count, err);
    if (rc)
        return rc;
    pid_t pid = start(r, argv, "run.json", "run.log");
    if (pid < 0)
        return error_errno(err, ERROR_IO, "cannot start a round");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 2 || WEXITSTATUS(status) == 127)
        return error_set(err, ERROR_STATE, "round %d did not run, see %s/run.log", r->rounds,
                         r->dir);
    return read_results(r, count, documents, err);
}
