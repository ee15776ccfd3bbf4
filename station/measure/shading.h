/* Evenness of a picture: how much darker its corners are than its centre, and where the light's
 * middle lies. For flat fields (IR in the dark room: evenness, dark corners) and, by samples of the
 * background, for the chart. */
#ifndef TAKT_STATION_MEASURE_SHADING_H
#define TAKT_STATION_MEASURE_SHADING_H

#include "station/measure/chart.h"

struct shading {
    double corner_ratio[4]; /* top left, top right, bottom left, bottom right: over the centre */
    double darkest_corner_ratio;
    double center_offset_percent; /* of the width, between the light's middle and the picture's;
                                     0 when the field is flat to 1 % and so has no middle */
    double evenness;              /* darkest over brightest block of a 16 x 9 grid; the chart's
                                     background places on a chart */
    double center_mean;           /* linear, 1 = full scale */
};

/* A plain, evenly lit field. Corner blocks and centre block are a tenth of the picture's width and
 * height. The light's middle is that of L (1 + k r^2 + m r^4) fitted to the block means (least
 * squares). At least 160 x 90 pixels. ERROR_INPUT when smaller or when the centre is black. */
int shading_field(struct plane luma, struct shading *out, struct error *err);

/* The same ratios from the chart's background; the centre is the mean of the places above and below
 * the middle square. No light's middle: center_offset_percent is 0. */
int shading_chart(struct plane luma, const struct chart *chart, struct shading *out,
                  struct error *err);

#endif
