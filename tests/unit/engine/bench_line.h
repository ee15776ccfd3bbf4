/* A station in a temporary folder, and a taktd for it in a process of its own, so that tests can
 * kill it. Include after cmocka.h. */
#ifndef TESTS_UNIT_ENGINE_BENCH_LINE_H
#define TESTS_UNIT_ENGINE_BENCH_LINE_H

#include <ftw.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "station/engine/client.h"
#include "station/engine/engine.h"
#include "tests/unit/engine/bench_kinds.h"

struct bench_line {
    char root[64], station[96], socket[96], store[96], out[96]; /* out: what steps write to */
    int slots;
    pid_t taktd;
    int stop_fd;
    struct client *client;
    void (*between)(void *context); /* of struct engine_config, in the taktd's process */
    void *between_context;
    void (*before)(void); /* called in that process before the engine; NULL for nothing */
};

static inline void line_write(const struct bench_line *l, const char *name, const char *text)
{
    char path[200];
    struct error err = {0};
    snprintf(path, sizeof path, "%s/%s", l->root, name);
    if (file_write(path, text, strlen(text), 0600, &err))
        fail_msg("%s", err.text);
}

/* In plans, ' stands for " and @ for the `out` file. */
static inline void line_plan_with(const struct bench_line *l, const char *name, const char *steps,
                                  const char *teardown, const char *rest)
{
    struct buffer plain = {0}, text = {0};
    char file[100];
    buffer_printf(&plain, "{ 'plan': '%s', 'product': 'cam', 'steps': [%s], 'teardown': [%s]%s }\n",
                  name, steps, teardown, rest);
    for (const char *p = buffer_text(&plain); *p; p++) {
        if (*p == '@')
            buffer_append_text(&text, l->out);
        else
            buffer_append(&text, *p == '\'' ? "\"" : p, 1);
    }
    snprintf(file, sizeof file, "products/cam/%s.json", name);
    line_write(l, file, buffer_text(&text));
    buffer_free(&plain);
    buffer_free(&text);
}

static inline void line_plan(const struct bench_line *l, const char *name, const char *steps,
                             const char *teardown)
{
    line_plan_with(l, name, steps, teardown, "");
}

static inline void line_open(struct bench_line *l, int slots)
{
    struct buffer text = {0};
    struct error err = {0};
    char path[128], boards[PATH_MAX];
    memset(l, 0, sizeof *l);
    l->slots = slots;
    strcpy(l->root, "/tmp/takt-engine-XXXXXX");
    assert_non_null(mkdtemp(l->root));
    snprintf(l->station, sizeof l->station, "%s/station.json", l->root);
    snprintf(l->socket, sizeof l->socket, "%s/state/taktd.sock", l->root);
    snprintf(l->store, sizeof l->store, "%s/state/store.db", l->root);
    snprintf(l->out, sizeof l->out, "%s/out", l->root);
    snprintf(path, sizeof path, "%s/products/cam", l->root);
    assert_int_equal(file_make_folders(path, 0700, &err), 0);
    assert_non_null(realpath("firmware/boards", boards));
    buffer_printf(
        &text,
        "{ \"station\": \"bench\", \"line\": \"box\", \"site\": \"lab\",\n"
        "\"state_dir\": \"state\", \"products_dir\": \"products\", \"boards_dir\": \"%s\",\n"
        "\"custody\": \"file:custody.key\", \"pool\": { \"warn_below\": 3 },\n"
        "\"instruments\": { \"ap\": { \"class\": \"access_point\", \"driver\": "
        "\"hostapd-static\", \"ssid\": \"takt\", \"passphrase\": \"takt-line\", "
        "\"iperf3_host\": \"127.0.0.1\", \"iperf3_ports\": [",
        boards);
    for (int i = 1; i <= slots; i++)
        buffer_printf(&text, "%s%d", i > 1 ? "," : "", 5200 + i);
    buffer_printf(&text, "], \"capacity\": 2 } },\n\"slots\": [\n");
    for (int i = 1; i <= slots; i++)
        buffer_printf(&text,
                      "{ \"slot\": %d, \"port\": \"tcp://127.0.0.1:1\", \"wiring\": { "
                      "\"access_point\": { \"instrument\": \"ap\", \"channel\": %d } } }%s\n",
                      i, i, i < slots ? "," : "");
    buffer_printf(&text, "] }\n");
    line_write(l, "station.json", buffer_text(&text));
    buffer_free(&text);
    line_write(l, "products/cam/product.json",
               "{ \"product\": \"cam\", \"board\": \"ssc337de-nand128\", \"limits\": "
               "\"limits.json\" }");
    line_write(l, "products/cam/limits.json", "{}");
}

/* The taktd of this line; never returns. */
static inline _Noreturn void line_be_taktd(const struct bench_line *l, int stop_fd, int ready_fd)
{
    struct error err = {0};
    signal(SIGXFSZ, SIG_IGN); /* as taktd.c does */
    const struct engine_config config = {.station_path = l->station,
                                         .step_kinds = kinds_of_a_bad_day,
                                         .stop_fd = stop_fd,
                                         .ready_fd = ready_fd,
                                         .between = l->between,
                                         .between_context = l->between_context};
    if (l->before)
        l->before();
    int rc = engine_run(&config, &err);
    if (rc)
        dprintf(ready_fd, "%d %s\n", rc, err.text);
    _exit(rc ? 1 : 0);
}

