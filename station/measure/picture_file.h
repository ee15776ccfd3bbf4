/* Pictures from files: PNG, JPEG, PNM, BMP, TIFF, or one frame of a video. */
#ifndef TAKT_STATION_MEASURE_PICTURE_FILE_H
#define TAKT_STATION_MEASURE_PICTURE_FILE_H

#include <stdbool.h>

#include "station/measure/picture.h"

enum { PICTURE_PIXELS_MAX = 100000000 };

/* Linear light, 1 = full scale, owned; rows are tight. */
struct picture {
    int width_px, height_px;
    float *red, *green, *blue;
    float *luma; /* relative luminance, IEC 61966-2-1: 0.2126 R + 0.7152 G + 0.0722 B */
};

/* Reads up to `most` frames from the file on, skipping `skip` first; *count says how many came (at
 * least one). With `linear` the values are linear as they are, else sRGB is undone. A video's YCbCr
 * is taken as its stream says (BT.601 or BT.709, full or limited range). ERROR_MISSING, ERROR_INPUT
 * (not a picture, too few frames, larger than PICTURE_PIXELS_MAX). Free each frame. */
int picture_load(const char *path, int skip, bool linear, struct picture *frames, int most,
                 int *count, struct error *err);
void picture_free(struct picture *p);

struct plane picture_luma(const struct picture *p);
/* Mean linear R, G, B over a region. */
int picture_mean_rgb(const struct picture *p, struct region r, double rgb[3], struct error *err);

#endif
