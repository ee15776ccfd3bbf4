/* taktd killed, and the PC's power cut, at every point between two transactions.
 *
 * A line of two units goes through a plan with all there is: a step that restores, two side by
 * side, a group that is retried, an identity, a teardown. It is counted how often taktd comes to a
 * point where being killed may matter (engine.h, `between`); then, for each of them, a new line is
 * killed there and started again. Whatever the point: both runs come to a pass, every attempt
 * stands there once, what was committed is not done again, each unit has one identity and nobody
 * another, the audit chain holds, and the teardown is the last thing done.
 *
 * With the power the writes that were not synced go as well: dropped, kept or torn (the VFS of
 * tests/unit/reports). TAKT_CRASH_POINTS=all tries every point; else a seeded sample. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>

#include "provisioning/audit.h"
#include "tests/unit/engine/bench_line.h"
#include "tests/unit/reports/power_cut_vfs.h"

enum { UNITS = 2, IDENTITIES = 5, SAMPLE = 4 };

static const char steps[] =
    "{'id':'on','step':'touch','deadline_s':20,'params':{'out':'@','says':'does-on'}},"
    "{'id':'flash','step':'slow','deadline_s':20,'params':{'out':'@','ms':20,'says':'does-flash'},"
    "'after':['on'],'parts':['flash']},"
    "{'id':'audio','step':'slow','deadline_s':20,'params':{'out':'@','ms':30,'says':'does-audio'},"
    "'after':['on'],'parts':['sound'],'needs':['access_point']},"
    "{'id':'name','step':'taker','deadline_s':20,'params':{'out':'@'},'after':['flash','audio']},"
    "{'id':'cycle','step':'slow','deadline_s':20,'params':{'out':'@','ms':1,'says':'does-cycle'},"
    "'group':'g'},"
    "{'id':'read','step':'flaky','deadline_s':20,'params':{'out':'@'},'group':'g'},"
    "{'id':'last','step':'slow','deadline_s':20,'params':{'out':'@','ms':1,'says':'does-last'},"
    "'when':'all_passed'}";
static const char teardown[] =
    "{'id':'off','step':'touch','deadline_s':20,'params':{'out':'@','says':'torn-down'}}";

static struct crash { /* shared with the taktd that is killed */
    int points, kill_at;
    bool power;
    uint64_t seed;
} * crash;

static void die_here(void *context)
{
    if (++crash->points != crash->kill_at)
        return;
    if (crash->power) {
        cut.dead = true;
        for (int i = 0; i < FILES_MAX; i++)
            if (cut.images[i].path[0])
                settle(&cut.images[i], &crash->seed);
    }
    raise(SIGKILL);
}

static void import_identities(struct bench_line *l)
{
    struct buffer csv = {0};
    struct error err;
    char path[200];
    buffer_printf(&csv, "did,mac,key\n");
    for (int i = 0; i < IDENTITIES; i++)
        buffer_printf(&csv, "8000%d,5c:c3:36:00:00:0%d,%064d\n", i, i, i + 1);
    line_write(l, "identities.csv", buffer_text(&csv));
    buffer_free(&csv);
    snprintf(path, sizeof path, "%s/identities.csv", l->root);
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "path", path);
    if (line_call(l, "pool.import", params, &err))
        fail_msg("%s", err.text);
}

/* 0, or why not: taktd may have been killed before it could answer. */
static int begin(struct bench_line *l, struct error *err)
{
    cJSON *params = line_start_params("cam/p");
    cJSON *serials = cJSON_AddArrayToObject(params, "serials");
    cJSON_AddItemToArray(serials, cJSON_CreateString("chip-1"));
    cJSON_AddItemToArray(serials, cJSON_CreateString("chip-2"));
    return line_call(l, "run.start", params, err);
}

static bool ended(const struct bench_line *l)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)l->taktd, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

/* Until it was killed, or all is over. */
static void go(struct bench_line *l)
{
    const int64_t until = clock_mono_ms() + 120000;
    struct error none;
    begin(l, &none);
    while (!ended(l)) {
        struct error err;
        cJSON *status = NULL, *slot;
        bool idle = true;
        if (client_call(l->client, "status", NULL, 20000, &status, &err))
            continue; /* it is just being killed */
        cJSON_ArrayForEach(slot, cJSON_GetObjectItem(status, "slots"))
        {
            idle = idle && strcmp(json_string(slot, "state", ""), "idle") == 0;
        }
        cJSON_Delete(status);
        if (idle)
            return;
        if (clock_mono_ms() > until)
            fail_msg("point %d: neither killed nor over", crash->kill_at);
        line_pause();
    }
}

#define SAME(sql, expected)                                                                        \
    do {                                                                                           \
        const char *found_ = line_sql(l, sql);                                                     \
        if (strcmp(found_, expected) != 0)                                                         \
            fail_msg("point %d%s: %s gives %s, expected %s\n%s", crash->kill_at,                   \
                     crash->power ? ", power cut" : "", sql, found_, expected, said(l));           \
    } while (0)

static const char *said(const struct bench_line *l)
{
    static char text[4000];
    snprintf(text, sizeof text, "%.3900s",
             line_sql(l, "SELECT group_concat(run || ':' || step || ':' || attempt || ':' || "
                         "verdict || ifnull(message, ''), char(10)) FROM step"));
    return text;
}

