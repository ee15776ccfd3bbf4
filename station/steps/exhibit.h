/* Pictures for the record: what the unit saw with the measured regions drawn on it, below it the
 * curves and the figures beside their limits. A repairer who looks at one sees what is wrong.
 *
 * Red is what lies outside its limit, green what lies within, yellow what has none. An exhibit
 * judges nothing: limits come from step_limits(). */
#ifndef TAKT_STATION_STEPS_EXHIBIT_H
#define TAKT_STATION_STEPS_EXHIBIT_H

#include <cairo/cairo.h>

#include "station/measure/picture.h"
#include "station/steps/step.h"

struct exhibit {
    cairo_surface_t *surface; /* owned */
    cairo_t *cairo;
    int width_px, picture_height_px;
    int reduced_by;    /* a view's pixel / this = a picture's */
    double next_panel; /* where the next panel begins, left to right */
    double next_row;   /* of figures, in their panel */
    double figures_x;  /* that panel */
    double bottom_px;  /* below it nothing was drawn */
};

enum exhibit_mark { EXHIBIT_FREE, EXHIBIT_GOOD, EXHIBIT_BAD };

/* The frame averaged down to at most `width_max_px` across, with room for panels below it; to a
 * third of that as long as nothing the step measured was outside its limits: a record is kept for
 * years. */
int exhibit_begin(const struct step_context *c, const struct nv12 *frame, int width_max_px,
                  struct exhibit *out, struct error *err);
/* Fine on a zeroed exhibit. */
void exhibit_free(struct exhibit *e);

/* How a value stands to its limits. */
enum exhibit_mark exhibit_judge(const struct step_context *c, const char *measurement,
                                double value);

/* A frame around a region of the view's pixels, with a short text above it ("" is none). */
void exhibit_box(struct exhibit *e, double x, double y, double width, double height,
                 enum exhibit_mark mark, const char *text);

struct exhibit_line {
    const char *name;
    const double *x, *y;
    size_t count;
    enum exhibit_mark mark;
};
struct exhibit_curve {
    const char *title, *x_name;
    double x_low, x_high, y_low, y_high;
    const struct exhibit_line *lines;
    size_t line_count;
    /* Dashed, with a number: NAN is none. */
    double x_limit, y_limits[2];
};
/* A panel with curves; the next one comes to its right. */
void exhibit_plot(struct exhibit *e, const struct exhibit_curve *curve);

/* A line of the panel of figures: "MTF50 centre 0.281 cycles/px, 0.21 and more". */
void exhibit_figure(struct exhibit *e, const struct step_context *c, const char *measurement,
                    double value);

/* PNG of it all, kept with the step as `name`. */
int exhibit_attach(struct step_context *c, const char *name, const struct exhibit *e,
                   struct error *err);

#endif
