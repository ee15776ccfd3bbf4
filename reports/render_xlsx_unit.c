/* A unit's workbook: every figure of every attempt beside its limits, where each lies between them,
 * runs, defects and repairs. */
#include "reports/render_xlsx.h"

enum { FIGURE_COLUMNS = 12, AT_VERDICT = 3, AT_VALUE = 5, AT_POSITION = 9, AT_JUDGED = 10 };

/* 0 at the low limit, 1 at the high one; only where there are two. */
static void put_position(struct book *b, lxw_worksheet *w, lxw_row_t at, const cJSON *m)
{
    const cJSON *value = member(m, "value"), *low = member(m, "low"), *high = member(m, "high");
    if (cJSON_IsNumber(value) && cJSON_IsNumber(low) && cJSON_IsNumber(high) &&
        high->valuedouble > low->valuedouble)
        book_note(b, worksheet_write_number(w, at, AT_POSITION,
                                            (value->valuedouble - low->valuedouble) /
                                                (high->valuedouble - low->valuedouble),
                                            b->share));
}

static lxw_row_t put_run(struct book *b, lxw_worksheet *w, const cJSON *run, lxw_row_t at,
                         const struct column *columns)
{
    const cJSON *step, *attempt;
    cJSON_ArrayForEach(step, member(run, "steps"))
        cJSON_ArrayForEach(attempt, member(step, "attempts"))
    {
        const cJSON *list = member(attempt, "measurements");
        int lines = cJSON_GetArraySize(list);
        /* A step without a measurement has a line too: its verdict counts. */
        for (int i = 0; i < (lines ? lines : 1); i++, at++) {
            const cJSON *m = cJSON_GetArrayItem(list, i);
            book_put(b, w, at, 0, member(run, "run"), LOOK_TEXT);
            book_put(b, w, at, 1, member(step, "id"), LOOK_TEXT);
            book_put(b, w, at, 2, member(attempt, "attempt"), LOOK_TEXT);
            book_put(b, w, at, AT_VERDICT, member(attempt, "verdict"), LOOK_VERDICT);
            if (m) {
                book_row(b, w, at, m, columns, AT_JUDGED);
                put_position(b, w, at, m);
                if (!member_is(m, "verdict", "")) /* it had a limit */
                    book_put(b, w, at, AT_JUDGED, member(m, "verdict"), LOOK_VERDICT);
            }
            book_put(b, w, at, AT_JUDGED + 1, member(attempt, "message"), LOOK_TEXT);
        }
    }
    return at;
}

/* A bar a figure, on a page of its own: between 0 and 100 % it is within its limits. */
static void position_chart(struct book *b, const char *sheet, lxw_row_t to)
{
    const char *name = word_of(b->language, WORD_POSITION);
    lxw_worksheet *w = workbook_add_worksheet(b->workbook, name);
    lxw_chart *chart = workbook_add_chart(b->workbook, LXW_CHART_BAR);
    const struct book_range range = {sheet, 4, AT_POSITION, to - 1};
    lxw_chart_options size = {.x_scale = 1.6, .y_scale = (90 + 18 * (double)(to - 1)) / 288};
    if (!w || !book_series(b, chart, &range, name, 0x3D7AC8)) {
        book_note(b, LXW_ERROR_MEMORY_MALLOC_FAILED);
        return;
    }
    book_paper(w);
    worksheet_set_portrait(w);
    worksheet_fit_to_pages(w, 1, 1);
    chart_title_set_name(chart, name);
    chart_legend_set_position(chart, LXW_CHART_LEGEND_NONE);
    chart_axis_set_reverse(chart->y_axis); /* the first on top */
    chart_axis_set_min(chart->x_axis, 0);
    chart_axis_set_max(chart->x_axis, 1);
    chart_axis_set_num_format(chart->x_axis, "0 %");
    chart_set_series_gap(chart, 40);
    book_note(b, worksheet_insert_chart_opt(w, 0, 0, chart, &size));
}

/* A line a repair, or a line of the defect alone while there is none. */
static void defects(struct book *b, const cJSON *list)
{
    const int l = b->language;
    const struct column found[] = {{"defect", word_of(l, WORD_DEFECTS), 18, LOOK_TEXT},
                                   {"found_ms", word_of(l, WORD_FOUND), 20, LOOK_TIME},
                                   {"code", word_of(l, WORD_CODE), 18, LOOK_TEXT},
                                   {"place", word_of(l, WORD_PLACE), 18, LOOK_TEXT},
                                   {"text", word_of(l, WORD_REASON), 30, LOOK_TEXT},
                                   {"operator", word_of(l, WORD_OPERATOR), 14, LOOK_TEXT},
                                   {"run", word_of(l, WORD_RUN), 10, LOOK_TEXT}};
    const struct column done[] = {{"done_ms", word_of(l, WORD_DONE), 20, LOOK_TIME},
                                  {"action", word_of(l, WORD_ACTION), 18, LOOK_TEXT},
                                  {"part", word_of(l, WORD_PART), 18, LOOK_TEXT},
                                  {"text", word_of(l, WORD_REASON), 30, LOOK_TEXT},
                                  {"operator", word_of(l, WORD_OPERATOR), 14, LOOK_TEXT}};
    enum { FOUND = sizeof found / sizeof found[0], DONE = sizeof done / sizeof done[0] };
    struct column both[FOUND + DONE], second[FOUND + DONE] = {{0}};
    const cJSON *defect;
    lxw_row_t at = 1;
    for (int i = 0; i < FOUND + DONE; i++) {
        both[i] = i < FOUND ? found[i] : done[i - FOUND];
        if (i >= FOUND)
            second[i] = both[i];
    }
    lxw_worksheet *w = book_sheet(b, word_of(l, WORD_DEFECTS), both, FOUND + DONE);
    if (!w)
        return;
    cJSON_ArrayForEach(defect, list)
    {
        const cJSON *repairs = member(defect, "repairs");
        int lines = cJSON_GetArraySize(repairs);
        for (int line = 0; line < (lines ? lines : 1); line++, at++) {
            book_row(b, w, at, defect, both, FOUND);
            book_row(b, w, at, cJSON_GetArrayItem(repairs, line), second, FOUND + DONE);
        }
    }
}

