/* An order, station or shift on paper. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "reports/render_pdf.h"

enum { CHARTS_MAX = 12, FIGURES_MAX = 400, UNITS_SHOWN = 500 };

static void tile(struct sheet *s, int at, enum word label, const char *number)
{
    double wide = SHEET_INNER / 6.0, x = SHEET_MARGIN + at * wide;
    struct sheet_style big = {20, true, INK_TEXT, ANCHOR_START};
    struct sheet_style small = {10.5, false, INK_SOFT, ANCHOR_START};
    sheet_text(s, x, s->y, wide - 6, big, number, true);
    sheet_text(s, x, s->y + 28, wide - 6, small, word_of(s->language, label), true);
}

static void tiles(struct sheet *s, const cJSON *d)
{
    static const struct {
        enum word label;
        const char *member;
        bool share;
    } all[] = {{WORD_UNITS, "unit_count", false},
               {WORD_PASSED, "passed", false},
               {WORD_FAILED, "failed", false},
               {WORD_FIRST_PASS_YIELD, "first_pass_yield", true},
               {WORD_LAST_PASS_YIELD, "last_pass_yield", true},
               {WORD_ROLLED_YIELD, "rolled_throughput_yield", true}};
    for (int i = 0; i < 6; i++) {
        char text[32];
        const cJSON *value = member(d, all[i].member);
        number_text(value, text);
        if (all[i].share && cJSON_IsNumber(value))
            snprintf(text, sizeof text, "%.1f %%", 100 * value->valuedouble);
        tile(s, i, all[i].label, text);
    }
    s->y += 56;
}

static void step_yields(struct sheet *s, const cJSON *steps)
{
    const int l = s->language;
    const struct sheet_column columns[] = {{word_of(l, WORD_STEP), 300, false},
                                           {word_of(l, WORD_COUNT), 110, true},
                                           {word_of(l, WORD_FIRST_PASS_YIELD), 136, true},
                                           {word_of(l, WORD_LAST_PASS_YIELD), 136, true}};
    const struct sheet_style styles[] = {sheet_plain, sheet_number, sheet_number, sheet_number};
    struct sheet_table t = {s, columns, 4};
    const cJSON *row;
    if (!cJSON_GetArraySize(steps))
        return;
    sheet_heading(s, WORD_STEP_YIELDS);
    sheet_table_begin(&t);
    cJSON_ArrayForEach(row, steps)
    {
        char units[32], first[32], last[32];
        number_text(member(row, "units"), units);
        snprintf(first, sizeof first, "%.1f %%",
                 100 * cJSON_GetNumberValue(member(row, "first_pass_yield")));
        snprintf(last, sizeof last, "%.1f %%",
                 100 * cJSON_GetNumberValue(member(row, "last_pass_yield")));
        const char *const cells[] = {member_text(row, "step"), units, first, last};
        sheet_table_row(&t, cells, styles);
    }
}

static double ppk(const cJSON *row)
{
    const cJSON *value = member(row, "ppk");
    return cJSON_IsNumber(value) ? value->valuedouble : INFINITY;
}

static int worst_first(const void *a, const void *b)
{
    double x = ppk(*(const cJSON *const *)a), y = ppk(*(const cJSON *const *)b);
    return (x > y) - (x < y);
}

static void full_name(char *out, size_t size, const cJSON *row)
{
    snprintf(out, size, "%.80s · %.80s", member_text(row, "step"), member_text(row, "measurement"));
}

static void index_text(const cJSON *value, char out[32], struct sheet_style *style)
{
    *style = sheet_number;
    if (!cJSON_IsNumber(value)) {
        snprintf(out, 32, "–");
        return;
    }
    snprintf(out, 32, fabs(value->valuedouble) < 100 ? "%.2f" : "%.0f", value->valuedouble);
    style->ink = value->valuedouble < 1 ? INK_FAIL : value->valuedouble < 1.33 ? INK_ODD : INK_TEXT;
    style->bold = value->valuedouble < 1.33;
}

static void capability(struct sheet *s, const cJSON **rows, size_t count)
{
    enum { NAME, COUNT, LIMITS, MEAN, SPREAD, CPK, PPK };
    const int l = s->language;
    const struct sheet_column columns[] = {{word_of(l, WORD_MEASUREMENT), 224, false},
                                           {word_of(l, WORD_COUNT), 50, true},
                                           {word_of(l, WORD_LIMITS), 112, true},
                                           {word_of(l, WORD_MEAN), 108, true},
                                           {"", 88, false},
                                           {"Cpk", 50, true},
                                           {"Ppk", 50, true}};
    struct sheet_style styles[] = {sheet_plain, sheet_number, sheet_soft,  sheet_number,
                                   sheet_plain, sheet_number, sheet_number};
    struct sheet_table t = {s, columns, 7};
    sheet_heading(s, WORD_FIGURES);
    sheet_table_begin(&t);
    for (size_t i = 0; i < count; i++) {
        char name[200], n[32], limits[72], mean[32], cpk_text[32], ppk_text[32];
        full_name(name, sizeof name, rows[i]);
        number_text(member(rows[i], "n"), n);
        limits_text(rows[i], limits);
        number_text(member(rows[i], "mean"), mean);
        index_text(member(rows[i], "cpk"), cpk_text, &styles[CPK]);
        index_text(member(rows[i], "ppk"), ppk_text, &styles[PPK]);
        const char *const cells[] = {name, n, limits, mean, NULL, cpk_text, ppk_text};
        double y = sheet_table_row(&t, cells, styles), x = SHEET_MARGIN;
        for (int k = 0; k < SPREAD; k++)
            x += columns[k].width;
        sheet_chart(s, chart_spread, rows[i], x, y, columns[SPREAD].width - 12);
    }
}

static void charts(struct sheet *s, const cJSON **rows, size_t count)
{
    int drawn = 0;
    struct sheet_style bold = sheet_plain;
    bold.bold = true;
    for (size_t i = 0; i < count && drawn < CHARTS_MAX; i++) {
        char name[200];
        const cJSON *chart = member(rows[i], "chart");
        if (cJSON_GetArraySize(member(chart, "values")) < 8 ||
            !(cJSON_GetNumberValue(member(chart, "sigma")) > 0))
            continue;
        if (!drawn++) {
            sheet_heading(s, WORD_CONTROL_CHARTS);
            sheet_paragraph(s, sheet_soft, word_of(s->language, WORD_CONTROL_NOTE));
        }
        full_name(name, sizeof name, rows[i]);
        sheet_need(s, 210);
        sheet_paragraph(s, bold, name);
        sheet_wide_chart(s, chart_control, rows[i]);
    }
}

/* Stations, slots and instruments that stand off from their like. */
static void drift(struct sheet *s, const cJSON *document)
{
    const int l = s->language;
    const struct sheet_column columns[] = {
        {word_of(l, WORD_MEASUREMENT), 200, false}, {word_of(l, WORD_PLACE), 176, false},
        {word_of(l, WORD_COUNT), 58, true},         {word_of(l, WORD_MEAN), 90, true},
        {word_of(l, WORD_OTHERS), 90, true},        {"σ", 68, true}};
    const struct sheet_style styles[] = {sheet_plain,  sheet_plain,  sheet_number,
                                         sheet_number, sheet_number, sheet_number};
    struct sheet_table t = {s, columns, 6};
    const cJSON *row, *list = member(document, "drift");
    if (!(cJSON_GetNumberValue(member(member(document, "drift_rule"), "comparisons")) > 0))
        return;
    sheet_heading(s, WORD_DRIFT);
    if (!cJSON_GetArraySize(list))
        sheet_paragraph(s, sheet_plain, word_of(l, WORD_NO_DRIFT));
    else
        sheet_table_begin(&t);
    cJSON_ArrayForEach(row, list)
    {
        char name[200], place[200], n[32], mean[32], others[32], sigmas[32];
        full_name(name, sizeof name, row);
        place_text(row, place, sizeof place);
        number_text(member(row, "n"), n);
        number_text(member(row, "mean"), mean);
        number_text(member(row, "others_mean"), others);
        snprintf(sigmas, sizeof sigmas, "%+.2f", cJSON_GetNumberValue(member(row, "sigmas")));
        const char *const cells[] = {name, place, n, mean, others, sigmas};
        sheet_table_row(&t, cells, styles);
    }
    sheet_paragraph(s, sheet_soft, word_of(l, WORD_DRIFT_NOTE));
}

