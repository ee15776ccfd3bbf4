/* Workbook, by libxlsxwriter: numbers as numbers, limits as conditional formats, a chart. A text is
 * written as a text, never as a formula, whatever it begins with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xlsxwriter.h>

#include "protocol/base/file.h"
#include "reports/render_kinds.h"

enum { TEXT_MAX = 32767, UNITS_MAX = 1000000 };

struct book {
    lxw_workbook *workbook;
    lxw_format *bold, *head, *share, *bad, *middling, *good;
    int language;
    lxw_error failed; /* the first */
};

struct column {
    const char *member;
    const char *head;
    double width;
    bool share;
};

static void note(struct book *b, lxw_error e)
{
    b->failed = b->failed ? b->failed : e;
}

/* A cell of Excel holds 32767 letters; longer ones are cut there. */
static void put_text(struct book *b, lxw_worksheet *w, lxw_row_t row, lxw_col_t col,
                     const char *text, lxw_format *format)
{
    if (strlen(text) <= TEXT_MAX) {
        note(b, worksheet_write_string(w, row, col, text, format));
        return;
    }
    char *cut = strndup(text, TEXT_MAX);
    size_t n = cut ? TEXT_MAX : 0;
    while (n && (cut[n - 1] & 0xc0) == 0x80)
        n--;
    if (cut) {
        cut[n ? n - 1 : 0] = '\0';
        note(b, worksheet_write_string(w, row, col, cut, format));
    }
    free(cut);
}

static void put(struct book *b, lxw_worksheet *w, lxw_row_t row, lxw_col_t col, const cJSON *value,
                lxw_format *format)
{
    if (cJSON_IsNumber(value))
        note(b, worksheet_write_number(w, row, col, value->valuedouble, format));
    else if (cJSON_IsString(value) && *value->valuestring)
        put_text(b, w, row, col, value->valuestring, format);
}

static lxw_worksheet *sheet_new(struct book *b, const char *name, const struct column *columns,
                                int count)
{
    lxw_worksheet *w = workbook_add_worksheet(b->workbook, name);
    for (int i = 0; w && i < count; i++) {
        worksheet_set_column(w, (lxw_col_t)i, (lxw_col_t)i, columns[i].width, NULL);
        put_text(b, w, 0, (lxw_col_t)i, columns[i].head, b->head);
    }
    if (w)
        worksheet_freeze_panes(w, 1, 0);
    else
        note(b, LXW_ERROR_MEMORY_MALLOC_FAILED);
    return w;
}

static lxw_row_t put_rows(struct book *b, lxw_worksheet *w, const cJSON *rows,
                          const struct column *columns, int count)
{
    const cJSON *row;
    lxw_row_t at = 1;
    cJSON_ArrayForEach(row, rows)
    {
        for (int i = 0; i < count && at <= UNITS_MAX; i++)
            put(b, w, at, (lxw_col_t)i, member(row, columns[i].member),
                columns[i].share ? b->share : NULL);
        at += at <= UNITS_MAX;
    }
    if (at > 1)
        worksheet_autofilter(w, 0, 0, at - 1, (lxw_col_t)(count - 1));
    return at;
}

static void when(struct book *b, lxw_worksheet *w, lxw_row_t to, lxw_col_t from_col,
                 lxw_col_t to_col, const char *formula, lxw_format *format)
{
    lxw_conditional_format rule = {
        .type = LXW_CONDITIONAL_TYPE_FORMULA, .value_string = (char *)formula, .format = format};
    if (to > 1)
        note(b, worksheet_conditional_format_range(w, 1, from_col, to - 1, to_col, &rule));
}

/* ---- a unit --------------------------------------------------------------------------------- */

static const char *const run_members[] = {"run",    "started", "order",   "product",
                                          "plan",   "station", "slot",    "operator",
                                          "serial", "chip_id", "verdict", NULL};

static lxw_row_t put_run(struct book *b, lxw_worksheet *w, const cJSON *run, lxw_row_t at)
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
            static const char *const members[] = {"name", "value", "unit",
                                                  "low",  "high",  "verdict"};
            put(b, w, at, 0, member(run, "run"), NULL);
            put(b, w, at, 1, member(step, "id"), NULL);
            put(b, w, at, 2, member(attempt, "attempt"), NULL);
            put(b, w, at, 3, member(attempt, "verdict"), NULL);
            for (int k = 0; k < 6; k++)
                put(b, w, at, (lxw_col_t)(4 + k), member(m, members[k]), NULL);
            put(b, w, at, 10, member(attempt, "message"), NULL);
        }
    }
    return at;
}

