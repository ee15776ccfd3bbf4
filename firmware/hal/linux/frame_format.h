/* From what a camera's driver delivers to what the HAL promises: NV12, full-range BT.709, rows
 * tight. Pure: functions over buffers.
 *
 * Sources: ITU-R BT.601-7, BT.709-6, BT.2020-2 (matrices; limited range: luma 16 to 235, chroma 16
 * to 240). Colours that the other matrix cannot hold are clipped. */
#ifndef TAKT_FIRMWARE_HAL_LINUX_FRAME_FORMAT_H
#define TAKT_FIRMWARE_HAL_LINUX_FRAME_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_layout { FRAME_NV12, FRAME_YUYV };
enum frame_matrix { FRAME_BT601, FRAME_BT709, FRAME_BT2020 };

struct frame_format {
    enum frame_layout layout;
    uint32_t width_px, height_px; /* both even */
    uint32_t stride_bytes;        /* of a row; NV12's chroma rows have the same */
    enum frame_matrix matrix;
    bool full_range;
};

/* Bytes a buffer of this format must have. */
size_t frame_format_bytes(const struct frame_format *f);

/* Tables for a format's colours, made once a stream. */
struct frame_colour {
    bool same; /* neither matrix nor range differ */
    uint8_t luma[256], chroma[256];
    /* With another matrix, in 1/65536: what blue and red difference add to each of Y, Cb, Cr. */
    bool mixes;
    int32_t luma_scale, y_from_cb, y_from_cr, cb_from_cb, cb_from_cr, cr_from_cb, cr_from_cr;
    int luma_black;
};
void frame_colour_make(const struct frame_format *f, struct frame_colour *out);

/* out: width*height*3/2 bytes. Chroma of YUYV's row pairs is averaged. */
void frame_convert(const struct frame_format *f, const struct frame_colour *colour,
                   const uint8_t *in, uint8_t *out);

#endif
