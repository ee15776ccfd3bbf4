/* Charts as inline SVG: colours are the page's variables, so they follow light and dark. */
#include <math.h>

#include "reports/render_html.h"

static const char *const inks[INKS] = {
    [INK_TEXT] = "var(--ink)",    [INK_SOFT] = "var(--soft)",    [INK_LINE] = "var(--line)",
    [INK_TRACK] = "var(--track)", [INK_PASS] = "var(--pass)",    [INK_FAIL] = "var(--fail)",
    [INK_ODD] = "var(--odd)",     [INK_ACCENT] = "var(--accent)"};

static void rect(void *context, double x, double y, double width, double height, enum ink ink,
                 double opacity)
{
    html_rawf(context,
              "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"%.1f\" fill=\"%s\" "
              "opacity=\"%.2g\"/>",
              x, y, width, fmax(height, 0), fmin(3, fmin(width, fmax(height, 0)) / 4), inks[ink],
              opacity);
}

static void path(void *context, const struct point_px *points, size_t count, enum ink ink,
                 double width, double dash_px)
{
    html_raw(context, "<path d=\"");
    for (size_t i = 0; i < count; i++)
        html_rawf(context, "%c%.1f %.1f", i ? 'L' : 'M', points[i].x, points[i].y);
    html_rawf(context, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\" ", inks[ink], width);
    if (dash_px > 0)
        html_rawf(context, "stroke-dasharray=\"%.0f\" ", dash_px);
    html_raw(context, "stroke-linejoin=\"round\"/>");
}

static void dot(void *context, double x, double y, double radius, enum ink ink)
{
    html_rawf(context, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\"/>", x, y, radius,
              inks[ink]);
}

static void text(void *context, double x, double y, double size_px, enum anchor anchor,
                 enum ink ink, const char *s)
{
    static const char *const anchors[] = {"start", "middle", "end"};
    html_rawf(context,
              "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.0f\" text-anchor=\"%s\" fill=\"%s\">", x,
              y, size_px, anchors[anchor], inks[ink]);
    html_text(context, s);
    html_raw(context, "</text>");
}

static const struct canvas_ops ops = {rect, path, dot, text};

void html_chart(struct page *p, double (*chart)(const struct canvas *, const cJSON *, double),
                const cJSON *data, double width, bool stretch)
{
    const struct canvas c = {&ops, p};
    double height = chart(NULL, data, width);
    if (!(height > 0))
        return;
    html_rawf(p, "<svg viewBox=\"0 0 %.0f %.0f\" width=\"%.0f%s\" ", width, height,
              stretch ? 100 : width, stretch ? "%" : "");
    if (!stretch)
        html_rawf(p, "height=\"%.0f\" ", height);
    html_raw(p, "role=\"img\">");
    chart(&c, data, width);
    html_raw(p, "</svg>");
}
