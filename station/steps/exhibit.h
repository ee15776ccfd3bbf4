/* Small PNG pictures for the record: a frame of the unit with what was measured drawn on it. */
#ifndef TAKT_STATION_STEPS_EXHIBIT_H
#define TAKT_STATION_STEPS_EXHIBIT_H

#include "protocol/base/buffer.h"
#include "station/steps/camera_view.h"

struct exhibit {
    int width_px, height_px;
    int reduced_by; /* a view's pixel / this = a picture's */
    uint8_t *rgb;   /* owned, rows tight */
};

/* The view, averaged down to at most `width_max_px` across. */
int exhibit_from_view(const struct view *v, int width_max_px, struct exhibit *out,
                      struct error *err);
void exhibit_free(struct exhibit *p);

/* A frame around a region given in the view's pixels; parts outside the picture are left out. */
void exhibit_frame(struct exhibit *p, double x, double y, double width, double height,
                   const uint8_t rgb[3]);
int exhibit_png(const struct exhibit *p, struct buffer *out, struct error *err);

/* PNG of the picture, kept with the step as `name`. */
int exhibit_attach(struct step_context *c, const char *name, const struct exhibit *p,
                   struct error *err);

#endif
