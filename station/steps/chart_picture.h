/* The test chart in a frame, as the image and stream steps read it: found, its placement judged as
 * the fixture's, its squares' edges measured. */
#ifndef TAKT_STATION_STEPS_CHART_PICTURE_H
#define TAKT_STATION_STEPS_CHART_PICTURE_H

#include "station/measure/chart.h"
#include "station/measure/color.h"
#include "station/measure/sharpness.h"
#include "station/steps/step.h"

struct chart_picture {
    struct nv12 frame;
    float *luma; /* linear; owned */
    struct plane plane;
    struct chart chart;
    struct region edges[CHART_SQUARES][CHART_EDGES];
    struct sharpness sharp[CHART_SQUARES][CHART_EDGES];
};

/* What a chart may be off before it is the fixture that is wrong, and no unit is judged by it. Rows
 * for a step's own params. */
#define CHART_PLACEMENT_PARAMS                                                                     \
    {"placement_turn_deg",                                                                         \
     PARAM_NUMBER,                                                                                 \
     "3",                                                                                          \
     0.1,                                                                                          \
     10,                                                                                           \
     "a chart turned further is the fixture's error, deg"},                                        \
        {"placement_shift_percent",                                                                \
         PARAM_NUMBER,                                                                             \
         "6",                                                                                      \
         0.5,                                                                                      \
         20,                                                                                       \
         "the same for its middle off the picture's, % of the width"},                             \
        {"placement_size_percent",                                                                 \
         PARAM_NUMBER,                                                                             \
         "8",                                                                                      \
         0.5,                                                                                      \
         30,                                                                                       \
         "the same for its size over a chart that fills the view, %"},                             \
    {                                                                                              \
        "placement_keystone_percent", PARAM_NUMBER, "3", 0.2, 20,                                  \
            "the same for one side over the side across, %"                                        \
    }

/* The frame must outlive it. ERROR_MISSING, said to be the fixture's, for a chart that is not there
 * or not in place. */
int chart_picture_find(const struct step_context *c, const struct nv12 *frame,
                       struct chart_picture *out, struct error *err);
void chart_picture_free(struct chart_picture *p);

/* Every edge of the first so many squares: 1 is the centre alone, CHART_SQUARES all. */
int chart_picture_sharpness(struct chart_picture *p, int squares, struct error *err);

enum chart_way { CHART_BOTH, CHART_ACROSS /* by upright edges */, CHART_DOWN };
/* Mean MTF50 of a square's edges. */
double chart_picture_mtf50(const struct chart_picture *p, int square, enum chart_way way);

int chart_picture_colour(const struct chart_picture *p, struct color *out, struct error *err);

/* The chart's middle off the picture's, in % of the width. */
double chart_picture_shift_percent(const struct chart_picture *p);

#endif
