#include "station/plan/judge.h"

#include <math.h>
#include <string.h>

enum judgement judge_value(const struct limit *limit, double value)
{
    if (!limit)
        return JUDGED_FREE;
    if (!isfinite(value))
        return JUDGED_FAIL;
    if (limit->has_min && !(value >= limit->min))
        return JUDGED_FAIL;
    if (limit->has_max && !(value <= limit->max))
        return JUDGED_FAIL;
    return JUDGED_PASS;
}

enum judgement judge_step(const struct limit *limits, size_t limit_count, struct judged *values,
                          size_t value_count, const struct limit **worst)
{
    enum judgement overall = JUDGED_PASS;
    const struct limit *culprit = NULL;
    for (size_t v = 0; v < value_count; v++) {
        values[v].limit = NULL;
        values[v].judgement = JUDGED_FREE;
    }
    for (size_t l = 0; l < limit_count; l++) {
        enum judgement found = JUDGED_MISSING;
        for (size_t v = 0; v < value_count; v++) {
            if (strcmp(values[v].measurement, limits[l].measurement) != 0)
                continue;
            if (strcmp(values[v].unit, limits[l].unit) != 0)
                break;
            values[v].limit = &limits[l];
            found = values[v].judgement = judge_value(&limits[l], values[v].value);
            break;
        }
        /* The enumerators are in order of rank. */
        if (found > overall) {
            overall = found;
            culprit = &limits[l];
        }
    }
    if (worst)
        *worst = culprit;
    return overall;
}
