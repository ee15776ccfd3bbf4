/* Levels of sound samples.
 *
 * Samples are floats with +-1 as full scale. dBFS is that of AES17-2020: a sine that just fills the
 * range reads 0 dBFS, so a square wave reads +3.01. A constant offset is not sound and is taken off
 * first. */
#ifndef TAKT_STATION_MEASURE_LEVEL_H
#define TAKT_STATION_MEASURE_LEVEL_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

/* 16-bit samples: 32768 is full scale. */
void samples_from_s16(const int16_t *in, size_t count, float *out);
void samples_to_s16(const float *in, size_t count, int16_t *out); /* rounded, held at the rails */

/* -INFINITY for silence and for no samples. */
double level_dbfs(const float *samples, size_t count);
double level_peak_dbfs(const float *samples, size_t count); /* largest |sample|, offset included */

/* A-weighted (weighting.h), over the whole spectrum: the weights are laid on the power of each
 * frequency. At most 2^23 samples. */
int level_dba_fs(const float *samples, size_t count, double rate_hz, double *out,
                 struct error *err);

/* Where the loudest, or the quietest, `window` samples begin; 0 when there are no more than that.
 * For a sound that begins, or ends, when it likes within a recording. */
size_t level_loudest(const float *samples, size_t count, size_t window);
size_t level_quietest(const float *samples, size_t count, size_t window);

/* Samples at the rails: |sample| at or above 32767/32768. */
size_t level_clipped(const float *samples, size_t count);

#endif
