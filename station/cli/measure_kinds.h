/* The kinds of `takt measure`: each reads its files, measures, and puts its fields into a JSON
 * object.
 */
#ifndef TAKT_STATION_CLI_MEASURE_KINDS_H
#define TAKT_STATION_CLI_MEASURE_KINDS_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "station/measure/picture.h"

struct measure_request {
    char **files;
    int count;
    bool linear, match_exposure;
    bool has_roi, has_corners;
    struct region roi;
    struct point corners[4]; /* top left, top right, bottom right, bottom left */
    int frame;
    double focal_px; /* 0 = not given */
};

typedef int measure_kind(const struct measure_request *r, cJSON *out, struct error *err);
measure_kind measure_sharpness, measure_color, measure_deltae, measure_shading, measure_noise,
    measure_defects, measure_registration, measure_audio, measure_sweep;

/* Exactly `count` finite numbers with commas between. */
bool measure_numbers(const char *text, double *out, int count);

#endif
