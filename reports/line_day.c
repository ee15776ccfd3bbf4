#include "reports/line_day.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/splitmix.h"
#include "reports/query_rows.h"
#include "reports/statistics/yield.h"

enum {
    HOUR_MS = 3600000,
    MINUTE_MS = 60000,
    HOURS = 26, /* a day with a clock set back, and one more */
    MINUTES = HOURS * 60,
    KINDS_MAX = 256, /* of failures: later kinds are not listed */
    RECENT = 8,
    KINDS_TOLD = 8,    /* the most frequent: a wall screen is read from afar */
    OPEN_MAX = 4096,   /* runs under way at once */
    FIRST_UNITS = 1024 /* a power of two */
};

/* What a unit's first and last judged run of the day said. */
struct unit_day {
    int64_t unit; /* -run while nobody knows the unit; 0 is a free place */
    int64_t first, last;
    bool first_passed, last_passed;
};

struct line_day {
    int64_t day_ms, zone_ms;
    int64_t next_run; /* runs below are taken in, or in open[] */
    bool placed;      /* next_run is the day's first */
    int64_t open[OPEN_MAX];
    size_t open_count;
    struct unit_day *units; /* open addressing, at most 3/4 full */
    size_t unit_places;
    struct yield yield;
    int64_t hour_runs[HOURS], hour_passed[HOURS], minute_runs[MINUTES];
    cJSON *kinds[KINDS_MAX]; /* {step, measurement, count} */
    int kind_count;
    cJSON *recent[RECENT]; /* the latest first */
};

static int out_of_memory(struct error *err)
{
    return error_set(err, ERROR_MEMORY, "no memory for the day's figures");
}

static int code_of(const struct error *err)
{
    return err && err->code ? err->code : ERROR_IO;
}

struct line_day *line_day_new(int64_t day_ms, int64_t zone_ms)
{
    struct line_day *d = calloc(1, sizeof *d);
    struct unit_day *units = d ? calloc(FIRST_UNITS, sizeof *units) : NULL;
    if (!units) {
        free(d);
        return NULL;
    }
    d->units = units;
    d->unit_places = FIRST_UNITS;
    d->day_ms = day_ms;
    d->zone_ms = zone_ms;
    return d;
}

void line_day_free(struct line_day *d)
{
    if (!d)
        return;
    for (int i = 0; i < d->kind_count; i++)
        cJSON_Delete(d->kinds[i]);
    for (int i = 0; i < RECENT; i++)
        cJSON_Delete(d->recent[i]);
    free(d->units);
    free(d);
}

int64_t line_day_start(const struct line_day *d)
{
    return d->day_ms;
}

static struct unit_day *find(struct unit_day *units, size_t places, int64_t unit)
{
    size_t at = (size_t)splitmix_mix((uint64_t)unit) & (places - 1);
    while (units[at].unit && units[at].unit != unit)
        at = (at + 1) & (places - 1);
    return &units[at];
}

static int grow(struct line_day *d, struct error *err)
{
    if (d->yield.units < (int64_t)(d->unit_places / 4 * 3))
        return 0;
    struct unit_day *units = calloc(d->unit_places * 2, sizeof *units);
    if (!units)
        return out_of_memory(err);
    for (size_t i = 0; i < d->unit_places; i++)
        if (d->units[i].unit)
            *find(units, d->unit_places * 2, d->units[i].unit) = d->units[i];
    free(d->units);
    d->units = units;
    d->unit_places *= 2;
    return 0;
}

/* Runs may end in another order than they began: first and last go by their numbers. */
static int take_unit(struct line_day *d, int64_t unit, int64_t run, bool passed, struct error *err)
{
    int rc = grow(d, err);
    if (rc)
        return rc;
    struct unit_day *u = find(d->units, d->unit_places, unit);
    if (!u->unit) {
        *u = (struct unit_day){unit, run, run, passed, passed};
        d->yield.units++;
        d->yield.first_pass += passed;
        d->yield.last_pass += passed;
        return 0;
    }
    if (run < u->first) {
        d->yield.first_pass += passed - u->first_passed;
        u->first = run;
        u->first_passed = passed;
    }
    if (run > u->last) {
        d->yield.last_pass += passed - u->last_passed;
        u->last = run;
        u->last_passed = passed;
    }
    return 0;
}

