/* Sound from files: WAV and whatever else FFmpeg reads. */
#ifndef TAKT_STATION_MEASURE_SOUND_FILE_H
#define TAKT_STATION_MEASURE_SOUND_FILE_H

#include <stddef.h>

#include "protocol/base/error.h"

enum { SOUND_SAMPLES_MAX = 1 << 23 }; /* three minutes at 48 kHz */

struct sound_samples {
    float *data; /* the first channel, +-1 = full scale; owned, free() it */
    size_t count;
    int rate_hz;
    int channels; /* in the file */
};

/* ERROR_MISSING, ERROR_INPUT (no sound, longer than SOUND_SAMPLES_MAX). */
int sound_load(const char *path, struct sound_samples *out, struct error *err);

#endif
