#include <stdlib.h>
#include <string.h>

#include "station/plan/files.h"

static struct plan_step *step_by_id(const struct plan *p, const char *id)
{
    for (size_t i = 0; i < p->step_count + p->teardown_count; i++)
        if (strcmp(p->steps[i].id, id) == 0)
            return &p->steps[i];
    return NULL;
}

static int complain_unknown_step(const struct plan *p, const cJSON *at, struct error *err)
{
    const char *ids[2 * PLAN_STEPS_MAX + 1];
    size_t n = p->step_count + p->teardown_count;
    for (size_t i = 0; i < n; i++)
        ids[i] = p->steps[i].id;
    ids[n] = NULL;
    const char *nearest = json_nearest(at->string, ids);
    if (nearest)
        return json_complain(p->files->limits, at, err,
                             "plan '%s' has no step '%s', did you mean '%s'?", p->name, at->string,
                             nearest);
    return json_complain(p->files->limits, at, err, "plan '%s' has no step '%s'", p->name,
                         at->string);
}

static int complain_unknown_measurement(const struct json_document *doc,
                                        const struct plan_step *step,
                                        const struct plan_vocabulary *words, const cJSON *at,
                                        struct error *err)
{
    const char *names[64];
    size_t n = 0;
    struct plan_measurement m;
    while (n < 63 && words->measurement(words->context, step->kind, n, &m))
        names[n++] = m.name;
    names[n] = NULL;
    const char *nearest = json_nearest(at->string, names);
    if (nearest)
        return json_complain(doc, at, err, "a step '%s' does not measure '%s', did you mean '%s'?",
                             step->kind, at->string, nearest);
    return json_complain(doc, at, err, "a step '%s' does not measure '%s'", step->kind, at->string);
}

static int read_bound(const struct json_document *doc, const cJSON *entry, const char *name,
                      bool *has, double *value, struct error *err)
{
    *has = cJSON_GetObjectItemCaseSensitive(entry, name) != NULL;
    return *has ? json_need_number(doc, entry, name, value, err) : 0;
}

static int read_limit(const struct json_document *doc, const struct plan_step *step,
                      const struct plan_vocabulary *words, const cJSON *entry, struct limit *out,
                      struct error *err)
{
    static const char *const members[] = {"min", "max", "unit", NULL};
    if (!cJSON_IsObject(entry))
        return json_complain(doc, entry, err,
                             "the limit of '%s' must be an object with min, max and unit",
                             entry->string);
    int rc = json_only(doc, entry, members, err);
    if (rc)
        return rc;
    struct plan_measurement m = {0};
    bool known = false;
    for (size_t i = 0; !known && words->measurement(words->context, step->kind, i, &m); i++)
        known = strcmp(m.name, entry->string) == 0;
    if (!known)
        return complain_unknown_measurement(doc, step, words, entry, err);

    out->measurement = entry->string;
    if (!cJSON_GetObjectItemCaseSensitive(entry, "unit"))
        return json_complain(doc, entry, err,
                             "the limit of '%s' has no unit, expected \"unit\": \"%s\"",
                             entry->string, m.unit);
    rc = json_need_string(doc, entry, "unit", &out->unit, err);
    if (rc)
        return rc;
    if (strcmp(out->unit, m.unit) != 0)
        return json_complain(doc, cJSON_GetObjectItemCaseSensitive(entry, "unit"), err,
                             "the limit of '%s' is in '%s', but the step reports it in '%s'",
                             entry->string, out->unit, m.unit);
    rc = read_bound(doc, entry, "min", &out->has_min, &out->min, err);
    if (!rc)
        rc = read_bound(doc, entry, "max", &out->has_max, &out->max, err);
    if (rc)
        return rc;
    if (!out->has_min && !out->has_max)
        return json_complain(doc, entry, err, "the limit of '%s' needs min, max or both",
                             entry->string);
    if (out->has_min && out->has_max && out->min > out->max)
        return json_complain(doc, entry, err,
                             "the limit of '%s' can never hold: min %g is above max %g",
                             entry->string, out->min, out->max);
    return 0;
}

int limits_read_step(const struct json_document *doc, const struct plan_step *step,
                     const struct plan_vocabulary *words, const cJSON *of, struct limit **out,
                     size_t *count, struct error *err)
{
    if (!cJSON_IsObject(of))
        return json_complain(doc, of, err, "the limits of '%s' must be an object", of->string);
    size_t n = (size_t)cJSON_GetArraySize(of);
    *out = calloc(n ? n : 1, sizeof **out);
    if (!*out)
        return error_set(err, ERROR_MEMORY, "reading %s: out of memory", json_name(doc));
    for (const cJSON *entry = of->child; entry; entry = entry->next) {
        for (size_t i = 0; i < *count; i++)
            if (strcmp((*out)[i].measurement, entry->string) == 0)
                return json_complain(doc, entry, err, "the limit of '%s' is given twice",
                                     entry->string);
        int rc = read_limit(doc, step, words, entry, &(*out)[*count], err);
        if (rc)
            return rc;
        ++*count;
    }
    return 0;
}

static int read_step(const struct plan *p, const struct plan_vocabulary *words, const cJSON *of,
                     struct error *err)
{
    const struct json_document *doc = p->files->limits;
    struct plan_step *step = step_by_id(p, of->string);
    if (!step && p->part)
        return 0;
    if (!step)
        return complain_unknown_step(p, of, err);
    if (step->limits)
        return json_complain(doc, of, err, "limits of step '%s' are given twice", of->string);
    return limits_read_step(doc, step, words, of, &step->limits, &step->limit_count, err);
}

int limits_read(struct plan *p, const struct plan_vocabulary *words, struct error *err)
{
    const cJSON *root = json_root(p->files->limits);
    if (!cJSON_IsObject(root))
        return json_complain(p->files->limits, root, err,
                             "expected an object: step id, then measurement");
    for (const cJSON *of = root->child; of; of = of->next) {
        int rc = read_step(p, words, of, err);
        if (rc)
            return rc;
    }
    return 0;
}
