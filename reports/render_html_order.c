/* The page of an order or a station: how many passed, what fails most, which unit to look at. */
#include <stdio.h>
#include <string.h>

#include "reports/render_html.h"

enum { UNITS_SHOWN = 2000 };

static void tile(struct page *p, enum word label, const char *number)
{
    html_raw(p, "<div class=\"tile\"><div class=\"n\">");
    html_text(p, number);
    html_raw(p, "</div><div class=\"l\">");
    html_word(p, label);
    html_raw(p, "</div></div>\n");
}

static void count_tile(struct page *p, const cJSON *document, enum word label, const char *name)
{
    char text[32];
    number_text(member(document, name), text);
    tile(p, label, text);
}

static void yield_tile(struct page *p, const cJSON *document, enum word label, const char *name)
{
    char text[32] = "–";
    const cJSON *value = member(document, name);
    if (cJSON_IsNumber(value))
        snprintf(text, sizeof text, "%.1f %%", 100 * value->valuedouble);
    tile(p, label, text);
}

static void pareto(struct page *p, const cJSON *failures)
{
    html_heading(p, WORD_FAILURES);
    html_raw(p, "<section class=\"card\">");
    if (cJSON_GetArraySize(failures))
        html_chart(p, chart_pareto, failures, 860, true);
    else
        html_word(p, WORD_NO_FAILURES);
    html_raw(p, "</section>\n");
}

static void throughput(struct page *p, const cJSON *data)
{
    if (cJSON_GetArraySize(member(data, "buckets")) == 0)
        return;
    html_heading(p, WORD_THROUGHPUT);
    html_raw(p, "<section class=\"card\">");
    html_chart(p, chart_throughput, data, 860, true);
    html_raw(p, "</section>\n");
}

static void share_cell(struct page *p, const cJSON *share)
{
    if (cJSON_IsNumber(share))
        html_rawf(p, "<td class=\"num%s\">%.1f %%</td>", share->valuedouble < 0.9 ? " low" : "",
                  100 * share->valuedouble);
    else
        html_raw(p, "<td class=\"num\">–</td>");
}

static void step_yields(struct page *p, const cJSON *steps)
{
    static const enum word heads[] = {WORD_STEP, WORD_COUNT, WORD_FIRST_PASS_YIELD,
                                      WORD_LAST_PASS_YIELD};
    const cJSON *row;
    if (!cJSON_GetArraySize(steps))
        return;
    html_heading(p, WORD_STEP_YIELDS);
    html_raw(p, "<section class=\"card\"><table><tr>");
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        html_raw(p, i ? "<th class=\"num\">" : "<th>");
        html_word(p, heads[i]);
        html_raw(p, "</th>");
    }
    html_raw(p, "</tr>\n");
    cJSON_ArrayForEach(row, steps)
    {
        html_raw(p, "<tr><td>");
        html_text(p, member_text(row, "step"));
        html_rawf(p, "</td><td class=\"num\">%.0f</td>",
                  cJSON_GetNumberValue(member(row, "units")));
        share_cell(p, member(row, "first_pass_yield"));
        share_cell(p, member(row, "last_pass_yield"));
        html_raw(p, "</tr>\n");
    }
    html_raw(p, "</table></section>\n");
}

static void failure_name(struct page *p, const char *step, const char *measurement)
{
    html_raw(p, "<td>");
    html_text(p, step);
    if (*measurement) {
        html_raw(p, " · ");
        html_text(p, measurement);
    }
    html_raw(p, "</td>");
}

static void together(struct page *p, const cJSON *pairs)
{
    static const char *const counts[] = {"both", "first_only", "second_only", "neither"};
    static const char *const marks[] = {"A ∧ B", "A ∧ ¬B", "¬A ∧ B", "¬A ∧ ¬B"};
    const cJSON *row;
    if (!cJSON_GetArraySize(pairs))
        return;
    html_heading(p, WORD_TOGETHER);
    html_raw(p, "<section class=\"card\"><table><tr><th>A</th><th>B</th>");
    for (size_t i = 0; i < 4; i++)
        html_rawf(p, "<th class=\"num\">%s</th>", marks[i]);
    html_raw(p, "<th class=\"num\">φ</th></tr>\n");
    cJSON_ArrayForEach(row, pairs)
    {
        html_raw(p, "<tr>");
        failure_name(p, member_text(row, "first_step"), member_text(row, "first_measurement"));
        failure_name(p, member_text(row, "second_step"), member_text(row, "second_measurement"));
        for (size_t i = 0; i < 4; i++)
            html_rawf(p, "<td class=\"num\">%.0f</td>",
                      cJSON_GetNumberValue(member(row, counts[i])));
        html_rawf(p, "<td class=\"num\">%.2f</td></tr>\n",
                  cJSON_GetNumberValue(member(row, "phi")));
    }
    html_raw(p, "</table></section>\n");
}

static void identities(struct page *p, const cJSON *states)
{
    const cJSON *row;
    if (!cJSON_GetArraySize(states))
        return;
    html_raw(p, "<p class=\"soft\">");
    html_word(p, WORD_IDENTITIES);
    html_raw(p, ":");
    cJSON_ArrayForEach(row, states)
    {
        html_rawf(p, " %.0f ", cJSON_GetNumberValue(member(row, "count")));
        html_text(p, word_identity(p->language, member_text(row, "state")));
    }
    html_raw(p, "</p>\n");
}