/* A line a repair, or a line of the defect alone while there is none. */
static void defects(struct book *b, const cJSON *list)
{
    static const char *const found[] = {"defect", "found",    "code", "place",
                                        "text",   "operator", "run"};
    static const char *const done[] = {"done", "action", "part", "text", "operator"};
    enum { FOUND = sizeof found / sizeof found[0], DONE = sizeof done / sizeof done[0] };
    struct column columns[FOUND + DONE];
    const cJSON *defect;
    lxw_row_t at = 1;
    for (int i = 0; i < FOUND + DONE; i++) {
        const char *name = i < FOUND ? found[i] : done[i - FOUND];
        columns[i] = (struct column){name, name, 18, false};
    }
    lxw_worksheet *w = sheet_new(b, word_of(b->language, WORD_DEFECTS), columns, FOUND + DONE);
    cJSON_ArrayForEach(defect, list)
    {
        const cJSON *repairs = member(defect, "repairs");
        int lines = cJSON_GetArraySize(repairs);
        for (int line = 0; line < (lines ? lines : 1); line++, at++) {
            const cJSON *repair = cJSON_GetArrayItem(repairs, line);
            for (int i = 0; i < FOUND; i++)
                put(b, w, at, (lxw_col_t)i, member(defect, found[i]), NULL);
            for (int i = 0; i < DONE; i++)
                put(b, w, at, (lxw_col_t)(FOUND + i), member(repair, done[i]), NULL);
        }
    }
}

static void unit(struct book *b, const cJSON *document)
{
    const int l = b->language;
    const struct column columns[] = {{"", word_of(l, WORD_RUN), 8, false},
                                     {"", word_of(l, WORD_STEP), 16, false},
                                     {"", word_of(l, WORD_ATTEMPT), 9, false},
                                     {"", word_of(l, WORD_VERDICT), 10, false},
                                     {"", word_of(l, WORD_MEASUREMENT), 26, false},
                                     {"", word_of(l, WORD_VALUE), 14, false},
                                     {"", word_of(l, WORD_UNITS), 12, false},
                                     {"", "min", 12, false},
                                     {"", "max", 12, false},
                                     {"", word_of(l, WORD_VERDICT), 10, false},
                                     {"", word_of(l, WORD_WHY), 48, false}};
    const cJSON *run;
    lxw_row_t at = 1;
    lxw_worksheet *w = sheet_new(b, word_of(l, WORD_MEASUREMENT), columns, 11);
    if (member_is(document, "document", "run"))
        at = put_run(b, w, document, at);
    cJSON_ArrayForEach(run, member(document, "runs")) at = put_run(b, w, run, at);
    /* Held against the limits in the same line, so that a corrected limit shows at once. */
    when(b, w, at, 5, 5,
         "=OR(AND(ISNUMBER($F2),ISNUMBER($H2),$F2<$H2),"
         "AND(ISNUMBER($F2),ISNUMBER($I2),$F2>$I2))",
         b->bad);
    when(b, w, at, 5, 5, "=AND(ISNUMBER($F2),OR(ISNUMBER($H2),ISNUMBER($I2)))", b->good);
    when(b, w, at, 3, 3, "=OR($D2=\"fail\",$D2=\"error\",$D2=\"timeout\")", b->bad);
    if (at > 1)
        worksheet_autofilter(w, 0, 0, at - 1, 10);
    struct column facts[11];
    for (int i = 0; run_members[i]; i++)
        facts[i] = (struct column){run_members[i], run_members[i], 18, false};
    w = sheet_new(b, word_of(l, WORD_RUNS), facts, 11);
    if (member(document, "runs"))
        put_rows(b, w, member(document, "runs"), facts, 11);
    if (cJSON_GetArraySize(member(document, "defects")))
        defects(b, member(document, "defects"));
}

/* ---- an order ------------------------------------------------------------------------------- */

