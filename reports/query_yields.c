/* Yields of steps, what fails together, and how many came through in an hour. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reports/query_scope.h"
#include "reports/statistics/association.h"
#include "reports/statistics/yield.h"

enum { STEPS_MAX = 256, KINDS_MAX = 16, HOUR_MS = 3600000, HOURS_SHOWN = 96, PAIRS_MAX = 12 };

static void add_share(cJSON *object, const char *name, double share)
{
    cJSON_AddItemToObject(object, name,
                          isfinite(share) ? cJSON_CreateNumber(share) : cJSON_CreateNull());
}

static double number(const cJSON *object, const char *name)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static const char *text(const cJSON *object, const char *name)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return value ? value : "";
}

/* Each step over the first judged runs: was its first attempt, was its last a pass? */
static int add_steps(struct store *s, const struct query_scope *scope, cJSON *object,
                     struct error *err)
{
    struct yield steps[STEPS_MAX];
    int count = 0;
    cJSON *row;
    int rc =
        rows_array(scope_open(s, scope,
                              "SELECT n.name step, n.kind, count(*) units, count(*) FILTER (WHERE "
                              "s.verdict=1) first_pass,"
                              " count(*) FILTER (WHERE (SELECT l.verdict FROM step l WHERE "
                              "l.run=s.run AND l.step=s.step"
                              "   ORDER BY l.attempt DESC LIMIT 1)=1) last_pass"
                              " FROM {first} f JOIN step s ON s.run=f.id AND s.attempt=1"
                              " JOIN step_name n ON n.id=s.name WHERE s.verdict IN (1, 2, 3, 4)"
                              " GROUP BY n.id ORDER BY min(s.step), n.id",
                              err),
                   object, "steps", err);
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(object, "steps"))
    {
        struct yield y = {(int64_t)number(row, "units"), (int64_t)number(row, "first_pass"),
                          (int64_t)number(row, "last_pass")};
        add_share(row, "first_pass_yield", yield_first(&y));
        add_share(row, "last_pass_yield", yield_last(&y));
        if (count < STEPS_MAX)
            steps[count++] = y;
    }
    add_share(object, "rolled_throughput_yield", yield_rolled(steps, count));
    return rc;
}

/* The share of each failure, and of it and all before it: `failures` is most frequent first. */
static void add_shares(cJSON *failures)
{
    cJSON *row;
    double all = 0, sum = 0;
    cJSON_ArrayForEach(row, failures) all += number(row, "count");
    cJSON_ArrayForEach(row, failures)
    {
        sum += number(row, "count");
        add_share(row, "share", number(row, "count") / all);
        add_share(row, "cumulative", sum / all);
    }
}

/* The most frequent kinds of failure, and of each first run the set of those it showed. */
struct together {
    const cJSON *kinds[KINDS_MAX];
    int count;
    int64_t seen[KINDS_MAX], pairs[KINDS_MAX][KINDS_MAX];
};

static void take_set(struct together *t, unsigned set)
{
    for (int i = 0; i < t->count; i++)
        for (int j = i; j < t->count && set >> i & 1; j++)
            if (set >> j & 1)
                *(i == j ? &t->seen[i] : &t->pairs[i][j]) += 1;
}

static int kind_of(const struct together *t, struct rows *st)
{
    const char *step = rows_bytes(st, 1);
    const char *measurement = rows_bytes(st, 2);
    for (int i = 0; step && measurement && i < t->count; i++)
        if (!strcmp(text(t->kinds[i], "step"), step) &&
            !strcmp(text(t->kinds[i], "measurement"), measurement))
            return i;
    return -1;
}

static void add_pair(cJSON *list, const struct together *t, int i, int j, int64_t units)
{
    struct association a = {.both = t->pairs[i][j]};
    a.first_only = t->seen[i] - a.both;
    a.second_only = t->seen[j] - a.both;
    a.neither = units - a.both - a.first_only - a.second_only;
    double phi = association_phi(&a), p = association_p(&a);
    /* Told when it is no chance among all the pairs looked at, and strong enough to act on. */
    if (a.both < 2 || !(phi >= 0.3) || p * t->count * (t->count - 1) / 2 > 0.01 ||
        cJSON_GetArraySize(list) >= PAIRS_MAX)
        return;
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "first_step", text(t->kinds[i], "step"));
    cJSON_AddStringToObject(row, "first_measurement", text(t->kinds[i], "measurement"));
    cJSON_AddStringToObject(row, "second_step", text(t->kinds[j], "step"));
    cJSON_AddStringToObject(row, "second_measurement", text(t->kinds[j], "measurement"));
    cJSON_AddNumberToObject(row, "both", (double)a.both);
    cJSON_AddNumberToObject(row, "first_only", (double)a.first_only);
    cJSON_AddNumberToObject(row, "second_only", (double)a.second_only);
    cJSON_AddNumberToObject(row, "neither", (double)a.neither);
    cJSON_AddNumberToObject(row, "phi", phi);
    cJSON_AddNumberToObject(row, "p", p);
    cJSON_AddItemToArray(list, row);
}

