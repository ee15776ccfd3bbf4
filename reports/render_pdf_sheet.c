#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reports/render_pdf.h"

enum { ROW_HIGH = 17 }; /* of a table, at least */

const struct sheet_style sheet_plain = {12.5, false, INK_TEXT, ANCHOR_START};
const struct sheet_style sheet_soft = {11.5, false, INK_SOFT, ANCHOR_START};
const struct sheet_style sheet_number = {12.5, false, INK_TEXT, ANCHOR_END};

/* Inks of the printed page. */
static const unsigned char colours[INKS][3] = {
    [INK_TEXT] = {29, 33, 37},     [INK_SOFT] = {95, 104, 112}, [INK_LINE] = {214, 218, 221},
    [INK_TRACK] = {232, 234, 237}, [INK_PASS] = {20, 115, 66},  [INK_FAIL] = {186, 30, 38},
    [INK_ODD] = {161, 92, 0},      [INK_ACCENT] = {43, 98, 181}};

void sheet_ink(struct sheet *s, enum ink ink, double opacity)
{
    cairo_set_source_rgba(s->cr, colours[ink][0] / 255.0, colours[ink][1] / 255.0,
                          colours[ink][2] / 255.0, opacity);
}

double sheet_text(struct sheet *s, double x, double y, double width, struct sheet_style style,
                  const char *text, bool draw)
{
    static const PangoAlignment alignments[] = {PANGO_ALIGN_LEFT, PANGO_ALIGN_CENTER,
                                                PANGO_ALIGN_RIGHT};
    int wide, high;
    PangoFontDescription *font = pango_font_description_new();
    pango_font_description_set_family(font, "Noto Sans,DejaVu Sans,Noto Sans CJK SC,sans-serif");
    pango_font_description_set_absolute_size(font, style.size_px * PANGO_SCALE);
    pango_font_description_set_weight(font, style.bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_layout_set_font_description(s->layout, font);
    pango_font_description_free(font);
    pango_layout_set_width(s->layout, width > 0 ? (int)(width * PANGO_SCALE) : -1);
    pango_layout_set_wrap(s->layout, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_alignment(s->layout, alignments[style.anchor]);
    pango_layout_set_text(s->layout, text, -1);
    pango_layout_get_pixel_size(s->layout, &wide, &high);
    if (draw) {
        double at = width > 0 ? x
                              : x - (style.anchor == ANCHOR_END      ? wide
                                     : style.anchor == ANCHOR_MIDDLE ? wide / 2.0
                                                                     : 0);
        sheet_ink(s, style.ink, 1);
        cairo_move_to(s->cr, at, y);
        pango_cairo_show_layout(s->cr, s->layout);
    }
    return width > 0 ? high : wide;
}

static void foot(struct sheet *s)
{
    char number[64];
    double y = SHEET_HEIGHT - SHEET_BOTTOM + 20;
    struct sheet_style left = {10, false, INK_SOFT, ANCHOR_START}, right = left;
    right.anchor = ANCHOR_END;
    snprintf(number, sizeof number, "%s %d", word_of(s->language, WORD_PAGE), s->page);
    sheet_ink(s, INK_LINE, 1);
    cairo_rectangle(s->cr, SHEET_MARGIN, y - 6, SHEET_INNER, 0.75);
    cairo_fill(s->cr);
    sheet_text(s, SHEET_MARGIN, y, SHEET_INNER - 90, left, s->foot, true);
    sheet_text(s, SHEET_MARGIN, y, SHEET_INNER, right, number, true);
}

void sheet_need(struct sheet *s, double height)
{
    if (s->page && s->y + height <= SHEET_HEIGHT - SHEET_BOTTOM)
        return;
    if (s->page)
        cairo_show_page(s->cr);
    s->page++;
    s->y = SHEET_MARGIN;
    foot(s);
}

void sheet_heading(struct sheet *s, enum word w)
{
    struct sheet_style style = {14.5, true, INK_TEXT, ANCHOR_START};
    sheet_need(s, 90); /* never alone at the foot of a page */
    s->y += s->y > SHEET_MARGIN ? 18 : 0;
    s->y += sheet_text(s, SHEET_MARGIN, s->y, SHEET_INNER, style, word_of(s->language, w), true);
    s->y += 6;
}

void sheet_paragraph(struct sheet *s, struct sheet_style style, const char *text)
{
    double high = sheet_text(s, 0, 0, SHEET_INNER, style, text, false);
    sheet_need(s, fmin(high, SHEET_HEIGHT / 2.0));
    sheet_text(s, SHEET_MARGIN, s->y, SHEET_INNER, style, text, true);
    s->y += high + 6;
}

double sheet_verdict(struct sheet *s, double x, double y, double scale, const char *verdict)
{
    enum ink ink = !strcmp(verdict, "pass")   ? INK_PASS
                   : !strcmp(verdict, "fail") ? INK_FAIL
                   : verdict_bad(verdict)     ? INK_ODD
                                              : INK_SOFT;
    struct sheet_style style = {11 * scale, true, ink, ANCHOR_START};
    const char *word = word_verdict(s->language, verdict);
    double wide = sheet_text(s, 0, 0, 0, style, word, false) + 12 * scale;
    sheet_ink(s, ink, 0.13);
    cairo_rectangle(s->cr, x, y, wide, 17 * scale);
    cairo_fill(s->cr);
    sheet_text(s, x + 6 * scale, y + 1 * scale, 0, style, word, true);
    return wide;
}

/* ---- charts --------------------------------------------------------------------------------- */

static void rect(void *context, double x, double y, double width, double height, enum ink ink,
                 double opacity)
{
    struct sheet *s = context;
    sheet_ink(s, ink, opacity);
    cairo_rectangle(s->cr, x, y, width, fmax(height, 0));
    cairo_fill(s->cr);
}

static void path(void *context, const struct point_px *points, size_t count, enum ink ink,
                 double width, double dash_px)
{
    struct sheet *s = context;
    sheet_ink(s, ink, 1);
    for (size_t i = 0; i < count; i++)
        (i ? cairo_line_to : cairo_move_to)(s->cr, points[i].x, points[i].y);
    cairo_set_line_width(s->cr, width);
    cairo_set_dash(s->cr, &dash_px, dash_px > 0 ? 1 : 0, 0);
    cairo_stroke(s->cr);
}

static void dot(void *context, double x, double y, double radius, enum ink ink)
{
    struct sheet *s = context;
    sheet_ink(s, ink, 1);
    cairo_new_path(s->cr);
    cairo_arc(s->cr, x, y, radius, 0, 2 * 3.14159265358979);
    cairo_fill(s->cr);
}

/* y is the baseline, as in SVG; pango takes the top of the line. */
static void text(void *context, double x, double y, double size_px, enum anchor anchor,
                 enum ink ink, const char *string)
{
    struct sheet_style style = {size_px, false, ink, anchor};
    sheet_text(context, x, y - size_px * 1.1, 0, style, string, true);
}

static const struct canvas_ops ops = {rect, path, dot, text};

void sheet_chart(struct sheet *s, double (*chart)(const struct canvas *, const cJSON *, double),
                 const cJSON *data, double x, double y, double width)
{
    const struct canvas c = {&ops, s};
    cairo_save(s->cr);
    cairo_translate(s->cr, x, y);
    chart(&c, data, width);
    cairo_restore(s->cr);
}

void sheet_wide_chart(struct sheet *s,
                      double (*chart)(const struct canvas *, const cJSON *, double),
                      const cJSON *data)
{
    double high = chart(NULL, data, SHEET_INNER);
    if (!(high > 0))
        return;
    sheet_need(s, high + 4);
    sheet_chart(s, chart, data, SHEET_MARGIN, s->y, SHEET_INNER);
    s->y += high + 8;
}

/* ---- tables --------------------------------------------------------------------------------- */

static void rule(struct sheet *s)
{
    sheet_ink(s, INK_LINE, 1);
    cairo_rectangle(s->cr, SHEET_MARGIN, s->y, SHEET_INNER, 0.75);
    cairo_fill(s->cr);
    s->y += 3;
}

static void heads(struct sheet_table *t)
{
    double x = SHEET_MARGIN, high = 0;
    for (int i = 0; i < t->count; i++) {
        struct sheet_style style = {10.5, false, INK_SOFT,
                                    t->columns[i].number ? ANCHOR_END : ANCHOR_START};
        high = fmax(high, sheet_text(t->sheet, x, t->sheet->y, t->columns[i].width - 8, style,
                                     t->columns[i].head, true));
        x += t->columns[i].width;
    }
    t->sheet->y += high + 3;
    rule(t->sheet);
}

void sheet_table_begin(struct sheet_table *t)
{
    sheet_need(t->sheet, 70);
    heads(t);
}

void sheet_table_keep(struct sheet_table *t, int rows)
{
    const int page = t->sheet->page;
    sheet_need(t->sheet, rows * (ROW_HIGH + 8));
    if (t->sheet->page != page)
        heads(t);
}

double sheet_table_row(struct sheet_table *t, const char *const *cells,
                       const struct sheet_style *styles)
{
    struct sheet *s = t->sheet;
    double x = SHEET_MARGIN, high = ROW_HIGH;
    int page = s->page;
    for (int i = 0; i < t->count; i++)
        if (cells[i])
            high = fmax(high,
                        sheet_text(s, 0, 0, t->columns[i].width - 8, styles[i], cells[i], false));
    sheet_need(s, fmin(high + 6, SHEET_HEIGHT / 2.0));
    if (s->page != page)
        heads(t);
    double top = s->y;
    for (int i = 0; i < t->count; i++) {
        struct sheet_style style = styles[i];
        style.anchor = t->columns[i].number ? ANCHOR_END : ANCHOR_START;
        if (cells[i])
            sheet_text(s, x, top, t->columns[i].width - 8, style, cells[i], true);
        x += t->columns[i].width;
    }
    s->y += high + 3;
    rule(s);
    return top;
}
