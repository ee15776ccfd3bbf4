/* Steps the store commits a second: three measurements each, 32 steps a transaction, each
 * transaction durable before the next begins. Then the same steps in one transaction, beside the
 * sqlite3 shell inserting the same rows into the same tables in one. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "reports/store.h"

enum { SLOTS = 32, ROUNDS = 625, STEPS_PER_RUN = 25, STEPS = SLOTS * ROUNDS };
enum { TIMES = 5 }; /* each is measured so often, one after the other in turn; medians are told */

static void need(int rc, const struct error *err)
{
    if (rc) {
        fprintf(stderr, "bench_store: %s\n", err->text);
        exit(3);
    }
}

static void new_runs(struct store *s, int64_t runs[SLOTS], int batch)
{
    struct error err = {0};
    need(store_begin(s, &err), &err);
    for (int slot = 0; slot < SLOTS; slot++) {
        char serial[32];
        snprintf(serial, sizeof serial, "SN%05d%03d", batch, slot);
        struct run_record run = {.order = "O-1",
                                 .product = "p",
                                 .plan = "p/line",
                                 .site = "s",
                                 .line = "l",
                                 .station = "b",
                                 .slot = slot + 1,
                                 .serial = serial};
        need(store_run_open(s, &run, &err), &err);
        runs[slot] = run.id;
    }
    need(store_commit(s, &err), &err);
}

/* Seconds spent between begin and commit of the groups of steps; one group when `together`. */
static double commit_steps(struct store *s, bool together)
{
    struct error err = {0};
    int64_t runs[SLOTS], spent_ns = 0;
    int64_t all[ROUNDS / STEPS_PER_RUN][SLOTS];
    for (int batch = 0; batch < ROUNDS / STEPS_PER_RUN; batch++)
        new_runs(s, all[batch], batch);
    for (int round = 0; round < ROUNDS; round++) {
        memcpy(runs, all[round / STEPS_PER_RUN], sizeof runs);
        int64_t from = clock_mono_ns();
        if (!together || round == 0)
            need(store_begin(s, &err), &err);
        for (int slot = 0; slot < SLOTS; slot++) {
            char id[16];
            struct measurement_record m[3];
            static const char *const names[3] = {"mtf50_centre", "snr", "white_balance_de"};
            for (int k = 0; k < 3; k++)
                m[k] = (struct measurement_record){.name = names[k],
                                                   .unit = "dB",
                                                   .value = round + slot * 0.01 + k,
                                                   .has_low = true,
                                                   .low = 1,
                                                   .verdict = VERDICT_PASS};
            snprintf(id, sizeof id, "step%d", round % STEPS_PER_RUN);
            const struct step_record step = {.run = runs[slot],
                                             .index = round % STEPS_PER_RUN,
                                             .attempt = 1,
                                             .id = id,
                                             .kind = "image",
                                             .verdict = VERDICT_PASS,
                                             .started_wall_ms = 1790000000000 + round,
                                             .duration_ms = 12.5,
                                             .measurements = m,
                                             .measurement_count = 3};
            need(store_step(s, &step, &err), &err);
        }
        if (!together || round == ROUNDS - 1)
            need(store_commit(s, &err), &err);
        spent_ns += clock_mono_ns() - from;
    }
    return (double)spent_ns / 1e9;
}

/* The same rows as a script for the shell, from what the store now holds. */
static double shell_seconds(const char *folder)
{
    char command[2048];
    snprintf(command, sizeof command,
             "cd '%s' && sqlite3 store.db .schema >schema.sql && "
             "{ echo 'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
             " BEGIN;';"
             " sqlite3 store.db '.mode insert step' 'SELECT * FROM step'"
             "  '.mode insert measurement' 'SELECT * FROM measurement'; echo 'COMMIT;'; } >rows.sql"
             " && cp store.db peer.db && sqlite3 peer.db 'DROP TRIGGER step_kept;"
             " DROP TRIGGER measurement_kept; DELETE FROM measurement; DELETE FROM step' && "
             "sqlite3 peer.db 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null",
             folder);
    if (system(command))
        exit(3);
    snprintf(command, sizeof command, "cd '%s' && sqlite3 peer.db <rows.sql >/dev/null", folder);
    int64_t from = clock_mono_ns();
    if (system(command))
        exit(3);
    return (double)(clock_mono_ns() - from) / 1e9;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double values[TIMES])
{
    qsort(values, TIMES, sizeof *values, by_size);
    return values[TIMES / 2];
}

int main(void)
{
    double together[TIMES], peer[TIMES];
    const char *build = getenv("BUILD");
    char folder[256], path[300], attachments[300], command[300];
    struct error err = {0};
    struct store *s = NULL;
    struct stat st;
    snprintf(folder, sizeof folder, "%s/bench-store-XXXXXX", build ? build : ".");
    if (!mkdtemp(folder)) {
        perror(folder);
        return 3;
    }
    snprintf(path, sizeof path, "%s/%s", folder, STORE_FILE);
    snprintf(attachments, sizeof attachments, "%s/%s", folder, STORE_ATTACHMENTS);
    need(store_open(path, attachments, &s, &err), &err);
    double seconds = commit_steps(s, false);
    store_close(s);
    double bytes = stat(path, &st) ? 0 : (double)st.st_size;
    for (int n = 0; n < TIMES; n++) {
        snprintf(command, sizeof command, "%s/together-%d.db", folder, n);
        need(store_open(command, attachments, &s, &err), &err);
        together[n] = commit_steps(s, true);
        store_close(s);
        peer[n] = shell_seconds(folder);
    }
    printf("{\"bench\":\"store_steps_committed\",\"value\":%.0f,\"unit\":\"steps/s\","
           "\"method\":\"%d steps of 3 measurements, %d a transaction, WAL, synchronous=FULL, each "
           "commit durable before the next; at least 5000 wanted\"}\n",
           STEPS / seconds, STEPS, SLOTS);
    printf("{\"bench\":\"store_steps_one_transaction\",\"value\":%.0f,\"unit\":\"steps/s\","
           "\"reference\":%.0f,\"peer\":\"sqlite3 shell, the same rows, one transaction too\","
           "\"method\":\"the same %d steps in one durable transaction; medians of %d, each in turn "
           "with the "
           "shell; a ratio of 0.5 wanted\"}\n",
           STEPS / median(together), STEPS / median(peer), STEPS, TIMES);
    printf("{\"bench\":\"store_bytes_per_step\",\"value\":%.0f,\"unit\":\"bytes\","
           "\"method\":\"file size after %d steps of 3 measurements and their %d runs\"}\n",
           bytes / STEPS, STEPS, STEPS / STEPS_PER_RUN);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) ? 3 : 0;
}