static void summary(struct book *b, const cJSON *d)
{
    static const struct {
        enum word label;
        const char *member;
        bool share;
    } rows[] = {{WORD_ORDER, "order", false},
                {WORD_STATION, "station", false},
                {WORD_PRODUCT, "product", false},
                {WORD_STARTED, "started", false},
                {WORD_UNITS, "unit_count", false},
                {WORD_RUNS, "run_count", false},
                {WORD_PASSED, "passed", false},
                {WORD_FAILED, "failed", false},
                {WORD_FIRST_PASS_YIELD, "first_pass_yield", true},
                {WORD_LAST_PASS_YIELD, "last_pass_yield", true},
                {WORD_ROLLED_YIELD, "rolled_throughput_yield", true},
                {WORD_MODE, "mode", false}};
    static const struct {
        enum word label;
        const char *member;
    } figures[] = {{WORD_HOURS, "hours"}, {WORD_FAILED, "failures"}, {WORD_MTBF, "mtbf_hours"}};
    const cJSON *row, *reliability = member(d, "reliability");
    lxw_worksheet *w = workbook_add_worksheet(b->workbook, "Takt");
    lxw_row_t at = 0;
    if (!w)
        return;
    worksheet_set_column(w, 0, 0, 24, NULL);
    worksheet_set_column(w, 1, 1, 28, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const cJSON *value = member(d, rows[i].member);
        if (!value || cJSON_IsNull(value))
            continue;
        put_text(b, w, at, 0, word_of(b->language, rows[i].label), b->bold);
        put(b, w, at++, 1, value, rows[i].share ? b->share : NULL);
    }
    cJSON_ArrayForEach(row, member(d, "identities"))
    {
        put_text(b, w, at, 0, word_of(b->language, WORD_IDENTITIES), b->bold);
        put(b, w, at, 1, member(row, "state"), NULL);
        put(b, w, at++, 2, member(row, "count"), NULL);
    }
    for (size_t i = 0; reliability && i < sizeof figures / sizeof figures[0]; i++) {
        put_text(b, w, at, 0, word_of(b->language, figures[i].label), b->bold);
        put(b, w, at++, 1, member(reliability, figures[i].member), NULL);
    }
    cJSON_ArrayForEach(row, member(reliability, "bounds"))
    {
        put_text(b, w, at, 0, word_of(b->language, WORD_CONFIDENCE), b->bold);
        put(b, w, at, 1, member(row, "confidence"), b->share);
        put(b, w, at, 2, member(row, "lower_hours"), NULL);
        put(b, w, at++, 3, member(row, "upper_hours"), NULL);
    }
}

/* Counts as columns, the running share as a line. */
static void pareto_chart(struct book *b, lxw_worksheet *w, const char *sheet, lxw_row_t to)
{
    lxw_row_t last = to - 1 < 15 ? to - 1 : 15;
    if (to < 2)
        return;
    lxw_chart *chart = workbook_add_chart(b->workbook, LXW_CHART_BAR);
    lxw_chart_series *series = chart ? chart_add_series(chart, NULL, NULL) : NULL;
    if (!series) {
        note(b, LXW_ERROR_MEMORY_MALLOC_FAILED);
        return;
    }
    chart_series_set_categories(series, sheet, 1, 0, last, 2);
    chart_series_set_values(series, sheet, 1, 4, last, 4);
    chart_series_set_name(series, word_of(b->language, WORD_FAILURES));
    chart_title_set_name(chart, word_of(b->language, WORD_FAILURES));
    chart_legend_set_position(chart, LXW_CHART_LEGEND_NONE);
    chart_axis_set_reverse(chart->y_axis); /* the most frequent on top */
    lxw_chart_options options = {.x_scale = 1.6, .y_scale = 1.6};
    note(b, worksheet_insert_chart_opt(w, 1, 8, chart, &options));
}

