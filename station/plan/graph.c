/* The order of a plan's steps: what comes after what, what is done side by side, retried as one or
 * left out. */
#include <stdlib.h>
#include <string.h>

#include "station/plan/files.h"

struct reading {
    struct plan *plan;
    const struct json_document *doc;
    struct error *err;
};

static int complain_no_step(const struct reading *r, const cJSON *at, const char *id)
{
    const char *ids[PLAN_STEPS_MAX + 1];
    for (size_t i = 0; i < r->plan->step_count; i++)
        ids[i] = r->plan->steps[i].id;
    ids[r->plan->step_count] = NULL;
    const char *nearest = json_nearest(id, ids);
    return json_complain(r->doc, at, r->err, "the plan has no step '%.80s'%s%s%s", id,
                         nearest ? ", did you mean '" : "", nearest ? nearest : "",
                         nearest ? "'?" : "");
}

static int step_of(const struct reading *r, const cJSON *at, const struct plan_step *asking,
                   int *index)
{
    if (!cJSON_IsString(at))
        return json_complain(r->doc, at, r->err, "expected the id of a step as a string");
    for (size_t i = 0; i < r->plan->step_count; i++)
        if (strcmp(r->plan->steps[i].id, at->valuestring) == 0) {
            *index = (int)i;
            return asking == &r->plan->steps[i]
                       ? json_complain(r->doc, at, r->err, "step '%s' cannot wait for itself",
                                       asking->id)
                       : 0;
        }
    return complain_no_step(r, at, at->valuestring);
}

static void add_after(struct plan_step *step, int index)
{
    for (size_t i = 0; i < step->after_count; i++)
        if (step->after[i] == index)
            return;
    step->after[step->after_count++] = index;
}

static int take_when(const struct reading *r, const cJSON *object, struct plan_step *step)
{
    static const char *const members[] = {"passed", "failed", NULL};
    const cJSON *when = cJSON_GetObjectItemCaseSensitive(object, "when");
    if (!when || (cJSON_IsString(when) && strcmp(when->valuestring, "always") == 0))
        return 0;
    if (cJSON_IsString(when) && strcmp(when->valuestring, "all_passed") == 0) {
        step->when = PLAN_ALL_PASSED;
        return 0;
    }
    if (cJSON_IsString(when))
        return json_complain(r->doc, when, r->err,
                             "'when' is '%s', expected 'always', 'all_passed' or an object with "
                             "passed or failed",
                             when->valuestring);
    if (!cJSON_IsObject(when) || cJSON_GetArraySize(when) != 1)
        return json_complain(r->doc, when, r->err,
                             "'when' must be 'always', 'all_passed', {\"passed\": ID} or "
                             "{\"failed\": ID}");
    int rc = json_only(r->doc, when, members, r->err);
    if (!rc)
        rc = step_of(r, when->child, step, &step->when_step);
    step->when = strcmp(when->child->string, "passed") == 0 ? PLAN_IF_PASSED : PLAN_IF_FAILED;
    return rc;
}

/* Not given: after the one before it, so that a plain list is done in its order. */
static int take_after(const struct reading *r, const cJSON *object, struct plan_step *step)
{
    const cJSON *after = cJSON_GetObjectItemCaseSensitive(object, "after"), *item;
    const int mine = (int)(step - r->plan->steps);
    if (after && !cJSON_IsArray(after))
        return json_complain(r->doc, after, r->err, "'after' must be a list of steps' ids");
    size_t most = (size_t)mine + (size_t)cJSON_GetArraySize(after) + 2;
    step->after = calloc(most, sizeof *step->after);
    if (!step->after)
        return error_set(r->err, ERROR_MEMORY, "reading %s: out of memory", json_name(r->doc));
    cJSON_ArrayForEach(item, after)
    {
        int index, rc = step_of(r, item, step, &index);
        if (rc)
            return rc;
        add_after(step, index);
    }
    if (!after && mine > 0)
        add_after(step, mine - 1);
    if (step->when == PLAN_IF_PASSED || step->when == PLAN_IF_FAILED)
        add_after(step, step->when_step);
    for (int i = 0; step->when == PLAN_ALL_PASSED && i < mine; i++)
        add_after(step, i);
    return 0;
}

