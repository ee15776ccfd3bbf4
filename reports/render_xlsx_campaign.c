/* The workbook of a campaign: what it was, survival with its curve, causes, comparison, limits,
 * units, what each figure was over time, instruments, events. */
#include <string.h>

#include "reports/render_campaign.h"
#include "reports/render_xlsx.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

static void summary(struct book *b, const cJSON *c)
{
    lxw_worksheet *w = book_front(b, 30, 2);
    struct campaign_tile tiles[CAMPAIGN_TILES_MAX];
    const int count = campaign_tiles(c, tiles);
    lxw_row_t at = 0;
    if (!w)
        return;
    book_text(b, w, at, 0, word_of(b->language, WORD_CAMPAIGN), b->bold);
    book_text(b, w, at++, 1, member_text(c, "name"), b->bold);
    for (int i = 0; i < count; i++) {
        book_text(b, w, at, 0, word_of(b->language, tiles[i].label), b->bold);
        book_number(b, w, at, 1, tiles[i].value, LOOK_FIGURE);
        book_text(b, w, at++, 2, tiles[i].beside, NULL);
    }
    for (const struct campaign_fact *f = campaign_facts; f->member; f++) {
        const bool time = !strcmp(f->member, "started") || !strcmp(f->member, "last");
        book_text(b, w, at, 0, word_of(b->language, f->name), b->bold);
        book_put(b, w, at++, 1,
                 member(c, !time                           ? f->member
                           : !strcmp(f->member, "started") ? "started_ms"
                                                           : "at_ms"),
                 time ? LOOK_TIME : LOOK_TEXT);
    }
}

static void survival(struct book *b, const cJSON *c)
{
    const int l = b->language;
    const char *sheet = word_of(l, WORD_SURVIVAL_SHORT);
    const struct column columns[] = {{"hours", word_of(l, WORD_HOURS), 18, LOOK_FIGURE},
                                     {"at_risk", word_of(l, WORD_AT_RISK), 14, LOOK_COUNT},
                                     {"failed", word_of(l, WORD_FAILED), 12, LOOK_COUNT},
                                     {"good", word_of(l, WORD_STILL_GOOD), 14, LOOK_SHARE},
                                     {"deviation", word_of(l, WORD_DEVIATION), 14, LOOK_SHARE}};
    enum { HOURS = 0, GOOD = 3 };
    lxw_worksheet *w = book_sheet(b, sheet, columns, COUNT(columns));
    const lxw_row_t to =
        book_rows(b, w, member(member(c, "summary"), "survival"), columns, COUNT(columns));
    if (to < 2)
        return;
    lxw_chart *chart = workbook_add_chart(b->workbook, LXW_CHART_SCATTER_STRAIGHT_WITH_MARKERS);
    const struct book_range range = {sheet, HOURS, GOOD, to - 1};
    if (!book_series(b, chart, &range, sheet, 0x2F66B0))
        return;
    chart_legend_set_position(chart, LXW_CHART_LEGEND_NONE);
    chart_axis_set_min(chart->y_axis, 0);
    chart_axis_set_max(chart->y_axis, 1);
    chart_axis_set_name(chart->x_axis, word_of(l, WORD_HOURS));
    chart_title_set_name(chart, sheet);
    lxw_chart_options options = {.x_scale = 1.6, .y_scale = 1.6};
    book_note(b, worksheet_insert_chart_opt(w, 1, COUNT(columns) + 1, chart, &options));
}

static void units(struct book *b, const cJSON *list)
{
    const int l = b->language;
    const struct column columns[] = {{"number", word_of(l, WORD_UNIT), 9, LOOK_TEXT},
                                     {"place", word_of(l, WORD_PLACE), 14, LOOK_TEXT},
                                     {"serial", word_of(l, WORD_SERIAL), 20, LOOK_TEXT},
                                     {"chip_id", word_of(l, WORD_CHIP_ID), 22, LOOK_TEXT},
                                     {"watched_ms", word_of(l, WORD_HOURS), 18, LOOK_HOURS},
                                     {"state", word_of(l, WORD_STATE), 12, LOOK_TEXT},
                                     {"cause", word_of(l, WORD_CAUSE), 60, LOOK_TEXT}};
    enum { STATE = 5 };
    lxw_worksheet *w = book_sheet(b, word_of(l, WORD_UNITS), columns, COUNT(columns));
    const lxw_row_t to = book_rows(b, w, list, columns, COUNT(columns));
    book_when(b, w, to, STATE, STATE, "=$F2=\"failed\"", b->bad);
}

static void events(struct book *b, const cJSON *list)
{
    const int l = b->language;
    const struct column columns[] = {{"at_ms", word_of(l, WORD_AT), 22, LOOK_TIME},
                                     {"elapsed_ms", word_of(l, WORD_HOURS), 18, LOOK_HOURS},
                                     {"unit", word_of(l, WORD_UNIT), 9, LOOK_TEXT},
                                     {"kind", word_of(l, WORD_EVENT), 14, LOOK_TEXT},
                                     {"text", word_of(l, WORD_REASON), 70, LOOK_TEXT}};
    lxw_worksheet *w = book_sheet(b, word_of(l, WORD_EVENTS), columns, COUNT(columns));
    book_rows(b, w, list, columns, COUNT(columns));
}

