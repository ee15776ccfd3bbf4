/* What is read of campaigns. */
#include <stdlib.h>

#include "reports/campaign.h"
#include "reports/query_rows.h"

#define MEMBERS                                                                                    \
    "SELECT c.id, c.name, c.sha256, c.plan, c.plan_sha256, c.limits_sha256, c.lot, c.operator,"    \
    " c.station, c.program_version, c.clock, c.seed, c.started_ms, c.confidence,"                  \
    " c.activation_ev, c.use_c, c.state, c.reason, c.elapsed_ms, c.at_ms,"                         \
    " (SELECT count(*) FROM campaign_unit u WHERE u.campaign=c.id) unit_count,"                    \
    " (SELECT count(*) FROM campaign_unit u WHERE u.campaign=c.id AND u.state='failed') failed"

static int finish(struct rows *st, cJSON *made, cJSON **out, int rc)
{
    rows_close(st);
    if (rc)
        cJSON_Delete(made);
    else
        *out = made;
    return rc;
}

int campaign_current(struct store *s, bool last, bool units, cJSON **out, struct error *err)
{
    *out = NULL;
    struct rows *st = rows_open(s, err,
                                MEMBERS ", c.file, c.progress FROM campaign c WHERE ?1 = 1 OR"
                                        " c.state NOT IN ('finished', 'stopped')"
                                        " ORDER BY c.id DESC LIMIT 1",
                                "i", (int64_t)last);
    int rc = st ? rows_next(st, err) : rows_code(err);
    if (rc <= 0) {
        rows_close(st);
        return rc;
    }
    const int64_t id = rows_integer(st, 0);
    cJSON *made = cJSON_CreateObject();
    rc = rows_columns(st, 0, made, err);
    rows_close(st);
    st = NULL;
    if (!rc) {
        st = rows_open(s, err,
                       units ? "SELECT number, place, port, chip_id, serial, state, cause,"
                               " joined_ms, watched_ms, watch FROM campaign_unit"
                               " WHERE campaign=?1 ORDER BY number"
                             : "SELECT number, place, chip_id, serial, state, cause, joined_ms,"
                               " watched_ms FROM campaign_unit WHERE campaign=?1"
                               " ORDER BY number",
                       "i", id);
        rc = st ? rows_append(st, made, "units", err) : rows_code(err);
    }
    return finish(st, made, out, rc);
}

int campaign_list(struct store *s, cJSON **out, struct error *err)
{
    cJSON *made = cJSON_CreateObject();
    int rc = rows_array(rows_open(s, err, MEMBERS " FROM campaign c ORDER BY c.id DESC", ""), made,
                        "campaigns", err);
    *out = rc ? NULL : cJSON_DetachItemFromObjectCaseSensitive(made, "campaigns");
    cJSON_Delete(made);
    return rc;
}

int campaign_whole(struct store *s, int64_t id, cJSON **out, struct error *err)
{
    static const struct {
        const char *name, *sql;
    } parts[] = {
        {"figures", "SELECT number, name, unit, low, high, min_percent, max_percent, min_change,"
                    " max_change FROM campaign_figure WHERE campaign=?1 ORDER BY number"},
        {"instruments", "SELECT class, name, serial, certificate, calibrated_on, due_on"
                        " FROM campaign_instrument WHERE campaign=?1 ORDER BY class, name"},
        {"units", "SELECT number, place, port, chip_id, serial, state, cause, cause_figure,"
                  " joined_ms, watched_ms, watch FROM campaign_unit WHERE campaign=?1"
                  " ORDER BY number"},
        {"events", "SELECT unit, elapsed_ms, at_ms, kind, text FROM campaign_event"
                   " WHERE campaign=?1 ORDER BY n"},
        {"rows", "SELECT unit, figure, from_ms, samples, lowest, highest, mean, deviation"
                 " FROM campaign_row WHERE campaign=?1 ORDER BY unit, figure, from_ms"},
    };
    bool began = false;
    *out = NULL;
    int rc = rows_begin(s, &began, err);
    if (rc)
        return rc;
    struct rows *st = rows_open(s, err,
                                MEMBERS ", c.file, c.progress FROM campaign c WHERE c.id=?1 OR"
                                        " ?1 = 0 ORDER BY c.id DESC LIMIT 1",
                                "i", id);
    cJSON *made = cJSON_CreateObject();
    rc = st ? rows_next(st, err) : rows_code(err);
    if (rc == 1) {
        id = rows_integer(st, 0);
        rc = rows_columns(st, 0, made, err);
    } else if (!rc) {
        rc = id ? error_set(err, ERROR_MISSING, "there is no campaign %lld", (long long)id)
                : error_set(err, ERROR_MISSING, "there is no campaign yet");
    }
    for (size_t i = 0; !rc && i < sizeof parts / sizeof *parts; i++)
        rc = rows_array(rows_open(s, err, parts[i].sql, "i", id), made, parts[i].name, err);
    rc = finish(st, made, out, rc);
    rows_end(s, began);
    return rc;
}

int campaign_unit(struct store *s, int number, cJSON **out, struct error *err)
{
#define LAST "(SELECT max(id) FROM campaign)"
    static const struct {
        const char *name, *sql;
    } parts[] = {
        {"units",
         "SELECT number, place, chip_id, serial, state, cause, joined_ms, watched_ms, watch"
         " FROM campaign_unit WHERE campaign=" LAST " AND number=?1"},
        {"figures",
         "SELECT number, name, unit, low, high, min_percent, max_percent, min_change,"
         " max_change FROM campaign_figure WHERE campaign=" LAST " AND ?1=?1 ORDER BY number"},
        {"rows", "SELECT figure, from_ms, samples, mean FROM campaign_row WHERE campaign=" LAST
                 " AND unit=?1 ORDER BY figure, from_ms"},
    };
#undef LAST
    cJSON *made = cJSON_CreateObject();
    bool began = false;
    *out = NULL;
    int rc = rows_begin(s, &began, err);
    for (size_t i = 0; !rc && i < sizeof parts / sizeof *parts; i++)
        rc = rows_array(rows_open(s, err, parts[i].sql, "i", (int64_t)number), made, parts[i].name,
                        err);
    if (began)
        rows_end(s, began);
    if (!rc && !cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(made, "units")))
        rc = error_set(err, ERROR_MISSING, "the last campaign has no unit %d", number);
    if (rc) {
        cJSON_Delete(made);
        return rc;
    }
    cJSON_AddItemToObject(
        made, "unit",
        cJSON_DetachItemFromArray(cJSON_GetObjectItemCaseSensitive(made, "units"), 0));
    *out = made;
    return 0;
}