/* A step is done once for each of its attempts on record, and not after its pass. */
static void check_done_once(struct bench_line *l, const char *id)
{
    char sql[300], line[40];
    snprintf(line, sizeof line, "does-%s\n", id);
    snprintf(
        sql, sizeof sql,
        "SELECT count(*) FROM step JOIN step_name n ON n.id = step.name WHERE n.name = '%s' AND "
        "verdict <> 6",
        id);
    int attempts = atoi(line_sql(l, sql)), done = line_count(l, line);
    if (done > attempts)
        fail_msg("point %d: %s was done %d times, %d attempts are on record", crash->kill_at, id,
                 done, attempts);
}

static void check_line(struct bench_line *l)
{
    struct error err;
    struct buffer out = {0};
    sqlite3 *db;
    int64_t entries;
    SAME("SELECT count(*) FROM run", "2");
    SAME("SELECT count(*) FROM run WHERE verdict = 1", "2");
    SAME("SELECT count(*) FROM engine_open", "0");
    SAME("SELECT count(*) FROM engine_step", "0");
    SAME("SELECT count(*) FROM engine_group", "0");
    /* What neither restores nor is in a group passes once a run. */
    SAME("SELECT count(*) FROM step JOIN step_name n ON n.id = step.name WHERE verdict = 1 AND "
         "n.name IN "
         "('flash', 'audio', 'name', 'last', 'off')",
         "10");
    SAME("SELECT count(*) FROM identity WHERE chip_id IS NOT NULL", "2");
    SAME("SELECT count(DISTINCT did) FROM identity WHERE chip_id IS NOT NULL", "2");
    cJSON *counts = NULL;
    assert_int_equal(client_call(l->client, "pool.status", NULL, 20000, &counts, &err), 0);
    assert_int_equal(json_number(counts, "confirmed", -1), UNITS);
    assert_int_equal(json_number(counts, "free", -1), IDENTITIES - UNITS);
    cJSON_Delete(counts);
    SAME("PRAGMA integrity_check", "ok");
    check_done_once(l, "on");
    check_done_once(l, "flash");
    check_done_once(l, "audio");
    check_done_once(l, "cycle");
    check_done_once(l, "last");
    assert_int_equal(sqlite3_open_v2(l->store, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (audit_verify(db, &entries, &err))
        fail_msg("point %d: %s", crash->kill_at, err.text);
    sqlite3_close(db);
    /* The last thing done to the line is its teardown. */
    assert_int_equal(file_read(l->out, &out, &err), 0);
    const char *end = buffer_text(&out) + out.size;
    assert_true(out.size > 10 && strncmp(end - 10, "torn-down\n", 10) == 0);
    buffer_free(&out);
}

/* True when the point was come to. */
static bool crash_at(int point, bool power, uint64_t seed)
{
    struct bench_line l;
    char path[300];
    line_open(&l, UNITS);
    line_plan_with(&l, "p", steps, teardown, ",'groups':{'g':{'attempts':3}}");
    line_start(&l);
    import_identities(&l); /* made, and synced, before anything is at risk */
    line_stop(&l);
    *crash = (struct crash){.kill_at = point, .power = power, .seed = seed};
    l.between = die_here;
    l.before = power ? cut_register : NULL;
    line_start(&l);
    crash->points = 0;
    go(&l);
    bool killed = ended(&l);
    if (killed)
        line_reap(&l);
    else
        line_stop(&l);
    crash->kill_at = -1;
    snprintf(path, sizeof path, "%s-shm", l.store);
    if (killed && power)
        unlink(path); /* it is memory */
    l.between = NULL;
    l.before = NULL;
    crash->kill_at = point;
    line_start(&l);
    struct error err = {0};
    if (atoi(line_sql(&l, "SELECT count(*) FROM run")) == 0 && begin(&l, &err))
        fail_msg("point %d: the line cannot be started again: %s", point, err.text);
    line_wait_idle(&l, 120000);
    check_line(&l);
    line_close(&l);
    return killed;
}

static void try_points(bool power)
{
    const char *want = getenv("TAKT_CRASH_POINTS"), *given = getenv("SEED");
    const bool all = want && !strcmp(want, "all");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 0x7a6b7;
    int killed = 0, tried = 0;
    crash_at(-1, power, 0); /* nobody is killed: how many points there are */
    const int points = crash->points;
    assert_true(points > 20);
    for (int n = 0; n < (all ? points : SAMPLE); n++, tried++)
        killed += crash_at(all ? n + 1 : 1 + (int)(splitmix_next(&seed) % (uint64_t)points), power,
                           splitmix_next(&seed));
    print_message("%s at %d of %d points; %d of them came (rounds fall together as they will)\n",
                  power ? "the power cut" : "killed", tried, points, killed);
    assert_true(killed > 0);
}

static void killed_between_two_transactions_the_line_goes_on(void **state)
{
    try_points(false);
}

static void a_power_cut_between_two_transactions_loses_nothing(void **state)
{
    try_points(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_between_two_transactions_the_line_goes_on),
        cmocka_unit_test(a_power_cut_between_two_transactions_loses_nothing),
    };
    crash = mmap(NULL, sizeof *crash, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return crash == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