static int take_parts(const struct reading *r, const cJSON *object, struct plan_step *step)
{
    const cJSON *parts = cJSON_GetObjectItemCaseSensitive(object, "parts"), *item;
    if (!parts)
        return 0;
    if (!cJSON_IsArray(parts) || !parts->child)
        return json_complain(
            r->doc, parts, r->err,
            "'parts' must list parts of the unit; without it a step has all of it");
    cJSON_ArrayForEach(item, parts)
    {
        if (!cJSON_IsString(item) || !plan_plain_name(item->valuestring))
            return json_complain(r->doc, item, r->err, "a part is a plain name such as \"camera\"");
        if (step->part_count == PLAN_PARTS_MAX)
            return json_complain(r->doc, item, r->err, "a step has at most %d parts",
                                 PLAN_PARTS_MAX);
        step->parts[step->part_count++] = item->valuestring;
    }
    return 0;
}

static int take_group(const struct reading *r, const cJSON *object, struct plan_step *step)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(object, "group");
    step->group = -1;
    if (!name)
        return 0;
    for (size_t g = 0; cJSON_IsString(name) && g < r->plan->group_count; g++)
        if (strcmp(r->plan->groups[g].name, name->valuestring) == 0)
            step->group = (int)g;
    if (step->group < 0)
        return json_complain(r->doc, name, r->err,
                             "'group' must name one of the plan's \"groups\"");
    return 0;
}

static int take_rest(const struct reading *r, const cJSON *object, struct plan_step *step)
{
    int rc = 0;
    if (cJSON_GetObjectItemCaseSensitive(object, "skip"))
        rc = json_need_string(r->doc, object, "skip", &step->skip, r->err);
    if (!rc && step->skip && !step->skip[0])
        return json_complain(r->doc, object, r->err,
                             "'skip' must say why step '%s' is left out: it is recorded", step->id);
    const cJSON *together = cJSON_GetObjectItemCaseSensitive(object, "together");
    if (!rc && together && !cJSON_IsBool(together))
        return json_complain(r->doc, together, r->err, "'together' must be true or false");
    step->together = cJSON_IsTrue(together);
    return rc;
}

/* A teardown is a plain list: it must go its way whatever came before. */
static int check_teardown(const struct reading *r, const cJSON *object, struct plan_step *step)
{
    static const char *const barred[] = {"after", "parts", "group", "when", "skip", "together"};
    step->group = -1;
    for (size_t i = 0; i < sizeof barred / sizeof *barred; i++) {
        const cJSON *at = cJSON_GetObjectItemCaseSensitive(object, barred[i]);
        if (at && !(cJSON_IsString(at) && strcmp(at->valuestring, "always") == 0))
            return json_complain(r->doc, at, r->err,
                                 "'%s' is not for the teardown, whose steps are all done, one "
                                 "after the other",
                                 barred[i]);
    }
    return 0;
}

static int take_groups(const struct reading *r, const cJSON *root)
{
    static const char *const members[] = {"attempts", NULL};
    const cJSON *groups = cJSON_GetObjectItemCaseSensitive(root, "groups");
    if (!groups)
        return 0;
    if (!cJSON_IsObject(groups))
        return json_complain(r->doc, groups, r->err,
                             "'groups' must be an object: name, then {\"attempts\": N}");
    for (const cJSON *g = groups->child; g; g = g->next) {
        long long attempts = 0;
        if (r->plan->group_count == PLAN_GROUPS_MAX)
            return json_complain(r->doc, g, r->err, "a plan has at most %d groups",
                                 PLAN_GROUPS_MAX);
        if (!plan_plain_name(g->string) || !cJSON_IsObject(g))
            return json_complain(r->doc, g, r->err,
                                 "group '%.80s' must be a plain name with {\"attempts\": N}",
                                 g->string);
        int rc = json_only(r->doc, g, members, r->err);
        if (!rc)
            rc = json_need_integer(r->doc, g, "attempts", 2, PLAN_ATTEMPTS_MAX, &attempts, r->err);
        if (rc)
            return rc;
        r->plan->groups[r->plan->group_count++] = (struct plan_group){g->string, (int)attempts};
    }
    return 0;
}

