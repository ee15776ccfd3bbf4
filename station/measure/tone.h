/* What a recorded tone is made of: the sine itself, its harmonics, and the rest.
 *
 * The sine is fitted by IEEE Std 1057-2017 (three parameters: linear least squares at a known
 * frequency; four: frequency too, by iteration); its harmonics below half the sampling rate are
 * then fitted and taken off in turn. Everything is over the full band, with the offset removed. */
#ifndef TAKT_STATION_MEASURE_TONE_H
#define TAKT_STATION_MEASURE_TONE_H

#include <stddef.h>

#include "protocol/base/error.h"

enum { TONE_HARMONICS = 10 }; /* kept one by one: the 1st to the 10th */

struct tone {
    double frequency_hz;
    double amplitude, phase_rad, offset; /* amplitude * cos(2 pi f t + phase) + offset; 1 = FS */
    double level_dbfs;                   /* of the sine */
    double snr_db;                       /* sine over what is neither sine nor harmonic */
    double sinad_db;                     /* sine over everything else */
    double thdn_db;                      /* everything else over the sine: -sinad_db */
    double thd_percent;                  /* all harmonics over the sine */
    double harmonic_percent[TONE_HARMONICS]; /* [0] is the 1st: 100 */
};

/* Three parameters, at a known frequency: amplitude, phase, offset and the residual's rms (may be
 * NULL). ERROR_INPUT with fewer than 8 samples or a frequency not below half the rate. */
int tone_fit_at(const float *samples, size_t count, double rate_hz, double frequency_hz,
                struct tone *out, double *residual_rms, struct error *err);

/* Four parameters from the strongest line of the spectrum, then harmonics and noise. At least five
 * periods and 256 samples. ERROR_INPUT when there is no tone (silence, or a fit that leaves more
 * than it takes). */
int tone_measure(const float *samples, size_t count, double rate_hz, struct tone *out,
                 struct error *err);

/* Response at a known frequency: rms level in dBFS of that frequency alone. */
int tone_level_at(const float *samples, size_t count, double rate_hz, double frequency_hz,
                  double *dbfs, struct error *err);

#endif
