/* Noise of a still scene: what changes from frame to frame, and what does not but should be flat.
 *
 * Temporal noise is the standard deviation of the difference of two successive frames over sqrt 2,
 * pooled over all successive pairs (EMVA 1288 release 4.0, 6.6; ISO 15739). SNR is
 * 20 log10(mean / sigma). Fixed-pattern noise is the spatial standard deviation of the frames' mean
 * with the temporal part taken off, after a plane was fitted to each block of 32 x 32 pixels and
 * removed: shading and slopes of the scene are not noise. */
#ifndef TAKT_STATION_MEASURE_NOISE_H
#define TAKT_STATION_MEASURE_NOISE_H

#include "station/measure/picture.h"

enum { NOISE_FRAMES_MAX = 64 };

struct noise {
    double mean;                /* linear, 1 = full scale */
    double temporal_sigma;      /* same scale */
    double snr_db;              /* INFINITY when the frames are equal */
    double fixed_pattern_sigma; /* same scale */
};

/* The same region of 2 to 64 frames, all of one size, at least 8 x 8 pixels. */
int noise_measure(const struct plane *frames, size_t count, struct noise *out, struct error *err);

#endif
