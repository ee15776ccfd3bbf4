/* The two parts of the image step: what the chart shows and what a plain panel shows. */
#ifndef TAKT_STATION_STEPS_IMAGE_H
#define TAKT_STATION_STEPS_IMAGE_H

#include "station/steps/step.h"

/* Sharpness, colour, tones, noise: reports them and attaches "chart". */
int image_chart(struct step_context *c, struct error *err);
/* Shading, light's middle, spots, pixels, flicker, pace: reports them and attaches "panel". */
int image_panel(struct step_context *c, struct error *err);

#endif
