#include "station/engine/campaign_record.h"

#include <math.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "protocol/base/version.h"

int campaign_record_figures(struct store *s, int64_t id, const struct campaign *c,
                            struct error *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < c->figure_count; i++) {
        const struct campaign_figure *f = &c->figures[i];
        const struct campaign_figure_record record = {
            .number = (int)i,
            .name = f->name,
            .unit = f->unit,
            .low = f->limit.has_min ? f->limit.min : NAN,
            .high = f->limit.has_max ? f->limit.max : NAN,
            .min_percent = f->drift.min_percent,
            .max_percent = f->drift.max_percent,
            .min_change = f->drift.min_change,
            .max_change = f->drift.max_change,
        };
        rc = store_campaign_figure(s, id, &record, err);
    }
    return rc;
}

static int record_wiring(struct store *s, int64_t id, const cJSON *station, const cJSON *wiring,
                         struct error *err)
{
    const cJSON *known = cJSON_GetObjectItemCaseSensitive(station, "instruments"), *wire;
    int rc = 0;
    cJSON_ArrayForEach(wire, wiring)
    {
        const char *name = json_string(wire, "instrument", "");
        const cJSON *of = cJSON_GetObjectItemCaseSensitive(known, name);
        const cJSON *calibration = cJSON_GetObjectItemCaseSensitive(of, "calibration");
        const struct instrument_record record = {
            .class_name = wire->string,
            .name = name,
            .serial = json_string(of, "serial", ""),
            .certificate = json_string(calibration, "certificate", ""),
            .calibrated_on = json_string(calibration, "calibrated_on", ""),
            .due_on = json_string(calibration, "due_on", ""),
        };
        if (!rc)
            rc = store_campaign_instrument(s, id, &record, err);
    }
    return rc;
}

int campaign_record_instruments(struct store *s, int64_t id, const cJSON *station,
                                struct error *err)
{
    const cJSON *slot;
    int rc = record_wiring(s, id, station,
                           cJSON_GetObjectItemCaseSensitive(station, "surroundings"), err);
    cJSON_ArrayForEach(slot, cJSON_GetObjectItemCaseSensitive(station, "slots"))
    {
        if (!rc)
            rc = record_wiring(s, id, station, cJSON_GetObjectItemCaseSensitive(slot, "wiring"),
                               err);
    }
    return rc;
}

static int record_run(struct store *s, const struct campaign_record_place *p, const cJSON *unit,
                      const cJSON *result, struct error *err)
{
    const enum verdict verdict = json_bool(result, "passed", false) ? VERDICT_PASS : VERDICT_FAIL;
    const int64_t now_ms = clock_wall_ms();
    struct run_record run = {
        .order = p->order,
        .product = p->campaign->plan->product,
        .plan = p->campaign->name,
        .plan_sha256 = p->campaign->sha256,
        .limits_sha256 = p->campaign->plan->limits_sha256,
        .product_sha256 = p->campaign->plan->product_sha256,
        .bundle_sha256 = "",
        .program_version = takt_version,
        .site = p->site,
        .line = p->line,
        .station = p->station,
        .slot = (int)json_number(unit, "slot", 0),
        .serial = "",
        .operator_name = p->operator_name,
        .mode = "qa",
        .started_wall_ms = now_ms,
    };
    const struct measurement_record values[] = {
        {.name = "watched_h",
         .unit = "h",
         .value = json_number(unit, "watched_ms", 0) / 3600000,
         .verdict = VERDICT_NONE},
        {.name = json_string(result, "figure", ""),
         .unit = json_string(result, "unit", ""),
         .value = json_number(result, "value", 0),
         .has_low = cJSON_HasObjectItem(result, "low"),
         .has_high = cJSON_HasObjectItem(result, "high"),
         .low = json_number(result, "low", 0),
         .high = json_number(result, "high", 0),
         .verdict = VERDICT_FAIL}};
    int rc = store_run_open(s, &run, err);
    if (!rc)
        rc = store_run_unit(s, run.id, json_string(unit, "chip_id", ""), "", err);
    const struct step_record step = {.run = run.id,
                                     .index = 0,
                                     .attempt = 1,
                                     .id = p->campaign->name,
                                     .kind = "campaign",
                                     .verdict = verdict,
                                     .message = json_string(unit, "cause", ""),
                                     .started_wall_ms = now_ms,
                                     .measurements = values,
                                     .measurement_count =
                                         cJSON_HasObjectItem(result, "figure") ? 2 : 1};
    if (!rc)
        rc = store_step(s, &step, err);
    return rc ? rc
              : store_run_close(s, run.id, verdict, json_string(unit, "cause", ""), now_ms, err);
}

static int record_unit(struct store *s, const struct campaign_record_place *p, const cJSON *unit,
                       struct error *err)
{
    const cJSON *result = cJSON_GetObjectItemCaseSensitive(unit, "result");
    const struct campaign_unit_record record = {
        .number = (int)json_number(unit, "number", 0),
        .place = json_string(unit, "place", ""),
        .port = json_string(unit, "port", ""),
        .chip_id = json_string(unit, "chip_id", ""),
        .serial = "",
        .state = json_string(unit, "state", ""),
        .cause = json_string(unit, "cause", ""),
        .cause_figure = (int)json_number(unit, "cause_figure", -1),
        .joined_ms = (int64_t)json_number(unit, "joined_ms", 0),
        .watched_ms = (int64_t)json_number(unit, "watched_ms", 0),
        .watch = json_string(unit, "watch", ""),
    };
    int rc = store_campaign_unit(s, p->id, &record, err);
    return rc || !result ? rc : record_run(s, p, unit, result, err);
}

static int record_event(struct store *s, int64_t id, const cJSON *event, struct error *err)
{
    const struct campaign_event_record record = {
        .unit = (int)json_number(event, "unit", 0),
        .elapsed_ms = (int64_t)json_number(event, "elapsed_ms", 0),
        .at_ms = (int64_t)json_number(event, "at_ms", 0),
        .kind = json_string(event, "kind", ""),
        .text = json_string(event, "text", ""),
    };
    return store_campaign_event(s, id, &record, err);
}

static int record_row(struct store *s, int64_t id, const cJSON *row, struct error *err)
{
    double n[8];
    if (cJSON_GetArraySize(row) != 8)
        return error_set(err, ERROR_PROTOCOL, "a campaign's row of samples has not 8 numbers");
    const cJSON *at = row->child;
    for (int i = 0; i < 8; i++, at = at->next)
        n[i] = at->valuedouble;
    const struct campaign_row_record record = {(int)n[0], (int)n[1], (int64_t)n[2], (int)n[3],
                                               n[4],      n[5],      n[6],          n[7]};
    return store_campaign_row(s, id, &record, err);
}

int campaign_record_note(struct store *s, const struct campaign_record_place *p, const cJSON *note,
                         struct error *err)
{
    const cJSON *each;
    int rc = 0;
    cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(note, "units"))
    {
        if (!rc)
            rc = record_unit(s, p, each, err);
    }
    cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(note, "events"))
    {
        if (!rc)
            rc = record_event(s, p->id, each, err);
    }
    cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(note, "rows"))
    {
        if (!rc)
            rc = record_row(s, p->id, each, err);
    }
    return rc ? rc
              : store_campaign_progress(
                    s, p->id, json_string(note, "state", ""), json_string(note, "reason", ""),
                    (int64_t)json_number(note, "elapsed_ms", 0),
                    (int64_t)json_number(note, "at_ms", 0), json_string(note, "progress", ""), err);
}
