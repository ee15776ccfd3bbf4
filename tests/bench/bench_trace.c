/* A line's store of many units, each with 60 measurements: how long a batch trace and a unit's
 * record take, and how many bytes a unit is. TAKT_BENCH_UNITS says how many (100000). Rows are made
 * by SQL in the store's own tables; what is timed is the product's own code. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "reports/query.h"
#include "reports/store.h"
#include "reports/trace.h"

enum { STEPS_PER_UNIT = 20, FIGURES_PER_STEP = 3, BATCH_ONE_IN = 100 };

static void need(int rc, const struct error *err)
{
    if (rc) {
        fprintf(stderr, "bench_trace: %s\n", err->text);
        exit(3);
    }
}

static void fill(struct store *s, long long units)
{
    struct error err = {0};
    char sql[3000];
    const struct instrument_record set[2] = {{"light", "box", "L-1", "C-1", "", ""},
                                             {"power_supply", "psu", "P-1", "C-2", "", ""}};
    struct run_record run = {.order = "O-1",
                             .product = "p",
                             .plan = "line",
                             .site = "s",
                             .line = "l",
                             .station = "st",
                             .serial = "SN0",
                             .operator_name = "li",
                             .program_version = "1.0",
                             .instruments = set,
                             .instrument_count = 1};
    need(store_run_open(s, &run, &err), &err);
    run.instrument_count = 2; /* the batch: the second set */
    need(store_run_open(s, &run, &err), &err);
    snprintf(
        sql, sizeof sql,
        "BEGIN;"
        "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i+1 FROM n WHERE i < %lld + 9)"
        " INSERT INTO unit SELECT i, printf('chip-%%08d', i), printf('SN%%08d', i),"
        "  1790000000000 + i * 1000 FROM n;"
        "INSERT INTO run SELECT u.id, u.id, r.work_order, r.product, r.plan, r.limits,"
        "  r.product_file, r.bundle, r.program_version, r.station, u.id %% 64 + 1, u.serial,"
        "  r.operator, 'production', u.first_ms, u.first_ms + 60000, 1 + (u.id %% 50 = 0), NULL,"
        "  1 + (u.id %% %d = 0) FROM unit u, run r WHERE r.id=1 AND u.id >= 10;"
        "WITH RECURSIVE k(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM k WHERE i < %d)"
        " INSERT INTO step_name SELECT i + 100, 'step' || i, 'image' FROM k;"
        "WITH RECURSIVE k(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM k WHERE i < %d)"
        " INSERT INTO figure SELECT i + 100, 'figure' || i, 'dB', 1.0, 9e999 FROM k;"
        "WITH RECURSIVE k(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM k WHERE i < %d)"
        " INSERT INTO step SELECT r.id, k.i, 1, 100 + k.i, 1, NULL, r.started_ms + k.i * 1000, "
        "950.5"
        "  FROM run r, k WHERE r.id >= 10 ORDER BY 1, 2;"
        "WITH RECURSIVE k(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM k WHERE i < %d)"
        " INSERT INTO measurement SELECT s.run, s.step, 1, k.i, 100 + s.step * 3 + k.i,"
        "  40 + (s.run * 7919 + s.step * 31 + k.i) %% 1000 / 100.0, 1 FROM step s, k"
        "  WHERE s.run >= 10 ORDER BY 1, 2, 3, 4;"
        "COMMIT",
        units, BATCH_ONE_IN, STEPS_PER_UNIT - 1, STEPS_PER_UNIT * FIGURES_PER_STEP - 1,
        STEPS_PER_UNIT - 1, FIGURES_PER_STEP - 1);
    if (sqlite3_exec(store_handle(s), sql, NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "bench_trace: %s\n", sqlite3_errmsg(store_handle(s)));
        exit(3);
    }
}

int main(void)
{
    const char *build = getenv("BUILD"), *want = getenv("TAKT_BENCH_UNITS");
    long long units = want ? atoll(want) : 100000;
    char folder[256], path[300], attachments[300], command[300], serial[32];
    struct error err = {0};
    struct store *s = NULL, *reader = NULL;
    sqlite3 *db = NULL;
    cJSON *document = NULL;
    struct stat st;
    snprintf(folder, sizeof folder, "%s/bench-trace-XXXXXX", build ? build : ".");
    if (!mkdtemp(folder)) {
        perror(folder);
        return 3;
    }
    snprintf(path, sizeof path, "%s/%s", folder, STORE_FILE);
    snprintf(attachments, sizeof attachments, "%s/%s", folder, STORE_ATTACHMENTS);
    need(store_open(path, attachments, &s, &err), &err);
    fill(s, units);
    store_close(s);
    double bytes = stat(path, &st) ? 0 : (double)st.st_size;

    need(store_open_reader(path, &reader, &err), &err);
    int64_t from = clock_mono_ns();
    need(trace_batch(reader, "instrument", "P-1", INT64_MIN, INT64_MAX, &document, &err), &err);
    double batch_ms = (double)(clock_mono_ns() - from) / 1e6;
    int found = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(document, "units"));
    cJSON_Delete(document);
    store_close(reader);
    if (found < units / BATCH_ONE_IN) {
        fprintf(stderr, "bench_trace: %d units of the batch, expected %lld\n", found,
                units / BATCH_ONE_IN);
        return 3;
    }
    need(query_open(path, &db, &err), &err);
    double worst_ms = 0;
    for (int n = 0; n < 50; n++) {
        snprintf(serial, sizeof serial, "SN%08lld", 10 + units * n / 50);
        from = clock_mono_ns();
        need(query_unit(db, serial, &document, &err), &err);
        double ms = (double)(clock_mono_ns() - from) / 1e6;
        worst_ms = ms > worst_ms ? ms : worst_ms;
        cJSON_Delete(document);
    }
    sqlite3_close(db);
    printf(
        "{\"bench\":\"store_bytes_per_unit\",\"value\":%.0f,\"unit\":\"bytes\",\"method\":\"%lld "
        "units of 20 steps and 60 measurements, one run each\"}\n",
        bytes / (double)units, units);
    printf(
        "{\"bench\":\"trace_batch\",\"value\":%.1f,\"unit\":\"ms\",\"method\":\"%d units that one "
        "instrument touched, of %lld\"}\n",
        batch_ms, found, units);
    printf(
        "{\"bench\":\"unit_record\",\"value\":%.2f,\"unit\":\"ms\",\"method\":\"the slowest of 50 "
        "units' whole records, of %lld\"}\n",
        worst_ms, units);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) ? 3 : 0;
}