static int add_together(struct store *s, const struct query_scope *scope, cJSON *object,
                        struct error *err)
{
    struct together t = {0};
    const cJSON *row;
    cJSON *list = cJSON_AddArrayToObject(object, "together");
    int64_t units = (int64_t)number(object, "judged"), last = -1;
    unsigned set = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(object, "failures"))
    {
        if (t.count < KINDS_MAX)
            t.kinds[t.count++] = row;
    }
    struct rows *st = scope_open(
        s, scope,
        "SELECT s.run, n.name, coalesce(f.name, '') FROM {first} b JOIN step s ON s.run=b.id"
        " JOIN step_name n ON n.id=s.name LEFT JOIN measurement m ON m.run=s.run AND"
        " m.step=s.step AND m.attempt=s.attempt AND m.verdict=2 LEFT JOIN figure f ON"
        " f.id=m.figure WHERE s.verdict IN (2, 3, 4) AND s.attempt=(SELECT max(attempt) FROM"
        " step WHERE run=s.run AND step=s.step) ORDER BY s.run",
        err);
    int rc = !list ? rows_out_of_memory(err) : st ? 0 : rows_code(err);
    while (!rc && (rc = rows_next(st, err)) == 1) {
        int kind = kind_of(&t, st);
        if (rows_integer(st, 0) != last) {
            take_set(&t, set);
            set = 0;
            last = rows_integer(st, 0);
        }
        set |= kind >= 0 ? 1u << kind : 0;
        rc = 0;
    }
    take_set(&t, set);
    rows_close(st);
    for (int i = 0; !rc && i < t.count; i++)
        for (int j = i + 1; j < t.count; j++)
            add_pair(list, &t, i, j, units);
    return rc;
}

/* Runs that ended with a verdict, by the hour, or by the day when that would be too many bars. */
static int add_throughput(struct store *s, const struct query_scope *scope, cJSON *object,
                          struct error *err)
{
    char sql[400];
    int64_t span = 0, bucket_ms = HOUR_MS;
    struct rows *st = scope_open(s, scope,
                                 "SELECT max(r.ended_ms) - min(r.ended_ms) FROM run r WHERE"
                                 "{scope}AND r.verdict IN (1, 2, 3, 4)",
                                 err);
    int rc = st ? rows_next(st, err) : rows_code(err);
    if (rc == 1)
        span = rows_integer(st, 0);
    rows_close(st);
    if (rc < 0)
        return rc;
    if (span > (int64_t)HOURS_SHOWN * HOUR_MS)
        bucket_ms *= 24;
    cJSON *throughput = cJSON_AddObjectToObject(object, "throughput");
    if (!throughput || !cJSON_AddNumberToObject(throughput, "bucket_ms", (double)bucket_ms))
        return rows_out_of_memory(err);
    snprintf(sql, sizeof sql,
             "SELECT r.ended_ms / %lld * %lld started_ms, count(*) runs, count(*) FILTER (WHERE "
             "r.verdict=1) passed"
             " FROM run r WHERE{scope}AND r.verdict IN (1, 2, 3, 4) GROUP BY 1 ORDER BY 1",
             (long long)bucket_ms, (long long)bucket_ms);
    return rows_array(scope_open(s, scope, sql, err), throughput, "buckets", err);
}

int scope_add_yields(struct store *s, const struct query_scope *scope, cJSON *object,
                     struct error *err)
{
    add_shares(cJSON_GetObjectItemCaseSensitive(object, "failures"));
    int rc = add_steps(s, scope, object, err);
    if (!rc)
        rc = add_together(s, scope, object, err);
    if (!rc)
        rc = add_throughput(s, scope, object, err);
    return rc;
}
