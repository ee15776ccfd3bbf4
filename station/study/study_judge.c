#include "station/study/study_judge.h"

#include <math.h>
#include <string.h>

#include "protocol/base/json.h"

static const struct plan_step *step_named(const struct plan *p, const char *id)
{
    for (size_t i = 0; i < p->step_count; i++)
        if (strcmp(p->steps[i].id, id) == 0)
            return &p->steps[i];
    return NULL;
}

static const struct limit *limit_of(const struct plan_step *step, const char *measurement)
{
    for (size_t i = 0; step && i < step->limit_count; i++)
        if (strcmp(step->limits[i].measurement, measurement) == 0)
            return &step->limits[i];
    return NULL;
}

/* An endless bound is none. */
static void put_bound(cJSON *measurement, const char *name, bool there, double value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(measurement, name);
    if (there)
        cJSON_AddNumberToObject(measurement, name, value);
}

static bool judge_attempt(const struct plan_step *step, cJSON *attempt)
{
    bool good = true;
    cJSON *m;
    cJSON_ArrayForEach(m, cJSON_GetObjectItemCaseSensitive(attempt, "measurements"))
    {
        const struct limit *l = limit_of(step, json_string(m, "name", ""));
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(m, "value");
        const bool passes =
            judge_value(l, cJSON_IsNumber(value) ? value->valuedouble : NAN) != JUDGED_FAIL;
        put_bound(m, "low", l && l->has_min, l ? l->min : 0);
        put_bound(m, "high", l && l->has_max, l ? l->max : 0);
        cJSON_DeleteItemFromObjectCaseSensitive(m, "verdict");
        cJSON_AddStringToObject(m, "verdict", passes ? "pass" : "fail");
        good = good && passes;
    }
    return good;
}

void study_judge(const struct plan *p, cJSON *document)
{
    const char *verdict = json_string(document, "verdict", "");
    bool good = true;
    cJSON *row, *attempt;
    if (strcmp(verdict, "pass") != 0 && strcmp(verdict, "fail") != 0)
        return;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(document, "steps"))
    {
        bool last = true;
        cJSON_ArrayForEach(attempt, cJSON_GetObjectItemCaseSensitive(row, "attempts"))
        {
            last = judge_attempt(step_named(p, json_string(row, "id", "")), attempt);
        }
        good = good && last;
    }
    cJSON_ReplaceItemInObjectCaseSensitive(document, "verdict",
                                           cJSON_CreateString(good ? "pass" : "fail"));
}