static void failure(struct page *p, const cJSON *f)
{
    char value[32];
    html_raw(p, "<div>");
    html_text(p, member_text(f, "step"));
    if (*member_text(f, "measurement")) {
        number_text(member(f, "value"), value);
        html_raw(p, " · ");
        html_text(p, member_text(f, "measurement"));
        html_rawf(p, " <span class=\"num\">%s ", value);
        html_text(p, member_text(f, "unit"));
        html_raw(p, "</span> <span class=\"limits num\">(");
        html_limits(p, f);
        html_raw(p, ")</span>");
    } else {
        html_raw(p, " ");
        html_verdict(p, member_text(f, "verdict"), "");
        html_raw(p, " <span class=\"soft\">");
        html_text(p, member_text(f, "message"));
        html_raw(p, "</span>");
    }
    html_raw(p, "</div>");
}

static void unit_row(struct page *p, const cJSON *u)
{
    const cJSON *f;
    const char *name = unit_name(u, p->language);
    html_raw(p, "<tr><td>");
    html_verdict(p, member_text(u, "verdict"), "");
    html_raw(p, "</td><td>");
    if (p->options->unit_href) {
        char href[128];
        long long run = (long long)cJSON_GetNumberValue(member(u, "run"));
        const char *mark = strstr(p->options->unit_href, "%lld");
        int before = mark ? (int)(mark - p->options->unit_href) : 0;
        snprintf(href, sizeof href, "%.*s%lld%s", before, p->options->unit_href, run,
                 mark ? mark + 4 : "");
        html_raw(p, "<a href=\"");
        html_text(p, href);
        html_raw(p, "\"><code>");
        html_text(p, name);
        html_raw(p, "</code></a>");
    } else {
        html_raw(p, "<code>");
        html_text(p, name);
        html_raw(p, "</code>");
    }
    if (*member_text(u, "did")) {
        html_raw(p, "<div class=\"soft\"><code>");
        html_text(p, member_text(u, "did"));
        html_raw(p, "</code> · <code>");
        html_text(p, member_text(u, "mac"));
        html_raw(p, "</code></div>");
    }
    html_rawf(p, "</td><td class=\"num\">%d</td><td>",
              (int)cJSON_GetNumberValue(member(u, "runs")));
    if (!cJSON_GetArraySize(member(u, "failures")))
        html_text(p, member_text(u, "message"));
    cJSON_ArrayForEach(f, member(u, "failures")) failure(p, f);
    html_raw(p, "</td><td class=\"soft time\">");
    html_time(p, member_text(u, "started"));
    html_raw(p, "</td></tr>\n");
}

/* Those to look at first, then the rest in the order of their runs. */
static void units(struct page *p, const cJSON *list)
{
    static const enum word heads[] = {WORD_VERDICT, WORD_UNIT, WORD_RUNS, WORD_WHY, WORD_STARTED};
    const cJSON *u;
    html_raw(p, "<h2>");
    html_word(p, WORD_UNITS);
    html_raw(p, "</h2>\n<section class=\"card\"><table><tr>");
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        html_raw(p, heads[i] == WORD_RUNS ? "<th class=\"num\">" : "<th>");
        html_word(p, heads[i]);
        html_raw(p, "</th>");
    }
    html_raw(p, "</tr>\n");
    int shown = 0;
    for (int pass = 0; pass < 2; pass++)
        cJSON_ArrayForEach(u, list)
        {
            if (member_is(u, "verdict", "pass") == (pass == 1) && shown++ < UNITS_SHOWN)
                unit_row(p, u);
        }
    html_raw(p, "</table>");
    if (shown > UNITS_SHOWN) {
        html_raw(p, "<p class=\"soft\">");
        html_word(p, WORD_MORE_UNITS);
        html_raw(p, "</p>");
    }
    html_raw(p, "</section>\n");
}

void html_order(struct page *p, const cJSON *document)
{
    const struct heading h = heading_of(document, p->language);
    html_page_begin(p, h.kind, h.name);
    html_raw(p, "<header><div><div class=\"kind\">");
    html_text(p, h.kind);
    html_raw(p, *h.beside ? " · " : "");
    html_text(p, h.beside);
    html_raw(p, "</div><h1>");
    html_text(p, h.name);
    html_raw(p, "</h1></div><div class=\"end soft time\">");
    html_time(p, h.from);
    html_raw(p, " – ");
    html_time(p, h.to);
    html_raw(p, "</div></header>\n<div class=\"tiles\">\n");
    count_tile(p, document, WORD_UNITS, "unit_count");
    count_tile(p, document, WORD_PASSED, "passed");
    count_tile(p, document, WORD_FAILED, "failed");
    yield_tile(p, document, WORD_FIRST_PASS_YIELD, "first_pass_yield");
    yield_tile(p, document, WORD_LAST_PASS_YIELD, "last_pass_yield");
    yield_tile(p, document, WORD_ROLLED_YIELD, "rolled_throughput_yield");
    html_raw(p, "</div>\n");
    identities(p, member(document, "identities"));
    html_reliability(p, member(document, "reliability"));
    pareto(p, member(document, "failures"));
    throughput(p, member(document, "throughput"));
    step_yields(p, member(document, "steps"));
    together(p, member(document, "together"));
    html_figures(p, document);
    units(p, member(document, "units"));
}
