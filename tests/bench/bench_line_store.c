/* Thirty-two stations that write to one PostgreSQL at once, each through a connection of its own:
 * runs of twenty steps and sixty measurements, a durable transaction each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/wait.h>

#include "reports/outbox/line_store.h"
#include "tests/unit/reports/postgres_fixture.h"

enum { STATIONS = 32, RUNS = 10, STEPS = 20, FIGURES = 3 };

static cJSON *run_of(int station, int number)
{
    char text[64];
    cJSON *run = cJSON_CreateObject(), *steps;
    static const char *const same[][2] = {
        {"order", "WO-1"},   {"product", "ptz"}, {"plan", "ptz/line"}, {"program_version", "1"},
        {"site", "lab"},     {"line", "L1"},     {"operator", "li"},   {"mode", "production"},
        {"verdict", "pass"}, {"message", ""}};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        cJSON_AddStringToObject(run, same[i][0], same[i][1]);
    snprintf(text, sizeof text, "final-%d", station);
    cJSON_AddStringToObject(run, "station", text);
    snprintf(text, sizeof text, "SN%03d%06d", station, number);
    cJSON_AddStringToObject(run, "serial", text);
    snprintf(text, sizeof text, "chip-%03d%06d", station, number);
    cJSON_AddStringToObject(run, "chip_id", text);
    cJSON_AddNumberToObject(run, "slot", 1);
    cJSON_AddNumberToObject(run, "started_ms", 1790000000000. + number * 30000.);
    cJSON_AddNumberToObject(run, "ended_ms", 1790000000000. + number * 30000. + 20000);
    steps = cJSON_AddArrayToObject(run, "steps");
    for (int s = 0; s < STEPS; s++) {
        cJSON *step = cJSON_CreateObject(), *attempt = cJSON_CreateObject(), *figures;
        snprintf(text, sizeof text, "step%d", s);
        cJSON_AddNumberToObject(step, "index", s);
        cJSON_AddStringToObject(step, "id", text);
        cJSON_AddStringToObject(step, "kind", "image");
        cJSON_AddItemToArray(cJSON_AddArrayToObject(step, "attempts"), attempt);
        cJSON_AddNumberToObject(attempt, "attempt", 1);
        cJSON_AddStringToObject(attempt, "verdict", "pass");
        cJSON_AddNumberToObject(attempt, "started_ms", 1790000000000. + number * 30000. + s * 1000);
        cJSON_AddNumberToObject(attempt, "duration_ms", 900);
        figures = cJSON_AddArrayToObject(attempt, "measurements");
        for (int f = 0; f < FIGURES; f++) {
            cJSON *m = cJSON_CreateObject();
            snprintf(text, sizeof text, "figure%d_%d", s, f);
            cJSON_AddStringToObject(m, "name", text);
            cJSON_AddStringToObject(m, "unit", "dB");
            cJSON_AddNumberToObject(m, "value", number + s * 0.1 + f * 0.01);
            cJSON_AddNumberToObject(m, "low", -1);
            cJSON_AddNumberToObject(m, "high", 1000);
            cJSON_AddStringToObject(m, "verdict", "pass");
            cJSON_AddItemToArray(figures, m);
        }
        cJSON_AddItemToArray(steps, step);
    }
    return run;
}

/* Waits for the others, then writes; the slowest commit in ms comes out of the pipe. */
static _Noreturn void be_station(const char *address, int station, int go, int out)
{
    struct store *s = NULL;
    struct error err = {0};
    double worst_ms = 0;
    char key[37], word;
    int rc = store_open(address, NULL, &s, &err);
    if (write(out, &worst_ms, sizeof worst_ms) != sizeof worst_ms || read(go, &word, 1) != 0)
        _exit(3);
    for (int n = 1; n <= RUNS && !rc; n++) {
        cJSON *run = run_of(station, n);
        snprintf(key, sizeof key, "00000000-0000-8000-%04d-%012d", station, n);
        const struct outbox_message m = {.key = key, .run = run};
        int64_t from = clock_mono_ns();
        do /* as the outbox does: another writer came between */
            rc = line_store_write(s, &m, &err);
        while (rc == ERROR_BUSY);
        double ms = (double)(clock_mono_ns() - from) / 1e6;
        worst_ms = ms > worst_ms ? ms : worst_ms;
        cJSON_Delete(run);
    }
    if (rc)
        fprintf(stderr, "bench_line_store, station %d: %s\n", station, err.text);
    store_close(s);
    ssize_t done = write(out, &worst_ms, sizeof worst_ms);
    _exit(rc || done < 0 ? 3 : 0);
}

static int64_t ask(const char *address, const char *sql)
{
    PGconn *c = PQconnectdb(address);
    PGresult *r = PQexec(c, sql);
    int64_t n = PQntuples(r) == 1 ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : -1;
    PQclear(r);
    PQfinish(c);
    return n;
}

int main(void)
{
    char address[200];
    int go[2], out[2], failed = 0;
    double worst_ms = 0, ms;
    struct store *s = NULL;
    struct error err = {0};
    struct postgres_fixture *p = postgres_new();
    if (!p || pipe(go) || pipe(out))
        return 3;
    postgres_database(p, address);
    if (store_open(address, NULL, &s, &err)) {
        fprintf(stderr, "bench_line_store: %s\n", err.text);
        return 3;
    }
    store_close(s);
    for (int i = 1; i <= STATIONS; i++) {
        if (fork() != 0)
            continue;
        close(go[1]);
        be_station(address, i, go[0], out[1]);
    }
    for (int i = 0; i < STATIONS; i++) /* all are connected */
        failed |= read(out[0], &ms, sizeof ms) != sizeof ms;
    int64_t from = clock_mono_ns();
    close(go[1]);
    for (int status, i = 0; i < STATIONS && wait(&status) > 0; i++)
        failed |= status != 0;
    double seconds = (double)(clock_mono_ns() - from) / 1e9;
    for (int i = 0; i < STATIONS; i++) {
        failed |= read(out[0], &ms, sizeof ms) != sizeof ms;
        worst_ms = ms > worst_ms ? ms : worst_ms;
    }
    const int64_t runs = (int64_t)STATIONS * RUNS;
    failed |= ask(address, "SELECT count(*) FROM run WHERE verdict=1") != runs ||
              ask(address, "SELECT count(*) FROM measurement") != runs * STEPS * FIGURES ||
              ask(address, "SELECT sum(runs) FROM tally") != runs;
    postgres_free(p);
    if (failed) {
        fprintf(stderr, "bench_line_store: not every run arrived once\n");
        return 3;
    }
    printf("{\"bench\":\"line_store_units\",\"value\":%.1f,\"unit\":\"units/s\",\"method\":\"%d "
           "stations at once, %d runs each of %d measurements, a durable transaction each, one "
           "PostgreSQL 15 on this machine; 1.16 units/s are 100,000 a day\"}\n",
           (double)runs / seconds, STATIONS, RUNS, STEPS * FIGURES);
    printf("{\"bench\":\"line_store_slowest\",\"value\":%.0f,\"unit\":\"ms\",\"method\":\"the "
           "slowest of the same %lld transactions\"}\n",
           worst_ms, (long long)runs);
    return 0;
}
