/* The page of a campaign, for whoever audits it: what the units were put through, as commanded and
 * as measured, with what instruments, what became of each, and every event. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "reports/render_html.h"

enum { UNITS_DRAWN = 40 }; /* in one chart, the failed ones first; the tables have all */

static double number(const cJSON *object, const char *name)
{
    return json_number(object, name, NAN);
}

static void cell_of(struct page *p, const char *text, const char *css_class)
{
    html_rawf(p, "<td class=\"%s\">", css_class);
    html_text(p, text);
    html_raw(p, "</td>");
}

static void cell(struct page *p, const char *text)
{
    cell_of(p, text, "");
}

static void number_cell(struct page *p, double value, const char *format_unit)
{
    char text[48];
    snprintf(text, sizeof text, "%.4g%s", value, format_unit);
    cell_of(p, isfinite(value) ? text : "–", "num");
}

static void table_begin(struct page *p, const enum word *heads, size_t count, size_t numbers)
{
    html_raw(p, "<section class=\"card\"><table><tr>");
    for (size_t i = 0; i < count; i++) {
        html_raw(p, i < numbers ? "<th class=\"num\">" : "<th>");
        html_word(p, heads[i]);
        html_raw(p, "</th>");
    }
    html_raw(p, "</tr>\n");
}

static void table_end(struct page *p)
{
    html_raw(p, "</table></section>\n");
}

static void tile(struct page *p, enum word label, const char *beside, double value)
{
    if (!isfinite(value))
        return;
    html_rawf(p, "<div class=\"tile\"><div class=\"n\">%.5g</div><div class=\"l\">", value);
    html_word(p, label);
    html_text(p, beside);
    html_raw(p, "</div></div>\n");
}

static void tiles(struct page *p, const cJSON *c)
{
    const cJSON *s = member(c, "summary");
    char bound[48], stress[96];
    snprintf(bound, sizeof bound, " ≥ (%.4g %%)", 100 * number(s, "confidence"));
    snprintf(stress, sizeof stress, " %.4g → %.4g °C, %.4g eV", number(s, "stress_c"),
             number(c, "use_c"), number(c, "activation_ev"));
    html_raw(p, "<div class=\"tiles\" style=\"margin-bottom:.8rem\">");
    tile(p, WORD_UNITS, "", number(c, "unit_count"));
    tile(p, WORD_FAILED, "", number(s, "failures"));
    tile(p, WORD_UNIT_HOURS, "", number(s, "unit_hours"));
    tile(p, WORD_MTBF, bound, number(s, "mtbf_bound_h"));
    tile(p, WORD_ACCELERATION, stress, number(s, "factor"));
    html_raw(p, "</div>\n");
}

static void facts(struct page *p, const cJSON *c)
{
    char seed[32];
    snprintf(seed, sizeof seed, "%.0f", number(c, "seed"));
    html_raw(p, "<section class=\"card\"><dl class=\"facts\">");
    html_fact(p, WORD_LOT, member_text(c, "lot"), false);
    html_fact(p, WORD_STATE, member_text(c, "state"), false);
    html_fact(p, WORD_REASON, member_text(c, "reason"), false);
    html_fact(p, WORD_STATION, member_text(c, "station"), false);
    html_fact(p, WORD_OPERATOR, member_text(c, "operator"), false);
    html_fact(p, WORD_PLAN, member_text(c, "plan"), false);
    html_fact(p, WORD_PROGRAM, member_text(c, "program_version"), false);
    html_fact(p, WORD_SEED, seed, false);
    html_fact(p, WORD_CAMPAIGN, member_text(c, "sha256"), true);
    html_fact(p, WORD_PLAN, member_text(c, "plan_sha256"), true);
    html_fact(p, WORD_LIMITS, member_text(c, "limits_sha256"), true);
    html_raw(p, "</dl></section>\n");
}

