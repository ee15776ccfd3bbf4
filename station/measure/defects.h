/* Defective pixels against the mean of their neighbourhood (17 x 17 pixels without themselves and
 * without defects already found).
 *
 * Where the neighbourhood is lit (mean at least `lit`), a pixel below `dead_below` of it is dead,
 * one above `bright_above` times it bright; where it is dark, a pixel above `hot_above` times it,
 * and above it by `hot_floor`, is hot. The usual limits of sensor makers: dead below 50 % at half
 * well, hot above 10 times the dark. */
#ifndef TAKT_STATION_MEASURE_DEFECTS_H
#define TAKT_STATION_MEASURE_DEFECTS_H

#include "station/measure/picture.h"

enum defect_kind { DEFECT_DEAD, DEFECT_BRIGHT, DEFECT_HOT };

struct defect_limits {
    double lit, dead_below, bright_above, hot_above, hot_floor;
};

/* { 0.05, 0.5, 1.5, 10, 0.02 } */
extern const struct defect_limits defect_limits_usual;

struct defect {
    int x, y;
    enum defect_kind kind;
};

struct defects {
    struct defect *points; /* in reading order; owned, free with defects_free() */
    size_t count;          /* of points kept: at most DEFECTS_MAX */
    size_t total;          /* of points seen */
    size_t dead, bright, hot;
    size_t clusters;   /* groups of two or more that touch, corners included */
    size_t largest_px; /* points in the largest cluster; 0 without clusters */
};

enum { DEFECTS_MAX = 65536 };

/* limits NULL = usual. Temporal noise must be small against the limits: hand in a mean of frames
 * when it is not. A scene with fine dark detail is not a field to look for defects in. */
int defects_find(struct plane luma, const struct defect_limits *limits, struct defects *out,
                 struct error *err);
void defects_free(struct defects *d);
const char *defect_name(enum defect_kind kind); /* "dead", "bright", "hot" */

#endif
