#include "reports/campaign_summary.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "reports/campaign.h"
#include "reports/statistics/reliability.h"
#include "reports/statistics/survival.h"

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

/* The mean of what was measured of the first condition, by samples: NAN without one. The chamber's
 * are the rows of unit 0, figure 1, where it is the first condition. */
static double stress_c(const cJSON *campaign)
{
    const cJSON *row;
    double sum = 0, samples = 0;
    if (!strstr(json_string(campaign, "file", ""), "chamber_c"))
        return NAN;
    cJSON_ArrayForEach(row, member(campaign, "rows"))
    {
        if (json_number(row, "unit", -1) != 0 || json_number(row, "figure", 0) != 1)
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

int campaign_summary(const cJSON *campaign, cJSON **out, struct error *err)
{
    const cJSON *units = member(campaign, "units"), *unit;
    const size_t most = (size_t)cJSON_GetArraySize(units);
    struct survival_unit *watched = calloc(most ? most : 1, sizeof *watched);
    struct survival_step *steps = calloc(most ? most : 1, sizeof *steps);
    cJSON *made = cJSON_CreateObject(), *causes = cJSON_CreateArray();
    const double confidence = json_number(campaign, "confidence", 0.9);
    double hours = 0;
    size_t count = 0;
    int failures = 0;
    *out = NULL;
    if (!watched || !steps || !made || !causes) {
        free(watched);
        free(steps);
        cJSON_Delete(made);
        cJSON_Delete(causes);
        return error_set(err, ERROR_MEMORY, "a campaign's figures: out of memory");
    }
    cJSON_ArrayForEach(unit, units)
    {
        char cause[96];
        if (is(unit, "joining"))
            continue;
        watched[count] = (struct survival_unit){json_number(unit, "watched_ms", 0) / 3600000,
                                                is(unit, "failed")};
        hours += watched[count].hours;
        if (watched[count++].failed) {
            cause_of(campaign, unit, cause, sizeof cause);
            count_cause(causes, cause);
            failures++;
        }
    }
    const double bound = reliability_mtbf_bound(hours, failures, confidence);
    cJSON_AddNumberToObject(made, "unit_hours", hours);
    cJSON_AddNumberToObject(made, "failures", failures);
    cJSON_AddNumberToObject(made, "confidence", confidence);
    if (isfinite(bound))
        cJSON_AddNumberToObject(made, "mtbf_bound_h", bound);
    add_survival(made, steps, survival_estimate(watched, count, steps));
    cJSON_AddItemToObject(made, "causes", in_order(causes));
    add_arrhenius(made, campaign, hours);
    free(watched);
    free(steps);
    *out = made;
    return 0;
}

int campaign_document(struct store *reader, const char *name, cJSON **out, struct error *err)
{
    char *end;
    cJSON *made = NULL, *summary = NULL;
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
    cJSON_AddItemToObject(made, "summary", summary);
    *out = made;
    return 0;
}