static void survival(struct page *p, const cJSON *c)
{
    static const enum word heads[] = {WORD_HOURS, WORD_AT_RISK, WORD_FAILED, WORD_STILL_GOOD,
                                      WORD_DEVIATION};
    const cJSON *steps = member(member(c, "summary"), "survival"), *step, *unit;
    cJSON *data = cJSON_CreateObject();
    double to = 0;
    cJSON_ArrayForEach(unit, member(c, "units")) to =
        fmax(to, json_number(unit, "watched_ms", 0) / 3600000);
    cJSON_AddNumberToObject(data, "to", to);
    cJSON_AddItemToObject(data, "steps", cJSON_Duplicate(steps, true));
    html_heading(p, WORD_SURVIVAL);
    html_raw(p, "<section class=\"card\">");
    html_chart(p, chart_survival, data, 860, true);
    html_raw(p, "</section>\n");
    cJSON_Delete(data);
    if (!cJSON_GetArraySize(steps))
        return;
    table_begin(p, heads, 5, 5);
    cJSON_ArrayForEach(step, steps)
    {
        html_raw(p, "<tr>");
        number_cell(p, number(step, "hours"), "");
        number_cell(p, number(step, "at_risk"), "");
        number_cell(p, number(step, "failed"), "");
        number_cell(p, 100 * number(step, "good"), " %");
        number_cell(p, 100 * number(step, "deviation"), " %");
        html_raw(p, "</tr>\n");
    }
    table_end(p);
}

static void causes(struct page *p, const cJSON *c)
{
    static const enum word heads[] = {WORD_UNITS, WORD_CAUSE};
    const cJSON *each;
    html_heading(p, WORD_CAUSES);
    table_begin(p, heads, 2, 1);
    cJSON_ArrayForEach(each, member(member(c, "summary"), "causes"))
    {
        html_raw(p, "<tr>");
        number_cell(p, number(each, "units"), "");
        cell(p, member_text(each, "cause"));
        html_raw(p, "</tr>\n");
    }
    table_end(p);
}

/* ---- over time ------------------------------------------------------------------------------- */

/* The mean of the unit's own start of a figure, NAN before it is complete enough to be known: as
 * the watcher wrote it down (station/campaign/watch.c). */
static double own_start(const cJSON *watch, int figure)
{
    const cJSON *of = cJSON_GetArrayItem(member(watch, "figures"), figure);
    const cJSON *samples = cJSON_GetArrayItem(of, 4), *mean = cJSON_GetArrayItem(of, 7);
    return cJSON_IsNumber(samples) && samples->valuedouble > 0 && cJSON_IsNumber(mean)
               ? mean->valuedouble
               : NAN;
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

static void course(struct page *p, const char *title, const char *beside, cJSON *data)
{
    if (chart_course(NULL, data, 420) > 0) {
        html_raw(p, "<section class=\"card\"><h3>");
        html_text(p, title);
        html_raw(p, " <span class=\"soft\">");
        html_text(p, beside);
        html_raw(p, "</span></h3>");
        html_chart(p, chart_course, data, 420, true);
        html_raw(p, "</section>\n");
    }
    cJSON_Delete(data);
}

static void conditions(struct page *p, const cJSON *c)
{
    struct json_document *file = NULL;
    struct error ignored = {0};
    const char *source = member_text(c, "file");
    const cJSON *condition;
    int k = 0;
    if (json_parse("campaign", source, strlen(source), &file, &ignored))
        return;
    if (cJSON_GetArraySize(member(json_root(file), "conditions"))) {
        html_heading(p, WORD_CONDITIONS);
        html_raw(p, "<div class=\"charts\">");
        cJSON_ArrayForEach(condition, member(json_root(file), "conditions"))
        {
            cJSON *data = cJSON_CreateObject(), *all = cJSON_AddArrayToObject(data, "series");
            add_line(all, first_row(c, 0), 2 * k, 0, 1, false, true);
            add_line(all, first_row(c, 0), 2 * k + 1, 0, 1, false, false);
            course(p, condition->string, "", data);
            k++;
        }
        html_raw(p, "</div>\n");
    }
    json_free(file);
}

static void figure_course(struct page *p, const cJSON *figure, const struct drawn *drawn,
                          size_t count)
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
    for (size_t k = 0; k < count; k++) {
        const double start = own_start(drawn[k].watch, i);
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
             percent || change ? word_of(p->language, WORD_OF_OWN_START) : "");
    course(p, member_text(figure, "name"), beside, data);
}

