#include "station/plan/plan.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/file.h"
#include "station/plan/files.h"

enum { WORDS_MAX = 256, NAME_MAX_BYTES = 64, DEADLINE_MAX_S = 7 * 24 * 3600 };

bool plan_plain_name(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t n = strlen(name);
    return n > 0 && n <= NAME_MAX_BYTES && strspn(name, letters) == n && name[0] != '.';
}

static int complain_word(const struct json_document *doc, const cJSON *at, const char *what,
                         const char *word, const char *const *list, struct error *err)
{
    const char *nearest = json_nearest(word, list);
    if (nearest)
        return json_complain(doc, at, err, "unknown %s '%s', did you mean '%s'?", what, word,
                             nearest);
    struct buffer all = {.limit_bytes = 300};
    for (size_t i = 0; list[i]; i++)
        buffer_printf(&all, "%s%s", i ? ", " : "", list[i]);
    const char *text = buffer_text(&all);
    int rc = json_complain(doc, at, err, "unknown %s '%s', expected one of: %s", what, word,
                           text ? text : "");
    buffer_free(&all);
    return rc;
}

static bool in_list(const char *word, const char *const *list)
{
    for (size_t i = 0; list[i]; i++)
        if (strcmp(word, list[i]) == 0)
            return true;
    return false;
}

static int check_kind(const struct json_document *doc, const cJSON *object, const char *kind,
                      const struct plan_vocabulary *words, struct error *err)
{
    const char *kinds[WORDS_MAX + 1];
    size_t n = 0;
    while (n < WORDS_MAX && (kinds[n] = words->kind(words->context, n)))
        n++;
    kinds[n] = NULL;
    if (in_list(kind, kinds))
        return 0;
    return complain_word(doc, cJSON_GetObjectItemCaseSensitive(object, "step"), "step", kind, kinds,
                         err);
}

/* One param of the kind into the step's own object, given or by default. */
static int take_param(const struct json_document *doc, const cJSON *object, const cJSON *given,
                      const struct plan_param *param, cJSON *into, struct error *err)
{
    static const char *const expected[] = {"a number", "a string", "true or false"};
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(given, param->name);
    if (!value && !param->fallback[0])
        return json_complain(doc, given ? given : object, err, "param '%s' is missing, expected %s",
                             param->name, expected[param->kind]);
    cJSON *taken = NULL;
    switch (param->kind) {
    case PLAN_NUMBER: {
        double number = value ? 0 : strtod(param->fallback, NULL);
        if (value) {
            int rc = json_need_number(doc, given, param->name, &number, err);
            if (rc)
                return rc;
            if (param->low < param->high && (number < param->low || number > param->high))
                return json_complain(doc, value, err, "param '%s' is %g, expected %g to %g",
                                     param->name, number, param->low, param->high);
        }
        taken = cJSON_CreateNumber(number);
        break;
    }
    case PLAN_TEXT:
        if (value && !cJSON_IsString(value))
            return json_complain(doc, value, err, "param '%s' must be a string", param->name);
        taken = cJSON_CreateString(value ? value->valuestring : param->fallback);
        break;
    case PLAN_FLAG:
        if (value && !cJSON_IsBool(value))
            return json_complain(doc, value, err, "param '%s' must be true or false", param->name);
        taken =
            cJSON_CreateBool(value ? cJSON_IsTrue(value) : strcmp(param->fallback, "true") == 0);
        break;
    }
    if (!taken || !cJSON_AddItemToObject(into, param->name, taken)) {
        cJSON_Delete(taken);
        return error_set(err, ERROR_MEMORY, "reading %s: out of memory", json_name(doc));
    }
    return 0;
}

