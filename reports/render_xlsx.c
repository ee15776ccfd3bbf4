/* Workbook, by libxlsxwriter: numbers as numbers, times as times, limits as conditional formats, a
 * chart. A text is written as a text, never as a formula, whatever it begins with. Each sheet
 * prints on as many pages as it is long, one page wide. */
#include "reports/render_xlsx.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/file.h"

enum { TEXT_MAX = 32767, ROWS_MAX = 1000000, FIGURE_DIGITS = 6 };

void book_note(struct book *b, lxw_error e)
{
    b->failed = b->failed ? b->failed : e;
}

/* A cell of Excel holds 32767 letters; longer ones are cut there. */
void book_text(struct book *b, lxw_worksheet *w, lxw_row_t row, lxw_col_t col, const char *text,
               lxw_format *format)
{
    if (strlen(text) <= TEXT_MAX) {
        book_note(b, worksheet_write_string(w, row, col, text, format));
        return;
    }
    char *cut = strndup(text, TEXT_MAX);
    size_t n = cut ? TEXT_MAX : 0;
    while (n && (cut[n - 1] & 0xc0) == 0x80)
        n--;
    if (cut) {
        cut[n ? n - 1 : 0] = '\0';
        book_note(b, worksheet_write_string(w, row, col, cut, format));
    }
    free(cut);
}

/* As many digits as reports show, and none of its places lost. */
static lxw_format *figure_format(const struct book *b, double v)
{
    const double size = fabs(v);
    if (v == floor(v) || !isfinite(v))
        return NULL;
    if (size < 1e-6)
        return b->tiny;
    int places = FIGURE_DIGITS - 1 - (int)floor(log10(size));
    places = places < 1 ? 1 : places > BOOK_PLACES_MAX ? BOOK_PLACES_MAX : places;
    return b->places[places - 1];
}

void book_number(struct book *b, lxw_worksheet *w, lxw_row_t row, lxw_col_t col, double value,
                 enum look look)
{
    lxw_format *format = NULL;
    if (look == LOOK_TIME) { /* days since the beginning of 1900, as Excel counts them */
        value = value / 86400000.0 + 25569;
        format = b->time;
    } else if (look == LOOK_SHARE) {
        format = b->share;
    } else if (look == LOOK_RATIO) {
        format = b->ratio;
    } else if (look == LOOK_TEXT) {
        format = b->left;
    } else if (look == LOOK_FIGURE || look == LOOK_HOURS) {
        value = look == LOOK_HOURS ? value / 3600000.0 : value;
        format = figure_format(b, value);
    }
    book_note(b, worksheet_write_number(w, row, col, value, format));
}

void book_put(struct book *b, lxw_worksheet *w, lxw_row_t row, lxw_col_t col, const cJSON *value,
              enum look look)
{
    if (cJSON_IsString(value) && look == LOOK_VERDICT)
        book_text(b, w, row, col, word_verdict(b->language, value->valuestring), b->inset);
    else if (cJSON_IsString(value) && look == LOOK_IDENTITY)
        book_text(b, w, row, col, word_identity(b->language, value->valuestring), NULL);
    else if (cJSON_IsString(value) && *value->valuestring)
        book_text(b, w, row, col, value->valuestring, NULL);
    else if (cJSON_IsNumber(value))
        book_number(b, w, row, col, value->valuedouble, look);
}

void book_paper(lxw_worksheet *w)
{
    worksheet_set_landscape(w);
    worksheet_set_paper(w, BOOK_PAPER_A4);
    worksheet_fit_to_pages(w, 1, 0);
    worksheet_set_footer(w, "&L&A&R&P / &N");
}

lxw_worksheet *book_front(struct book *b, double width, lxw_col_t last_col)
{
    lxw_worksheet *w = workbook_add_worksheet(b->workbook, "Takt");
    if (!w) {
        book_note(b, LXW_ERROR_MEMORY_MALLOC_FAILED);
        return NULL;
    }
    book_paper(w);
    worksheet_set_column(w, 0, 0, 26, NULL);
    worksheet_set_column(w, 1, last_col, width, NULL);
    return w;
}

lxw_worksheet *book_sheet(struct book *b, const char *name, const struct column *columns, int count)
{
    char head[80];
    lxw_worksheet *w = workbook_add_worksheet(b->workbook, name);
    if (!w) {
        book_note(b, LXW_ERROR_MEMORY_MALLOC_FAILED);
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        const enum look look = columns[i].look;
        const bool number =
            look != LOOK_TEXT && look != LOOK_VERDICT && look != LOOK_IDENTITY && look != LOOK_TIME;
        snprintf(head, sizeof head, "%s%s", columns[i].head, look == LOOK_TIME ? " (UTC)" : "");
        worksheet_set_column(w, (lxw_col_t)i, (lxw_col_t)i, columns[i].width, NULL);
        book_text(b, w, 0, (lxw_col_t)i, head, number ? b->number_head : b->head);
    }
    worksheet_freeze_panes(w, 1, 0);
    worksheet_repeat_rows(w, 0, 0);
    book_paper(w);
    return w;
}

