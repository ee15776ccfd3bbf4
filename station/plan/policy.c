/* What must be so before a unit is put through a plan, and which steps are for which runs. */
#include <stdlib.h>
#include <string.h>

#include "station/plan/files.h"

enum { EVERY_MAX_H = 24 * 366 };

const char *const plan_modes[] = {"production", "engineering", "repair", "golden", "gauge", NULL};

struct reading {
    struct plan *plan;
    const struct json_document *doc;
    const struct plan_vocabulary *words;
    struct error *err;
};

static bool is_mode(const char *name)
{
    for (size_t i = 0; plan_modes[i]; i++)
        if (strcmp(plan_modes[i], name) == 0)
            return true;
    return false;
}

static int take_modes(const struct reading *r, const cJSON *object, struct plan_step *step)
{
    const cJSON *modes = cJSON_GetObjectItemCaseSensitive(object, "modes"), *item;
    if (!modes)
        return 0;
    if (!cJSON_IsArray(modes) || !modes->child)
        return json_complain(r->doc, modes, r->err, "'modes' must list modes of runs");
    cJSON_ArrayForEach(item, modes)
    {
        if (!cJSON_IsString(item) || !is_mode(item->valuestring))
            return json_complain(r->doc, item, r->err,
                                 "a mode is production, engineering, repair, golden or gauge");
        if (step->mode_count == PLAN_MODES_MAX)
            return json_complain(r->doc, item, r->err, "a mode is named twice");
        step->modes[step->mode_count++] = item->valuestring;
    }
    return 0;
}

static int take_texts(const struct reading *r, const cJSON *object, const char *name,
                      const char **out, size_t most, size_t *count)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, name), *item;
    if (!list)
        return 0;
    if (!cJSON_IsArray(list) || !list->child || (size_t)cJSON_GetArraySize(list) > most)
        return json_complain(r->doc, list, r->err, "'%s' must list 1 to %zu names", name, most);
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item) || !item->valuestring[0] || strlen(item->valuestring) > 127)
            return json_complain(r->doc, item, r->err, "'%s' lists names of 1 to 127 bytes", name);
        out[(*count)++] = item->valuestring;
    }
    return 0;
}

static int take_band(const struct reading *r, const cJSON *golden)
{
    struct plan_policy *policy = &r->plan->policy;
    const cJSON *band = cJSON_GetObjectItemCaseSensitive(golden, "band");
    if (!band)
        return 0;
    if (!cJSON_IsObject(band))
        return json_complain(r->doc, band, r->err, "'band' is written as limits are");
    policy->bands = calloc((size_t)cJSON_GetArraySize(band) + 1, sizeof *policy->bands);
    if (!policy->bands)
        return error_set(r->err, ERROR_MEMORY, "reading %s: out of memory", json_name(r->doc));
    for (const cJSON *of = band->child; of; of = of->next) {
        struct plan_band *b = &policy->bands[policy->band_count++];
        b->step = -1;
        for (size_t i = 0; i < r->plan->step_count; i++)
            if (strcmp(r->plan->steps[i].id, of->string) == 0)
                b->step = (int)i;
        if (b->step < 0)
            return json_complain(r->doc, of, r->err, "the plan has no step '%.80s'", of->string);
        int rc = limits_read_step(r->doc, &r->plan->steps[b->step], r->words, of, &b->limits,
                                  &b->limit_count, r->err);
        if (rc)
            return rc;
    }
    return 0;
}

static int take_golden(const struct reading *r, const cJSON *given)
{
    static const char *const members[] = {"serials", "every_h", "band", NULL};
    struct plan_policy *policy = &r->plan->policy;
    const cJSON *golden = NULL;
    double hours = 0;
    if (!cJSON_GetObjectItemCaseSensitive(given, "golden"))
        return 0;
    int rc = json_need_object(r->doc, given, "golden", &golden, r->err);
    if (!rc)
        rc = json_only(r->doc, golden, members, r->err);
    if (!rc)
        rc = take_texts(r, golden, "serials", policy->golden, PLAN_GOLDEN_MAX,
                        &policy->golden_count);
    if (!rc && !policy->golden_count)
        rc = json_complain(r->doc, golden, r->err, "'serials' of the golden units are missing");
    if (!rc)
        rc = json_need_number(r->doc, golden, "every_h", &hours, r->err);
    if (!rc && !(hours >= 0.001 && hours <= EVERY_MAX_H))
        rc = json_complain(r->doc, golden, r->err, "'every_h' is %g, expected 0.001 to %d", hours,
                           EVERY_MAX_H);
    policy->golden_every_s = (int)(hours * 3600);
    return rc ? rc : take_band(r, golden);
}

static int take_flag(const struct reading *r, const cJSON *given, const char *name, bool *out)
{
    const cJSON *flag = cJSON_GetObjectItemCaseSensitive(given, name);
    if (flag && !cJSON_IsBool(flag))
        return json_complain(r->doc, flag, r->err, "'%s' must be true or false", name);
    *out = cJSON_IsTrue(flag);
    return 0;
}

static int take_policy(const struct reading *r, const cJSON *root)
{
    static const char *const members[] = {"golden",       "passed_before", "retests",
                                          "after_repair", "pass_is_final", NULL};
    struct plan_policy *policy = &r->plan->policy;
    const cJSON *given = NULL;
    long long retests = -1;
    policy->retests = -1;
    if (!cJSON_GetObjectItemCaseSensitive(root, "policy"))
        return 0;
    int rc = json_need_object(r->doc, root, "policy", &given, r->err);
    if (!rc)
        rc = json_only(r->doc, given, members, r->err);
    if (!rc)
        rc = take_golden(r, given);
    if (!rc)
        rc = take_texts(r, given, "passed_before", policy->route, PLAN_ROUTE_MAX,
                        &policy->route_count);
    if (!rc && cJSON_GetObjectItemCaseSensitive(given, "retests"))
        rc = json_need_integer(r->doc, given, "retests", 0, 100, &retests, r->err);
    policy->retests = (int)retests;
    if (!rc)
        rc = take_flag(r, given, "after_repair", &policy->after_repair);
    if (!rc)
        rc = take_flag(r, given, "pass_is_final", &policy->pass_is_final);
    return rc;
}

int policy_read(struct plan *p, const struct plan_vocabulary *words, struct error *err)
{
    const struct reading r = {p, p->files->plan, words, err};
    const cJSON *root = json_root(r.doc);
    struct plan_step *step = p->steps;
    int rc = 0;
    for (const cJSON *o = cJSON_GetObjectItemCaseSensitive(root, "steps")->child; !rc && o;
         o = o->next, step++) {
        long long sample = 0;
        rc = take_modes(&r, o, step);
        if (!rc && cJSON_GetObjectItemCaseSensitive(o, "sample"))
            rc = json_need_integer(r.doc, o, "sample", 2, 100000, &sample, err);
        step->sample = (int)sample;
    }
    return rc ? rc : take_policy(&r, root);
}

void policy_free(struct plan_policy *policy)
{
    for (size_t i = 0; i < policy->band_count; i++)
        free(policy->bands[i].limits);
    free(policy->bands);
}
