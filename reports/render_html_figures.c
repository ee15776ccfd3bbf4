/* The sections of an order's page that are about figures: capability, control charts, drift. */
#include <math.h>
#include <stdlib.h>

#include "reports/render_html.h"

enum { CHARTS_MAX = 12, FIGURES_MAX = 400 };

static double number(const cJSON *object, const char *name)
{
    const cJSON *value = member(object, name);
    return cJSON_IsNumber(value) ? value->valuedouble : NAN;
}

static void cell(struct page *p, const char *class, const cJSON *value)
{
    char text[32];
    number_text(value, text);
    html_rawf(p, "<td class=\"num%s\">%s</td>", class, text);
}

/* Below 1 some of the process lies outside; below 1.33 it is usually asked to be better. */
static void index_cell(struct page *p, const cJSON *value)
{
    double x = cJSON_IsNumber(value) ? value->valuedouble : NAN;
    const char *class = x < 1 ? " low" : x < 1.33 ? " middling" : "";
    html_rawf(p, "<td class=\"num%s\">", class);
    if (isnan(x))
        html_raw(p, "–</td>");
    else
        html_rawf(p, "%.2f</td>", x);
}

static void name_of(struct page *p, const cJSON *row)
{
    html_text(p, member_text(row, "step"));
    html_raw(p, " · ");
    html_text(p, member_text(row, "measurement"));
}

static void heads(struct page *p, const enum word *words, size_t count, const char *rest)
{
    html_raw(p, "<table><tr>");
    for (size_t i = 0; i < count; i++) {
        html_raw(p, i ? "<th class=\"num\">" : "<th>");
        html_word(p, words[i]);
        html_raw(p, "</th>");
    }
    html_raw(p, rest);
    html_raw(p, "</tr>\n");
}

