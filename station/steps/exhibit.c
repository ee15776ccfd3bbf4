#include "station/steps/exhibit.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

static uint8_t clamp(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Full-range BT.709, in 1/65536: 1.5748, 0.1873, 0.4681, 1.8556. */
static void to_rgb(int y, int u, int v, uint8_t out[3])
{
    out[0] = clamp(y + ((103206 * v + 32768) >> 16));
    out[1] = clamp(y - ((12275 * u + 30679 * v + 32768) >> 16));
    out[2] = clamp(y + ((121609 * u + 32768) >> 16));
}

/* Means over the block of the view that becomes one pixel of the picture. */
static void reduce_block(const struct view *v, int column, int row, int by, uint8_t out[3])
{
    const uint8_t *chroma = v->nv12 + (size_t)v->width_px * v->height_px;
    int y = 0, cu = 0, cv = 0;
    for (int j = 0; j < by; j++) {
        const size_t line = (size_t)row * by + j;
        for (int i = 0; i < by; i++) {
            const size_t x = (size_t)column * by + i;
            const uint8_t *uv = chroma + line / 2 * v->width_px + x / 2 * 2;
            y += v->nv12[line * v->width_px + x];
            cu += uv[0];
            cv += uv[1];
        }
    }
    const int n = by * by;
    to_rgb((y + n / 2) / n, (cu + n / 2) / n - 128, (cv + n / 2) / n - 128, out);
}

int exhibit_from_view(const struct view *v, int width_max_px, struct exhibit *out,
                      struct error *err)
{
    int by = 1;
    while ((int)v->width_px / by > width_max_px)
        by++;
    *out = (struct exhibit){
        .width_px = (int)v->width_px / by, .height_px = (int)v->height_px / by, .reduced_by = by};
    out->rgb = malloc((size_t)out->width_px * out->height_px * 3);
    if (!out->rgb)
        return error_set(err, ERROR_MEMORY, "no memory for a picture of %d x %d", out->width_px,
                         out->height_px);
    for (int row = 0; row < out->height_px; row++)
        for (int column = 0; column < out->width_px; column++)
            reduce_block(v, column, row, by, out->rgb + ((size_t)row * out->width_px + column) * 3);
    return 0;
}

void exhibit_free(struct exhibit *p)
{
    free(p->rgb);
    p->rgb = NULL;
}

static void put(struct exhibit *p, int x, int y, const uint8_t rgb[3])
{
    if (x >= 0 && y >= 0 && x < p->width_px && y < p->height_px)
        memcpy(p->rgb + ((size_t)y * p->width_px + x) * 3, rgb, 3);
}

void exhibit_frame(struct exhibit *p, double x, double y, double width, double height,
                   const uint8_t rgb[3])
{
    const int left = (int)(x / p->reduced_by), top = (int)(y / p->reduced_by);
    const int right = (int)((x + width) / p->reduced_by);
    const int bottom = (int)((y + height) / p->reduced_by);
    for (int thick = 0; thick < 2; thick++) {
        for (int i = left; i <= right; i++) {
            put(p, i, top + thick, rgb);
            put(p, i, bottom - thick, rgb);
        }
        for (int j = top; j <= bottom; j++) {
            put(p, left + thick, j, rgb);
            put(p, right - thick, j, rgb);
        }
    }
}

int exhibit_png(const struct exhibit *p, struct buffer *out, struct error *err)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)p->width_px,
                       .height = (png_uint_32)p->height_px,
                       .format = PNG_FORMAT_RGB,
                       /* A record is written once and kept for years, but a line waits for it. */
                       .flags = PNG_IMAGE_FLAG_FAST};
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    int rc = buffer_reserve(out, size);
    if (rc < 0)
        return error_set(err, rc, "no memory for a PNG of %zu bytes", (size_t)size);
    if (!png_image_write_to_memory(&image, out->data + out->size, &size, 0, p->rgb, 0, NULL))
        return error_set(err, ERROR_IO, "writing a PNG of %d x %d: %s", p->width_px, p->height_px,
                         image.message);
    out->size += size;
    return 0;
}

int exhibit_attach(struct step_context *c, const char *name, const struct exhibit *p,
                   struct error *err)
{
    struct buffer png = {0};
    int rc = exhibit_png(p, &png, err);
    if (rc == 0)
        rc = c->services->attached(c->engine, name, "image/png", png.data, png.size, err);
    buffer_free(&png);
    return rc;
}
