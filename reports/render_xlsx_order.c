/* The workbook of many units, an order's, a station's or a shift's: yields, failures, throughput,
 * capability, drift, units with the identities they got. */
#include <stdio.h>

#include "reports/render_xlsx.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

static void summary(struct book *b, const cJSON *d)
{
    static const struct {
        enum word label;
        const char *member;
        enum look look;
    } rows[] = {{WORD_LINE, "line", LOOK_TEXT},
                {WORD_PRODUCT, "product", LOOK_TEXT},
                {WORD_STARTED, "started_ms", LOOK_TIME},
                {WORD_ENDED, "last_ms", LOOK_TIME},
                {WORD_UNITS, "unit_count", LOOK_TEXT},
                {WORD_RUNS, "run_count", LOOK_TEXT},
                {WORD_PASSED, "passed", LOOK_TEXT},
                {WORD_FAILED, "failed", LOOK_TEXT},
                {WORD_FIRST_PASS_YIELD, "first_pass_yield", LOOK_SHARE},
                {WORD_LAST_PASS_YIELD, "last_pass_yield", LOOK_SHARE},
                {WORD_ROLLED_YIELD, "rolled_throughput_yield", LOOK_SHARE}};
    static const struct {
        enum word label;
        const char *member;
    } figures[] = {{WORD_HOURS, "hours"}, {WORD_FAILED, "failures"}, {WORD_MTBF, "mtbf_hours"}};
    const struct heading h = heading_of(d, b->language);
    const cJSON *row, *reliability = member(d, "reliability");
    lxw_worksheet *w = book_front(b, 22, 3);
    lxw_row_t at = 0;
    if (!w)
        return;
    book_text(b, w, at, 0, h.kind, b->bold);
    book_text(b, w, at++, 1, h.name, b->bold);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const cJSON *value = member(d, rows[i].member);
        if (!value || cJSON_IsNull(value))
            continue;
        book_text(b, w, at, 0, word_of(b->language, rows[i].label), b->bold);
        book_put(b, w, at++, 1, value, rows[i].look);
    }
    cJSON_ArrayForEach(row, member(d, "identities"))
    {
        book_text(b, w, at, 0, word_of(b->language, WORD_IDENTITIES), b->bold);
        book_put(b, w, at, 1, member(row, "count"), LOOK_TEXT);
        book_put(b, w, at++, 2, member(row, "state"), LOOK_IDENTITY);
    }
    for (size_t i = 0; reliability && i < sizeof figures / sizeof figures[0]; i++) {
        book_text(b, w, at, 0, word_of(b->language, figures[i].label), b->bold);
        book_put(b, w, at++, 1, member(reliability, figures[i].member), LOOK_FIGURE);
    }
    if (reliability) {
        book_text(b, w, at, 1, word_of(b->language, WORD_LOWER_BOUND), b->number_head);
        book_text(b, w, at, 2, word_of(b->language, WORD_UPPER_BOUND), b->number_head);
        book_text(b, w, at++, 0, word_of(b->language, WORD_CONFIDENCE), b->head);
    }
    cJSON_ArrayForEach(row, member(reliability, "bounds"))
    {
        book_put(b, w, at, 0, member(row, "confidence"), LOOK_SHARE);
        book_put(b, w, at, 1, member(row, "lower_hours"), LOOK_FIGURE);
        book_put(b, w, at++, 2, member(row, "upper_hours"), LOOK_FIGURE);
    }
}

static void chart_beside(struct book *b, lxw_worksheet *w, lxw_col_t col, lxw_chart *chart,
                         const char *title)
{
    lxw_chart_options options = {.x_scale = 1.6, .y_scale = 1.6};
    chart_title_set_name(chart, title);
    book_note(b, worksheet_insert_chart_opt(w, 1, col, chart, &options));
}

