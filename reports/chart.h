/* Charts, drawn once for every kind of page: onto SVG in HTML, onto cairo in PDF. Only renderers
 * include this. Lengths are CSS pixels (1/96 inch) from the chart's upper left corner. */
#ifndef TAKT_REPORTS_CHART_H
#define TAKT_REPORTS_CHART_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/* What a stroke means; a page gives each its colour, on light and dark paper. */
enum ink { INK_TEXT, INK_SOFT, INK_LINE, INK_TRACK, INK_PASS, INK_FAIL, INK_ODD, INK_ACCENT, INKS };
enum anchor { ANCHOR_START, ANCHOR_MIDDLE, ANCHOR_END };

struct point_px {
    double x, y;
};

struct canvas {
    const struct canvas_ops *ops;
    void *context;
};
struct canvas_ops {
    void (*rect)(void *context, double x, double y, double width, double height, enum ink ink,
                 double opacity);
    /* dash_px 0 is unbroken. */
    void (*path)(void *context, const struct point_px *points, size_t count, enum ink ink,
                 double width, double dash_px);
    void (*dot)(void *context, double x, double y, double radius, enum ink ink);
    void (*text)(void *context, double x, double y, double size_px, enum anchor anchor,
                 enum ink ink, const char *text);
};

/* Each returns the height it takes at `width`; with canvas NULL it only measures. */

/* Bars of the most frequent failures, with the running share. */
double chart_pareto(const struct canvas *c, const cJSON *failures, double width);
/* Values in their order between control limits (dashed) and limits (red), the EWMA through them,
 * points that break a rule marked. */
double chart_control(const struct canvas *c, const cJSON *figure, double width);
/* Units an hour, passed and not. By UTC, as the document says it. */
double chart_throughput(const struct canvas *c, const cJSON *throughput, double width);
/* Where mean +- 3 deviations lie between the limits. */
double chart_spread(const struct canvas *c, const cJSON *figure, double width);
/* The share still good over the hours, {"to": hours, "curves": [{"name", "until": hours, "steps":
 * [{"hours", "good", "deviation"}]}]}, each with a band of 1.96 deviations; at most two, of which
 * those with a name are told apart by it. */
double chart_survival(const struct canvas *c, const cJSON *survival, double width);
/* A line a unit over the hours, {"low", "high", "series": [{"failed", "values": [h, v, h, v...]}]},
 * between its limits; "dashed": what was commanded. 0 without a value. */
double chart_course(const struct canvas *c, const cJSON *course, double width);
/* Where one measurement's value lies between its limits; 0 when it has neither. */
double chart_limits(const struct canvas *c, const cJSON *measurement, double width);

#endif