/* "ready\n", or "CODE message". */
static inline void line_launch(struct bench_line *l, char said[500])
{
    int stop[2], ready[2];
    assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    l->taktd = fork();
    if (l->taktd == 0) {
        close(stop[1]);
        line_be_taktd(l, stop[0], ready[1]);
    }
    close(stop[0]);
    close(ready[1]);
    l->stop_fd = stop[1];
    memset(said, 0, 500);
    size_t size = 0;
    for (ssize_t n; size < 499 && (n = read(ready[0], said + size, 499 - size)) > 0;) {
        size += (size_t)n;
        if (strchr(said, '\n'))
            break;
    }
    close(ready[0]);
}

static inline void line_start(struct bench_line *l)
{
    char said[500];
    struct error err = {0};
    line_launch(l, said);
    if (strcmp(said, "ready\n") != 0)
        fail_msg("taktd said '%s'", said);
    if (client_connect(l->socket, &l->client, &err))
        fail_msg("%s", err.text);
}

static inline int line_reap(struct bench_line *l)
{
    int status = -1;
    client_close(l->client);
    l->client = NULL;
    waitpid(l->taktd, &status, 0);
    close(l->stop_fd);
    l->taktd = 0;
    return status;
}

static inline void line_kill(struct bench_line *l)
{
    kill(l->taktd, SIGKILL);
    line_reap(l);
}

/* Stops in good order and did not trip over anything on the way. */
static inline void line_stop(struct bench_line *l)
{
    assert_int_equal(write(l->stop_fd, "x", 1), 1);
    assert_int_equal(line_reap(l), 0);
}

static inline int line_remove(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s, (void)type, (void)f;
    return remove(path);
}

static inline void line_close(struct bench_line *l)
{
    if (l->taktd)
        line_stop(l);
    nftw(l->root, line_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline cJSON *line_start_params(const char *plan)
{
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "plan", plan);
    cJSON_AddStringToObject(params, "order", "O1");
    cJSON_AddStringToObject(params, "operator", "ann");
    return params;
}

static inline void line_run(struct bench_line *l, const char *plan)
{
    struct error err = {0};
    if (client_call(l->client, "run.start", line_start_params(plan), 10000, NULL, &err))
        fail_msg("%s", err.text);
}

static inline int line_call(struct bench_line *l, const char *method, cJSON *params,
                            struct error *err)
{
    memset(err, 0, sizeof *err);
    return client_call(l->client, method, params, 10000, NULL, err);
}

static inline cJSON *line_status(struct bench_line *l)
{
    struct error err = {0};
    cJSON *status = NULL;
    if (client_call(l->client, "status", NULL, 10000, &status, &err))
        fail_msg("%s", err.text);
    return status;
}

static inline bool line_is_idle(struct bench_line *l)
{
    cJSON *status = line_status(l), *slot;
    bool idle = true;
    cJSON_ArrayForEach(slot, cJSON_GetObjectItem(status, "slots"))
    {
        idle = idle && strcmp(json_string(slot, "state", ""), "idle") == 0;
    }
    cJSON_Delete(status);
    return idle;
}

static inline void line_pause(void)
{
    clock_sleep_until_ns(clock_mono_ns() + 5000000);
}

static inline void line_wait_idle(struct bench_line *l, int timeout_ms)
{
    int64_t until = clock_mono_ms() + timeout_ms;
    while (!line_is_idle(l)) {
        if (clock_mono_ms() > until)
            fail_msg("not idle after %d ms: %s", timeout_ms, cJSON_Print(line_status(l)));
        line_pause();
    }
}

/* How often `text` is in the `out` file. */
static inline int line_count(const struct bench_line *l, const char *text)
{
    struct buffer all = {0};
    struct error err;
    int n = 0;
    if (file_read(l->out, &all, &err) == 0)
        for (const char *p = buffer_text(&all); (p = strstr(p, text)); p += strlen(text))
            n++;
    buffer_free(&all);
    return n;
}

static inline void line_wait_out(struct bench_line *l, const char *text, int count, int timeout_ms)
{
    int64_t until = clock_mono_ms() + timeout_ms;
    while (line_count(l, text) < count) {
        if (clock_mono_ms() > until)
            fail_msg("no '%s' x %d after %d ms: %s", text, count, timeout_ms,
                     l->client ? cJSON_Print(line_status(l)) : "");
        line_pause();
    }
}

/* The first value of a query on the store, as text; "" for none. In a static buffer. */
static inline const char *line_sql(const struct bench_line *l, const char *sql)
{
    static char value[512];
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    value[0] = '\0';
    if (sqlite3_open_v2(l->store, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(db, 20000) != SQLITE_OK ||
        sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    int got = sqlite3_step(s);
    if (got != SQLITE_ROW && got != SQLITE_DONE)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db)); /* not the same as no rows */
    if (got == SQLITE_ROW && sqlite3_column_text(s, 0))
        snprintf(value, sizeof value, "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    sqlite3_close(db);
    return value;
}

#endif