static void failures(struct book *b, const cJSON *list)
{
    const int l = b->language;
    const char *sheet = word_of(l, WORD_FAILURES);
    const struct column columns[] = {{NULL, word_of(l, WORD_FAILURE), 36, LOOK_TEXT},
                                     {"step", word_of(l, WORD_STEP), 16, LOOK_TEXT},
                                     {"measurement", word_of(l, WORD_MEASUREMENT), 26, LOOK_TEXT},
                                     {"unit", word_of(l, WORD_MEASURED_IN), 10, LOOK_TEXT},
                                     {"count", word_of(l, WORD_COUNT), 10, LOOK_COUNT},
                                     {"share", word_of(l, WORD_SHARE), 10, LOOK_SHARE},
                                     {"cumulative", "Σ", 10, LOOK_SHARE}};
    enum { SHOWN = 15, NAMES = 0, COUNTS = 4 };
    lxw_worksheet *w = book_sheet(b, sheet, columns, COUNT(columns));
    lxw_row_t to = book_rows(b, w, list, columns, COUNT(columns)), at = 1;
    const cJSON *row;
    char name[300];
    cJSON_ArrayForEach(row, list)
    {
        if (at >= to)
            break;
        const char *figure = member_text(row, "measurement");
        snprintf(name, sizeof name, "%.120s%s%.120s", member_text(row, "step"),
                 *figure ? " · " : "", figure);
        book_text(b, w, at++, NAMES, name, NULL);
    }
    if (to < 2)
        return;
    lxw_chart *chart = workbook_add_chart(b->workbook, LXW_CHART_BAR);
    const struct book_range range = {sheet, NAMES, COUNTS, to - 1 < SHOWN ? to - 1 : SHOWN};
    if (!book_series(b, chart, &range, sheet, 0xC8545C))
        return;
    chart_legend_set_position(chart, LXW_CHART_LEGEND_NONE);
    chart_axis_set_reverse(chart->y_axis); /* the most frequent on top */
    chart_axis_set_num_format(chart->x_axis, "0");
    chart_beside(b, w, COUNT(columns) + 1, chart, sheet);
}

static void throughput(struct book *b, const cJSON *list)
{
    const int l = b->language;
    const char *sheet = word_of(l, WORD_THROUGHPUT);
    const struct column columns[] = {{"started_ms", word_of(l, WORD_STARTED), 22, LOOK_TIME},
                                     {"runs", word_of(l, WORD_RUNS), 12, LOOK_COUNT},
                                     {"passed", word_of(l, WORD_PASSED), 12, LOOK_COUNT},
                                     {NULL, word_of(l, WORD_FAILED), 12, LOOK_COUNT}};
    enum { PASSED = 2, FAILED = 3 };
    lxw_worksheet *w = book_sheet(b, sheet, columns, COUNT(columns));
    lxw_row_t to = book_rows(b, w, list, columns, COUNT(columns)), at = 1;
    const cJSON *row;
    cJSON_ArrayForEach(row, list)
    {
        if (at < to)
            book_note(b, worksheet_write_number(w, at++, FAILED,
                                                cJSON_GetNumberValue(member(row, "runs")) -
                                                    cJSON_GetNumberValue(member(row, "passed")),
                                                NULL));
    }
    if (to < 2)
        return;
    lxw_chart *chart = workbook_add_chart(b->workbook, LXW_CHART_COLUMN_STACKED);
    const struct book_range good = {sheet, 0, PASSED, to - 1}, bad = {sheet, 0, FAILED, to - 1};
    if (!book_series(b, chart, &good, word_of(l, WORD_PASSED), 0x3F9168) ||
        !book_series(b, chart, &bad, word_of(l, WORD_FAILED), 0xC8545C))
        return;
    chart_axis_set_num_format(chart->x_axis, "mm-dd hh:mm");
    chart_legend_set_position(chart, LXW_CHART_LEGEND_BOTTOM);
    chart_beside(b, w, COUNT(columns) + 1, chart, sheet);
}

static void capability(struct book *b, const cJSON *list)
{
    const int l = b->language;
    const struct column columns[] = {{"step", word_of(l, WORD_STEP), 16, LOOK_TEXT},
                                     {"measurement", word_of(l, WORD_MEASUREMENT), 26, LOOK_TEXT},
                                     {"unit", word_of(l, WORD_MEASURED_IN), 11, LOOK_TEXT},
                                     {"n", word_of(l, WORD_COUNT), 9, LOOK_COUNT},
                                     {"failed", word_of(l, WORD_FAILED), 10, LOOK_COUNT},
                                     {"low", word_of(l, WORD_LOW_LIMIT), 12, LOOK_FIGURE},
                                     {"high", word_of(l, WORD_HIGH_LIMIT), 12, LOOK_FIGURE},
                                     {"mean", word_of(l, WORD_MEAN), 13, LOOK_FIGURE},
                                     {"sd", word_of(l, WORD_DEVIATION), 13, LOOK_FIGURE},
                                     {"cp", "Cp", 9, LOOK_RATIO},
                                     {"cpk", "Cpk", 9, LOOK_RATIO},
                                     {"pp", "Pp", 9, LOOK_RATIO},
                                     {"ppk", "Ppk", 9, LOOK_RATIO}};
    lxw_worksheet *w = book_sheet(b, "Cpk", columns, COUNT(columns));
    lxw_row_t to = book_rows(b, w, list, columns, COUNT(columns));
    book_when(b, w, to, 9, 12, "=AND(ISNUMBER(J2),J2<1)", b->bad);
    book_when(b, w, to, 9, 12, "=AND(ISNUMBER(J2),J2<1.33)", b->middling);
    book_when(b, w, to, 7, 7, "=OR(AND(ISNUMBER($F2),$H2<$F2),AND(ISNUMBER($G2),$H2>$G2))", b->bad);
}

