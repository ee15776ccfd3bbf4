/* What is wrong with pictures that came: frozen, black, torn, corrupt. Two frames of one stream
 * that did not follow from one another: a sensor's noise makes no two alike, and no block level. */
#ifndef TAKT_STATION_MEASURE_PICTURE_FAULT_H
#define TAKT_STATION_MEASURE_PICTURE_FAULT_H

#include "protocol/base/error.h"
#include "station/measure/picture.h"

struct picture_fault {
    double same_ratio; /* luma samples that are the same in both, clipped ones left out: near 1 is a
                          frozen picture; noise of 1 DN gives 0.28, of 3 DN 0.09. 0 when all clip */
    double mean_luma;  /* of the second, 0 to 255 */
    double bright_luma; /* what 1 % of its samples exceed: below about 20 the picture is black */
    /* Where the frames differ unlike from some row on, how many times more: a line lost, a frame
     * put together of two. 1 to 1.5 for whole frames of a standing scene. */
    double tear_ratio;
    /* Blocks of 16 x 16 whose samples are all the same, clipped ones left out, over all: a decoder
     * or a bus that lost data fills blocks. Also those whose chroma is 0, which no picture is. */
    double corrupt_ratio;
};

/* Sizes equal, 32 x 32 at least: else ERROR_INPUT. */
int picture_fault_measure(const struct nv12 *before, const struct nv12 *after,
                          struct picture_fault *out, struct error *err);

#endif