static int take_params(const struct json_document *doc, const cJSON *object, struct plan_step *step,
                       const struct plan_vocabulary *words, struct error *err)
{
    const char *names[WORDS_MAX + 1];
    size_t n = 0;
    struct plan_param param;
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(object, "params");
    if (given && !cJSON_IsObject(given))
        return json_complain(doc, given, err, "'params' must be an object");
    step->params = cJSON_CreateObject();
    if (!step->params)
        return error_set(err, ERROR_MEMORY, "reading %s: out of memory", json_name(doc));
    for (; n < WORDS_MAX && words->param(words->context, step->kind, n, &param); n++)
        names[n] = param.name;
    names[n] = NULL;
    /* Misspelt first: a misspelt name is also a missing one, and the nearest name helps more. */
    for (const cJSON *member = given ? given->child : NULL; member; member = member->next)
        if (!in_list(member->string, names)) {
            if (!n)
                return json_complain(doc, member, err, "a step '%s' takes no params, found '%s'",
                                     step->kind, member->string);
            return complain_word(doc, member, "param", member->string, names, err);
        }
    for (size_t i = 0; i < n; i++) {
        words->param(words->context, step->kind, i, &param);
        int rc = take_param(doc, object, given, &param, step->params, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int take_needs(const struct json_document *doc, const cJSON *object, struct plan_step *step,
                      const struct plan_vocabulary *words, struct error *err)
{
    if (!cJSON_GetObjectItemCaseSensitive(object, "needs"))
        return 0;
    const cJSON *needs = NULL;
    int rc = json_need_array(doc, object, "needs", &needs, err);
    if (rc)
        return rc;
    for (const cJSON *need = needs->child; need; need = need->next) {
        if (!cJSON_IsString(need))
            return json_complain(doc, need, err, "'needs' lists classes of instruments as strings");
        if (!in_list(need->valuestring, words->instrument_classes))
            return complain_word(doc, need, "class of instrument", need->valuestring,
                                 words->instrument_classes, err);
        for (size_t i = 0; i < step->need_count; i++)
            if (strcmp(step->needs[i], need->valuestring) == 0)
                return json_complain(doc, need, err, "'%s' is needed twice", need->valuestring);
        if (step->need_count == PLAN_NEEDS_MAX)
            return json_complain(doc, need, err, "a step needs at most %d instruments",
                                 PLAN_NEEDS_MAX);
        step->needs[step->need_count++] = need->valuestring;
    }
    return 0;
}

static int take_step(const struct json_document *doc, const cJSON *object, struct plan *p,
                     struct plan_step *step, const struct plan_vocabulary *words, struct error *err)
{
    static const char *const members[] = {
        "id",    "step",  "deadline_s", "attempts", "needs",    "params", "on_fail", "when",
        "after", "parts", "group",      "skip",     "together", "modes",  "sample",  NULL};
    if (!cJSON_IsObject(object))
        return json_complain(doc, object, err, "a step must be an object");
    step->line = json_line(doc, object);
    int rc = json_only(doc, object, members, err);
    if (!rc)
        rc = json_need_string(doc, object, "id", &step->id, err);
    if (!rc)
        rc = json_need_string(doc, object, "step", &step->kind, err);
    if (rc)
        return rc;
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(object, "id");
    if (!plan_plain_name(step->id))
        return json_complain(doc, id, err,
                             "id '%.80s' must be 1 to %d letters, digits, '_', '-' or '.'",
                             step->id, NAME_MAX_BYTES);
    for (const struct plan_step *other = p->steps; other < step; other++)
        if (strcmp(other->id, step->id) == 0)
            return json_complain(doc, id, err, "id '%s' is used twice, first in line %d", step->id,
                                 other->line);
    rc = check_kind(doc, object, step->kind, words, err);
    if (rc)
        return rc;

    double deadline_s = 0;
    if (!cJSON_GetObjectItemCaseSensitive(object, "deadline_s"))
        return json_complain(doc, object, err,
                             "step '%s' has no deadline, expected \"deadline_s\": seconds",
                             step->id);
    rc = json_need_number(doc, object, "deadline_s", &deadline_s, err);
    if (rc)
        return rc;
    if (!(deadline_s >= 0.001 && deadline_s <= DEADLINE_MAX_S))
        return json_complain(doc, cJSON_GetObjectItemCaseSensitive(object, "deadline_s"), err,
                             "'deadline_s' is %g, expected 0.001 to %d", deadline_s,
                             DEADLINE_MAX_S);
    step->deadline_ms = (int)(deadline_s * 1000 + 0.5);

    long long attempts = 1;
    if (cJSON_GetObjectItemCaseSensitive(object, "attempts"))
        rc = json_need_integer(doc, object, "attempts", 1, PLAN_ATTEMPTS_MAX, &attempts, err);
    if (rc)
        return rc;
    step->attempts = (int)attempts;

    const char *on_fail = "stop";
    if (cJSON_GetObjectItemCaseSensitive(object, "on_fail"))
        rc = json_need_string(doc, object, "on_fail", &on_fail, err);
    if (rc)
        return rc;
    step->continue_on_fail = strcmp(on_fail, "continue") == 0;
    if (!step->continue_on_fail && strcmp(on_fail, "stop") != 0)
        return json_complain(doc, cJSON_GetObjectItemCaseSensitive(object, "on_fail"), err,
                             "'on_fail' is '%s', expected 'stop' or 'continue'", on_fail);
    rc = take_needs(doc, object, step, words, err);
    if (!rc)
        rc = take_params(doc, object, step, words, err);
    return rc;
}

static int read_product(struct plan *p, struct error *err)
{
    static const char *const members[] = {"product", "board", "limits", NULL};
    const struct json_document *doc = p->files->product;
    const char *limits;
    if (!cJSON_IsObject(json_root(doc)))
        return json_complain(doc, json_root(doc), err, "a product must be an object");
    int rc = json_only(doc, json_root(doc), members, err);
    if (!rc)
        rc = json_need_string(doc, json_root(doc), "product", &p->product, err);
    if (!rc)
        rc = json_need_string(doc, json_root(doc), "board", &p->board, err);
    if (!rc)
        rc = json_need_string(doc, json_root(doc), "limits", &limits, err);
    if (!rc && !plan_plain_name(p->product))
        rc = json_complain(doc, cJSON_GetObjectItemCaseSensitive(json_root(doc), "product"), err,
                           "'%.80s' is not a plain name", p->product);
    if (!rc && !plan_plain_name(p->board))
        rc = json_complain(doc, cJSON_GetObjectItemCaseSensitive(json_root(doc), "board"), err,
                           "'%.80s' is not the name of a board", p->board);
    return rc;
}

static int read_plan(struct plan *p, const struct plan_vocabulary *words, struct error *err)
{
    static const char *const members[] = {"plan",     "product", "part",   "steps",
                                          "teardown", "groups",  "policy", NULL};
    const struct json_document *doc = p->files->plan;
    const cJSON *root = json_root(doc), *lists[2] = {NULL, NULL};
    const char *product = NULL;
    if (!cJSON_IsObject(root))
        return json_complain(doc, root, err, "a plan must be an object");
    int rc = json_only(doc, root, members, err);
    if (!rc)
        rc = json_need_string(doc, root, "plan", &p->name, err);
    if (!rc)
        rc = json_need_string(doc, root, "product", &product, err);
    const cJSON *part = rc ? NULL : cJSON_GetObjectItemCaseSensitive(root, "part");
    if (part && !cJSON_IsBool(part))
        rc = json_complain(doc, part, err, "'part' must be true or false");
    p->part = cJSON_IsTrue(part);
    if (!rc)
        rc = json_need_array(doc, root, "steps", &lists[0], err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(root, "teardown"))
        rc = json_need_array(doc, root, "teardown", &lists[1], err);
    if (rc)
        return rc;
    if (!plan_plain_name(p->name))
        return json_complain(doc, cJSON_GetObjectItemCaseSensitive(root, "plan"), err,
                             "'%.80s' is not a plain name", p->name);
    if (strcmp(product, p->product) != 0)
        return json_complain(doc, cJSON_GetObjectItemCaseSensitive(root, "product"), err,
                             "the plan is for '%s', but %s is '%s'", product,
                             json_name(p->files->product), p->product);
    size_t counts[2] = {(size_t)cJSON_GetArraySize(lists[0]),
                        lists[1] ? (size_t)cJSON_GetArraySize(lists[1]) : 0};
    if (!counts[0])
        return json_complain(doc, lists[0], err, "a plan needs at least one step");
    for (int l = 0; l < 2; l++)
        if (counts[l] > PLAN_STEPS_MAX)
            return json_complain(doc, lists[l], err, "%zu steps are more than the %d allowed",
                                 counts[l], PLAN_STEPS_MAX);
    p->steps = calloc(counts[0] + counts[1], sizeof *p->steps);
    if (!p->steps)
        return error_set(err, ERROR_MEMORY, "reading %s: out of memory", json_name(doc));
    p->step_count = counts[0];
    p->teardown_count = counts[1];
    struct plan_step *step = p->steps;
    for (int l = 0; l < 2; l++)
        for (const cJSON *object = lists[l] ? lists[l]->child : NULL; object;
             object = object->next) {
            rc = take_step(doc, object, p, step++, words, err);
            if (rc)
                return rc;
        }
    return 0;
}

static int hash_source(const struct json_document *doc, char out[DIGEST_TEXT])
{
    size_t size;
    uint8_t hash[DIGEST_BYTES];
    const char *text = json_source(doc, &size);
    int rc = digest_bytes(text, size, hash);
    if (!rc)
        hex_encode(hash, sizeof hash, out);
    return rc;
}

/* Takes the documents over, also on failure. */
static int build(struct plan_files *files, const struct plan_vocabulary *words, struct plan **out,
                 struct error *err)
{
    struct plan *p = calloc(1, sizeof *p);
    struct plan_files *kept = malloc(sizeof *kept);
    int rc = 0;
    if (!p || !kept) {
        free(kept);
        free(p);
        json_free(files->product);
        json_free(files->limits);
        json_free(files->plan);
        return error_set(err, ERROR_MEMORY, "reading a plan: out of memory");
    }
    *kept = *files;
    p->files = kept;
    rc = read_product(p, err);
    if (!rc)
        rc = read_plan(p, words, err);
    if (!rc)
        rc = graph_read(p, err);
    if (!rc)
        rc = policy_read(p, words, err);
    if (!rc)
        rc = limits_read(p, words, err);
    if (!rc &&
        (hash_source(kept->plan, p->plan_sha256) || hash_source(kept->limits, p->limits_sha256) ||
         hash_source(kept->product, p->product_sha256)))
        rc = error_set(err, ERROR_MEMORY, "hashing a plan: out of memory");
    if (rc) {
        plan_free(p);
        p = NULL;
    }
    *out = p;
    return rc;
}

int plan_parse(const struct plan_source *product, const struct plan_source *limits,
               const struct plan_source *plan, const struct plan_vocabulary *words,
               struct plan **out, struct error *err)
{
    struct plan_files files = {0};
    *out = NULL;
    int rc = json_parse(product->name, product->text, product->size, &files.product, err);
    if (!rc)
        rc = json_parse(limits->name, limits->text, limits->size, &files.limits, err);
    if (!rc)
        rc = json_parse(plan->name, plan->text, plan->size, &files.plan, err);
    if (!rc)
        return build(&files, words, out, err);
    json_free(files.product);
    json_free(files.limits);
    json_free(files.plan);
    return rc;
}

int plan_load(const char *products_dir, const char *reference, const struct plan_vocabulary *words,
              struct plan **out, struct error *err)
{
    struct plan_files files = {0};
    char product[NAME_MAX_BYTES + 1], path[PATH_MAX], folder[PATH_MAX], file[NAME_MAX_BYTES + 8];
    *out = NULL;
    const char *slash = strchr(reference, '/');
    size_t length = slash ? (size_t)(slash - reference) : 0;
    if (!slash || length > NAME_MAX_BYTES)
        return error_set(err, ERROR_INPUT, "plan '%.200s': expected PRODUCT/PLAN", reference);
    snprintf(product, sizeof product, "%.*s", (int)length, reference);
    if (!plan_plain_name(product) || !plan_plain_name(slash + 1))
        return error_set(err, ERROR_INPUT, "plan '%.200s': expected PRODUCT/PLAN", reference);

    int rc = file_join(folder, sizeof folder, products_dir, product, err);
    if (!rc)
        rc = file_join(path, sizeof path, folder, "product.json", err);
    if (!rc)
        rc = json_load(path, &files.product, err);
    const char *limits = "limits.json";
    if (!rc)
        limits = json_string(json_root(files.product), "limits", limits);
    if (!rc)
        rc = file_join(path, sizeof path, folder, limits, err);
    if (!rc)
        rc = json_load(path, &files.limits, err);
    snprintf(file, sizeof file, "%s.json", slash + 1);
    if (!rc)
        rc = file_join(path, sizeof path, folder, file, err);
    if (!rc)
        rc = json_load(path, &files.plan, err);
    if (rc) {
        json_free(files.product);
        json_free(files.limits);
        json_free(files.plan);
        return rc;
    }
    rc = build(&files, words, out, err);
    if (!rc && (strcmp((*out)->name, slash + 1) != 0 || strcmp((*out)->product, product) != 0)) {
        /* Records name plan and product as the files do, and look them up again by that name. */
        const struct plan_files *read = (*out)->files;
        rc = json_complain(read->plan, json_root(read->plan), err,
                           "this is plan '%s' of product '%s', but it was asked for as '%s'",
                           (*out)->name, (*out)->product, reference);
        plan_free(*out);
        *out = NULL;
    }
    return rc;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    for (size_t i = 0; p->steps && i < p->step_count + p->teardown_count; i++) {
        cJSON_Delete(p->steps[i].params);
        free(p->steps[i].limits);
        free(p->steps[i].after);
    }
    free(p->steps);
    policy_free(&p->policy);
    json_free(p->files->product);
    json_free(p->files->limits);
    json_free(p->files->plan);
    free(p->files);
    free(p);
}