static void units(struct book *b, const cJSON *list)
{
    const int l = b->language;
    const struct column columns[] = {
        {"serial", word_of(l, WORD_SERIAL), 20, LOOK_TEXT},
        {"chip_id", word_of(l, WORD_CHIP_ID), 20, LOOK_TEXT},
        {"runs", word_of(l, WORD_RUNS), 8, LOOK_COUNT},
        {"first_verdict", word_of(l, WORD_FIRST_VERDICT), 12, LOOK_VERDICT},
        {"last_verdict", word_of(l, WORD_LAST_VERDICT), 12, LOOK_VERDICT},
        {"verdict", word_of(l, WORD_VERDICT), 10, LOOK_VERDICT},
        {"did", word_of(l, WORD_DID), 14, LOOK_TEXT},
        {"mac", word_of(l, WORD_MAC), 18, LOOK_TEXT},
        {"identity_state", word_of(l, WORD_IDENTITY), 13, LOOK_IDENTITY},
        {"station", word_of(l, WORD_STATION), 14, LOOK_TEXT},
        {"slot", word_of(l, WORD_SLOT), 8, LOOK_TEXT},
        {"started_ms", word_of(l, WORD_STARTED), 20, LOOK_TIME},
        {"message", word_of(l, WORD_WHY), 40, LOOK_TEXT}};
    lxw_worksheet *w = book_sheet(b, word_of(l, WORD_UNITS), columns, COUNT(columns));
    lxw_row_t to = book_rows(b, w, list, columns, COUNT(columns));
    for (lxw_col_t col = 3; col <= 5; col++)
        book_when_bad(b, w, to, col);
}

void book_order(struct book *b, const cJSON *d)
{
    const int l = b->language;
    const struct column steps[] = {
        {"step", word_of(l, WORD_STEP), 18, LOOK_TEXT},
        {"units", word_of(l, WORD_COUNT), 12, LOOK_COUNT},
        {"first_pass_yield", word_of(l, WORD_FIRST_PASS_YIELD), 16, LOOK_SHARE},
        {"last_pass_yield", word_of(l, WORD_LAST_PASS_YIELD), 16, LOOK_SHARE}};
    const struct column drift[] = {{"kind", word_of(l, WORD_KIND), 12, LOOK_TEXT},
                                   {"station", word_of(l, WORD_STATION), 14, LOOK_TEXT},
                                   {"slot", word_of(l, WORD_SLOT), 8, LOOK_TEXT},
                                   {"instrument", word_of(l, WORD_INSTRUMENT), 14, LOOK_TEXT},
                                   {"serial", word_of(l, WORD_SERIAL), 14, LOOK_TEXT},
                                   {"step", word_of(l, WORD_STEP), 16, LOOK_TEXT},
                                   {"measurement", word_of(l, WORD_MEASUREMENT), 26, LOOK_TEXT},
                                   {"unit", word_of(l, WORD_MEASURED_IN), 11, LOOK_TEXT},
                                   {"n", word_of(l, WORD_COUNT), 9, LOOK_COUNT},
                                   {"mean", word_of(l, WORD_MEAN), 13, LOOK_FIGURE},
                                   {"others_mean", word_of(l, WORD_OTHERS), 13, LOOK_FIGURE},
                                   {"sigmas", "σ", 9, LOOK_RATIO}};
    const struct column together[] = {
        {"first_step", word_of(l, WORD_STEP), 16, LOOK_TEXT},
        {"first_measurement", word_of(l, WORD_MEASUREMENT), 26, LOOK_TEXT},
        {"second_step", word_of(l, WORD_STEP), 16, LOOK_TEXT},
        {"second_measurement", word_of(l, WORD_MEASUREMENT), 26, LOOK_TEXT},
        {"both", word_of(l, WORD_BOTH), 10, LOOK_COUNT},
        {"phi", "φ", 9, LOOK_RATIO},
        {"p", "p", 12, LOOK_FIGURE}};
    summary(b, d);
    failures(b, member(d, "failures"));
    lxw_worksheet *w = book_sheet(b, word_of(l, WORD_STEP_YIELDS), steps, COUNT(steps));
    book_rows(b, w, member(d, "steps"), steps, COUNT(steps));
    capability(b, member(d, "figures"));
    throughput(b, member(member(d, "throughput"), "buckets"));
    w = book_sheet(b, word_of(l, WORD_DRIFT_SHORT), drift, COUNT(drift));
    book_rows(b, w, member(d, "drift"), drift, COUNT(drift));
    w = book_sheet(b, word_of(l, WORD_TOGETHER), together, COUNT(together));
    book_rows(b, w, member(d, "together"), together, COUNT(together));
    units(b, member(d, "units"));
}