void book_unit(struct book *b, const cJSON *document)
{
    const int l = b->language;
    const char *sheet = word_of(l, WORD_MEASUREMENT);
    /* The first columns and the last are of the step and the attempt: by hand. */
    const struct column columns[FIGURE_COLUMNS] = {
        {NULL, word_of(l, WORD_RUN), 10, LOOK_TEXT},
        {NULL, word_of(l, WORD_STEP), 16, LOOK_TEXT},
        {NULL, word_of(l, WORD_ATTEMPT), 9, LOOK_TEXT},
        {NULL, word_of(l, WORD_VERDICT), 10, LOOK_VERDICT},
        {"name", word_of(l, WORD_MEASUREMENT), 26, LOOK_TEXT},
        {"value", word_of(l, WORD_VALUE), 14, LOOK_FIGURE},
        {"unit", word_of(l, WORD_MEASURED_IN), 11, LOOK_TEXT},
        {"low", word_of(l, WORD_LOW_LIMIT), 12, LOOK_FIGURE},
        {"high", word_of(l, WORD_HIGH_LIMIT), 12, LOOK_FIGURE},
        {NULL, word_of(l, WORD_POSITION), 18, LOOK_SHARE},
        {NULL, word_of(l, WORD_VERDICT), 10, LOOK_VERDICT},
        {NULL, word_of(l, WORD_WHY), 48, LOOK_TEXT}};
    const struct column runs[] = {{"run", word_of(l, WORD_RUN), 10, LOOK_TEXT},
                                  {"started_ms", word_of(l, WORD_STARTED), 20, LOOK_TIME},
                                  {"ended_ms", word_of(l, WORD_ENDED), 20, LOOK_TIME},
                                  {"order", word_of(l, WORD_ORDER), 16, LOOK_TEXT},
                                  {"product", word_of(l, WORD_PRODUCT), 18, LOOK_TEXT},
                                  {"plan", word_of(l, WORD_PLAN), 22, LOOK_TEXT},
                                  {"station", word_of(l, WORD_STATION), 14, LOOK_TEXT},
                                  {"slot", word_of(l, WORD_SLOT), 8, LOOK_TEXT},
                                  {"operator", word_of(l, WORD_OPERATOR), 14, LOOK_TEXT},
                                  {"serial", word_of(l, WORD_SERIAL), 18, LOOK_TEXT},
                                  {"chip_id", word_of(l, WORD_CHIP_ID), 20, LOOK_TEXT},
                                  {"verdict", word_of(l, WORD_VERDICT), 10, LOOK_VERDICT}};
    enum { RUNS = sizeof runs / sizeof runs[0] };
    const cJSON *run, *first = cJSON_GetArrayItem(member(document, "runs"), 0);
    lxw_row_t at = 1, of_first;
    lxw_worksheet *w = book_sheet(b, sheet, columns, FIGURE_COLUMNS);
    if (!w)
        return;
    if (member_is(document, "document", "run"))
        first = document;
    at = of_first = put_run(b, w, first, at, columns);
    for (run = first && first != document ? first->next : NULL; run; run = run->next)
        at = put_run(b, w, run, at, columns);
    /* Held against the limits in the same line, so that a corrected limit shows at once. */
    book_when(b, w, at, AT_VALUE, AT_VALUE,
              "=OR(AND(ISNUMBER($F2),ISNUMBER($H2),$F2<$H2),"
              "AND(ISNUMBER($F2),ISNUMBER($I2),$F2>$I2))",
              b->bad);
    book_when(b, w, at, AT_VALUE, AT_VALUE, "=AND(ISNUMBER($F2),OR(ISNUMBER($H2),ISNUMBER($I2)))",
              b->good);
    book_when_bad(b, w, at, AT_VERDICT);
    book_when_bad(b, w, at, AT_JUDGED);
    if (at > 1)
        worksheet_autofilter(w, 0, 0, at - 1, FIGURE_COLUMNS - 1);
    w = book_sheet(b, word_of(l, WORD_RUNS), runs, RUNS);
    lxw_row_t to =
        member(document, "runs") ? book_rows(b, w, member(document, "runs"), runs, RUNS) : 1;
    book_when_bad(b, w, to, RUNS - 1);
    if (cJSON_GetArraySize(member(document, "defects")))
        defects(b, member(document, "defects"));
    if (of_first > 1)
        position_chart(b, sheet, of_first);
}
