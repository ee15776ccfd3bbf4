/* The page of an order or a station: how many passed, what fails most, which unit to look at. */
#include <stdio.h>
#include <string.h>

#include "reports/render_html.h"

enum { PARETO_ROWS_MAX = 12 };

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

/* Bars of the most frequent failures, with the running share of all of them. */
static void pareto(struct page *p, const cJSON *failures)
{
    enum { NAME = 300, BAR = 420, ROW = 30 };
    const cJSON *row, *first = cJSON_GetArrayItem(failures, 0);
    html_raw(p, "<h2>");
    html_word(p, WORD_FAILURES);
    html_raw(p, "</h2>\n<section class=\"card\">");
    if (!first) {
        html_word(p, WORD_NO_FAILURES);
        html_raw(p, "</section>\n");
        return;
    }
    double highest = cJSON_GetNumberValue(member(first, "count")), total = 0, sum = 0;
    int rows = cJSON_GetArraySize(failures);
    rows = rows < PARETO_ROWS_MAX ? rows : PARETO_ROWS_MAX;
    cJSON_ArrayForEach(row, failures) total += cJSON_GetNumberValue(member(row, "count"));
    html_rawf(p, "<svg viewBox=\"0 0 %d %d\" width=\"100%%\" role=\"img\">", NAME + BAR + 140,
              rows * ROW + 6);
    int y = 0;
    cJSON_ArrayForEach(row, failures)
    {
        if (y >= rows * ROW)
            break;
        double count = cJSON_GetNumberValue(member(row, "count"));
        char label[160];
        sum += count;
        snprintf(label, sizeof label, "%s%s%s", member_text(row, "step"),
                 *member_text(row, "measurement") ? " · " : "", member_text(row, "measurement"));
        html_rawf(p, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", NAME - 12, y + 20);
        html_text(p, label);
        html_rawf(p,
                  "</text><rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"18\" rx=\"3\" "
                  "fill=\"var(--fail)\" opacity=\".75\"/><text x=\"%.1f\" y=\"%d\">%.0f</text>",
                  NAME, y + 6, BAR * count / highest, NAME + BAR * count / highest + 8, y + 20,
                  count);
        html_rawf(p, "<text class=\"soft\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%.0f %%</text>",
                  NAME + BAR + 130, y + 20, 100 * sum / total);
        y += ROW;
    }
    html_raw(p, "</svg></section>\n");
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
    const char *name = member_text(u, "serial");
    name = *name ? name : member_text(u, "chip_id");
    name = *name ? name : word_of(p->language, WORD_UNKNOWN);
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
    for (int pass = 0; pass < 2; pass++)
        cJSON_ArrayForEach(u, list)
        {
            if (member_is(u, "verdict", "pass") == (pass == 1))
                unit_row(p, u);
        }
    html_raw(p, "</table></section>\n");
}

void html_order(struct page *p, const cJSON *document)
{
    bool order = member_is(document, "document", "order");
    const char *kind = word_of(p->language, order ? WORD_ORDER : WORD_STATION);
    const char *name = member_text(document, order ? "order" : "station");
    html_page_begin(p, kind, name);
    html_raw(p, "<header><div><div class=\"kind\">");
    html_text(p, kind);
    if (order) {
        html_raw(p, " · ");
        html_text(p, member_text(document, "product"));
    }
    html_raw(p, "</div><h1>");
    html_text(p, name);
    html_raw(p, "</h1></div><div class=\"end soft time\">");
    html_time(p, member_text(document, "started"));
    html_raw(p, " – ");
    html_time(p, member_text(document, "last"));
    html_raw(p, "</div></header>\n<div class=\"tiles\">\n");
    count_tile(p, document, WORD_UNITS, "unit_count");
    count_tile(p, document, WORD_PASSED, "passed");
    count_tile(p, document, WORD_FAILED, "failed");
    yield_tile(p, document, WORD_FIRST_PASS_YIELD, "first_pass_yield");
    yield_tile(p, document, WORD_LAST_PASS_YIELD, "last_pass_yield");
    html_raw(p, "</div>\n");
    pareto(p, member(document, "failures"));
    units(p, member(document, "units"));
}
