/* Coded pictures and video as a camera's encoder made them, decoded from memory through FFmpeg.
 *
 * Nothing is forgiven: a frame whose bitstream breaks a rule of its standard, or whose decoded
 * picture does not match the checksum that came with it (H.265 annex D, decoded picture hash),
 * counts as broken. */
#ifndef TAKT_STATION_MEASURE_CODED_H
#define TAKT_STATION_MEASURE_CODED_H

#include <stddef.h>
#include <stdint.h>

#include "station/measure/mark.h"
#include "station/measure/picture.h"

enum { CODED_BYTES_MAX = 64 << 20, CODED_PIXELS_MAX = 64 << 20 };

struct coded {
    size_t frames; /* decoded whole and right */
    size_t broken; /* that could not be, or not without errors */
    int width_px, height_px;
    uint8_t *nv12; /* the last whole frame, full-range; owned, free with coded_free() */
    size_t nv12_bytes;
    double bits_a_frame;
};

/* `type` is "video/h265", "video/h264" or "image/jpeg". ERROR_INPUT for another type, for too many
 * bytes, and when not a single frame could be decoded. Limited range is widened to full. Memory:
 * the decoder's, about 12 bytes a pixel of a frame, and one frame. */
int coded_decode(const char *type, const uint8_t *data, size_t bytes, struct coded *out,
                 struct error *err);
/* The same, and each whole frame's luma is shown as it comes, in the order of display: `number`
 * counts from 0, broken ones included. Valid during the call alone; a picture whose luma is not of
 * eight bits in a plane of its own is not shown. */
typedef void coded_look(void *context, size_t number, const struct luma *luma);
int coded_watch(const char *type, const uint8_t *data, size_t bytes, coded_look *look,
                void *context, struct coded *out, struct error *err);
struct nv12 coded_nv12(const struct coded *c);
void coded_free(struct coded *c);

#endif
