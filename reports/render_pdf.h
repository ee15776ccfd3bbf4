/* The pieces PDF pages are made of: A4 sheets filled from the top. Lengths are CSS pixels (1/96
 * inch), as in chart.h. Only the PDF renderers include this. */
#ifndef TAKT_REPORTS_RENDER_PDF_H
#define TAKT_REPORTS_RENDER_PDF_H

#include <cairo.h>
#include <pango/pangocairo.h>

#include "reports/chart.h"
#include "reports/render_kinds.h"

enum { SHEET_WIDTH = 794, SHEET_HEIGHT = 1123, SHEET_MARGIN = 56, SHEET_BOTTOM = 64 };
enum { SHEET_INNER = SHEET_WIDTH - 2 * SHEET_MARGIN };

struct sheet {
    cairo_t *cr;
    PangoLayout *layout;
    const struct render_options *options;
    int language;
    char foot[160]; /* below every page, beside its number */
    double y;       /* where the next piece goes */
    int page;
    size_t picture_bytes;
};

struct sheet_style {
    double size_px;
    bool bold;
    enum ink ink;
    enum anchor anchor;
};
extern const struct sheet_style sheet_plain, sheet_soft, sheet_number;

/* A new page when `height` does not fit on this one. */
void sheet_need(struct sheet *s, double height);
void sheet_ink(struct sheet *s, enum ink ink, double opacity);
/* Wrapped within width at x, y; returns its height. Draws nothing when `draw` is false. */
double sheet_text(struct sheet *s, double x, double y, double width, struct sheet_style style,
                  const char *text, bool draw);
void sheet_heading(struct sheet *s, enum word w);
void sheet_paragraph(struct sheet *s, struct sheet_style style, const char *text);
/* A verdict in its colour; returns its width. `scale` 1 is the height of a line. */
double sheet_verdict(struct sheet *s, double x, double y, double scale, const char *verdict);
void sheet_chart(struct sheet *s, double (*chart)(const struct canvas *, const cJSON *, double),
                 const cJSON *data, double x, double y, double width);
/* The same as a piece of its own over the sheet's width. */
void sheet_wide_chart(struct sheet *s,
                      double (*chart)(const struct canvas *, const cJSON *, double),
                      const cJSON *data);

/* A table: its columns' heads stand again on each page. */
enum { SHEET_COLUMNS_MAX = 12 };
struct sheet_column {
    const char *head;
    double width;
    bool number; /* set to the right */
};
struct sheet_table {
    struct sheet *sheet;
    const struct sheet_column *columns;
    int count;
};
void sheet_table_begin(struct sheet_table *t);
/* The next `rows` rows of one line each stand on one page. */
void sheet_table_keep(struct sheet_table *t, int rows);
/* One text a column, NULL for none; returns where the row begins, for what is drawn into it. */
double sheet_table_row(struct sheet_table *t, const char *const *cells,
                       const struct sheet_style *styles);

void pdf_unit(struct sheet *s, const cJSON *document);
void pdf_order(struct sheet *s, const cJSON *document);
void pdf_campaign(struct sheet *s, const cJSON *document);

#endif
