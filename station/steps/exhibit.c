#include "station/steps/exhibit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/buffer.h"

/* Good units are many, and who looks at them looks for little. */
enum { GOOD_REDUCED = 3 };
enum { PANEL_HEIGHT = 300, PANEL_WIDTH = 380, MARGIN = 44, ROW = 17, TICKS = 4 };

static const double colours[][3] = {
    [EXHIBIT_FREE] = {0.95, 0.75, 0.1},
    [EXHIBIT_GOOD] = {0.1, 0.62, 0.25},
    [EXHIBIT_BAD] = {0.85, 0.1, 0.1},
};

static uint32_t clamp(int value)
{
    return (uint32_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Full-range BT.709, in 1/65536: 1.5748, 0.1873, 0.4681, 1.8556. */
static uint32_t to_rgb(int y, int u, int v)
{
    return clamp(y + ((103206 * v + 32768) >> 16)) << 16 |
           clamp(y - ((12275 * u + 30679 * v + 32768) >> 16)) << 8 |
           clamp(y + ((121609 * u + 32768) >> 16));
}

/* Mean over the block of the frame that becomes one pixel of the picture. */
static uint32_t reduce_block(const struct nv12 *f, int column, int row, int by)
{
    const uint8_t *chroma = f->data + (size_t)f->width_px * f->height_px;
    int y = 0, cu = 0, cv = 0;
    for (int j = 0; j < by; j++) {
        const size_t line = (size_t)row * by + j;
        for (int i = 0; i < by; i++) {
            const size_t x = (size_t)column * by + i;
            const uint8_t *uv = chroma + line / 2 * f->width_px + x / 2 * 2;
            y += f->data[line * f->width_px + x];
            cu += uv[0];
            cv += uv[1];
        }
    }
    const int n = by * by;
    return to_rgb((y + n / 2) / n, (cu + n / 2) / n - 128, (cv + n / 2) / n - 128);
}

static void draw_frame(const struct nv12 *f, struct exhibit *e)
{
    cairo_surface_flush(e->surface);
    uint8_t *data = cairo_image_surface_get_data(e->surface);
    const int stride = cairo_image_surface_get_stride(e->surface);
    const int columns = f->width_px / e->reduced_by;
    for (int row = 0; row < e->picture_height_px; row++) {
        uint32_t *line = (uint32_t *)(void *)(data + (size_t)row * stride);
        for (int column = 0; column < columns; column++)
            line[column] = reduce_block(f, column, row, e->reduced_by);
    }
    cairo_surface_mark_dirty(e->surface);
}

int exhibit_begin(const struct step_context *c, const struct nv12 *frame, int width_max_px,
                  struct exhibit *out, struct error *err)
{
    *out = (struct exhibit){.reduced_by = 1};
    if (!c->outside)
        width_max_px /= GOOD_REDUCED;
    int rc = nv12_check(frame, err);
    if (rc < 0)
        return rc;
    while (frame->width_px / out->reduced_by > width_max_px)
        out->reduced_by++;
    out->width_px = frame->width_px / out->reduced_by;
    out->picture_height_px = frame->height_px / out->reduced_by;
    const int width = out->width_px > 2 * PANEL_WIDTH ? out->width_px : 2 * PANEL_WIDTH;
    out->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width,
                                              out->picture_height_px + PANEL_HEIGHT);
    out->cairo = cairo_create(out->surface);
    if (cairo_status(out->cairo) != CAIRO_STATUS_SUCCESS) {
        exhibit_free(out);
        return error_set(err, ERROR_MEMORY, "no memory for a picture of %d x %d", width,
                         out->picture_height_px + PANEL_HEIGHT);
    }
    out->bottom_px = out->picture_height_px;
    cairo_set_source_rgb(out->cairo, 1, 1, 1);
    cairo_paint(out->cairo);
    cairo_select_font_face(out->cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(out->cairo, 12);
    draw_frame(frame, out);
    return 0;
}

void exhibit_free(struct exhibit *e)
{
    if (e->cairo)
        cairo_destroy(e->cairo);
    if (e->surface)
        cairo_surface_destroy(e->surface);
    *e = (struct exhibit){0};
}

enum exhibit_mark exhibit_judge(const struct step_context *c, const char *measurement, double value)
{
    double low, high;
    step_limits(c, measurement, &low, &high);
    if (isinf(low) && isinf(high))
        return EXHIBIT_FREE;
    return value >= low && value <= high ? EXHIBIT_GOOD : EXHIBIT_BAD;
}

static void colour(const struct exhibit *e, enum exhibit_mark mark)
{
    cairo_set_source_rgb(e->cairo, colours[mark][0], colours[mark][1], colours[mark][2]);
}

static void text(const struct exhibit *e, double x, double y, const char *what)
{
    cairo_move_to(e->cairo, x, y);
    cairo_show_text(e->cairo, what);
}

void exhibit_box(struct exhibit *e, double x, double y, double width, double height,
                 enum exhibit_mark mark, const char *what)
{
    const double by = e->reduced_by;
    cairo_save(e->cairo);
    cairo_rectangle(e->cairo, 0, 0, e->width_px, e->picture_height_px);
    cairo_clip(e->cairo);
    colour(e, mark);
    cairo_set_line_width(e->cairo, 2);
    cairo_rectangle(e->cairo, x / by, y / by, fmax(width / by, 2), fmax(height / by, 2));
    cairo_stroke(e->cairo);
    if (*what) {
        cairo_text_extents_t size;
        cairo_text_extents(e->cairo, what, &size);
        const double left = fmax(2, fmin(x / by, e->width_px - size.width - 6));
        const double base = y / by > ROW + 2 ? y / by - 4 : (y + height) / by + ROW - 2;
        cairo_rectangle(e->cairo, left - 2, base - 12, size.width + 6, ROW - 1);
        cairo_fill(e->cairo);
        cairo_set_source_rgb(e->cairo, 1, 1, 1);
        text(e, left, base, what);
    }
    cairo_restore(e->cairo);
}

/* Where a curve's numbers lie in its panel. */
struct axes {
    const struct exhibit_curve *curve;
    double x, y, width, height; /* of the plot */
};

static double across(const struct axes *a, double x)
{
    return a->x + (x - a->curve->x_low) / (a->curve->x_high - a->curve->x_low) * a->width;
}

static double up(const struct axes *a, double y)
{
    return a->y + a->height -
           (y - a->curve->y_low) / (a->curve->y_high - a->curve->y_low) * a->height;
}

static void draw_axes(struct exhibit *e, const struct axes *a)
{
    char number[32];
    const struct exhibit_curve *c = a->curve;
    cairo_set_source_rgb(e->cairo, 0.1, 0.1, 0.1);
    text(e, a->x, a->y - 8, c->title);
    text(e, a->x + a->width / 2 - 30, a->y + a->height + 34, c->x_name);
    cairo_set_line_width(e->cairo, 0.5);
    for (int i = 0; i <= TICKS; i++) {
        const double x = c->x_low + (c->x_high - c->x_low) * i / TICKS;
        const double y = c->y_low + (c->y_high - c->y_low) * i / TICKS;
        cairo_set_source_rgb(e->cairo, 0.8, 0.8, 0.8);
        cairo_move_to(e->cairo, across(a, x), a->y);
        cairo_line_to(e->cairo, across(a, x), a->y + a->height);
        cairo_move_to(e->cairo, a->x, up(a, y));
        cairo_line_to(e->cairo, a->x + a->width, up(a, y));
        cairo_stroke(e->cairo);
        cairo_set_source_rgb(e->cairo, 0.3, 0.3, 0.3);
        snprintf(number, sizeof number, "%.3g", x);
        text(e, across(a, x) - 8, a->y + a->height + 16, number);
        snprintf(number, sizeof number, "%.3g", y);
        text(e, a->x - 38, up(a, y) + 4, number);
    }
}

static void draw_limits(struct exhibit *e, const struct axes *a)
{
    static const double dashes[] = {6, 4};
    const struct exhibit_curve *c = a->curve;
    cairo_save(e->cairo);
    cairo_set_dash(e->cairo, dashes, 2, 0);
    cairo_set_line_width(e->cairo, 1.5);
    colour(e, EXHIBIT_BAD);
    if (isfinite(c->x_limit)) {
        cairo_move_to(e->cairo, across(a, c->x_limit), a->y);
        cairo_line_to(e->cairo, across(a, c->x_limit), a->y + a->height);
    }
    for (int i = 0; i < 2; i++)
        if (isfinite(c->y_limits[i])) {
            cairo_move_to(e->cairo, a->x, up(a, c->y_limits[i]));
            cairo_line_to(e->cairo, a->x + a->width, up(a, c->y_limits[i]));
        }
    cairo_stroke(e->cairo);
    cairo_restore(e->cairo);
}

static void draw_line(struct exhibit *e, const struct axes *a, const struct exhibit_line *l)
{
    cairo_save(e->cairo);
    cairo_rectangle(e->cairo, a->x, a->y - 2, a->width, a->height + 4);
    cairo_clip(e->cairo);
    colour(e, l->mark);
    cairo_set_line_width(e->cairo, 2);
    cairo_new_path(e->cairo); /* a text before it left a point behind */
    for (size_t i = 0; i < l->count; i++)
        cairo_line_to(e->cairo, across(a, l->x[i]), up(a, l->y[i]));
    cairo_stroke(e->cairo);
    cairo_restore(e->cairo);
}

/* Over the lines, and read all the same. */
static void draw_name(struct exhibit *e, const struct axes *a, const struct exhibit_line *l,
                      size_t index)
{
    const double y = a->y + ROW * (double)(index + 1);
    cairo_set_source_rgba(e->cairo, 1, 1, 1, 0.85);
    cairo_rectangle(e->cairo, a->x + a->width - 134, y - 12, 132, ROW);
    cairo_fill(e->cairo);
    colour(e, l->mark);
    cairo_rectangle(e->cairo, a->x + a->width - 130, y - 9, 10, 10);
    cairo_fill(e->cairo);
    cairo_set_source_rgb(e->cairo, 0.1, 0.1, 0.1);
    text(e, a->x + a->width - 115, y, l->name);
}

void exhibit_plot(struct exhibit *e, const struct exhibit_curve *curve)
{
    const struct axes a = {.curve = curve,
                           .x = e->next_panel + MARGIN,
                           .y = e->picture_height_px + 28,
                           .width = PANEL_WIDTH - MARGIN - 14,
                           .height = PANEL_HEIGHT - 28 - MARGIN};
    draw_axes(e, &a);
    draw_limits(e, &a);
    for (size_t i = 0; i < curve->line_count; i++)
        draw_line(e, &a, &curve->lines[i]);
    for (size_t i = 0; i < curve->line_count; i++)
        draw_name(e, &a, &curve->lines[i], i);
    e->next_panel += PANEL_WIDTH;
    e->bottom_px = e->picture_height_px + PANEL_HEIGHT;
}

void exhibit_figure(struct exhibit *e, const struct step_context *c, const char *measurement,
                    double value)
{
    char line[160], bounds[64] = "";
    double low, high;
    if (!(e->next_row > 0)) {
        e->figures_x = e->next_panel + 10;
        e->next_panel += PANEL_WIDTH;
        e->next_row = e->picture_height_px + 24;
    }
    if (e->next_row > e->picture_height_px + PANEL_HEIGHT - 4)
        return;
    step_limits(c, measurement, &low, &high);
    if (isfinite(low) && isfinite(high))
        snprintf(bounds, sizeof bounds, "(%.4g to %.4g)", low, high);
    else if (isfinite(low))
        snprintf(bounds, sizeof bounds, "(at least %.4g)", low);
    else if (isfinite(high))
        snprintf(bounds, sizeof bounds, "(at most %.4g)", high);
    snprintf(line, sizeof line, "%s  %.4g %s  %s", measurement, value, step_unit(c, measurement),
             bounds);
    const enum exhibit_mark mark = exhibit_judge(c, measurement, value);
    colour(e, mark);
    cairo_rectangle(e->cairo, e->figures_x, e->next_row - 9, 10, 10);
    cairo_fill(e->cairo);
    if (mark != EXHIBIT_BAD)
        cairo_set_source_rgb(e->cairo, 0.1, 0.1, 0.1);
    text(e, e->figures_x + 16, e->next_row, line);
    e->bottom_px = fmax(e->bottom_px, e->next_row + ROW / 2.0);
    e->next_row += ROW;
}

static cairo_status_t keep(void *closure, const unsigned char *data, unsigned length)
{
    return buffer_append(closure, data, length) < 0 ? CAIRO_STATUS_NO_MEMORY : CAIRO_STATUS_SUCCESS;
}

int exhibit_attach(struct step_context *c, const char *name, const struct exhibit *e,
                   struct error *err)
{
    struct buffer png = {0};
    int rc = 0;
    cairo_surface_t *drawn = cairo_surface_create_for_rectangle(
        e->surface, 0, 0, cairo_image_surface_get_width(e->surface), ceil(e->bottom_px));
    if (cairo_surface_write_to_png_stream(drawn, keep, &png) != CAIRO_STATUS_SUCCESS)
        rc = error_set(err, ERROR_MEMORY, "no memory for the picture \"%s\"", name);
    cairo_surface_destroy(drawn);
    if (rc == 0)
        rc = c->services->attached(c->engine, name, "image/png", png.data, png.size, err);
    buffer_free(&png);
    return rc;
}