static void courses(struct page *p, const cJSON *c)
{
    struct drawn drawn[UNITS_DRAWN];
    const cJSON *unit, *figure;
    size_t count = 0;
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
    html_heading(p, WORD_COURSES);
    html_raw(p, "<p class=\"soft\">");
    html_word(p, WORD_UNITS_DRAWN);
    html_rawf(p, ": %zu / %d</p><div class=\"charts\">", count,
              cJSON_GetArraySize(member(c, "units")));
    cJSON_ArrayForEach(figure, member(c, "figures")) figure_course(p, figure, drawn, count);
    html_raw(p, "</div>\n");
    for (size_t k = 0; k < count; k++)
        cJSON_Delete(drawn[k].watch);
}

/* ---- every unit, instrument and event -------------------------------------------------------- */

static void units(struct page *p, const cJSON *c)
{
    static const enum word heads[] = {WORD_UNIT,  WORD_HOURS,   WORD_PLACE,
                                      WORD_STATE, WORD_CHIP_ID, WORD_CAUSE};
    const cJSON *u;
    html_heading(p, WORD_UNITS);
    table_begin(p, heads, 6, 2);
    cJSON_ArrayForEach(u, member(c, "units"))
    {
        html_raw(p, "<tr>");
        number_cell(p, number(u, "number"), "");
        number_cell(p, json_number(u, "watched_ms", 0) / 3600000, "");
        cell_of(p, member_text(u, "place"), "time");
        cell_of(p, member_text(u, "state"), "time");
        cell_of(p, member_text(u, "chip_id"), "time");
        cell(p, member_text(u, "cause"));
        html_raw(p, "</tr>\n");
    }
    table_end(p);
}

static void instruments(struct page *p, const cJSON *c)
{
    static const enum word heads[] = {WORD_INSTRUMENTS, WORD_SERIAL, WORD_CERTIFICATE, WORD_DUE};
    const cJSON *i;
    if (!cJSON_GetArraySize(member(c, "instruments")))
        return;
    html_heading(p, WORD_INSTRUMENTS);
    table_begin(p, heads, 4, 0);
    cJSON_ArrayForEach(i, member(c, "instruments"))
    {
        char name[160];
        snprintf(name, sizeof name, "%.60s (%.60s)", member_text(i, "name"),
                 member_text(i, "class"));
        html_raw(p, "<tr>");
        cell(p, name);
        cell(p, member_text(i, "serial"));
        cell(p, member_text(i, "certificate"));
        cell(p, member_text(i, "due_on"));
        html_raw(p, "</tr>\n");
    }
    table_end(p);
}

static void events(struct page *p, const cJSON *c)
{
    static const enum word heads[] = {WORD_HOURS, WORD_UNIT, WORD_EVENT, WORD_REASON};
    const cJSON *e;
    html_heading(p, WORD_EVENTS);
    table_begin(p, heads, 4, 2);
    cJSON_ArrayForEach(e, member(c, "events"))
    {
        const double unit = json_number(e, "unit", 0);
        html_raw(p, "<tr>");
        number_cell(p, json_number(e, "elapsed_ms", 0) / 3600000, "");
        number_cell(p, unit > 0 ? unit : NAN, "");
        cell_of(p, member_text(e, "kind"), "time");
        cell(p, member_text(e, "text"));
        html_raw(p, "</tr>\n");
    }
    table_end(p);
}

void html_campaign(struct page *p, const cJSON *c)
{
    char name[160];
    snprintf(name, sizeof name, "%.100s · %.0f", member_text(c, "name"), number(c, "id"));
    html_page_begin(p, word_of(p->language, WORD_CAMPAIGN), name);
    html_raw(p, "<header><div><div class=\"kind\">");
    html_word(p, WORD_CAMPAIGN);
    html_raw(p, "</div><h1>");
    html_text(p, name);
    html_raw(p, "</h1></div></header>\n");
    tiles(p, c);
    facts(p, c);
    survival(p, c);
    causes(p, c);
    conditions(p, c);
    courses(p, c);
    units(p, c);
    instruments(p, c);
    events(p, c);
}
