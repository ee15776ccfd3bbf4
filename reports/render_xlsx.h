/* Sheets of a workbook: what the workbook's files share. */
#ifndef TAKT_REPORTS_RENDER_XLSX_H
#define TAKT_REPORTS_RENDER_XLSX_H

#include <xlsxwriter.h>

#include "reports/render_kinds.h"

enum { BOOK_PLACES_MAX = 9, BOOK_PAPER_A4 = 9 };

struct book {
    lxw_workbook *workbook;
    lxw_format *bold, *head, *number_head, *share, *ratio, *time, *tiny, *left, *inset, *bad,
        *middling, *good;
    lxw_format *places[BOOK_PLACES_MAX]; /* by how many there may be behind the point, less one */
    int language;
    lxw_error failed; /* the first */
};

enum look {
    LOOK_TEXT, /* or a number without places of its own: runs, slots */
    LOOK_COUNT,
    LOOK_FIGURE,
    LOOK_SHARE,
    LOOK_RATIO,
    LOOK_TIME,  /* of milliseconds since 1970, shown as UTC */
    LOOK_HOURS, /* of milliseconds */
    LOOK_VERDICT,
    LOOK_IDENTITY, /* the state of one */
};

struct column {
    const char *member; /* of a row's object; NULL: written by hand */
    const char *head;
    double width;
    enum look look;
};

void book_note(struct book *b, lxw_error e);
void book_text(struct book *b, lxw_worksheet *w, lxw_row_t row, lxw_col_t col, const char *text,
               lxw_format *format);
void book_put(struct book *b, lxw_worksheet *w, lxw_row_t row, lxw_col_t col, const cJSON *value,
              enum look look);
void book_number(struct book *b, lxw_worksheet *w, lxw_row_t row, lxw_col_t col, double value,
                 enum look look);
void book_paper(lxw_worksheet *w); /* how it prints */
/* The first sheet, for facts: a label and what it says. NULL as below. */
lxw_worksheet *book_front(struct book *b, double width, lxw_col_t last_col);
/* A sheet with its heads; NULL, and noted, when there is no memory. */
lxw_worksheet *book_sheet(struct book *b, const char *name, const struct column *columns,
                          int count);
void book_row(struct book *b, lxw_worksheet *w, lxw_row_t at, const cJSON *row,
              const struct column *columns, int count);
/* All of them below the head, with a filter; where the next would go. */
lxw_row_t book_rows(struct book *b, lxw_worksheet *w, const cJSON *rows,
                    const struct column *columns, int count);
/* Rows 1 to `to` (which is not among them) look like `format` where the formula of row 2 says so.
 */
void book_when(struct book *b, lxw_worksheet *w, lxw_row_t to, lxw_col_t from_col, lxw_col_t to_col,
               const char *formula, lxw_format *format);
/* Where the verdict of that column is fail, error or timeout. */
void book_when_bad(struct book *b, lxw_worksheet *w, lxw_row_t to, lxw_col_t col);

struct book_range {
    const char *sheet;
    lxw_col_t names, values;
    lxw_row_t last; /* rows 1 to it */
};
lxw_chart_series *book_series(struct book *b, lxw_chart *chart, const struct book_range *r,
                              const char *name, uint32_t colour);

void book_unit(struct book *b, const cJSON *document);
void book_order(struct book *b, const cJSON *document);
void book_campaign(struct book *b, const cJSON *campaign);

#endif
