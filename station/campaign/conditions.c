/* What a campaign's conditions can be, and how its file gives them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "station/campaign/campaign_members.h"

static const struct {
    const char *name, *unit, *class_name;
    double low, high;
    bool whole;              /* a switch: whole numbers, without slopes */
    const char *measurement; /* of a load step: what it is measured as */
} condition_kinds[CONDITION_KINDS] = {
    [CONDITION_CHAMBER_C] = {"chamber_c", "degC", "chamber", -80, 200},
    [CONDITION_SUPPLY_V] = {"supply_v", "V", "power_supply", 0, 60},
    [CONDITION_ATTENUATION_DB] = {"attenuation_db", "dB", "attenuator", 0, 120},
    [CONDITION_SECOND_ATTENUATION_DB] = {"second_attenuation_db", "dB", "second_attenuator", 0,
                                         120},
    [CONDITION_ACCESS_POINT_ON] = {"access_point_on", "bool", "access_point", 0, 1, true},
    [CONDITION_ACCESS_POINT_MHZ] = {"access_point_mhz", "MHz", "access_point", 2412, 7115, true},
    [CONDITION_ACCESS_POINT_DBM] = {"access_point_dbm", "dBm", "access_point", 0, 30},
    [CONDITION_SECOND_ACCESS_POINT_ON] = {"second_access_point_on", "bool", "second_access_point",
                                          0, 1, true},
    [CONDITION_SECOND_ACCESS_POINT_MHZ] = {"second_access_point_mhz", "MHz", "second_access_point",
                                           2412, 7115, true},
    [CONDITION_SECOND_ACCESS_POINT_DBM] = {"second_access_point_dbm", "dBm", "second_access_point",
                                           0, 30},
    [CONDITION_UNIT_STREAMS] = {"unit_streams", "ratio", NULL, 0, 1, true, "streams"},
    [CONDITION_UNIT_INFRARED] = {"unit_infrared", "ratio", NULL, 0, 1, true, "infrared"},
    [CONDITION_UNIT_MOTORS] = {"unit_motors", "ratio", NULL, 0, 1, true, "motors"},
    [CONDITION_UNIT_RECORDING] = {"unit_recording", "ratio", NULL, 0, 1, true, "recording"},
    [CONDITION_UNIT_TALKBACK] = {"unit_talkback", "ratio", NULL, 0, 1, true, "talkback"},
    [CONDITION_UNIT_PROCESSOR] = {"unit_processor", "ratio", NULL, 0, 1, true, "processor"},
};

static const char load_step[] = "load"; /* the kind of step that puts conditions on the unit */

const char *condition_name(enum condition_kind k)
{
    return condition_kinds[k].name;
}

const char *condition_unit(enum condition_kind k)
{
    return condition_kinds[k].unit;
}

const char *condition_class(enum condition_kind k)
{
    return condition_kinds[k].class_name;
}

/* A value of a condition, when it is there. */
static int take_value(const struct json_document *doc, const cJSON *object, const char *name,
                      enum condition_kind kind, double *out, struct error *err)
{
    int rc = campaign_take_number(doc, object, name, condition_kinds[kind].low,
                                  condition_kinds[kind].high, out, err);
    if (!rc && condition_kinds[kind].whole && *out != floor(*out))
        rc = json_complain(doc, campaign_member(object, name), err,
                           "'%s' is %g, %s takes whole numbers", name, *out,
                           condition_kinds[kind].name);
    return rc;
}

static int take_leg(const struct json_document *doc, const cJSON *leg, enum condition_kind kind,
                    double from, struct profile_leg *out, struct error *err)
{
    static const char *const members[] = {"to", CAMPAIGN_TIMES("over"), CAMPAIGN_TIMES("for"),
                                          NULL};
    if (!cJSON_IsObject(leg))
        return json_complain(
            doc, leg, err, "a leg is an object: {\"to\": value, \"over_s\": n} or {\"for_s\": n}");
    int64_t over_ms = -1, for_ms = -1;
    int rc = json_only(doc, leg, members, err);
    *out = (struct profile_leg){.to = from};
    if (!rc)
        rc = take_value(doc, leg, "to", kind, &out->to, err);
    if (!rc)
        rc = campaign_take_time(doc, leg, "over", 0, &over_ms, err);
    if (!rc)
        rc = campaign_take_time(doc, leg, "for", 0.001, &for_ms, err);
    if (rc)
        return rc;
    const bool goes = campaign_member(leg, "to") != NULL;
    if (goes ? for_ms >= 0 : over_ms >= 0 || for_ms < 0)
        return json_complain(doc, leg, err,
                             "a leg goes (\"to\" with \"over_s\") or holds "
                             "(\"for_s\"), not both");
    if (goes && over_ms > 0 && condition_kinds[kind].whole)
        return json_complain(doc, leg, err, "%s changes at once, without \"over_s\"",
                             condition_kinds[kind].name);
    out->over_ms = goes ? (over_ms > 0 ? over_ms : 0) : for_ms;
    return 0;
}

