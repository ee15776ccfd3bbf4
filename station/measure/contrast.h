/* What a grey wedge shows of a camera's tones: contrast kept, straightness, dynamic range. */
#ifndef TAKT_STATION_MEASURE_CONTRAST_H
#define TAKT_STATION_MEASURE_CONTRAST_H

#include <stddef.h>

#include "protocol/base/error.h"

enum { CONTRAST_STEPS_MAX = 64 };

struct contrast_step {
    double reflectance; /* of the chart, 0..1 */
    double mean, sigma; /* linear, 1 = full scale */
};

struct contrast {
    double ratio;          /* brightest over darkest step that is not clipped, as measured */
    double expected_ratio; /* of the same two steps' reflectances */
    double gamma;          /* slope of log mean over log reflectance: 1 when linear */
    double black_level;    /* the line's mean at reflectance 0: flare and offset, 1 = full scale */
    double dynamic_range_db; /* full scale over the darkest step's noise, 20 log10: INFINITY when
                                that step has none */
    size_t clipped_steps;    /* at or above 0.98 of full scale */
};

/* From 3 or more steps in any order. ERROR_INPUT with fewer that are neither clipped nor black. */
int contrast_wedge(const struct contrast_step *steps, size_t count, struct contrast *out,
                   struct error *err);

#endif
