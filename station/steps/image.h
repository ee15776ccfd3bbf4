/* The two parts of the image step: what the chart shows and what a plain panel shows. */
#ifndef TAKT_STATION_STEPS_IMAGE_H
#define TAKT_STATION_STEPS_IMAGE_H

#include "station/steps/step.h"

/* Sharpness, colour, tones, noise: reports them and attaches "chart". *frozen is how many of its
 * frames are the one before to the last bit. */
int image_chart(struct step_context *c, int *frozen, struct error *err);
/* Shading, light's middle, spots, pixels, flicker, pace, and frozen frames with those of the chart:
 * reports them and attaches "panel". */
int image_panel(struct step_context *c, int frozen, struct error *err);

#endif
