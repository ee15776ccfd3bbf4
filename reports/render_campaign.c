/* The charts of a campaign's page: which rows make which line. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/json.h"
#include "reports/campaign_summary.h"
#include "reports/chart.h"
#include "reports/render_campaign.h"

enum { UNITS_DRAWN = 40 }; /* in one chart, the failed ones first; the tables have all */

static double number(const cJSON *object, const char *name)
{
    return json_number(object, name, NAN);
}

/* A unit as it is drawn; rows stand by unit, figure and time, so each has its first. */
struct drawn {
    const cJSON *unit, *first;
    cJSON *watch;
};

static const cJSON *first_row(const cJSON *campaign, int unit)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, member(campaign, "rows"))
    {
        if ((int)json_number(row, "unit", -1) == unit)
            return row;
    }
    return NULL;
}

static void add_line(cJSON *all, const cJSON *first, int figure, double less, double scale,
                     bool failed, bool dashed)
{
    cJSON *one = cJSON_CreateObject(), *values = cJSON_AddArrayToObject(one, "values");
    const int unit = (int)json_number(first, "unit", -1);
    for (const cJSON *row = first; row && (int)json_number(row, "unit", -1) == unit;
         row = row->next) {
        if ((int)json_number(row, "figure", -1) != figure)
            continue;
        cJSON_AddItemToArray(values, cJSON_CreateNumber(number(row, "from_ms") / 3600000));
        cJSON_AddItemToArray(values, cJSON_CreateNumber((number(row, "mean") - less) * scale));
    }
    cJSON_AddBoolToObject(one, "failed", failed);
    cJSON_AddBoolToObject(one, "dashed", dashed);
    cJSON_AddItemToArray(all, one);
}

static void give(campaign_course_draw *draw, void *context, const char *title, const char *beside,
                 cJSON *data)
{
    if (chart_course(NULL, data, 420) > 0)
        draw(context, title, beside, data);
    cJSON_Delete(data);
}

cJSON *campaign_condition_names(const cJSON *c)
{
    struct json_document *file = NULL;
    struct error ignored = {0};
    const char *source = member_text(c, "file");
    const cJSON *condition;
    cJSON *names = cJSON_CreateArray();
    if (json_parse("campaign", source, strlen(source), &file, &ignored))
        return names;
    cJSON_ArrayForEach(condition, member(json_root(file), "conditions"))
        cJSON_AddItemToArray(names, cJSON_CreateString(condition->string));
    json_free(file);
    return names;
}

void campaign_row_name(const cJSON *c, const cJSON *conditions, const cJSON *row, int language,
                       char *out, size_t size)
{
    const int figure = (int)json_number(row, "figure", 0);
    if (json_number(row, "unit", 0) > 0) {
        snprintf(out, size, "%s",
                 member_text(cJSON_GetArrayItem(member(c, "figures"), figure), "name"));
        return;
    }
    const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(conditions, figure / 2));
    snprintf(out, size, "%s, %s", name ? name : "",
             word_of(language, figure % 2 ? WORD_AS_MEASURED : WORD_AS_COMMANDED));
}

int campaign_conditions(const cJSON *c, campaign_course_draw *draw, void *context)
{
    cJSON *names = campaign_condition_names(c);
    const cJSON *condition;
    int k = 0;
    cJSON_ArrayForEach(condition, names)
    {
        if (draw) {
            cJSON *data = cJSON_CreateObject(), *all = cJSON_AddArrayToObject(data, "series");
            add_line(all, first_row(c, 0), 2 * k, 0, 1, false, true);
            add_line(all, first_row(c, 0), 2 * k + 1, 0, 1, false, false);
            give(draw, context, condition->valuestring, "", data);
        }
        k++;
    }
    cJSON_Delete(names);
    return k;
}

static void figure_course(const cJSON *figure, const struct drawn *drawn, int count, int language,
                          campaign_course_draw *draw, void *context)
{
    const int i = (int)json_number(figure, "number", -1);
    const bool percent =
        isfinite(number(figure, "min_percent")) || isfinite(number(figure, "max_percent"));
    const bool change =
        isfinite(number(figure, "min_change")) || isfinite(number(figure, "max_change"));
    const double low = number(figure, percent ? "min_percent" : change ? "min_change" : "low");
    const double high = number(figure, percent ? "max_percent" : change ? "max_change" : "high");
    cJSON *data = cJSON_CreateObject(), *all = cJSON_AddArrayToObject(data, "series");
    char beside[160];
    for (int k = 0; k < count; k++) {
        const double start = campaign_own_start(drawn[k].watch, i);
        const bool against = (percent || change) && isfinite(start) && (!percent || start != 0);
        if ((percent || change) && !against)
            continue;
        add_line(all, drawn[k].first, i, against ? start : 0, percent ? 100 / start : 1,
                 member_is(drawn[k].unit, "state", "failed"), false);
    }
    if (isfinite(low))
        cJSON_AddNumberToObject(data, "low", low);
    if (isfinite(high))
        cJSON_AddNumberToObject(data, "high", high);
    snprintf(beside, sizeof beside, "%.20s%s%s", percent ? "%" : member_text(figure, "unit"),
             percent || change ? ", " : "",
             percent || change ? word_of(language, WORD_OF_OWN_START) : "");
    give(draw, context, member_text(figure, "name"), beside, data);
}

int campaign_units_drawn(const cJSON *c)
{
    const int all = cJSON_GetArraySize(member(c, "units"));
    return all < UNITS_DRAWN ? all : UNITS_DRAWN;
}

void campaign_courses(const cJSON *c, int language, campaign_course_draw *draw, void *context)
{
    struct drawn drawn[UNITS_DRAWN];
    const cJSON *unit, *figure;
    int count = 0;
    for (int failed = 1; failed >= 0; failed--)
        cJSON_ArrayForEach(unit, member(c, "units"))
        {
            if (count == UNITS_DRAWN || member_is(unit, "state", "failed") != (failed == 1))
                continue;
            drawn[count++] =
                (struct drawn){.unit = unit,
                               .first = first_row(c, (int)json_number(unit, "number", -1)),
                               .watch = cJSON_Parse(member_text(unit, "watch"))};
        }
    cJSON_ArrayForEach(figure, member(c, "figures"))
        figure_course(figure, drawn, count, language, draw, context);
    for (int k = 0; k < count; k++)
        cJSON_Delete(drawn[k].watch);
}

cJSON *campaign_survival_chart(const cJSON *c)
{
    const cJSON *against = member(c, "against"), *rows = member(member(c, "comparison"), "rows");
    const double hours = json_number(member(member(c, "summary"), "samples"), "hours", 0);
    cJSON *data = cJSON_CreateObject();
    cJSON_AddNumberToObject(data, "to", fmax(hours, json_number(against, "hours", 0)));
    cJSON *curves = cJSON_AddArrayToObject(data, "curves");
    for (int i = 0; i < (against ? 2 : 1); i++) {
        const cJSON *summary = member(i ? against : c, "summary");
        cJSON *curve = cJSON_CreateObject();
        cJSON_AddStringToObject(curve, "name", member_text(cJSON_GetArrayItem(rows, i), "name"));
        cJSON_AddNumberToObject(curve, "until", i ? number(against, "hours") : hours);
        cJSON_AddItemToObject(curve, "steps", cJSON_Duplicate(member(summary, "survival"), true));
        cJSON_AddItemToArray(curves, curve);
    }
    return data;
}
