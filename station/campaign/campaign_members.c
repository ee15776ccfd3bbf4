#include "station/campaign/campaign_members.h"

#include <stdio.h>

const double campaign_year_s = 366.0 * 86400;

const cJSON *campaign_member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* A number within a range, when it is there. */
int campaign_take_number(const struct json_document *doc, const cJSON *object, const char *name,
                         double low, double high, double *out, struct error *err)
{
    if (!campaign_member(object, name))
        return 0;
    int rc = json_need_number(doc, object, name, out, err);
    if (!rc && !(*out >= low && *out <= high))
        rc = json_complain(doc, campaign_member(object, name), err, "'%s' is %g, expected %g to %g",
                           name, *out, low, high);
    return rc;
}

int campaign_take_integer(const struct json_document *doc, const cJSON *object, const char *name,
                          long long low, long long high, int *out, struct error *err)
{
    long long value = *out;
    int rc = campaign_member(object, name)
                 ? json_need_integer(doc, object, name, low, high, &value, err)
                 : 0;
    *out = (int)value;
    return rc;
}

/* A time as "NAME_s", "NAME_min", "NAME_h" or "NAME_d"; at most one of them. */
int campaign_take_time(const struct json_document *doc, const cJSON *object, const char *name,
                       double low_s, int64_t *out_ms, struct error *err)
{
    static const struct {
        const char *end;
        double seconds;
    } units[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
    const char *given = NULL;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        char full[48];
        double value = 0;
        snprintf(full, sizeof full, "%s_%s", name, units[i].end);
        const cJSON *at = campaign_member(object, full);
        if (!at)
            continue;
        if (given)
            return json_complain(doc, at, err, "'%s' is given in two units", name);
        int rc = campaign_take_number(doc, object, full, low_s / units[i].seconds,
                                      campaign_year_s / units[i].seconds, &value, err);
        if (rc)
            return rc;
        given = units[i].end;
        *out_ms = (int64_t)(value * units[i].seconds * 1000 + 0.5);
    }
    return 0;
}
