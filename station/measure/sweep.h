/* Response, distortion, rub & buzz and delay from one exponential sine sweep.
 *
 * A. Farina, "Simultaneous measurement of impulse response and distortion with a swept-sine
 * technique", AES 108 (2000). The recording is divided by the sweep's spectrum; the impulse
 * response of the Nth harmonic then stands T ln N / ln(f2 / f1) before the linear one and is cut
 * out by itself. A harmonic is seen where N f lies within the sweep. */
#ifndef TAKT_STATION_MEASURE_SWEEP_H
#define TAKT_STATION_MEASURE_SWEEP_H

#include <stddef.h>

#include "protocol/base/error.h"
#include "station/measure/signal.h"

enum { SWEEP_POINTS_MAX = 160, SWEEP_SAMPLES_MAX = 1 << 21 };

struct sweep_point {
    double hz, value;
};

struct sweep {
    struct sweep_point response[SWEEP_POINTS_MAX]; /* dB, recording over sweep: 12 an octave */
    size_t responses;
    struct sweep_point thd[SWEEP_POINTS_MAX]; /* percent, harmonics 2 to 9: 6 an octave */
    size_t thds;
    double rub_buzz_db; /* energy of the 10th and higher harmonics over that of the sound itself,
                           along the whole sweep; noise that falls there counts too */
    double delay_ms;    /* of the recording's impulse against the sweep's start */
    double peak_to_rest_db; /* the impulse's peak over the rms of all else: below 20 dB the sweep is
                               not in the recording and nothing here means anything */
};

/* The recording holds the whole sweep, possibly delayed, at the same rate. ERROR_INPUT when sizes
 * make no sense or the sweep is not found in the recording. */
int sweep_measure(const struct signal_sweep *spec, const float *sweep, size_t sweep_count,
                  const float *recorded, size_t recorded_count, struct sweep *out,
                  struct error *err);

/* Reads start, end and duration off a sweep's samples (zero crossings against an exponential).
 * ERROR_INPUT when they are no exponential sweep of two octaves or more. */
int sweep_recognise(const float *samples, size_t count, double rate_hz, struct signal_sweep *out,
                    struct error *err);

#endif
