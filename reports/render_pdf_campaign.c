/* A campaign on paper: the same page as html_campaign(), for an auditor's file. */
#include <stdio.h>

#include "protocol/base/json.h"
#include "reports/render_campaign.h"
#include "reports/render_pdf.h"

static void tiles(struct sheet *s, const cJSON *c)
{
    struct campaign_tile all[CAMPAIGN_TILES_MAX];
    const int count = campaign_tiles(c, all);
    const double wide = (double)SHEET_INNER / CAMPAIGN_TILES_MAX;
    const struct sheet_style big = {20, true, INK_TEXT, ANCHOR_START};
    for (int i = 0; i < count; i++) {
        char number[32], label[160];
        snprintf(number, sizeof number, "%.5g", all[i].value);
        snprintf(label, sizeof label, "%s%s", word_of(s->language, all[i].label), all[i].beside);
        sheet_text(s, SHEET_MARGIN + i * wide, s->y, wide - 6, big, number, true);
        sheet_text(s, SHEET_MARGIN + i * wide, s->y + 28, wide - 10, sheet_soft, label, true);
    }
    s->y += 76;
}

static void facts(struct sheet *s, const cJSON *c)
{
    enum { NAME = 150 };
    for (const struct campaign_fact *f = campaign_facts; f->member; f++) {
        const cJSON *value = member(c, f->member);
        char text[32];
        number_text(value, text);
        const char *shown = cJSON_IsNumber(value) ? text : member_text(c, f->member);
        if (!*shown)
            continue;
        const double high = sheet_text(s, 0, 0, SHEET_INNER - NAME, sheet_plain, shown, false);
        sheet_need(s, high + 2);
        sheet_text(s, SHEET_MARGIN, s->y, NAME - 8, sheet_soft, word_of(s->language, f->name),
                   true);
        sheet_text(s, SHEET_MARGIN + NAME, s->y, SHEET_INNER - NAME, sheet_plain, shown, true);
        s->y += high + 2;
    }
}

static void table(struct sheet *s, const cJSON *c, const struct campaign_table *t)
{
    struct sheet_column columns[CAMPAIGN_COLUMNS_MAX];
    struct sheet_style styles[CAMPAIGN_COLUMNS_MAX];
    char cells[CAMPAIGN_COLUMNS_MAX][CAMPAIGN_CELL];
    const char *shown[CAMPAIGN_COLUMNS_MAX];
    const cJSON *rows = t->rows(c), *row;
    struct sheet_table table = {s, columns, t->count};
    if (!cJSON_GetArraySize(rows))
        return;
    sheet_need(s, 160); /* its heading, heads and a row or two stand together */
    if (t->heading != WORDS)
        sheet_heading(s, t->heading);
    if (t->note) {
        t->note(c, s->language, cells[0], CAMPAIGN_CELL);
        sheet_paragraph(s, sheet_soft, cells[0]);
    }
    for (int i = 0; i < t->count; i++) {
        const struct campaign_column *of = &t->columns[i];
        columns[i] = (struct sheet_column){word_of(s->language, of->head), of->width, of->number};
        styles[i] = of->number ? sheet_number : sheet_plain;
        shown[i] = cells[i];
    }
    sheet_table_begin(&table);
    cJSON_ArrayForEach(row, rows)
    {
        t->row(row, cells);
        sheet_table_row(&table, shown, styles);
    }
}

/* ---- charts, two beside each other ----------------------------------------------------------- */

struct pair {
    struct sheet *sheet;
    int drawn;
};

static void course(void *context, const char *title, const char *beside, const cJSON *data)
{
    enum { GAP = 22, TITLE = 36 };
    struct pair *pair = context;
    struct sheet *s = pair->sheet;
    struct sheet_style bold = {11.5, true, INK_TEXT, ANCHOR_START};
    const double wide = (SHEET_INNER - GAP) / 2.0, high = chart_course(NULL, data, wide) + TITLE;
    const double x = SHEET_MARGIN + (pair->drawn % 2 ? wide + GAP : 0);
    if (pair->drawn % 2 == 0)
        sheet_need(s, high);
    sheet_text(s, x, s->y, 0, bold, title, true);
    sheet_text(s, x, s->y + 16, 0, sheet_soft, beside, true);
    sheet_chart(s, chart_course, data, x, s->y + TITLE, wide);
    if (pair->drawn++ % 2)
        s->y += high + 8;
}

/* The row's end, when its second place stays empty. */
static void pairs_end(struct pair *pair)
{
    cJSON *one = cJSON_Parse("{\"series\": [{\"values\": [0, 0]}]}");
    if (pair->drawn % 2)
        pair->sheet->y += chart_course(NULL, one, 100) + 44;
    cJSON_Delete(one);
}

static void conditions(struct sheet *s, const cJSON *c)
{
    struct pair pair = {s, 0};
    if (!campaign_conditions(c, NULL, NULL))
        return;
    sheet_heading(s, WORD_CONDITIONS);
    campaign_conditions(c, course, &pair);
    pairs_end(&pair);
}

static void courses(struct sheet *s, const cJSON *c)
{
    struct pair pair = {s, 0};
    char drawn[120];
    sheet_heading(s, WORD_COURSES);
    snprintf(drawn, sizeof drawn, "%s: %d / %d", word_of(s->language, WORD_UNITS_DRAWN),
             campaign_units_drawn(c), cJSON_GetArraySize(member(c, "units")));
    sheet_paragraph(s, sheet_soft, drawn);
    campaign_courses(c, s->language, course, &pair);
    pairs_end(&pair);
}

void pdf_campaign(struct sheet *s, const cJSON *c)
{
    const struct sheet_style big = {25, true, INK_TEXT, ANCHOR_START};
    char name[120];
    snprintf(name, sizeof name, "%.90s · %.0f", member_text(c, "name"), json_number(c, "id", 0));
    snprintf(s->foot, sizeof s->foot, "%s %.110s", word_of(s->language, WORD_CAMPAIGN), name);
    sheet_need(s, 100);
    s->y += sheet_text(s, SHEET_MARGIN, s->y, SHEET_INNER, sheet_soft,
                       word_of(s->language, WORD_CAMPAIGN), true);
    s->y += sheet_text(s, SHEET_MARGIN, s->y, SHEET_INNER, big, name, true) + 14;
    tiles(s, c);
    facts(s, c);
    cJSON *curves = campaign_survival_chart(c);
    sheet_heading(s, WORD_SURVIVAL);
    sheet_wide_chart(s, chart_survival, curves);
    cJSON_Delete(curves);
    table(s, c, &campaign_survival_table);
    table(s, c, &campaign_comparison_table);
    table(s, c, &campaign_causes_table);
    table(s, c, &campaign_samples_table);
    conditions(s, c);
    table(s, c, &campaign_figures_table);
    courses(s, c);
    table(s, c, &campaign_units_table);
    table(s, c, &campaign_instruments_table);
    table(s, c, &campaign_events_table);
}