/* Who waits for whom, a group taken as one, since it is over as one. */
static int node_of(const struct plan *p, size_t step)
{
    return p->steps[step].group < 0 ? (int)step : PLAN_STEPS_MAX + p->steps[step].group;
}

/* Takes away what waits for nothing that is left, until nothing is left; `whole` sees groups as
 * one, else the steps within each. The first step that never comes, or -1. */
static int find_circle(const struct plan *p, bool whole)
{
    bool over[PLAN_STEPS_MAX] = {false};
    for (bool any = true; any;) {
        any = false;
        for (size_t i = 0; i < p->step_count; i++) {
            bool waits = false;
            if (over[i])
                continue;
            for (size_t m = 0; !waits && m < p->step_count; m++) {
                if (m != i && !(whole && node_of(p, m) == node_of(p, i)))
                    continue;
                for (size_t k = 0; !waits && k < p->steps[m].after_count; k++) {
                    size_t other = (size_t)p->steps[m].after[k];
                    bool same = p->steps[i].group >= 0 && node_of(p, other) == node_of(p, i);
                    waits = !over[other] && (whole ? !same : true);
                }
            }
            if (waits)
                continue;
            any = true;
            for (size_t m = 0; m < p->step_count; m++)
                over[m] = over[m] || m == i || (whole && node_of(p, m) == node_of(p, i));
        }
    }
    for (size_t i = 0; i < p->step_count; i++)
        if (!over[i])
            return (int)i;
    return -1;
}

static int check_circles(const struct reading *r)
{
    const struct plan *p = r->plan;
    bool plain = true;
    for (size_t i = 0; plain && i < p->step_count; i++) {
        plain = p->steps[i].group < 0;
        for (size_t k = 0; plain && k < p->steps[i].after_count; k++)
            plain = (size_t)p->steps[i].after[k] < i;
    }
    if (plain)
        return 0; /* everyone waits for earlier ones alone */
    int stuck = find_circle(p, false);
    if (stuck < 0)
        stuck = find_circle(p, true);
    if (stuck < 0)
        return 0;
    return error_set(r->err, ERROR_INPUT,
                     "%s:%d: step '%s' could never begin: it waits for steps that wait for it%s",
                     json_name(r->doc), p->steps[stuck].line, p->steps[stuck].id,
                     p->steps[stuck].group < 0 ? "" : " or for its group");
}

int graph_read(struct plan *p, struct error *err)
{
    const struct reading r = {p, p->files->plan, err};
    const cJSON *root = json_root(r.doc);
    const cJSON *lists[] = {cJSON_GetObjectItemCaseSensitive(root, "steps"),
                            cJSON_GetObjectItemCaseSensitive(root, "teardown")};
    struct plan_step *step = p->steps;
    int rc = take_groups(&r, root);
    for (const cJSON *o = lists[0]->child; !rc && o; o = o->next, step++) {
        rc = take_when(&r, o, step);
        if (!rc)
            rc = take_after(&r, o, step);
        if (!rc)
            rc = take_parts(&r, o, step);
        if (!rc)
            rc = take_group(&r, o, step);
        if (!rc)
            rc = take_rest(&r, o, step);
    }
    for (const cJSON *o = lists[1] ? lists[1]->child : NULL; !rc && o; o = o->next, step++)
        rc = check_teardown(&r, o, step);
    return rc ? rc : check_circles(&r);
}