/* Worst first; figures without an index behind, in their own order. */
static int by_ppk(const void *a, const void *b)
{
    double x = number(*(const cJSON *const *)a, "ppk"), y = number(*(const cJSON *const *)b, "ppk");
    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

static void capability(struct page *p, const cJSON **rows, size_t count)
{
    static const enum word words[] = {WORD_MEASUREMENT, WORD_COUNT, WORD_FAILED,
                                      WORD_LIMITS,      WORD_MEAN,  WORD_DEVIATION};
    html_heading(p, WORD_FIGURES);
    html_raw(p, "<section class=\"card wide\">");
    heads(p, words, sizeof words / sizeof words[0],
          "<th></th><th class=\"num\">Cp</th><th class=\"num\">Cpk</th><th class=\"num\">Pp</th>"
          "<th class=\"num\">Ppk</th>");
    for (size_t i = 0; i < count; i++) {
        html_raw(p, "<tr><td>");
        name_of(p, rows[i]);
        if (*member_text(rows[i], "unit")) {
            html_raw(p, " <span class=\"soft\">");
            html_text(p, member_text(rows[i], "unit"));
            html_raw(p, "</span>");
        }
        html_raw(p, "</td>");
        cell(p, "", member(rows[i], "n"));
        cell(p, number(rows[i], "failed") > 0 ? " low" : "", member(rows[i], "failed"));
        html_raw(p, "<td class=\"num limits\">");
        html_limits(p, rows[i]);
        html_raw(p, "</td>");
        cell(p, "", member(rows[i], "mean"));
        cell(p, "", member(rows[i], "sd"));
        html_raw(p, "<td>");
        html_chart(p, chart_spread, rows[i], 120, false);
        html_raw(p, "</td>");
        index_cell(p, member(rows[i], "cp"));
        index_cell(p, member(rows[i], "cpk"));
        index_cell(p, member(rows[i], "pp"));
        index_cell(p, member(rows[i], "ppk"));
        html_raw(p, "</tr>\n");
    }
    html_raw(p, "</table></section>\n");
}

/* A chart for those with enough points to see something, worst first. */
static void charts(struct page *p, const cJSON **rows, size_t count)
{
    int drawn = 0;
    for (size_t i = 0; i < count && drawn < CHARTS_MAX; i++) {
        if (cJSON_GetArraySize(member(member(rows[i], "chart"), "values")) < 8 ||
            !(number(rows[i], "sd") > 0))
            continue;
        if (!drawn++) {
            html_heading(p, WORD_CONTROL_CHARTS);
            html_raw(p, "<p class=\"soft\">");
            html_word(p, WORD_CONTROL_NOTE);
            html_raw(p, "</p>\n<div class=\"charts\">\n");
        }
        html_raw(p, "<section class=\"card\"><h3>");
        name_of(p, rows[i]);
        html_raw(p, " <span class=\"soft\">");
        html_text(p, member_text(rows[i], "unit"));
        html_raw(p, "</span></h3>");
        html_chart(p, chart_control, rows[i], 560, true);
        html_raw(p, "</section>\n");
    }
    if (drawn)
        html_raw(p, "</div>\n");
}

static void drift(struct page *p, const cJSON *document)
{
    static const enum word words[] = {WORD_MEASUREMENT, WORD_PLACE, WORD_COUNT, WORD_MEAN,
                                      WORD_OTHERS};
    char place[200];
    const cJSON *row, *list = member(document, "drift");
    if (!(number(member(document, "drift_rule"), "comparisons") > 0))
        return; /* one alone has nobody to differ from */
    html_heading(p, WORD_DRIFT);
    html_raw(p, "<section class=\"card\">");
    if (cJSON_GetArraySize(list))
        heads(p, words, sizeof words / sizeof words[0],
              "<th class=\"num\">σ</th><th class=\"num\">p</th>");
    else
        html_word(p, WORD_NO_DRIFT);
    cJSON_ArrayForEach(row, list)
    {
        html_raw(p, "<tr><td>");
        name_of(p, row);
        html_raw(p, "</td><td class=\"num\">");
        place_text(row, place, sizeof place);
        html_text(p, place);
        html_raw(p, "</td>");
        cell(p, "", member(row, "n"));
        cell(p, "", member(row, "mean"));
        cell(p, "", member(row, "others_mean"));
        html_rawf(p, "<td class=\"num middling\">%+.2f</td><td class=\"num\">%.1e</td></tr>\n",
                  number(row, "sigmas"), number(row, "p"));
    }
    if (cJSON_GetArraySize(list))
        html_raw(p, "</table>");
    html_raw(p, "<p class=\"soft\">");
    html_word(p, WORD_DRIFT_NOTE);
    html_raw(p, "</p></section>\n");
}

/* Of a campaign: hours under test, failures in them, and between which times that lies. */
void html_reliability(struct page *p, const cJSON *reliability)
{
    static const enum word words[] = {WORD_CONFIDENCE, WORD_LOWER_BOUND, WORD_UPPER_BOUND};
    const cJSON *row;
    char hours[32], mtbf[32];
    if (!reliability)
        return;
    number_text(member(reliability, "hours"), hours);
    number_text(member(reliability, "mtbf_hours"), mtbf);
    html_heading(p, WORD_RELIABILITY);
    html_raw(p, "<section class=\"card\"><p>");
    html_word(p, WORD_HOURS);
    html_rawf(p, " <b class=\"num\">%s</b> · ", hours);
    html_word(p, WORD_FAILED);
    html_rawf(p, " <b class=\"num\">%.0f</b> · ", number(reliability, "failures"));
    html_word(p, WORD_MTBF);
    html_rawf(p, " <b class=\"num\">%s</b></p>", mtbf);
    heads(p, words, sizeof words / sizeof words[0], "");
    cJSON_ArrayForEach(row, member(reliability, "bounds"))
    {
        html_rawf(p, "<tr><td>%.0f %%</td>", 100 * number(row, "confidence"));
        cell(p, "", member(row, "lower_hours"));
        cell(p, "", member(row, "upper_hours"));
        html_raw(p, "</tr>\n");
    }
    html_raw(p, "</table></section>\n");
}

void html_figures(struct page *p, const cJSON *document)
{
    const cJSON *row, *rows[FIGURES_MAX];
    size_t count = 0;
    cJSON_ArrayForEach(row, member(document, "figures"))
    {
        if (count < FIGURES_MAX)
            rows[count++] = row;
    }
    if (!count)
        return;
    qsort(rows, count, sizeof rows[0], by_ppk);
    charts(p, rows, count);
    capability(p, rows, count);
    drift(p, document);
}
