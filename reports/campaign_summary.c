#include "reports/campaign_summary.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "reports/campaign.h"
#include "reports/statistics/reliability.h"

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static bool is(const cJSON *unit, const char *state)
{
    return strcmp(json_string(unit, "state", ""), state) == 0;
}

/* The figure's name, or the first word of the cause. */
static void cause_of(const cJSON *campaign, const cJSON *unit, char *out, size_t size)
{
    const cJSON *figure =
        cJSON_GetArrayItem(member(campaign, "figures"), (int)json_number(unit, "cause_figure", -1));
    const char *cause = json_string(unit, "cause", "");
    const char *name = json_string(figure, "name", NULL);
    snprintf(out, size, "%.*s", name ? 80 : (int)strcspn(cause, " "), name ? name : cause);
}

static void count_cause(cJSON *causes, const char *cause)
{
    cJSON *each;
    cJSON_ArrayForEach(each, causes)
    {
        cJSON *units = cJSON_GetObjectItemCaseSensitive(each, "units");
        if (strcmp(json_string(each, "cause", ""), cause) != 0)
            continue;
        cJSON_SetNumberValue(units, units->valuedouble + 1);
        return;
    }
    each = cJSON_CreateObject();
    cJSON_AddStringToObject(each, "cause", cause);
    cJSON_AddNumberToObject(each, "units", 1);
    cJSON_AddItemToArray(causes, each);
}

/* Most frequent first; few enough that taking the largest each time will do. */
static cJSON *in_order(cJSON *causes)
{
    cJSON *out = cJSON_CreateArray(), *each;
    while (cJSON_GetArraySize(causes)) {
        int most = 0, i = 0;
        cJSON_ArrayForEach(each, causes)
        {
            if (json_number(each, "units", 0) >
                json_number(cJSON_GetArrayItem(causes, most), "units", 0))
                most = i;
            i++;
        }
        cJSON_AddItemToArray(out, cJSON_DetachItemFromArray(causes, most));
    }
    cJSON_Delete(causes);
    return out;
}

static void add_survival(cJSON *into, const struct survival_step *steps, size_t count)
{
    cJSON *list = cJSON_AddArrayToObject(into, "survival");
    for (size_t i = 0; i < count; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "hours", steps[i].hours);
        cJSON_AddNumberToObject(o, "at_risk", steps[i].at_risk);
        cJSON_AddNumberToObject(o, "failed", steps[i].failed);
        cJSON_AddNumberToObject(o, "good", steps[i].good);
        cJSON_AddNumberToObject(o, "deviation", steps[i].deviation);
        cJSON_AddItemToArray(list, o);
    }
}

/* Where the file has its chamber among the conditions, -1: nowhere. */
static int chamber_condition(const cJSON *campaign)
{
    const char *text = json_string(campaign, "file", "");
    struct json_document *file = NULL;
    struct error ignored = {0};
    const cJSON *condition;
    int k = 0, found = -1;
    if (json_parse("campaign", text, strlen(text), &file, &ignored))
        return -1;
    cJSON_ArrayForEach(condition, member(json_root(file), "conditions"))
    {
        if (strcmp(condition->string, "chamber_c") == 0)
            found = k;
        k++;
    }
    json_free(file);
    return found;
}

/* The mean of what was measured of the chamber, by samples: NAN without one. */
static double stress_c(const cJSON *campaign)
{
    const cJSON *row;
    double sum = 0, samples = 0;
    const int chamber = chamber_condition(campaign);
    if (chamber < 0)
        return NAN;
    cJSON_ArrayForEach(row, member(campaign, "rows"))
    {
        if (json_number(row, "unit", -1) != 0 ||
            (int)json_number(row, "figure", -1) != 2 * chamber + 1)
            continue;
        sum += json_number(row, "mean", 0) * json_number(row, "samples", 0);
        samples += json_number(row, "samples", 0);
    }
    return samples > 0 ? sum / samples : NAN;
}

static void add_arrhenius(cJSON *into, const cJSON *campaign, double unit_hours)
{
    const double activation_ev = json_number(campaign, "activation_ev", NAN);
    const double use_c = json_number(campaign, "use_c", NAN), stress = stress_c(campaign);
    const double factor = reliability_arrhenius(activation_ev, use_c, stress);
    if (!isfinite(factor))
        return;
    cJSON_AddNumberToObject(into, "stress_c", stress);
    cJSON_AddNumberToObject(into, "factor", factor);
    cJSON_AddNumberToObject(into, "use_hours", unit_hours * factor);
}

/* ---- what a further campaign would need ------------------------------------------------------ */

enum { FAILURES_ALLOWED = 3 }; /* none, one and two */

/* 1, 2 or 5 of a power of ten, not below. */
static double round_up(double hours)
{
    static const double steps[] = {1, 2, 5, 10};
    const double ten = pow(10, floor(log10(hours)));
    size_t i = 0;
    while (i < 3 && steps[i] * ten < hours * (1 - 1e-9))
        i++;
    return steps[i] * ten;
}

/* One row; the caller adds how many units, for none, one and two failures. */
static cJSON *sample_row(cJSON *rows, const char *shown, double value)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddNumberToObject(row, shown, value);
    cJSON_AddItemToArray(rows, row);
    return cJSON_AddArrayToObject(row, "units");
}