static int take_profile(const struct json_document *doc, const cJSON *object,
                        struct campaign_condition *c, struct error *err)
{
    const cJSON *legs, *leg;
    struct profile *p = &c->profile;
    int rc = json_need_array(doc, object, "profile", &legs, err);
    if (rc)
        return rc;
    double from = p->start;
    cJSON_ArrayForEach(leg, legs)
    {
        if (p->leg_count == PROFILE_LEGS_MAX)
            return json_complain(doc, leg, err, "more than %d legs", PROFILE_LEGS_MAX);
        rc = take_leg(doc, leg, c->kind, from, &p->legs[p->leg_count], err);
        if (rc)
            return rc;
        from = p->legs[p->leg_count++].to;
    }
    if (p->repeat && profile_length_ms(p) < 1000)
        return json_complain(doc, legs, err,
                             "a profile that repeats takes %lld ms, expected 1000 at least",
                             (long long)profile_length_ms(p));
    return 0;
}

static int take_condition(const struct json_document *doc, const cJSON *object,
                          struct campaign_condition *out, struct error *err)
{
    static const char *const members[] = {
        "start", "profile", "repeat", "tolerance", CAMPAIGN_TIMES("reach"), NULL};
    const char *names[CONDITION_KINDS + 1] = {NULL};
    int kind = 0;
    for (int i = 0; i < CONDITION_KINDS; i++)
        names[i] = condition_kinds[i].name;
    while (kind < CONDITION_KINDS && strcmp(object->string, names[kind]) != 0)
        kind++;
    if (kind == CONDITION_KINDS) {
        const char *nearest = json_nearest(object->string, names);
        char known[400] = "";
        for (int i = 0; i < CONDITION_KINDS; i++)
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "",
                     names[i]);
        return json_complain(
            doc, object, err, "unknown condition '%.60s'%s%s%s, expected one of %s", object->string,
            nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "", known);
    }
    if (!cJSON_IsObject(object))
        return json_complain(doc, object, err, "'%s' must be an object", object->string);
    out->kind = (enum condition_kind)kind;
    out->reach_ms = 4 * 3600 * 1000;
    out->figure = -1;
    int rc = json_only(doc, object, members, err);
    if (!rc && !campaign_member(object, "start"))
        rc =
            json_complain(doc, object, err, "'%s' has no \"start\", the value it begins with in %s",
                          object->string, condition_kinds[kind].unit);
    if (!rc)
        rc = take_value(doc, object, "start", (enum condition_kind)kind, &out->profile.start, err);
    if (!rc)
        rc = campaign_take_number(doc, object, "tolerance", 0, 100, &out->tolerance, err);
    if (!rc)
        rc = campaign_take_time(doc, object, "reach", 1, &out->reach_ms, err);
    const cJSON *repeat = campaign_member(object, "repeat");
    if (!rc && repeat && !cJSON_IsBool(repeat))
        rc = json_complain(doc, repeat, err, "'repeat' must be true or false");
    out->profile.repeat = cJSON_IsTrue(repeat);
    return rc || !campaign_member(object, "profile") ? rc : take_profile(doc, object, out, err);
}

int campaign_take_conditions(struct campaign *c, struct error *err)
{
    const struct json_document *doc = c->document;
    const cJSON *all, *each;
    if (!campaign_member(json_root(doc), "conditions"))
        return 0;
    int rc = json_need_object(doc, json_root(doc), "conditions", &all, err);
    if (rc)
        return rc;
    cJSON_ArrayForEach(each, all)
    {
        if (c->condition_count == CAMPAIGN_CONDITIONS_MAX)
            return json_complain(doc, each, err, "more than %d conditions",
                                 CAMPAIGN_CONDITIONS_MAX);
        struct campaign_condition *out = &c->conditions[c->condition_count];
        rc = take_condition(doc, each, out, err);
        if (rc)
            return rc;
        for (size_t i = 0; i < c->condition_count; i++)
            if (c->conditions[i].kind == out->kind)
                return json_complain(doc, each, err, "'%s' is given twice", each->string);
        c->condition_count++;
    }
    return 0;
}

/* What a condition has the unit do is put on it by a watched step, which says what it really did.
 */
int campaign_find_loads(struct campaign *c, struct error *err)
{
    for (size_t i = 0; i < c->condition_count; i++) {
        struct campaign_condition *k = &c->conditions[i];
        char name[CAMPAIGN_FIGURE_NAME];
        if (!condition_kinds[k->kind].measurement)
            continue;
        for (size_t w = 0; w < c->watch_count && k->figure < 0; w++) {
            const struct plan_step *step = &c->plan->steps[c->watches[w].step];
            snprintf(name, sizeof name, "%.38s.%.38s", step->id,
                     condition_kinds[k->kind].measurement);
            if (strcmp(step->kind, load_step) == 0)
                k->figure = campaign_figure_find(c, name);
        }
        if (k->figure < 0)
            return json_complain(
                c->document, campaign_member(json_root(c->document), "conditions"), err,
                "'%s' is put on the unit by a step of kind '%s', none is under \"watch\"",
                condition_kinds[k->kind].name, load_step);
    }
    return 0;
}
