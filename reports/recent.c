#include "reports/recent.h"

#include "reports/query_rows.h"

#define RUN_COLUMNS                                                                                \
    "SELECT r.id run, r.serial, u.chip_id, o.name \"order\", r.slot, r.operator, r.mode,"          \
    " v.name verdict, r.message, r.ended_ms FROM run r JOIN work_order o ON o.id=r.work_order"     \
    " JOIN verdict v ON v.id=r.verdict LEFT JOIN unit u ON u.id=r.unit"

static const char failures_sql[] =
    "SELECT n.name step, v.name verdict, s.message, coalesce(f.name, '') measurement,"
    " coalesce(f.unit, '') unit, m.value, f.low, f.high FROM step s JOIN step_name n ON n.id=s.name"
    " JOIN verdict v ON v.id=s.verdict LEFT JOIN measurement m ON m.run=s.run AND m.step=s.step"
    " AND m.attempt=s.attempt AND m.verdict=2 LEFT JOIN figure f ON f.id=m.figure"
    " WHERE s.run=?1 AND s.verdict IN (2, 3, 4) AND s.attempt=(SELECT max(attempt) FROM step"
    " WHERE run=s.run AND step=s.step) ORDER BY s.step, m.n LIMIT 8";

/* Of the last attempt of each step; only what has limits is a band to be held. */
static const char figures_sql[] =
    "SELECT n.name step, f.name measurement, f.unit, m.value, f.low, f.high, v.name verdict"
    " FROM measurement m JOIN step s ON s.run=m.run AND s.step=m.step AND s.attempt=m.attempt"
    " JOIN step_name n ON n.id=s.name JOIN figure f ON f.id=m.figure"
    " JOIN verdict v ON v.id=m.verdict WHERE m.run=?1 AND m.verdict<>0 AND m.attempt=(SELECT"
    " max(attempt) FROM step WHERE run=s.run AND step=s.step) ORDER BY s.step, m.n LIMIT 64";

/* Takes `r` over: its rows as `name`, and to each the rows of `each` for its run as `part`. */
static int rows_with(struct store *s, struct rows *r, const char *name, const char *each,
                     const char *part, cJSON **out, struct error *err)
{
    cJSON *object = cJSON_CreateObject(), *row;
    int rc = rows_array(r, object, name, err);
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(object, name))
    {
        const double run = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(row, "run"));
        if (!rc && each)
            rc = rows_array(rows_open(s, err, each, "i", (int64_t)run), row, part, err);
    }
    if (rc)
        cJSON_Delete(object);
    else
        *out = object;
    return rc;
}

int recent_runs(struct store *s, int count, cJSON **out, struct error *err)
{
    return rows_with(s,
                     rows_open(s, err,
                               RUN_COLUMNS " WHERE r.verdict<>0 ORDER BY r.id DESC LIMIT ?1", "i",
                               (int64_t)count),
                     "runs", failures_sql, "failures", out, err);
}

int recent_golden(struct store *s, cJSON **out, struct error *err)
{
    /* Golden runs are a few a day: those of the last 100,000 runs are months, by the key alone. */
    return rows_with(
        s,
        rows_open(s, err,
                  RUN_COLUMNS
                  " WHERE r.id IN (SELECT max(id) FROM run WHERE id>(SELECT"
                  " coalesce(max(id), 0) - 100000 FROM run) AND mode='golden' AND verdict<>0"
                  " GROUP BY slot) ORDER BY r.slot",
                  ""),
        "golden", figures_sql, "figures", out, err);
}

int recent_defects(struct store *s, int count, cJSON **out, struct error *err)
{
    return rows_with(s,
                     rows_open(s, err,
                               "SELECT d.id defect, coalesce(u.serial, u.chip_id, '') serial,"
                               " d.code, d.place, d.text, d.operator, d.found_ms FROM defect d"
                               " JOIN unit u ON u.id=d.unit WHERE NOT EXISTS (SELECT 1 FROM"
                               " repair WHERE defect=d.id) ORDER BY d.id DESC LIMIT ?1",
                               "i", (int64_t)count),
                     "defects", NULL, NULL, out, err);
}