static void order(struct book *b, const cJSON *d)
{
    const int l = b->language;
    const struct column failures[] = {{"step", word_of(l, WORD_STEP), 16, false},
                                      {"kind", word_of(l, WORD_STEPS), 14, false},
                                      {"measurement", word_of(l, WORD_MEASUREMENT), 26, false},
                                      {"unit", word_of(l, WORD_UNITS), 10, false},
                                      {"count", word_of(l, WORD_COUNT), 10, false},
                                      {"share", word_of(l, WORD_SHARE), 10, true},
                                      {"cumulative", "Σ", 10, true}};
    const struct column steps[] = {
        {"step", word_of(l, WORD_STEP), 18, false},
        {"units", word_of(l, WORD_UNITS), 12, false},
        {"first_pass_yield", word_of(l, WORD_FIRST_PASS_YIELD), 16, true},
        {"last_pass_yield", word_of(l, WORD_LAST_PASS_YIELD), 16, true}};
    const struct column figures[] = {{"step", word_of(l, WORD_STEP), 16, false},
                                     {"measurement", word_of(l, WORD_MEASUREMENT), 26, false},
                                     {"unit", "", 10, false},
                                     {"n", word_of(l, WORD_COUNT), 9, false},
                                     {"failed", word_of(l, WORD_FAILED), 9, false},
                                     {"low", "min", 11, false},
                                     {"high", "max", 11, false},
                                     {"mean", word_of(l, WORD_MEAN), 13, false},
                                     {"sd", word_of(l, WORD_DEVIATION), 13, false},
                                     {"cp", "Cp", 9, false},
                                     {"cpk", "Cpk", 9, false},
                                     {"pp", "Pp", 9, false},
                                     {"ppk", "Ppk", 9, false}};
    const struct column units[] = {{"serial", word_of(l, WORD_SERIAL), 20, false},
                                   {"chip_id", word_of(l, WORD_CHIP_ID), 20, false},
                                   {"runs", word_of(l, WORD_RUNS), 8, false},
                                   {"first_verdict", word_of(l, WORD_FIRST_PASS_YIELD), 12, false},
                                   {"last_verdict", word_of(l, WORD_LAST_PASS_YIELD), 12, false},
                                   {"verdict", word_of(l, WORD_VERDICT), 10, false},
                                   {"station", word_of(l, WORD_STATION), 14, false},
                                   {"slot", word_of(l, WORD_SLOT), 8, false},
                                   {"started", word_of(l, WORD_STARTED), 26, false},
                                   {"message", word_of(l, WORD_WHY), 48, false}};
    const struct column drift[] = {{"kind", word_of(l, WORD_PLACE), 12, false},
                                   {"station", word_of(l, WORD_STATION), 14, false},
                                   {"slot", word_of(l, WORD_SLOT), 8, false},
                                   {"instrument", "", 14, false},
                                   {"serial", word_of(l, WORD_SERIAL), 14, false},
                                   {"step", word_of(l, WORD_STEP), 16, false},
                                   {"measurement", word_of(l, WORD_MEASUREMENT), 26, false},
                                   {"n", word_of(l, WORD_COUNT), 9, false},
                                   {"mean", word_of(l, WORD_MEAN), 13, false},
                                   {"others_mean", word_of(l, WORD_OTHERS), 13, false},
                                   {"sigmas", "σ", 9, false}};
    summary(b, d);
    lxw_worksheet *w = sheet_new(b, word_of(l, WORD_FAILURES), failures, 7);
    pareto_chart(b, w, word_of(l, WORD_FAILURES),
                 put_rows(b, w, member(d, "failures"), failures, 7));
    w = sheet_new(b, word_of(l, WORD_STEP_YIELDS), steps, 4);
    put_rows(b, w, member(d, "steps"), steps, 4);
    w = sheet_new(b, "Cpk", figures, 13);
    lxw_row_t to = put_rows(b, w, member(d, "figures"), figures, 13);
    when(b, w, to, 9, 12, "=AND(ISNUMBER(J2),J2<1)", b->bad);
    when(b, w, to, 9, 12, "=AND(ISNUMBER(J2),J2<1.33)", b->middling);
    when(b, w, to, 7, 7, "=OR(AND(ISNUMBER($F2),$H2<$F2),AND(ISNUMBER($G2),$H2>$G2))", b->bad);
    w = sheet_new(b, word_of(l, WORD_OTHERS), drift, 11);
    put_rows(b, w, member(d, "drift"), drift, 11);
    w = sheet_new(b, word_of(l, WORD_UNITS), units, 10);
    to = put_rows(b, w, member(d, "units"), units, 10);
    when(b, w, to, 5, 5, "=OR($F2=\"fail\",$F2=\"error\",$F2=\"timeout\")", b->bad);
}

static void formats(struct book *b)
{
    b->bold = workbook_add_format(b->workbook);
    b->head = workbook_add_format(b->workbook);
    b->share = workbook_add_format(b->workbook);
    b->bad = workbook_add_format(b->workbook);
    b->middling = workbook_add_format(b->workbook);
    b->good = workbook_add_format(b->workbook);
    format_set_bold(b->bold);
    format_set_bold(b->head);
    format_set_bottom(b->head, LXW_BORDER_THIN);
    format_set_num_format(b->share, "0.0 %");
    format_set_bg_color(b->bad, 0xF8D0CE);
    format_set_font_color(b->bad, 0xA01020);
    format_set_bg_color(b->middling, 0xFBE5C0);
    format_set_font_color(b->middling, 0x804800);
    format_set_font_color(b->good, 0x0B6B3A);
}

static int render(const cJSON *document, const struct render_options *options, struct buffer *out,
                  struct error *err)
{
    char path[] = "/tmp/takt-xlsx-XXXXXX";
    struct book b = {.language = word_language(options ? options->language : NULL)};
    lxw_workbook_options constant = {.constant_memory = LXW_FALSE};
    bool is_order = member(document, "units") != NULL;
    int fd = mkstemp(path), rc = 0; /* the library writes files alone */
    if (fd < 0)
        return error_errno(err, ERROR_IO, "cannot make a file in /tmp");
    close(fd);
    b.workbook = workbook_new_opt(path, &constant);
    if (!b.workbook) {
        rc = error_set(err, ERROR_MEMORY, "cannot write the workbook: out of memory");
        goto out;
    }
    formats(&b);
    (is_order ? order : unit)(&b, document);
    lxw_error closed = workbook_close(b.workbook);
    b.failed = b.failed ? b.failed : closed;
    if (b.failed)
        rc = error_set(err, ERROR_IO, "cannot write the workbook: %s", lxw_strerror(b.failed));
    else
        rc = file_read(path, out, err);
out:
    unlink(path);
    return rc;
}

const struct renderer render_xlsx = {
    "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", render};
