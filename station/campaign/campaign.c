#include "station/campaign/campaign.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/buffer.h"
#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "station/campaign/campaign_members.h"

enum { FILE_BYTES_MAX = 1 << 20, FIELDS_MAX = 8 };

int campaign_figure_find(const struct campaign *c, const char *name)
{
    for (size_t i = 0; i < c->figure_count; i++)
        if (strcmp(c->figures[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* ---- what is watched ----------------------------------------------------------------------- */

static int add_figures(struct campaign *c, const cJSON *at, size_t watch,
                       const struct plan_vocabulary *words, struct error *err)
{
    const struct plan_step *step = &c->plan->steps[c->watches[watch].step];
    struct plan_measurement m;
    for (size_t i = 0; words->measurement(words->context, step->kind, i, &m); i++) {
        if (c->figure_count == CAMPAIGN_FIGURES_MAX)
            return json_complain(c->document, at, err, "more than %d figures in all",
                                 CAMPAIGN_FIGURES_MAX);
        struct campaign_figure *f = &c->figures[c->figure_count++];
        const int n = snprintf(f->name, sizeof f->name, "%s.%s", step->id, m.name);
        if (n >= (int)sizeof f->name)
            return json_complain(c->document, at, err, "the name of figure '%s.%s' is too long",
                                 step->id, m.name);
        f->unit = m.unit;
        f->watch = watch;
        f->limit = (struct limit){.measurement = f->name, .unit = m.unit};
        f->drift = (struct campaign_drift){NAN, NAN, NAN, NAN, NAN};
        for (size_t l = 0; l < step->limit_count; l++)
            if (strcmp(step->limits[l].measurement, m.name) == 0) {
                f->limit = step->limits[l];
                f->limit.measurement = f->name;
            }
    }
    return 0;
}

static int take_watch(struct campaign *c, const struct plan_vocabulary *words, struct error *err)
{
    static const char *const members[] = {CAMPAIGN_TIMES("every"), NULL};
    const struct json_document *doc = c->document;
    const char *ids[PLAN_STEPS_MAX + 1];
    const cJSON *all, *each;
    int rc = json_need_object(doc, json_root(doc), "watch", &all, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < c->plan->step_count; i++)
        ids[i] = c->plan->steps[i].id;
    ids[c->plan->step_count] = NULL;
    cJSON_ArrayForEach(each, all)
    {
        size_t step = 0;
        int64_t every_ms = 0;
        while (ids[step] && strcmp(ids[step], each->string) != 0)
            step++;
        if (!ids[step]) {
            const char *nearest = json_nearest(each->string, ids);
            return json_complain(doc, each, err, "plan '%s' has no step '%.60s'%s%s%s",
                                 c->plan->name, each->string, nearest ? ", did you mean '" : "",
                                 nearest ? nearest : "", nearest ? "'?" : "");
        }
        if (!cJSON_IsObject(each))
            return json_complain(doc, each, err, "'%s' must be an object with \"every_s\"",
                                 each->string);
        rc = json_only(doc, each, members, err);
        if (!rc)
            rc = campaign_take_time(doc, each, "every", 0.05, &every_ms, err);
        if (!rc && !every_ms)
            rc = json_complain(doc, each, err, "'%s' has no \"every_s\": how often it is done",
                               each->string);
        if (!rc && c->watch_count == CAMPAIGN_WATCHES_MAX)
            rc = json_complain(doc, each, err, "more than %d steps are watched",
                               CAMPAIGN_WATCHES_MAX);
        if (rc)
            return rc;
        c->watches[c->watch_count] = (struct campaign_watch){step, every_ms};
        rc = add_figures(c, each, c->watch_count++, words, err);
        if (rc)
            return rc;
    }
    return c->watch_count ? 0
                          : json_complain(doc, all, err,
                                          "nothing is watched, expected one step of "
                                          "the plan at least");
}

static int take_figure(struct campaign *c, const cJSON *object, struct error *err)
{
    static const char *const members[] = {"unit",        "min",         "max",
                                          "min_percent", "max_percent", "min_change",
                                          "max_change",  "max_falls",   NULL};
    const struct json_document *doc = c->document;
    const char *names[CAMPAIGN_FIGURES_MAX + 1] = {NULL}, *unit;
    const int index = campaign_figure_find(c, object->string);
    if (index < 0) {
        for (size_t i = 0; i < c->figure_count; i++)
            names[i] = c->figures[i].name;
        const char *nearest = json_nearest(object->string, names);
        return json_complain(doc, object, err, "no watched step measures '%.80s'%s%s%s",
                             object->string, nearest ? ", did you mean '" : "",
                             nearest ? nearest : "", nearest ? "'?" : "");
    }
    struct campaign_figure *f = &c->figures[index];
    if (!cJSON_IsObject(object))
        return json_complain(doc, object, err, "'%s' must be an object", object->string);
    int rc = json_only(doc, object, members, err);
    if (!rc)
        rc = json_need_string(doc, object, "unit", &unit, err);
    if (!rc && strcmp(unit, f->unit) != 0)
        rc = json_complain(doc, campaign_member(object, "unit"), err,
                           "'%s' is limited in '%s', but the step reports it in '%s'",
                           object->string, unit, f->unit);
    f->limit.has_min = f->limit.has_min || campaign_member(object, "min");
    f->limit.has_max = f->limit.has_max || campaign_member(object, "max");
    const struct {
        const char *name;
        double *to;
    } numbers[] = {{"min", &f->limit.min},
                   {"max", &f->limit.max},
                   {"min_percent", &f->drift.min_percent},
                   {"max_percent", &f->drift.max_percent},
                   {"min_change", &f->drift.min_change},
                   {"max_change", &f->drift.max_change},
                   {"max_falls", &f->drift.max_falls}};
    for (size_t i = 0; !rc && i < sizeof numbers / sizeof *numbers; i++)
        rc = campaign_take_number(doc, object, numbers[i].name, -1e15, 1e15, numbers[i].to, err);
    if (!rc && f->limit.has_min && f->limit.has_max && f->limit.min > f->limit.max)
        rc = json_complain(doc, object, err, "'%s' can never hold: min %g is above max %g",
                           object->string, f->limit.min, f->limit.max);
    if (!rc && (f->drift.min_percent > 0 || f->drift.max_percent < 0 || f->drift.min_change > 0 ||
                f->drift.max_change < 0))
        rc = json_complain(doc, object, err,
                           "'%s' would fail at its own start: a lower drift limit is at most 0, an "
                           "upper one at least 0",
                           object->string);
    return rc;
}

static int take_figures(struct campaign *c, struct error *err)
{
    const cJSON *all, *each;
    if (!campaign_member(json_root(c->document), "figures"))
        return 0;
    int rc = json_need_object(c->document, json_root(c->document), "figures", &all, err);
    if (rc)
        return rc;
    cJSON_ArrayForEach(each, all)
    {
        rc = take_figure(c, each, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---- the rest ------------------------------------------------------------------------------ */

/* An object that may be left out; *out is NULL then. */
static int take_part(const struct campaign *c, const char *name, const char *const *members,
                     const cJSON **out, struct error *err)
{
    const struct json_document *doc = c->document;
    *out = NULL;
    if (!campaign_member(json_root(doc), name))
        return 0;
    int rc = json_need_object(doc, json_root(doc), name, out, err);
    return rc ? rc : json_only(doc, *out, members, err);
}

static int take_failure(struct campaign *c, struct error *err)
{
    static const char *const own[] = {CAMPAIGN_TIMES("after"), "samples", NULL};
    static const char *const failure[] = {"confirm", CAMPAIGN_TIMES("silent"), NULL};
    static const char *const stop[] = {"failed_units", NULL};
    const cJSON *part;
    int rc = take_part(c, "own_start", own, &part, err);
    if (!rc)
        rc = campaign_take_time(c->document, part, "after", 0, &c->start_after_ms, err);
    if (!rc)
        rc = campaign_take_integer(c->document, part, "samples", 1, 1000, &c->start_samples, err);
    if (!rc)
        rc = take_part(c, "failure", failure, &part, err);
    if (!rc)
        rc = campaign_take_integer(c->document, part, "confirm", 1, 100, &c->confirm, err);
    if (!rc)
        rc = campaign_take_time(c->document, part, "silent", 1, &c->silent_ms, err);
    if (!rc)
        rc = take_part(c, "stop", stop, &part, err);
    return rc ? rc
              : campaign_take_integer(c->document, part, "failed_units", 1, CAMPAIGN_UNITS_MAX,
                                      &c->stop_failed, err);
}

static int take_interlocks(struct campaign *c, struct error *err)
{
    static const char *const members[] = {"chamber_c_max", "chamber_c_min",
                                          CAMPAIGN_TIMES("contact"), CAMPAIGN_TIMES("every"), NULL};
    const struct json_document *doc = c->document;
    const cJSON *part;
    int rc = take_part(c, "interlocks", members, &part, err);
    if (!rc)
        rc = campaign_take_number(doc, part, "chamber_c_max", -80, 250, &c->chamber_c_max, err);
    if (!rc)
        rc = campaign_take_number(doc, part, "chamber_c_min", -100, 250, &c->chamber_c_min, err);
    if (!rc)
        rc = campaign_take_time(doc, part, "contact", 1, &c->contact_ms, err);
    if (!rc)
        rc = campaign_take_time(doc, part, "every", 0.1, &c->poll_ms, err);
    for (size_t i = 0; !rc && i < c->condition_count; i++) {
        const struct profile *p = &c->conditions[i].profile;
        if (c->conditions[i].kind != CONDITION_CHAMBER_C)
            continue;
        if (isnan(c->chamber_c_max))
            return json_complain(doc, campaign_member(json_root(doc), "conditions"), err,
                                 "a chamber is heated, but \"interlocks\" has no "
                                 "\"chamber_c_max\", above which everything goes off");
        double highest = p->start, lowest = p->start;
        for (size_t l = 0; l < p->leg_count; l++) {
            highest = fmax(highest, p->legs[l].to);
            lowest = fmin(lowest, p->legs[l].to);
        }
        if (highest >= c->chamber_c_max || lowest <= c->chamber_c_min)
            rc = json_complain(doc, part, err,
                               "the profile goes from %g to %g degC, which the interlock at %g "
                               "would end",
                               lowest, highest,
                               highest >= c->chamber_c_max ? c->chamber_c_max : c->chamber_c_min);
    }
    return rc;
}

static int take_report(struct campaign *c, struct error *err)
{
    static const char *const members[] = {"confidence", "activation_ev", "use_c", NULL};
    const cJSON *part;
    int rc = take_part(c, "report", members, &part, err);
    if (!rc)
        rc = campaign_take_number(c->document, part, "confidence", 0.5, 0.999, &c->confidence, err);
    if (!rc)
        rc = campaign_take_number(c->document, part, "activation_ev", 0.05, 3, &c->activation_ev,
                                  err);
    if (!rc)
        rc = campaign_take_number(c->document, part, "use_c", -60, 125, &c->use_c, err);
    if (!rc && isnan(c->activation_ev) != isnan(c->use_c))
        rc = json_complain(c->document, part, err,
                           "an Arrhenius factor needs both 'activation_ev' and 'use_c'");
    return rc;
}

/* The duration, or a number of passes of the profiles. */
static int take_duration(struct campaign *c, struct error *err)
{
    const struct json_document *doc = c->document;
    const cJSON *root = json_root(doc);
    int cycles = 0;
    int rc = campaign_take_time(doc, root, "duration", 1, &c->duration_ms, err);
    if (!rc)
        rc = campaign_take_integer(doc, root, "cycles", 1, 1000000, &cycles, err);
    if (rc)
        return rc;
    if (!cycles == !c->duration_ms)
        return json_complain(doc, root, err,
                             "a campaign has either a duration (\"duration_h\") or \"cycles\"");
    if (!cycles)
        return 0;
    int64_t pass_ms = 0;
    for (size_t i = 0; i < c->condition_count; i++)
        if (c->conditions[i].profile.repeat &&
            profile_length_ms(&c->conditions[i].profile) > pass_ms)
            pass_ms = profile_length_ms(&c->conditions[i].profile);
    if (!pass_ms)
        return json_complain(doc, campaign_member(root, "cycles"), err,
                             "'cycles' counts passes of a profile with \"repeat\", there is none");
    if ((double)pass_ms * cycles > campaign_year_s * 1000)
        return json_complain(doc, campaign_member(root, "cycles"), err,
                             "%d cycles of %.0f s are longer than a year", cycles,
                             (double)pass_ms / 1000);
    c->duration_ms = pass_ms * cycles;
    return 0;
}

static int read_campaign(struct campaign *c, const char *products_dir,
                         const struct plan_vocabulary *words, struct error *err)
{
    static const char *const members[] = {"campaign",
                                          "about",
                                          "plan",
                                          CAMPAIGN_TIMES("duration"),
                                          "cycles",
                                          "conditions",
                                          "watch",
                                          "figures",
                                          "own_start",
                                          "failure",
                                          "stop",
                                          "interlocks",
                                          "report",
                                          "seed",
                                          CAMPAIGN_TIMES("rollup"),
                                          "replay",
                                          NULL};
    const struct json_document *doc = c->document;
    const cJSON *root = json_root(doc);
    const char *plan;
    int seed = 1;
    if (!cJSON_IsObject(root))
        return json_complain(doc, root, err, "a campaign is one object");
    int rc = json_only(doc, root, members, err);
    if (!rc)
        rc = json_need_string(doc, root, "campaign", &c->name, err);
    if (!rc && (!c->name[0] || strlen(c->name) > 64 || strpbrk(c->name, "/ \t\r\n")))
        rc = json_complain(doc, campaign_member(root, "campaign"), err,
                           "'campaign' must be 1 to 64 bytes without blanks or slashes");
    c->about = json_string(root, "about", "");
    if (!rc)
        rc = json_need_string(doc, root, "plan", &plan, err);
    if (!rc) {
        struct error why = {0};
        rc = plan_load(products_dir, plan, words, &c->plan, &why);
        if (rc)
            rc = json_complain(doc, campaign_member(root, "plan"), err, "%s", why.text);
    }
    if (!rc)
        rc = campaign_take_conditions(c, err);
    if (!rc)
        rc = take_duration(c, err);
    if (!rc)
        rc = take_watch(c, words, err);
    if (!rc)
        rc = take_figures(c, err);
    if (!rc)
        rc = campaign_find_loads(c, err);
    if (!rc)
        rc = take_failure(c, err);
    if (!rc)
        rc = take_interlocks(c, err);
    if (!rc)
        rc = take_report(c, err);
    if (!rc)
        rc = campaign_take_time(doc, root, "rollup", 60, &c->rollup_ms, err);
    if (!rc)
        rc = campaign_take_integer(doc, root, "seed", 0, 2147483647, &seed, err);
    c->seed = seed;
    double replay = 0;
    if (!rc)
        rc = campaign_take_number(doc, root, "replay", 1, 281474976710655.0, &replay, err);
    c->replay = (int64_t)replay;
    return rc;
}

/* Takes the document over, also on failure. */
static int build(struct json_document *doc, const char *products_dir,
                 const struct plan_vocabulary *words, struct campaign **out, struct error *err)
{
    struct campaign *c = calloc(1, sizeof *c);
    uint8_t hash[DIGEST_BYTES];
    size_t size;
    const char *text = json_source(doc, &size);
    if (!c) {
        json_free(doc);
        return error_set(err, ERROR_MEMORY, "reading a campaign: out of memory");
    }
    c->document = doc;
    c->start_samples = 5;
    c->confirm = 3;
    c->silent_ms = 300000;
    c->rollup_ms = 3600000;
    c->contact_ms = 60000;
    c->poll_ms = 5000;
    c->confidence = 0.9;
    c->chamber_c_max = c->chamber_c_min = c->activation_ev = c->use_c = NAN;
    int rc = read_campaign(c, products_dir, words, err);
    if (!rc && digest_bytes(text, size, hash))
        rc = error_set(err, ERROR_MEMORY, "hashing a campaign: out of memory");
    if (rc) {
        campaign_free(c);
        return rc;
    }
    hex_encode(hash, sizeof hash, c->sha256);
    *out = c;
    return 0;
}

int campaign_parse(const char *name, const char *text, size_t size, const char *products_dir,
                   const struct plan_vocabulary *words, struct campaign **out, struct error *err)
{
    struct json_document *doc;
    *out = NULL;
    int rc = json_parse(name, text, size, &doc, err);
    return rc ? rc : build(doc, products_dir, words, out, err);
}

int campaign_load(const char *path, const char *products_dir, const struct plan_vocabulary *words,
                  struct campaign **out, struct error *err)
{
    struct buffer text = {.limit_bytes = FILE_BYTES_MAX};
    *out = NULL;
    int rc = file_read(path, &text, err);
    if (!rc && !buffer_text(&text))
        rc = error_set(err, ERROR_MEMORY, "reading %s: out of memory", path);
    if (!rc)
        rc = campaign_parse(path, buffer_text(&text), text.size, products_dir, words, out, err);
    buffer_free(&text);
    return rc;
}

void campaign_free(struct campaign *c)
{
    if (!c)
        return;
    plan_free(c->plan);
    json_free(c->document);
    free(c);
}
