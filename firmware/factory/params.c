#include "firmware/factory/params.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/json.h"

int params_only(const cJSON *params, const char *const *allowed, struct error *err)
{
    const cJSON *member;
    if (params && !cJSON_IsObject(params))
        return error_set(err, ERROR_INPUT, "the params must be an object");
    cJSON_ArrayForEach(member, params)
    {
        bool known = false;
        for (size_t i = 0; allowed[i] && !known; i++)
            known = strcmp(member->string, allowed[i]) == 0;
        if (known)
            continue;
        const char *nearest = json_nearest(member->string, allowed);
        if (nearest)
            return error_set(err, ERROR_INPUT, "unknown param '%.40s', did you mean '%s'?",
                             member->string, nearest);
        return error_set(err, ERROR_INPUT, "unknown param '%.40s'%s%s", member->string,
                         allowed[0] ? ", expected for example " : ", none expected",
                         allowed[0] ? allowed[0] : "");
    }
    return 0;
}

bool params_has(const cJSON *params, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(params, name) != NULL;
}

int params_number(const cJSON *params, const char *name, double low, double high, double *out,
                  struct error *err)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(params, name);
    if (!cJSON_IsNumber(value))
        return error_set(err, ERROR_INPUT, "param '%s' is %s, expected a number from %g to %g",
                         name, value ? "not a number" : "missing", low, high);
    if (!(value->valuedouble >= low && value->valuedouble <= high))
        return error_set(err, ERROR_INPUT, "param '%s' is %g, expected %g to %g", name,
                         value->valuedouble, low, high);
    *out = value->valuedouble;
    return 0;
}

int params_integer(const cJSON *params, const char *name, long long low, long long high,
                   long long *out, struct error *err)
{
    double number;
    int rc = params_number(params, name, (double)low, (double)high, &number, err);
    if (!rc && number != floor(number))
        rc = error_set(err, ERROR_INPUT, "param '%s' is %g, expected a whole number", name, number);
    if (!rc)
        *out = (long long)number;
    return rc;
}

int params_text(const cJSON *params, const char *name, size_t least, size_t most, const char **out,
                struct error *err)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(params, name);
    if (!cJSON_IsString(value))
        return error_set(err, ERROR_INPUT, "param '%s' is %s, expected a string", name,
                         value ? "not a string" : "missing");
    size_t length = strlen(value->valuestring);
    if (length < least || length > most)
        return error_set(err, ERROR_INPUT, "param '%s' has %zu characters, expected %zu to %zu",
                         name, length, least, most);
    *out = value->valuestring;
    return 0;
}

int params_flag(const cJSON *params, const char *name, bool *out, struct error *err)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(params, name);
    if (!cJSON_IsBool(value))
        return error_set(err, ERROR_INPUT, "param '%s' is %s, expected true or false", name,
                         value ? "not a boolean" : "missing");
    *out = cJSON_IsTrue(value);
    return 0;
}

int params_choice(const cJSON *params, const char *name, const char *const *choices, int *out,
                  struct error *err)
{
    const char *text;
    char list[160] = "";
    int rc = params_text(params, name, 0, 4096, &text, err);
    if (rc)
        return rc;
    for (int i = 0; choices[i]; i++) {
        if (strcmp(text, choices[i]) == 0) {
            *out = i;
            return 0;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s'%s'", i ? ", " : "", choices[i]);
    }
    return error_set(err, ERROR_INPUT, "param '%s' is '%.40s', expected one of %s", name, text,
                     list);
}
