#include "station/measure/picture_file.h"

#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <stdlib.h>
#include <string.h>

#include "station/measure/decode.h"

void picture_free(struct picture *p)
{
    free(p->red); /* one block for all four planes */
    *p = (struct picture){0};
}

struct plane picture_luma(const struct picture *p)
{
    return (struct plane){p->luma, p->width_px, p->height_px, (size_t)p->width_px};
}

int picture_mean_rgb(const struct picture *p, struct region r, double rgb[3], struct error *err)
{
    const float *const planes[3] = {p->red, p->green, p->blue};
    for (int c = 0; c < 3; c++) {
        struct plane whole = {planes[c], p->width_px, p->height_px, (size_t)p->width_px}, part;
        int rc = plane_crop(whole, r, &part, err);
        if (rc < 0)
            return rc;
        rgb[c] = plane_mean(part, NULL);
    }
    return 0;
}

/* Grey stays exactly as it was written. The rest goes through swscale, to 8-bit RGB what has 8
 * bits: there it reorders RGB without a loss and rounds YCbCr, where on the way to 16 bits it would
 * take RGB through YCbCr and cut YCbCr off. */
static int to_rgb48(const char *path, const AVFrame *f, uint16_t *out, struct error *err)
{
    const int w = f->width, h = f->height;
    if (f->format == AV_PIX_FMT_GRAY8 || f->format == AV_PIX_FMT_GRAY16LE ||
        f->format == AV_PIX_FMT_GRAY16BE) {
        for (int y = 0; y < h; y++) {
            const uint8_t *row = f->data[0] + (ptrdiff_t)y * f->linesize[0];
            for (int x = 0; x < w; x++) {
                unsigned v = f->format == AV_PIX_FMT_GRAY8 ? row[x] * 257u
                             : f->format == AV_PIX_FMT_GRAY16LE
                                 ? row[2 * x] | (unsigned)row[2 * x + 1] << 8
                                 : row[2 * x + 1] | (unsigned)row[2 * x] << 8;
                for (int c = 0; c < 3; c++)
                    *out++ = (uint16_t)v;
            }
        }
        return 0;
    }
    const AVPixFmtDescriptor *kind = av_pix_fmt_desc_get(f->format);
    bool rgb8 = kind && kind->comp[0].depth <= 8;
    enum AVPixelFormat to = rgb8 ? AV_PIX_FMT_RGB24 : AV_PIX_FMT_RGB48;
    struct SwsContext *sws =
        sws_getContext(w, h, f->format, w, h, to,
                       SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, NULL, NULL, NULL);
    if (!sws)
        return error_set(err, ERROR_INPUT, "'%s': pixels of kind %s cannot be converted", path,
                         av_get_pix_fmt_name(f->format));
    bool hd = f->colorspace == AVCOL_SPC_BT709 ||
              (f->colorspace == AVCOL_SPC_UNSPECIFIED && f->height >= 720 &&
               f->color_range != AVCOL_RANGE_JPEG);
    const int *from = sws_getCoefficients(hd ? SWS_CS_ITU709 : SWS_CS_ITU601);
    int *old_in, *old_out, in_full, out_full, bright, contrast, saturation;
    if (sws_getColorspaceDetails(sws, &old_in, &in_full, &old_out, &out_full, &bright, &contrast,
                                 &saturation) >= 0) {
        in_full = in_full || f->color_range == AVCOL_RANGE_JPEG;
        sws_setColorspaceDetails(sws, from, in_full, old_out, 1, bright, contrast, saturation);
    }
    uint8_t *planes[4] = {(uint8_t *)out};
    int strides[4] = {w * (rgb8 ? 3 : 6)};
    int rows = sws_scale(sws, (const uint8_t *const *)f->data, f->linesize, 0, h, planes, strides);
    sws_freeContext(sws);
    if (rows != h)
        return error_set(err, ERROR_INPUT, "'%s': %d of %d rows could be converted", path, rows, h);
    if (rgb8) { /* in place, from the end on */
        const uint8_t *bytes = (const uint8_t *)out;
        for (size_t i = 3 * (size_t)w * (size_t)h; i-- > 0;)
            out[i] = (uint16_t)(bytes[i] * 257u);
    }
    return 0;
}

static int picture_from_frame(const char *path, const AVFrame *f, const float *decode,
                              struct picture *out, struct error *err)
{
    const int w = f->width, h = f->height;
    if (w < 1 || h < 1 || w > PICTURE_SIDE_MAX || h > PICTURE_SIDE_MAX ||
        (long long)w * h > PICTURE_PIXELS_MAX)
        return error_set(err, ERROR_INPUT, "'%s' has %dx%d pixels: at most %d a side and %d in all",
                         path, w, h, PICTURE_SIDE_MAX, PICTURE_PIXELS_MAX);
    size_t n = (size_t)w * (size_t)h;
    uint16_t *rgb = malloc(n * 3 * sizeof *rgb);
    float *planes = malloc(n * 4 * sizeof *planes);
    int rc = 0;
    if (!rgb || !planes)
        rc = error_set(err, ERROR_MEMORY, "no memory for the %dx%d pixels of '%s'", w, h, path);
    if (rc == 0)
        rc = to_rgb48(path, f, rgb, err);
    if (rc == 0) {
        *out = (struct picture){w, h, planes, planes + n, planes + 2 * n, planes + 3 * n};
        for (size_t i = 0; i < n; i++) {
            out->red[i] = decode[rgb[3 * i]];
            out->green[i] = decode[rgb[3 * i + 1]];
            out->blue[i] = decode[rgb[3 * i + 2]];
            out->luma[i] = 0.2126f * out->red[i] + 0.7152f * out->green[i] + 0.0722f * out->blue[i];
        }
        planes = NULL;
    }
    free(rgb);
    free(planes);
    return rc;
}

int picture_load(const char *path, int skip, bool linear, struct picture *frames, int most,
                 int *count, struct error *err)
{
    struct decode *d = NULL;
    const AVFrame *f = NULL;
    float *decode = NULL;
    int rc = decode_open(path, AVMEDIA_TYPE_VIDEO, &d, err);

    *count = 0;
    if (rc < 0)
        return rc;
    decode = malloc(65536 * sizeof *decode);
    if (!decode) {
        rc = error_set(err, ERROR_MEMORY, "no memory to read '%s'", path);
        goto out;
    }
    for (int i = 0; i < 65536; i++)
        decode[i] = (float)(linear ? i / 65535.0 : srgb_decode(i / 65535.0));
    for (int seen = 0; *count < most; seen++) {
        rc = decode_next(d, &f, err);
        if (rc < 0)
            goto out;
        if (!f) {
            if (*count == 0)
                rc = error_set(err, ERROR_INPUT, "'%s' has %d frames, frame %d was asked for", path,
                               seen, skip);
            goto out;
        }
        if (seen < skip)
            continue;
        rc = picture_from_frame(path, f, decode, &frames[*count], err);
        if (rc < 0)
            goto out;
        ++*count;
    }
out:
    if (rc < 0) {
        while (*count > 0)
            picture_free(&frames[--*count]);
    }
    free(decode);
    decode_close(d);
    return rc;
}
