/* The page of a campaign, for whoever audits it: what the units were put through, as commanded and
 * as measured, with what instruments, what became of each, and every event. */
#include <stdio.h>

#include "protocol/base/json.h"
#include "reports/render_campaign.h"
#include "reports/render_html.h"

static void tiles(struct page *p, const cJSON *c)
{
    struct campaign_tile all[CAMPAIGN_TILES_MAX];
    const int count = campaign_tiles(c, all);
    html_raw(p, "<div class=\"tiles\" style=\"margin-bottom:.8rem\">");
    for (int i = 0; i < count; i++) {
        html_rawf(p, "<div class=\"tile\"><div class=\"n\">%.5g</div><div class=\"l\">",
                  all[i].value);
        html_word(p, all[i].label);
        html_text(p, all[i].beside);
        html_raw(p, "</div></div>\n");
    }
    html_raw(p, "</div>\n");
}

static void facts(struct page *p, const cJSON *c)
{
    html_raw(p, "<section class=\"card\"><dl class=\"facts\">");
    for (const struct campaign_fact *f = campaign_facts; f->member; f++) {
        const cJSON *value = member(c, f->member);
        char text[32];
        number_text(value, text);
        html_fact(p, f->name, cJSON_IsNumber(value) ? text : member_text(c, f->member), f->code);
    }
    html_raw(p, "</dl></section>\n");
}

static void cell(struct page *p, const struct campaign_column *column, const char *text)
{
    html_raw(p, column->number ? "<td class=\"num\">" : "<td>");
    html_text(p, text);
    html_raw(p, "</td>");
}

static void table(struct page *p, const cJSON *c, const struct campaign_table *t)
{
    const cJSON *rows = t->rows(c), *row;
    char cells[CAMPAIGN_COLUMNS_MAX][CAMPAIGN_CELL];
    if (!cJSON_GetArraySize(rows))
        return;
    if (t->heading != WORDS)
        html_heading(p, t->heading);
    if (t->note) {
        t->note(c, p->language, cells[0], CAMPAIGN_CELL);
        html_raw(p, "<p class=\"soft\">");
        html_text(p, cells[0]);
        html_raw(p, "</p>");
    }
    html_raw(p, "<section class=\"card\"><table><tr>");
    for (int i = 0; i < t->count; i++) {
        html_raw(p, t->columns[i].number ? "<th class=\"num\">" : "<th>");
        html_word(p, t->columns[i].head);
        html_raw(p, "</th>");
    }
    html_raw(p, "</tr>\n");
    cJSON_ArrayForEach(row, rows)
    {
        t->row(row, cells);
        html_raw(p, "<tr>");
        for (int i = 0; i < t->count; i++)
            cell(p, &t->columns[i], cells[i]);
        html_raw(p, "</tr>\n");
    }
    html_raw(p, "</table></section>\n");
}

static void survival(struct page *p, const cJSON *c)
{
    cJSON *data = campaign_survival_chart(c);
    html_heading(p, WORD_SURVIVAL);
    html_raw(p, "<section class=\"card\">");
    html_chart(p, chart_survival, data, 860, true);
    html_raw(p, "</section>\n");
    cJSON_Delete(data);
    table(p, c, &campaign_survival_table);
}

static void course(void *context, const char *title, const char *beside, const cJSON *data)
{
    struct page *p = context;
    html_raw(p, "<section class=\"card\"><h3>");
    html_text(p, title);
    html_raw(p, " <span class=\"soft\">");
    html_text(p, beside);
    html_raw(p, "</span></h3>");
    html_chart(p, chart_course, data, 420, true);
    html_raw(p, "</section>\n");
}

static void conditions(struct page *p, const cJSON *c)
{
    if (!campaign_conditions(c, NULL, NULL))
        return;
    html_heading(p, WORD_CONDITIONS);
    html_raw(p, "<div class=\"charts\">");
    campaign_conditions(c, course, p);
    html_raw(p, "</div>\n");
}

static void courses(struct page *p, const cJSON *c)
{
    html_heading(p, WORD_COURSES);
    html_raw(p, "<p class=\"soft\">");
    html_word(p, WORD_UNITS_DRAWN);
    html_rawf(p, ": %d / %d</p><div class=\"charts\">", campaign_units_drawn(c),
              cJSON_GetArraySize(member(c, "units")));
    campaign_courses(c, p->language, course, p);
    html_raw(p, "</div>\n");
}

void html_campaign(struct page *p, const cJSON *c)
{
    char name[160];
    snprintf(name, sizeof name, "%.100s · %.0f", member_text(c, "name"), json_number(c, "id", 0));
    html_page_begin(p, word_of(p->language, WORD_CAMPAIGN), name);
    html_raw(p, "<header><div><div class=\"kind\">");
    html_word(p, WORD_CAMPAIGN);
    html_raw(p, "</div><h1>");
    html_text(p, name);
    html_raw(p, "</h1></div></header>\n");
    tiles(p, c);
    facts(p, c);
    survival(p, c);
    table(p, c, &campaign_comparison_table);
    table(p, c, &campaign_causes_table);
    table(p, c, &campaign_samples_table);
    conditions(p, c);
    table(p, c, &campaign_figures_table);
    courses(p, c);
    table(p, c, &campaign_units_table);
    table(p, c, &campaign_instruments_table);
    table(p, c, &campaign_events_table);
}