/* What a figure of a unit was in each stretch of the campaign, conditions among them (unit 0). */
static void courses(struct book *b, const cJSON *c)
{
    const int l = b->language;
    const struct column columns[] = {{"unit", word_of(l, WORD_UNIT), 9, LOOK_TEXT},
                                     {NULL, word_of(l, WORD_MEASUREMENT), 30, LOOK_TEXT},
                                     {"from_ms", word_of(l, WORD_HOURS), 18, LOOK_HOURS},
                                     {"samples", word_of(l, WORD_COUNT), 10, LOOK_COUNT},
                                     {"lowest", word_of(l, WORD_LOWEST), 14, LOOK_FIGURE},
                                     {"mean", word_of(l, WORD_MEAN), 14, LOOK_FIGURE},
                                     {"highest", word_of(l, WORD_HIGHEST), 14, LOOK_FIGURE},
                                     {"deviation", word_of(l, WORD_DEVIATION), 14, LOOK_FIGURE}};
    const cJSON *row, *rows = member(c, "rows");
    cJSON *conditions = campaign_condition_names(c);
    char name[160];
    lxw_worksheet *w = book_sheet(b, word_of(l, WORD_CURVES), columns, COUNT(columns));
    const lxw_row_t to = book_rows(b, w, rows, columns, COUNT(columns));
    lxw_row_t at = 1;
    cJSON_ArrayForEach(row, rows)
    {
        if (at >= to)
            break;
        campaign_row_name(c, conditions, row, l, name, sizeof name);
        book_text(b, w, at++, 1, name, NULL);
    }
    cJSON_Delete(conditions);
}

static void plain(struct book *b, enum word name, const struct column *columns, int count,
                  const cJSON *rows)
{
    if (!cJSON_GetArraySize(rows))
        return;
    lxw_worksheet *w = book_sheet(b, word_of(b->language, name), columns, count);
    book_rows(b, w, rows, columns, count);
}

void book_campaign(struct book *b, const cJSON *c)
{
    const int l = b->language;
    const struct column causes[] = {{"units", word_of(l, WORD_UNITS), 10, LOOK_COUNT},
                                    {"cause", word_of(l, WORD_CAUSE), 60, LOOK_TEXT}};
    const struct column compared[] = {
        {"name", word_of(l, WORD_CAMPAIGN), 30, LOOK_TEXT},
        {"unit_hours", word_of(l, WORD_UNIT_HOURS), 16, LOOK_FIGURE},
        {"mtbf_bound_h", word_of(l, WORD_LOWER_BOUND), 16, LOOK_FIGURE},
        {"failed", word_of(l, WORD_FAILED), 10, LOOK_COUNT},
        {"expected", word_of(l, WORD_EXPECTED), 16, LOOK_FIGURE}};
    const struct column limits[] = {{"name", word_of(l, WORD_MEASUREMENT), 30, LOOK_TEXT},
                                    {"unit", word_of(l, WORD_MEASURED_IN), 10, LOOK_TEXT},
                                    {"low", word_of(l, WORD_LOW_LIMIT), 14, LOOK_FIGURE},
                                    {"high", word_of(l, WORD_HIGH_LIMIT), 14, LOOK_FIGURE},
                                    {"min_percent", "Δ % ≥", 12, LOOK_FIGURE},
                                    {"max_percent", "Δ % ≤", 12, LOOK_FIGURE},
                                    {"min_change", "Δ ≥", 12, LOOK_FIGURE},
                                    {"max_change", "Δ ≤", 12, LOOK_FIGURE}};
    const struct column instruments[] = {
        {"class", word_of(l, WORD_KIND), 16, LOOK_TEXT},
        {"name", word_of(l, WORD_INSTRUMENT), 18, LOOK_TEXT},
        {"serial", word_of(l, WORD_SERIAL), 18, LOOK_TEXT},
        {"certificate", word_of(l, WORD_CERTIFICATE), 20, LOOK_TEXT},
        {"calibrated_on", word_of(l, WORD_CALIBRATED), 14, LOOK_TEXT},
        {"due_on", word_of(l, WORD_DUE), 20, LOOK_TEXT}};
    summary(b, c);
    survival(b, c);
    plain(b, WORD_CAUSES, causes, COUNT(causes), member(member(c, "summary"), "causes"));
    plain(b, WORD_COMPARISON, compared, COUNT(compared), member(member(c, "comparison"), "rows"));
    plain(b, WORD_BOUNDS, limits, COUNT(limits), member(c, "figures"));
    units(b, member(c, "units"));
    courses(b, c);
    plain(b, WORD_INSTRUMENTS, instruments, COUNT(instruments), member(c, "instruments"));
    events(b, member(c, "events"));
}
