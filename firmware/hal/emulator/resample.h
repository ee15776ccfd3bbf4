/* Band-limited interpolation: a Kaiser-windowed sinc, so that what lies past the lower of two
 * Nyquist frequencies is gone by 80 dB before it can fold. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_RESAMPLE_H
#define TAKT_FIRMWARE_HAL_EMULATOR_RESAMPLE_H

#include <stddef.h>

#include "protocol/base/error.h"

struct resample; /* the kernel for one ratio */

/* For samples at in_hz read at out_hz. */
int resample_create(double in_hz, double out_hz, struct resample **out, struct error *err);
void resample_free(struct resample *r);

/* How many input samples before and after a position count towards it. */
int resample_reach(const struct resample *r);

/* The value at `position` (in input samples) of `in`; samples outside 0..count-1 are silence. */
double resample_at(const struct resample *r, const float *in, size_t count, double position);

#endif