static const char *text(const cJSON *object, const char *name)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return value ? value : "";
}

static void count_kind(struct line_day *d, const cJSON *failure)
{
    const char *step = text(failure, "step"), *measurement = text(failure, "measurement");
    for (int i = 0; i < d->kind_count; i++)
        if (!strcmp(text(d->kinds[i], "step"), step) &&
            !strcmp(text(d->kinds[i], "measurement"), measurement)) {
            cJSON *count = cJSON_GetObjectItemCaseSensitive(d->kinds[i], "count");
            cJSON_SetNumberValue(count, count->valuedouble + 1);
            return;
        }
    cJSON *kind = d->kind_count < KINDS_MAX ? cJSON_CreateObject() : NULL;
    if (!kind)
        return;
    cJSON_AddStringToObject(kind, "step", step);
    cJSON_AddStringToObject(kind, "measurement", measurement);
    cJSON_AddNumberToObject(kind, "count", 1);
    d->kinds[d->kind_count++] = kind;
}

/* What went wrong in a run that did not pass: its row with its failures. */
static int take_failure(struct line_day *d, sqlite3 *db, int64_t run, struct error *err)
{
    static const char run_sql[] =
        "SELECT r.id run, r.serial, u.chip_id, o.name \"order\", st.name station, r.slot,"
        " v.name verdict, r.message, r.ended_ms FROM run r JOIN work_order o ON o.id=r.work_order"
        " JOIN station st ON st.id=r.station JOIN verdict v ON v.id=r.verdict"
        " LEFT JOIN unit u ON u.id=r.unit WHERE r.id=?1";
    static const char steps_sql[] =
        "SELECT n.name step, coalesce(f.name, '') measurement, coalesce(f.unit, '') unit, m.value,"
        " f.low, f.high, v.name verdict, s.message FROM step s JOIN step_name n ON n.id=s.name"
        " JOIN verdict v ON v.id=s.verdict LEFT JOIN measurement m ON m.run=s.run AND"
        " m.step=s.step AND m.attempt=s.attempt AND m.verdict=2 LEFT JOIN figure f ON"
        " f.id=m.figure WHERE s.run=?1 AND s.verdict IN (2, 3, 4) AND s.attempt=(SELECT"
        " max(attempt) FROM step WHERE run=s.run AND step=s.step) ORDER BY s.step, m.n";
    cJSON *row = cJSON_CreateObject();
    const cJSON *failure;
    sqlite3_stmt *st = rows_prepare(db, err, run_sql, "i", run);
    int rc = !row ? out_of_memory(err) : st ? rows_next(db, st, err) : code_of(err);
    if (rc == 1)
        rc = rows_columns(st, 0, row, err);
    sqlite3_finalize(st);
    if (!rc)
        rc = rows_array(db, rows_prepare(db, err, steps_sql, "i", run), row, "failures", err);
    if (rc) {
        cJSON_Delete(row);
        return rc;
    }
    cJSON_ArrayForEach(failure, cJSON_GetObjectItemCaseSensitive(row, "failures"))
        count_kind(d, failure);
    cJSON_Delete(d->recent[RECENT - 1]);
    memmove(d->recent + 1, d->recent, sizeof d->recent - sizeof d->recent[0]);
    d->recent[0] = row;
    return 0;
}

