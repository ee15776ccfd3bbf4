#include "reports/line_day.h"

#include <math.h>
#include <stdbool.h>

#include "protocol/base/clock.h"
#include "reports/query_rows.h"
#include "reports/statistics/yield.h"

enum {
    HOUR_MS = 3600000,
    MINUTE_MS = 60000,
    QUARTER_MS = 15 * MINUTE_MS,
    RECENT = 8,
    KINDS_TOLD = 8, /* the most frequent: a wall screen is read from afar */
};

static int out_of_memory(struct error *err)
{
    return error_set(err, ERROR_MEMORY, "no memory for the day's figures");
}

/* One row of numbers; 0 for each that is NULL. */
static int numbers(struct store *s, const char *sql, int64_t a, int64_t b, int64_t *out, int count,
                   struct error *err)
{
    struct rows *st = rows_open(s, err, sql, "ii", a, b);
    int rc = st ? rows_next(st, err) : rows_code(err);
    for (int i = 0; rc == 1 && i < count; i++)
        out[i] = rows_integer(st, i);
    rows_close(st);
    return rc < 0 ? rc : 0;
}

/* Judged runs, less those whose unit had one before: those are neither its first, nor is the one
 * before its last. *first: the lowest number of them. */
static int add_up(struct store *s, int64_t day_ms, int64_t *first, struct yield *y,
                  struct error *err)
{
    int64_t all[3] = {0}, again[3] = {0};
    int rc = numbers(s,
                     "SELECT sum(runs), sum(passed), coalesce(min(first_run), ?2) FROM tally"
                     " WHERE started>=?1",
                     day_ms / QUARTER_MS, INT64_MAX, all, 3, err);
    *first = all[2];
    if (!rc)
        rc = numbers(s,
                     "SELECT count(*), count(*) FILTER (WHERE r.verdict=1), count(*) FILTER (WHERE"
                     " p.verdict=1) FROM run_again a CROSS JOIN run r CROSS JOIN run p"
                     " WHERE r.id=a.run AND p.id=a.previous AND a.run>=?1 AND r.started_ms>=?2 AND "
                     "p.started_ms>=?2",
                     *first, day_ms, again, 3, err);
    y->units = all[0] - again[0];
    y->first_pass = all[1] - again[1];
    y->last_pass = all[1] - again[2];
    return rc;
}

static void add_share(cJSON *object, const char *name, double share)
{
    cJSON_AddItemToObject(object, name,
                          isnan(share) ? cJSON_CreateNull() : cJSON_CreateNumber(share));
}

static int add_failures(struct store *s, int64_t day_ms, cJSON *object, struct error *err)
{
    int rc = rows_array(rows_open(s, err,
                                  "SELECT n.name step, coalesce(f.name, '') measurement,"
                                  " sum(t.failures) count FROM tally_failure t"
                                  " JOIN step_name n ON n.id=t.name LEFT JOIN figure f ON"
                                  " f.id=t.figure WHERE t.started>=?1 GROUP BY 1, 2"
                                  " ORDER BY 3 DESC, 1, 2",
                                  "i", day_ms / QUARTER_MS),
                        object, "failures", err);
    cJSON *list = cJSON_GetObjectItemCaseSensitive(object, "failures"), *row;
    double all = 0, sum = 0;
    cJSON_ArrayForEach(row, list) all += cJSON_GetNumberValue(cJSON_GetObjectItem(row, "count"));
    while (cJSON_GetArraySize(list) > KINDS_TOLD)
        cJSON_DeleteItemFromArray(list, cJSON_GetArraySize(list) - 1);
    cJSON_ArrayForEach(row, list)
    {
        sum += cJSON_GetNumberValue(cJSON_GetObjectItem(row, "count"));
        cJSON_AddNumberToObject(row, "cumulative", sum / all);
    }
    return rc;
}

static int add_hours(struct store *s, int64_t day_ms, int64_t zone_ms, cJSON *object,
                     struct error *err)
{
    cJSON *throughput = cJSON_AddObjectToObject(object, "throughput");
    cJSON_AddNumberToObject(throughput, "bucket_ms", HOUR_MS);
    cJSON *buckets = cJSON_AddArrayToObject(throughput, "buckets");
    /* Hours of the day, which may begin within an hour of UTC. */
    struct rows *st = rows_open(s, err,
                                "SELECT (ended - ?2) / 60, sum(runs), sum(passed) FROM tally"
                                " WHERE started>=?1 AND ended>=?2 GROUP BY 1 ORDER BY 1",
                                "ii", day_ms / QUARTER_MS, day_ms / MINUTE_MS);
    int rc = st ? 0 : rows_code(err);
    while (!rc && (rc = rows_next(st, err)) == 1) {
        char label[25];
        int64_t start_ms = day_ms + rows_integer(st, 0) * HOUR_MS;
        cJSON *row = cJSON_CreateObject();
        rc = 0;
        clock_format_utc(start_ms + zone_ms, label);
        label[19] = '\0'; /* local time: no Z behind */
        cJSON_AddNumberToObject(row, "started_ms", (double)start_ms);
        cJSON_AddStringToObject(row, "started", label);
        cJSON_AddNumberToObject(row, "runs", (double)rows_integer(st, 1));
        cJSON_AddNumberToObject(row, "passed", (double)rows_integer(st, 2));
        cJSON_AddItemToArray(buckets, row);
    }
    rows_close(st);
    return rc;
}

