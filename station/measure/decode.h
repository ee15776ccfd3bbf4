/* Frames out of a picture, video or sound file, through FFmpeg. */
#ifndef TAKT_STATION_MEASURE_DECODE_H
#define TAKT_STATION_MEASURE_DECODE_H

#include <libavutil/avutil.h>
#include <libavutil/frame.h>

#include "protocol/base/error.h"

struct decode;

/* ERROR_MISSING when there is no such file, ERROR_INPUT when it holds no such stream or nothing
 * that can be decoded. */
int decode_open(const char *path, enum AVMediaType kind, struct decode **out, struct error *err);
/* The next frame, valid until the next call; *out is NULL at the end of the file. */
int decode_next(struct decode *d, const AVFrame **out, struct error *err);
void decode_close(struct decode *d);

#endif