/* A closed run. Aborted and skipped ones say nothing about a unit. */
static int take_run(struct line_day *d, sqlite3 *db, int64_t run, int64_t unit, int verdict,
                    int64_t ended_ms, struct error *err)
{
    enum { PASS = 1, FAIL = 2, TIMEOUT = 4 };
    if (verdict < PASS || verdict > TIMEOUT)
        return 0;
    int rc = verdict == PASS ? 0 : take_failure(d, db, run, err);
    if (!rc)
        rc = take_unit(d, unit, run, verdict == PASS, err);
    int64_t since = ended_ms - d->day_ms;
    if (rc || since < 0 || since / MINUTE_MS >= MINUTES)
        return rc;
    d->minute_runs[since / MINUTE_MS]++;
    d->hour_runs[since / HOUR_MS]++;
    d->hour_passed[since / HOUR_MS] += verdict == PASS;
    return 0;
}

/* The first run that may be the day's: by each station's index, not through the whole table. */
static int place(struct line_day *d, sqlite3 *db, struct error *err)
{
    sqlite3_stmt *st = rows_prepare(db, err,
                                    "SELECT min((SELECT min(id) FROM run WHERE station=s.id AND"
                                    " started_ms>=?1)) FROM station s",
                                    "i", d->day_ms);
    int rc = st ? rows_next(db, st, err) : code_of(err);
    if (rc == 1 && sqlite3_column_type(st, 0) != SQLITE_NULL) {
        d->next_run = sqlite3_column_int64(st, 0);
        d->placed = true;
    }
    sqlite3_finalize(st);
    return rc < 0 ? rc : 0;
}

static const char columns[] = "SELECT id, coalesce(unit, -id), verdict, ended_ms FROM run WHERE ";

/* Runs that were under way: those that ended leave the list. */
static int update_open(struct line_day *d, sqlite3 *db, struct error *err)
{
    char sql[160] = "";
    size_t kept = 0;
    int rc = 0;
    strcat(strcat(sql, columns), "id=?1");
    for (size_t i = 0; i < d->open_count; i++) {
        sqlite3_stmt *st = rc ? NULL : rows_prepare(db, err, sql, "i", d->open[i]);
        rc = rc ? rc : st ? rows_next(db, st, err) : code_of(err);
        bool ended = rc == 1 && sqlite3_column_int(st, 2) != 0;
        if (rc == 1)
            rc = ended ? take_run(d, db, d->open[i], sqlite3_column_int64(st, 1),
                                  sqlite3_column_int(st, 2), sqlite3_column_int64(st, 3), err)
                       : 0;
        if (!ended || rc)
            d->open[kept++] = d->open[i];
        sqlite3_finalize(st);
    }
    d->open_count = kept;
    return rc;
}

static int update_new(struct line_day *d, sqlite3 *db, struct error *err)
{
    char sql[200] = "";
    strcat(strcat(sql, columns), "id>=?1 AND started_ms>=?2 ORDER BY id");
    sqlite3_stmt *st = rows_prepare(db, err, sql, "ii", d->next_run, d->day_ms);
    int rc = st ? 0 : code_of(err);
    while (!rc && (rc = rows_next(db, st, err)) == 1) {
        int64_t run = sqlite3_column_int64(st, 0);
        int verdict = sqlite3_column_int(st, 2);
        rc = 0;
        if (verdict)
            rc = take_run(d, db, run, sqlite3_column_int64(st, 1), verdict,
                          sqlite3_column_int64(st, 3), err);
        else if (d->open_count < OPEN_MAX)
            d->open[d->open_count++] = run;
        if (!rc)
            d->next_run = run + 1;
    }
    sqlite3_finalize(st);
    return rc;
}

int line_day_update(struct line_day *d, sqlite3 *db, struct error *err)
{
    int began = 0;
    int rc = rows_begin(db, &began, err);
    if (rc)
        return rc;
    if (!d->placed)
        rc = place(d, db, err);
    if (!rc && d->placed)
        rc = update_open(d, db, err);
    if (!rc && d->placed)
        rc = update_new(d, db, err);
    rows_end(db, began);
    return rc;
}

static void add_share(cJSON *object, const char *name, double share)
{
    cJSON_AddItemToObject(object, name,
                          isnan(share) ? cJSON_CreateNull() : cJSON_CreateNumber(share));
}