/* The latest runs that did not pass, each with what went wrong in it. */
static int add_recent(struct store *s, int64_t day_ms, int64_t first, cJSON *object,
                      struct error *err)
{
    static const char runs_sql[] =
        "SELECT r.id run, r.serial, u.chip_id, o.name \"order\", st.name station, r.slot,"
        " v.name verdict, r.message, r.ended_ms FROM run r JOIN work_order o ON o.id=r.work_order"
        " JOIN station st ON st.id=r.station JOIN verdict v ON v.id=r.verdict"
        " LEFT JOIN unit u ON u.id=r.unit WHERE r.id IN (SELECT id FROM run INDEXED BY run_failed"
        " WHERE verdict IN (2, 3, 4) AND mode='production' AND id>=?1 AND started_ms>=?2 ORDER BY "
        "id DESC LIMIT ?3)"
        " ORDER BY r.id DESC";
    static const char steps_sql[] =
        "SELECT n.name step, coalesce(f.name, '') measurement, coalesce(f.unit, '') unit, m.value,"
        " f.low, f.high, v.name verdict, s.message FROM step s JOIN step_name n ON n.id=s.name"
        " JOIN verdict v ON v.id=s.verdict LEFT JOIN measurement m ON m.run=s.run AND"
        " m.step=s.step AND m.attempt=s.attempt AND m.verdict=2 LEFT JOIN figure f ON"
        " f.id=m.figure WHERE s.run=?1 AND s.verdict IN (2, 3, 4) AND s.attempt=(SELECT"
        " max(attempt) FROM step WHERE run=s.run AND step=s.step) ORDER BY s.step, m.n";
    cJSON *row;
    int rc = rows_array(rows_open(s, err, runs_sql, "iii", first, day_ms, (int64_t)RECENT), object,
                        "last_failures", err);
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(object, "last_failures"))
    {
        int64_t run = (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItem(row, "run"));
        if (!rc)
            rc = rows_array(rows_open(s, err, steps_sql, "i", run), row, "failures", err);
    }
    return rc;
}

static int fill(struct store *s, int64_t day_ms, int64_t zone_ms, int64_t now_ms, cJSON *object,
                struct error *err)
{
    struct yield y = {0};
    int64_t first = 0, open = 0, hour = 0;
    int rc = add_up(s, day_ms, &first, &y, err);
    if (!rc)
        rc = numbers(s,
                     "SELECT count(*) FROM run INDEXED BY run_open WHERE verdict = 0 AND"
                     " mode='production' AND"
                     " started_ms>=?1 AND started_ms<?2",
                     day_ms, INT64_MAX, &open, 1, err);
    if (!rc)
        rc = numbers(s, "SELECT sum(runs) FROM tally WHERE started>=?1 AND ended>=?2",
                     day_ms / QUARTER_MS, now_ms / MINUTE_MS - 59, &hour, 1, err);
    if (rc)
        return rc;
    cJSON_AddNumberToObject(object, "unit_count", (double)y.units);
    cJSON_AddNumberToObject(object, "passed", (double)y.last_pass);
    cJSON_AddNumberToObject(object, "failed", (double)(y.units - y.last_pass));
    cJSON_AddNumberToObject(object, "open", (double)open);
    add_share(object, "first_pass_yield", yield_first(&y));
    add_share(object, "last_pass_yield", yield_last(&y));
    cJSON_AddNumberToObject(object, "last_hour", (double)hour);
    rc = add_failures(s, day_ms, object, err);
    if (!rc)
        rc = add_hours(s, day_ms, zone_ms, object, err);
    return rc ? rc : add_recent(s, day_ms, first, object, err);
}

int line_day_document(struct store *s, int64_t day_ms, int64_t zone_ms, int64_t now_ms, cJSON **out,
                      struct error *err)
{
    char now[25];
    bool began = false;
    cJSON *object = cJSON_CreateObject();
    int rc = object ? rows_begin(s, &began, err) : out_of_memory(err);
    if (!rc) {
        clock_format_utc(now_ms + zone_ms, now);
        now[19] = '\0';
        cJSON_AddStringToObject(object, "document", "dashboard");
        cJSON_AddStringToObject(object, "now", now);
        cJSON_AddNumberToObject(object, "now_ms", (double)now_ms);
        cJSON_AddNumberToObject(object, "zone_ms", (double)zone_ms);
        rc = fill(s, day_ms, zone_ms, now_ms, object, err);
        rows_end(s, began);
    }
    if (rc)
        cJSON_Delete(object);
    else
        *out = object;
    return rc;
}