static void add_samples(cJSON *into, const struct survival_unit *units, size_t count,
                        double confidence)
{
    static const double parts[] = {0.90, 0.95, 0.99};
    enum { TARGETS = 4 };
    /* At this one's stress each hour of a unit counts for so many of use. */
    const double factor = json_number(into, "factor", 1);
    double mtbf_h = json_number(into, "mtbf_bound_h", NAN) * factor, hours = 0;
    cJSON *samples = cJSON_AddObjectToObject(into, "samples"), *needed;
    for (size_t i = 0; i < count; i++)
        hours = fmax(hours, units[i].hours);
    cJSON_AddNumberToObject(samples, "hours", hours);
    cJSON *rows = cJSON_AddArrayToObject(samples, "rows");
    for (int i = 0; i < TARGETS && mtbf_h > 0 && hours > 0; i++, mtbf_h *= 1.01) {
        mtbf_h = round_up(mtbf_h);
        needed = sample_row(rows, "mtbf_h", mtbf_h);
        for (int r = 0; r < FAILURES_ALLOWED; r++)
            cJSON_AddItemToArray(
                needed, cJSON_CreateNumber(
                            ceil(reliability_test_hours(mtbf_h, r, confidence) / factor / hours)));
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        needed = sample_row(rows, "good", parts[i]);
        for (int r = 0; r < FAILURES_ALLOWED; r++)
            cJSON_AddItemToArray(
                needed, cJSON_CreateNumber(reliability_test_units(parts[i], r, confidence)));
    }
}

/* As the watcher wrote it down (station/campaign/watch.c). */
double campaign_own_start(const cJSON *watch, int figure)
{
    const cJSON *of = cJSON_GetArrayItem(member(watch, "figures"), figure);
    const cJSON *samples = cJSON_GetArrayItem(of, 4), *mean = cJSON_GetArrayItem(of, 7);
    return cJSON_IsNumber(samples) && samples->valuedouble > 0 && cJSON_IsNumber(mean)
               ? mean->valuedouble
               : NAN;
}

/* ---- altogether ------------------------------------------------------------------------------ */

int campaign_watched(const cJSON *campaign, struct survival_unit **out, size_t *count,
                     struct error *err)
{
    const cJSON *units = member(campaign, "units"), *unit;
    const size_t most = (size_t)cJSON_GetArraySize(units);
    *count = 0;
    *out = calloc(most ? most : 1, sizeof **out);
    if (!*out)
        return error_set(err, ERROR_MEMORY, "a campaign's units: out of memory");
    cJSON_ArrayForEach(unit, units)
    {
        if (!is(unit, "joining"))
            (*out)[(*count)++] = (struct survival_unit){
                json_number(unit, "watched_ms", 0) / 3600000, is(unit, "failed")};
    }
    return 0;
}

static void add_causes(cJSON *into, const cJSON *campaign)
{
    cJSON *causes = cJSON_CreateArray();
    const cJSON *unit;
    char cause[96];
    cJSON_ArrayForEach(unit, member(campaign, "units"))
    {
        if (!is(unit, "failed"))
            continue;
        cause_of(campaign, unit, cause, sizeof cause);
        count_cause(causes, cause);
    }
    cJSON_AddItemToObject(into, "causes", in_order(causes));
}

int campaign_summary(const cJSON *campaign, cJSON **out, struct error *err)
{
    struct survival_unit *watched = NULL;
    struct survival_step *steps = NULL;
    cJSON *made = NULL;
    const double confidence = json_number(campaign, "confidence", 0.9);
    double hours = 0;
    size_t count = 0;
    int failures = 0;
    *out = NULL;
    int rc = campaign_watched(campaign, &watched, &count, err);
    if (rc)
        return rc;
    steps = calloc(count ? count : 1, sizeof *steps);
    made = cJSON_CreateObject();
    if (!steps || !made) {
        rc = error_set(err, ERROR_MEMORY, "a campaign's figures: out of memory");
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        hours += watched[i].hours;
        failures += watched[i].failed;
    }
    const double bound = reliability_mtbf_bound(hours, failures, confidence);
    cJSON_AddNumberToObject(made, "unit_hours", hours);
    cJSON_AddNumberToObject(made, "failures", failures);
    cJSON_AddNumberToObject(made, "confidence", confidence);
    if (isfinite(bound))
        cJSON_AddNumberToObject(made, "mtbf_bound_h", bound);
    add_survival(made, steps, survival_estimate(watched, count, steps));
    add_causes(made, campaign);
    add_arrhenius(made, campaign, hours);
    add_samples(made, watched, count, confidence);
    *out = made;
out:
    free(watched);
    free(steps);
    return rc;
}

int campaign_document(struct store *reader, const char *name, cJSON **out, struct error *err)
{
    char *end;
    cJSON *made = NULL, *summary = NULL;
    char when[25];
    const long long id = strtoll(name, &end, 10);
    *out = NULL;
    if (!*name || *end || id < 1)
        return error_set(err, ERROR_INPUT, "'%.60s' is no campaign's number", name);
    int rc = campaign_whole(reader, id, &made, err);
    if (!rc)
        rc = campaign_summary(made, &summary, err);
    if (rc) {
        cJSON_Delete(made);
        return rc;
    }
    cJSON_AddStringToObject(made, "document", "campaign");
    clock_format_utc((int64_t)json_number(made, "started_ms", 0), when);
    cJSON_AddStringToObject(made, "started", when);
    clock_format_utc((int64_t)json_number(made, "at_ms", 0), when);
    cJSON_AddStringToObject(made, "last", when);
    cJSON_AddItemToObject(made, "summary", summary);
    *out = made;
    return 0;
}