/* Of a campaign. */
static void reliability(struct sheet *s, const cJSON *figures)
{
    const int l = s->language;
    const struct sheet_column columns[] = {{word_of(l, WORD_CONFIDENCE), 160, false},
                                           {word_of(l, WORD_LOWER_BOUND), 160, true},
                                           {word_of(l, WORD_UPPER_BOUND), 160, true}};
    const struct sheet_style styles[] = {sheet_plain, sheet_number, sheet_number};
    struct sheet_table t = {s, columns, 3};
    const cJSON *row;
    char text[300], hours[32], mtbf[32];
    if (!figures)
        return;
    number_text(member(figures, "hours"), hours);
    number_text(member(figures, "mtbf_hours"), mtbf);
    snprintf(text, sizeof text, "%s %s · %s %.0f · %s %s", word_of(l, WORD_HOURS), hours,
             word_of(l, WORD_FAILED), cJSON_GetNumberValue(member(figures, "failures")),
             word_of(l, WORD_MTBF), mtbf);
    sheet_heading(s, WORD_RELIABILITY);
    sheet_paragraph(s, sheet_plain, text);
    sheet_table_begin(&t);
    cJSON_ArrayForEach(row, member(figures, "bounds"))
    {
        char confidence[32], lower[32], upper[32];
        snprintf(confidence, sizeof confidence, "%.0f %%",
                 100 * cJSON_GetNumberValue(member(row, "confidence")));
        number_text(member(row, "lower_hours"), lower);
        number_text(member(row, "upper_hours"), upper);
        const char *const cells[] = {confidence, lower, upper};
        sheet_table_row(&t, cells, styles);
    }
}