void book_row(struct book *b, lxw_worksheet *w, lxw_row_t at, const cJSON *row,
              const struct column *columns, int count)
{
    for (int i = 0; i < count; i++)
        if (columns[i].member)
            book_put(b, w, at, (lxw_col_t)i, member(row, columns[i].member), columns[i].look);
}

lxw_row_t book_rows(struct book *b, lxw_worksheet *w, const cJSON *rows,
                    const struct column *columns, int count)
{
    const cJSON *row;
    lxw_row_t at = 1;
    if (!w)
        return at;
    cJSON_ArrayForEach(row, rows)
    {
        if (at <= ROWS_MAX)
            book_row(b, w, at++, row, columns, count);
    }
    if (at > 1)
        worksheet_autofilter(w, 0, 0, at - 1, (lxw_col_t)(count - 1));
    return at;
}

void book_when(struct book *b, lxw_worksheet *w, lxw_row_t to, lxw_col_t from_col, lxw_col_t to_col,
               const char *formula, lxw_format *format)
{
    lxw_conditional_format rule = {
        .type = LXW_CONDITIONAL_TYPE_FORMULA, .value_string = (char *)formula, .format = format};
    if (w && to > 1)
        book_note(b, worksheet_conditional_format_range(w, 1, from_col, to - 1, to_col, &rule));
}

void book_when_bad(struct book *b, lxw_worksheet *w, lxw_row_t to, lxw_col_t col)
{
    char formula[200];
    const char letter = (char)('A' + col);
    snprintf(formula, sizeof formula, "=OR($%c2=\"%s\",$%c2=\"%s\",$%c2=\"%s\")", letter,
             word_of(b->language, WORD_FAIL), letter, word_of(b->language, WORD_ERROR), letter,
             word_of(b->language, WORD_TIMEOUT));
    book_when(b, w, to, col, col, formula, b->bad);
}

lxw_chart_series *book_series(struct book *b, lxw_chart *chart, const struct book_range *r,
                              const char *name, uint32_t colour)
{
    lxw_chart_series *series = chart ? chart_add_series(chart, NULL, NULL) : NULL;
    lxw_chart_fill fill = {.color = colour};
    if (!series) {
        book_note(b, LXW_ERROR_MEMORY_MALLOC_FAILED);
        return NULL;
    }
    chart_series_set_categories(series, r->sheet, 1, r->names, r->last, r->names);
    chart_series_set_values(series, r->sheet, 1, r->values, r->last, r->values);
    chart_series_set_name(series, name);
    chart_series_set_fill(series, &fill);
    return series;
}

static void formats(struct book *b)
{
    lxw_format **const all[] = {&b->bold,  &b->head, &b->number_head, &b->share,
                                &b->ratio, &b->time, &b->tiny,        &b->left,
                                &b->inset, &b->bad,  &b->good,        &b->middling};
    char places[16 + BOOK_PLACES_MAX];
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        *all[i] = workbook_add_format(b->workbook);
    for (int i = 0; i < BOOK_PLACES_MAX; i++) {
        snprintf(places, sizeof places, "0.0%.*s", i, "##########");
        b->places[i] = workbook_add_format(b->workbook);
        format_set_num_format(b->places[i], places);
    }
    format_set_bold(b->bold);
    format_set_bold(b->head);
    format_set_bottom(b->head, LXW_BORDER_THIN);
    format_set_bold(b->number_head);
    format_set_bottom(b->number_head, LXW_BORDER_THIN);
    format_set_align(b->number_head, LXW_ALIGN_RIGHT);
    format_set_num_format(b->share, "0.0 %");
    format_set_num_format(b->ratio, "0.00");
    format_set_num_format(b->time, "yyyy-mm-dd hh:mm:ss");
    format_set_align(b->time, LXW_ALIGN_LEFT);
    format_set_align(b->left, LXW_ALIGN_LEFT);
    format_set_indent(b->inset, 1);
    format_set_num_format(b->tiny, "0.000E+00");
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
    (member_is(document, "document", "campaign") ? book_campaign
     : member(document, "units")                 ? book_order
                                                 : book_unit)(&b, document);
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