static int most_first(const void *a, const void *b)
{
    double x = cJSON_GetNumberValue(cJSON_GetObjectItem(*(cJSON *const *)a, "count"));
    double y = cJSON_GetNumberValue(cJSON_GetObjectItem(*(cJSON *const *)b, "count"));
    return (x < y) - (x > y);
}

static void add_failures(const struct line_day *d, cJSON *object)
{
    const cJSON *sorted[KINDS_MAX];
    double all = 0, sum = 0;
    cJSON *list = cJSON_AddArrayToObject(object, "failures");
    memcpy(sorted, d->kinds, sizeof sorted);
    qsort(sorted, (size_t)d->kind_count, sizeof sorted[0], most_first);
    for (int i = 0; i < d->kind_count; i++)
        all += cJSON_GetNumberValue(cJSON_GetObjectItem(sorted[i], "count"));
    for (int i = 0; i < d->kind_count && i < KINDS_TOLD; i++) {
        cJSON *row = cJSON_Duplicate(sorted[i], 1);
        sum += cJSON_GetNumberValue(cJSON_GetObjectItem(row, "count"));
        cJSON_AddNumberToObject(row, "cumulative", sum / all);
        cJSON_AddItemToArray(list, row);
    }
}

static void add_hours(const struct line_day *d, cJSON *object)
{
    cJSON *throughput = cJSON_AddObjectToObject(object, "throughput");
    cJSON_AddNumberToObject(throughput, "bucket_ms", HOUR_MS);
    cJSON *buckets = cJSON_AddArrayToObject(throughput, "buckets");
    for (int h = 0; h < HOURS; h++) {
        char label[25];
        if (!d->hour_runs[h])
            continue;
        cJSON *row = cJSON_CreateObject();
        int64_t start_ms = d->day_ms + (int64_t)h * HOUR_MS;
        clock_format_utc(start_ms + d->zone_ms, label);
        label[19] = '\0'; /* local time: no Z behind */
        cJSON_AddNumberToObject(row, "started_ms", (double)start_ms);
        cJSON_AddStringToObject(row, "started", label);
        cJSON_AddNumberToObject(row, "runs", (double)d->hour_runs[h]);
        cJSON_AddNumberToObject(row, "passed", (double)d->hour_passed[h]);
        cJSON_AddItemToArray(buckets, row);
    }
}

static int64_t last_hour(const struct line_day *d, int64_t now_ms)
{
    int64_t now = (now_ms - d->day_ms) / MINUTE_MS, runs = 0;
    for (int64_t m = now - 59; m <= now; m++)
        runs += m >= 0 && m < MINUTES ? d->minute_runs[m] : 0;
    return runs;
}

cJSON *line_day_document(const struct line_day *d, int64_t now_ms)
{
    char now[25];
    cJSON *object = cJSON_CreateObject();
    if (!object)
        return NULL;
    clock_format_utc(now_ms + d->zone_ms, now);
    now[19] = '\0';
    cJSON_AddStringToObject(object, "document", "dashboard");
    cJSON_AddStringToObject(object, "now", now);
    cJSON_AddNumberToObject(object, "now_ms", (double)now_ms);
    cJSON_AddNumberToObject(object, "zone_ms", (double)d->zone_ms);
    cJSON_AddNumberToObject(object, "unit_count", (double)d->yield.units);
    cJSON_AddNumberToObject(object, "passed", (double)d->yield.last_pass);
    cJSON_AddNumberToObject(object, "failed", (double)(d->yield.units - d->yield.last_pass));
    cJSON_AddNumberToObject(object, "open", (double)d->open_count);
    add_share(object, "first_pass_yield", yield_first(&d->yield));
    add_share(object, "last_pass_yield", yield_last(&d->yield));
    cJSON_AddNumberToObject(object, "last_hour", (double)last_hour(d, now_ms));
    add_failures(d, object);
    add_hours(d, object);
    cJSON *list = cJSON_AddArrayToObject(object, "last_failures");
    for (int i = 0; i < RECENT && d->recent[i]; i++)
        cJSON_AddItemToArray(list, cJSON_Duplicate(d->recent[i], 1));
    return object;
}
