/* Reading a big store: a unit's record, an order's report, traces, and what the dashboard shows.
 * UNITS=n sizes the store (20000); STORE=path keeps it, or reads one that is there. */
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "reports/dashboard.h"
#include "reports/line_day.h"
#include "reports/query.h"
#include "reports/trace.h"
#include "tests/bench/generated_line.h"

static const int64_t DAY_MS = 86400000, QUARTER_MS = 900000;

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void say(const char *bench, double value, const char *unit, const char *method)
{
    printf("{\"bench\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"method\":\"%s\"}\n", bench, value,
           unit, method);
}

static double median_ms(double *ms, int count)
{
    qsort(ms, (size_t)count, sizeof *ms, by_number);
    return ms[count / 2];
}

/* A name of some run's. */
static void pick(struct store *reader, const char *column, uint64_t *random, char name[64])
{
    char sql[200];
    sqlite3_stmt *st = NULL;
    snprintf(sql, sizeof sql,
             "SELECT %s FROM run r JOIN work_order o ON o.id=r.work_order WHERE r.id >= 1 + ?1 %%"
             " (SELECT max(id) FROM run) AND r.serial LIKE 'SN%%' LIMIT 1",
             column);
    sqlite3_prepare_v2(store_handle(reader), sql, -1, &st, NULL);
    sqlite3_bind_int64(st, 1, (int64_t)(splitmix_next(random) >> 1));
    if (sqlite3_step(st) != SQLITE_ROW)
        exit(3);
    snprintf(name, 64, "%s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
}

/* How many units, and the first ten thousand of them, as `takt trace` asks for; at least `least`.
 */
static double trace(struct store *reader, const char *kind, const char *name, long least)
{
    struct error err = {0};
    struct trace_batch *batch = NULL;
    cJSON *page = NULL;
    int64_t from = clock_mono_ns();
    line_need(trace_batch_open(reader, kind, name, INT64_MIN, INT64_MAX, &batch, &err), &err);
    line_need(trace_batch_page(batch, 0, 10000, &page, &err), &err);
    double ms = (clock_mono_ns() - from) / 1e6;
    if ((long)trace_batch_count(batch) < least || !cJSON_GetArraySize(page)) {
        fprintf(stderr, "%s %s touched %zu units, expected %ld\n", kind, name,
                trace_batch_count(batch), least);
        exit(3);
    }
    cJSON_Delete(page);
    trace_batch_close(batch);
    return ms;
}

/* What a screen's request costs: the day's document and the page. The first with a handle that has
 * read nothing yet, then again and again. */
static void dashboard(const char *path, const char *method)
{
    struct error err = {0};
    struct store *reader = NULL;
    sqlite3_stmt *last = NULL;
    double ms[25];
    line_need(store_open_reader(path, &reader, &err), &err);
    sqlite3_prepare_v2(store_handle(reader), "SELECT started_ms FROM run ORDER BY id DESC LIMIT 1",
                       -1, &last, NULL);
    int64_t until_ms = last && sqlite3_step(last) == SQLITE_ROW ? sqlite3_column_int64(last, 0) : 0;
    sqlite3_finalize(last);
    /* The last 24 hours the store knows: up to 100,000 units. */
    int64_t day_ms = (until_ms - DAY_MS) / QUARTER_MS * QUARTER_MS;
    for (int i = 0; i < 25; i++) {
        struct buffer page = {0};
        cJSON *d = NULL;
        int64_t from = clock_mono_ns();
        line_need(line_day_document(reader, day_ms, 0, until_ms, &d, &err), &err);
        line_need(dashboard_page(d, "en", &page, &err), &err);
        ms[i] = (clock_mono_ns() - from) / 1e6;
        cJSON_Delete(d);
        buffer_free(&page);
    }
    store_close(reader);
    say("the dashboard, first look at the day", ms[0], "ms", method);
    say("the dashboard's figures", median_ms(ms + 1, 24), "ms", method);
}

int main(void)
{
    char folder[] = "/tmp/takt-bench-XXXXXX", path[256], attachments[300], method[160], name[64];
    const char *units_text = getenv("UNITS"), *kept = getenv("STORE");
    long units = units_text ? atol(units_text) : 20000;
    struct error err = {0};
    struct generated_line line = {.random = 1};
    struct stat st;
    struct store *reader = NULL;
    double ms[25];
    if (!kept && !mkdtemp(folder))
        return 3;
    snprintf(path, sizeof path, kept ? "%s" : "%s/store.db", kept ? kept : folder);
    snprintf(attachments, sizeof attachments, "%s.attachments", path);
    line.start_ms = clock_wall_ms() - units * LINE_UNIT_MS;
    if (stat(path, &st)) {
        int64_t from = clock_mono_ns();
        line_need(store_open(path, attachments, &line.store, &err), &err);
        line_generate(&line, 0, units);
        store_close(line.store);
        fprintf(stderr, "made %ld units in %.1f s\n", units, (clock_mono_ns() - from) / 1e9);
    }
    stat(path, &st);
    snprintf(method, sizeof method, "%ld units x %d measurements, %.0f MB, warm cache", units,
             LINE_STEPS * LINE_FIGURES, st.st_size / 1e6);
    say("store, bytes a unit", (double)st.st_size / units, "bytes", method);
    line_need(store_open_reader(path, &reader, &err), &err);
    for (int i = 0; i < 25; i++) {
        cJSON *d = NULL;
        pick(reader, "r.serial", &line.random, name);
        int64_t from = clock_mono_ns();
        line_need(query_unit(reader, name, &d, &err), &err);
        ms[i] = (clock_mono_ns() - from) / 1e6;
        cJSON_Delete(d);
    }
    say("a unit's record", median_ms(ms, 25), "ms", method);
    for (int i = 0; i < 3; i++) {
        cJSON *d = NULL;
        pick(reader, "o.name", &line.random, name);
        int64_t from = clock_mono_ns();
        line_need(query_order(reader, name, &d, &err), &err);
        ms[i] = (clock_mono_ns() - from) / 1e6;
        cJSON_Delete(d);
    }
    say("an order's report, 5000 units", median_ms(ms, 3), "ms", method);
    for (int i = 0; i < 3; i++) {
        pick(reader, "o.name", &line.random, name);
        ms[i] = trace(reader, "order", name, 0);
    }
    say("a batch's trace, an order of 5000 units", median_ms(ms, 3), "ms", method);
    for (int i = 0; i < 3; i++)
        ms[i] = trace(reader, "instrument", LINE_RARE_INSTRUMENT, units / LINE_RARE_ONE_IN);
    say("a batch's trace, one instrument of a hundred", median_ms(ms, 3), "ms", method);
    for (int i = 0; i < 3; i++)
        ms[i] = trace(reader, "program", LINE_PROGRAM, units);
    say("a batch's trace, every unit there is", median_ms(ms, 3), "ms", method);
    dashboard(path, method);
    store_close(reader);
    if (!kept) {
        snprintf(method, sizeof method, "rm -rf %s", folder);
        if (system(method))
            return 3;
    }
    return 0;
}
