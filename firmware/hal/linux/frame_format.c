#include "firmware/hal/linux/frame_format.h"

#include <math.h>
#include <string.h>

/* Luma's weights of red and blue; green has the rest. */
static const struct {
    double red, blue;
} weights[] = {
    [FRAME_BT601] = {0.299, 0.114},
    [FRAME_BT709] = {0.2126, 0.0722},
    [FRAME_BT2020] = {0.2627, 0.0593},
};

size_t frame_format_bytes(const struct frame_format *f)
{
    size_t plane = (size_t)f->stride_bytes * f->height_px;
    return f->layout == FRAME_NV12 ? plane / 2 * 3 : plane;
}

static uint8_t clip(double v)
{
    return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)lround(v);
}

static inline uint8_t clip_fixed(int32_t v)
{
    v = (v + 32768) >> 16;
    return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

/* R'G'B' as functions of Y, Cb, Cr (each -0.5 to 0.5), put into BT.709's equations. */
void frame_colour_make(const struct frame_format *f, struct frame_colour *out)
{
    const double luma_scale = f->full_range ? 1 : 255.0 / 219;
    const double chroma_scale = f->full_range ? 1 : 255.0 / 224;
    const double kr = weights[f->matrix].red, kb = weights[f->matrix].blue, kg = 1 - kr - kb;
    const double r7 = weights[FRAME_BT709].red, b7 = weights[FRAME_BT709].blue, g7 = 1 - r7 - b7;
    memset(out, 0, sizeof *out);
    out->mixes = f->matrix != FRAME_BT709;
    out->same = f->full_range && !out->mixes;
    out->luma_black = f->full_range ? 0 : 16;
    for (int i = 0; i < 256; i++) {
        out->luma[i] = clip((i - out->luma_black) * luma_scale);
        out->chroma[i] = clip((i - 128) * chroma_scale + 128);
    }
    /* Beyond Y itself: red gets 2(1-kr) Cr, blue 2(1-kb) Cb, green what keeps Y. */
    double red_cr = 2 * (1 - kr), blue_cb = 2 * (1 - kb);
    double green_cb = -blue_cb * kb / kg, green_cr = -red_cr * kr / kg;
    double y_cb = g7 * green_cb + b7 * blue_cb, y_cr = r7 * red_cr + g7 * green_cr;
    double one = 65536 * chroma_scale;
    out->luma_scale = (int32_t)lround(65536 * luma_scale);
    out->y_from_cb = (int32_t)lround(y_cb * one);
    out->y_from_cr = (int32_t)lround(y_cr * one);
    out->cb_from_cb = (int32_t)lround((blue_cb - y_cb) / (2 * (1 - b7)) * one);
    out->cb_from_cr = (int32_t)lround(-y_cr / (2 * (1 - b7)) * one);
    out->cr_from_cb = (int32_t)lround(-y_cb / (2 * (1 - r7)) * one);
    out->cr_from_cr = (int32_t)lround((red_cr - y_cr) / (2 * (1 - r7)) * one);
}

/* Two rows of luma and the row of chroma they share. */
struct rows {
    const uint8_t *luma[2];
    int luma_step; /* bytes from one luma sample to the next */
    uint8_t *out_luma[2], *out_chroma;
};

/* The chroma of columns 2i and 2i+1, as the source has it. */
static inline void chroma_at(const struct frame_format *f, const uint8_t *const row[2], uint32_t i,
                             int *cb, int *cr)
{
    if (f->layout == FRAME_NV12) {
        *cb = row[0][2 * i];
        *cr = row[0][2 * i + 1];
    } else {
        *cb = (row[0][4 * i + 1] + row[1][4 * i + 1] + 1) / 2;
        *cr = (row[0][4 * i + 3] + row[1][4 * i + 3] + 1) / 2;
    }
}

static void convert_rows(const struct frame_format *f, const struct frame_colour *c,
                         const struct rows *r, const uint8_t *const chroma[2])
{
    const int step = r->luma_step;
    for (uint32_t i = 0; i < f->width_px / 2; i++) {
        int cb, cr;
        chroma_at(f, chroma, i, &cb, &cr);
        if (!c->mixes) {
            r->out_chroma[2 * i] = c->chroma[cb];
            r->out_chroma[2 * i + 1] = c->chroma[cr];
            for (int k = 0; k < 4; k++) {
                uint32_t x = 2 * i + (k & 1);
                r->out_luma[k >> 1][x] = c->luma[r->luma[k >> 1][x * step]];
            }
            continue;
        }
        int32_t b = cb - 128, d = cr - 128;
        int32_t lift = c->y_from_cb * b + c->y_from_cr * d;
        r->out_chroma[2 * i] = clip_fixed(c->cb_from_cb * b + c->cb_from_cr * d + (128 << 16));
        r->out_chroma[2 * i + 1] = clip_fixed(c->cr_from_cb * b + c->cr_from_cr * d + (128 << 16));
        for (int k = 0; k < 4; k++) {
            uint32_t x = 2 * i + (k & 1);
            int32_t y = r->luma[k >> 1][x * step] - c->luma_black;
            r->out_luma[k >> 1][x] = clip_fixed(c->luma_scale * y + lift);
        }
    }
}

void frame_convert(const struct frame_format *f, const struct frame_colour *colour,
                   const uint8_t *in, uint8_t *out)
{
    const size_t plane = (size_t)f->width_px * f->height_px;
    const uint8_t *chroma_plane = in + (size_t)f->stride_bytes * f->height_px;
    for (uint32_t y = 0; y < f->height_px; y += 2) {
        const uint8_t *first = in + (size_t)y * f->stride_bytes;
        const uint8_t *second = first + f->stride_bytes;
        const uint8_t *shared = chroma_plane + (size_t)(y / 2) * f->stride_bytes;
        const struct rows rows = {
            .luma = {first, second},
            .luma_step = f->layout == FRAME_NV12 ? 1 : 2,
            .out_luma = {out + (size_t)y * f->width_px, out + (size_t)(y + 1) * f->width_px},
            .out_chroma = out + plane + (size_t)(y / 2) * f->width_px,
        };
        const uint8_t *const chroma[2] = {f->layout == FRAME_NV12 ? shared : first, second};
        if (colour->same && f->layout == FRAME_NV12) { /* only the stride differs */
            memcpy(rows.out_luma[0], first, f->width_px);
            memcpy(rows.out_luma[1], second, f->width_px);
            memcpy(rows.out_chroma, shared, f->width_px);
        } else {
            convert_rows(f, colour, &rows, chroma);
        }
    }
}