static void identities(struct sheet *s, const cJSON *states)
{
    const cJSON *row;
    char text[400];
    size_t used = (size_t)snprintf(text, sizeof text, "%s:", word_of(s->language, WORD_IDENTITIES));
    if (!cJSON_GetArraySize(states))
        return;
    cJSON_ArrayForEach(row, states)
    {
        if (used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, " %.0f %.40s",
                                     cJSON_GetNumberValue(member(row, "count")),
                                     word_identity(s->language, member_text(row, "state")));
    }
    sheet_paragraph(s, sheet_soft, text);
}

static void units(struct sheet *s, const cJSON *list)
{
    const int l = s->language;
    const struct sheet_column columns[] = {{word_of(l, WORD_VERDICT), 86, false},
                                           {word_of(l, WORD_UNIT), 190, false},
                                           {word_of(l, WORD_WHY), 236, false},
                                           {word_of(l, WORD_STARTED), 170, false}};
    const struct sheet_style styles[] = {sheet_plain, sheet_plain, sheet_soft, sheet_soft};
    struct sheet_table t = {s, columns, 4};
    const cJSON *u;
    int shown = 0;
    sheet_heading(s, WORD_UNITS);
    sheet_table_begin(&t);
    for (int pass = 0; pass < 2; pass++)
        cJSON_ArrayForEach(u, list)
        {
            char when[32], why[220], who[160];
            const cJSON *f = cJSON_GetArrayItem(member(u, "failures"), 0);
            if (member_is(u, "verdict", "pass") != (pass == 1) || shown++ >= UNITS_SHOWN)
                continue;
            time_text(member_text(u, "started"), when);
            snprintf(why, sizeof why, "%.90s%s%.90s", f ? member_text(f, "step") : "",
                     f && *member_text(f, "measurement") ? " · " : "",
                     f && *member_text(f, "measurement") ? member_text(f, "measurement")
                                                         : member_text(u, "message"));
            snprintf(who, sizeof who, "%.100s%s%.50s", unit_name(u, l),
                     *member_text(u, "did") ? " · " : "", member_text(u, "did"));
            const char *const cells[] = {NULL, who, why, when};
            double y = sheet_table_row(&t, cells, styles);
            sheet_verdict(s, SHEET_MARGIN, y, 1, member_text(u, "verdict"));
        }
    if (shown > UNITS_SHOWN)
        sheet_paragraph(s, sheet_soft, word_of(l, WORD_MORE_UNITS));
}

void pdf_order(struct sheet *s, const cJSON *document)
{
    const struct heading h = heading_of(document, s->language);
    const cJSON *row, *rows[FIGURES_MAX];
    struct sheet_style big = {25, true, INK_TEXT, ANCHOR_START};
    char line[300], from[32], to[32];
    size_t count = 0;
    snprintf(s->foot, sizeof s->foot, "%s %s", h.kind, h.name);
    sheet_need(s, 100);
    time_text(h.from, from);
    time_text(h.to, to);
    snprintf(line, sizeof line, "%s%s%.120s · %s – %s", h.kind, *h.beside ? " · " : "", h.beside,
             from, to);
    s->y += sheet_text(s, SHEET_MARGIN, s->y, SHEET_INNER, sheet_soft, line, true);
    s->y += sheet_text(s, SHEET_MARGIN, s->y, SHEET_INNER, big, h.name, true) + 14;
    tiles(s, document);
    identities(s, member(document, "identities"));
    reliability(s, member(document, "reliability"));
    sheet_heading(s, WORD_FAILURES);
    if (cJSON_GetArraySize(member(document, "failures")))
        sheet_wide_chart(s, chart_pareto, member(document, "failures"));
    else
        sheet_paragraph(s, sheet_plain, word_of(s->language, WORD_NO_FAILURES));
    if (cJSON_GetArraySize(member(member(document, "throughput"), "buckets"))) {
        sheet_heading(s, WORD_THROUGHPUT);
        sheet_wide_chart(s, chart_throughput, member(document, "throughput"));
    }
    step_yields(s, member(document, "steps"));
    cJSON_ArrayForEach(row, member(document, "figures"))
    {
        if (count < FIGURES_MAX)
            rows[count++] = row;
    }
    if (count) {
        qsort(rows, count, sizeof rows[0], worst_first);
        charts(s, rows, count);
        capability(s, rows, count);
        drift(s, document);
    }
    units(s, member(document, "units"));
}
