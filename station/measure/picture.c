#include "station/measure/picture.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "protocol/base/vector.h"

static int region_check(int width_px, int height_px, struct region r, struct error *err)
{
    if (r.width_px < 1 || r.height_px < 1 || r.x_px < 0 || r.y_px < 0 || r.x_px > width_px ||
        r.y_px > height_px || r.width_px > width_px - r.x_px || r.height_px > height_px - r.y_px)
        return error_set(err, ERROR_INPUT,
                         "region %d,%d,%d,%d does not lie in the picture of %dx%d pixels", r.x_px,
                         r.y_px, r.width_px, r.height_px, width_px, height_px);
    return 0;
}

int plane_crop(struct plane p, struct region r, struct plane *out, struct error *err)
{
    int rc = region_check(p.width_px, p.height_px, r, err);
    if (rc < 0)
        return rc;
    *out = (struct plane){p.data + (size_t)r.y_px * p.stride + (size_t)r.x_px, r.width_px,
                          r.height_px, p.stride};
    return 0;
}

/* Eight sums side by side: the compiler keeps them in vectors. */
VECTORIZED static double row_sum(const float *row, int count)
{
    enum { LANES = 8 };
    float lanes[LANES] = {0};
    double sum = 0;
    int x = 0;
    for (; x + LANES <= count; x += LANES)
        for (int i = 0; i < LANES; i++)
            lanes[i] += row[x + i];
    for (int i = 0; i < LANES; i++)
        sum += lanes[i];
    for (; x < count; x++)
        sum += row[x];
    return sum;
}

double plane_mean(struct plane p, double *sigma)
{
    if (!sigma) {
        double all = 0;
        for (int y = 0; y < p.height_px; y++)
            all += row_sum(p.data + (size_t)y * p.stride, p.width_px);
        return all / ((double)p.width_px * p.height_px);
    }
    /* Differences against the first sample keep the sums small: no cancellation. */
    const double origin = p.data[0];
    const double n = (double)p.width_px * p.height_px;
    double sum = 0, squares = 0;

    for (int y = 0; y < p.height_px; y++) {
        const float *row = p.data + (size_t)y * p.stride;
        double row_sum = 0, row_squares = 0;
        for (int x = 0; x < p.width_px; x++) {
            double d = row[x] - origin;
            row_sum += d;
            row_squares += d * d;
        }
        sum += row_sum;
        squares += row_squares;
    }
    double mean = sum / n;
    double variance = n > 1 ? (squares - n * mean * mean) / (n - 1) : 0;
    *sigma = variance > 0 ? sqrt(variance) : 0;
    return origin + mean;
}

double srgb_decode(double coded)
{
    return coded <= 0.04045 ? coded / 12.92 : pow((coded + 0.055) / 1.055, 2.4);
}

double srgb_encode(double linear)
{
    return linear <= 0.0031308 ? linear * 12.92 : 1.055 * pow(linear, 1 / 2.4) - 0.055;
}

int nv12_check(const struct nv12 *f, struct error *err)
{
    if (f->width_px < 2 || f->height_px < 2 || f->width_px > PICTURE_SIDE_MAX ||
        f->height_px > PICTURE_SIDE_MAX || f->width_px % 2 || f->height_px % 2)
        return error_set(err, ERROR_INPUT, "NV12 frame of %dx%d: sides must be even, 2 to %d",
                         f->width_px, f->height_px, PICTURE_SIDE_MAX);
    size_t expected = (size_t)f->width_px * (size_t)f->height_px / 2 * 3;
    if (!f->data || f->bytes != expected)
        return error_set(err, ERROR_INPUT, "NV12 frame of %dx%d has %zu bytes, expected %zu",
                         f->width_px, f->height_px, f->bytes, expected);
    return 0;
}

int nv12_luma(const struct nv12 *f, struct region r, float *out, struct error *err)
{
    int rc = nv12_check(f, err);
    if (rc == 0)
        rc = region_check(f->width_px, f->height_px, r, err);
    if (rc < 0)
        return rc;

    float decode[256];
    for (int i = 0; i < 256; i++)
        decode[i] = (float)srgb_decode(i / 255.0);
    for (int y = 0; y < r.height_px; y++) {
        const uint8_t *row = f->data + (size_t)(r.y_px + y) * (size_t)f->width_px + (size_t)r.x_px;
        for (int x = 0; x < r.width_px; x++)
            *out++ = decode[row[x]];
    }
    return 0;
}

int nv12_plane(const struct nv12 *f, float **data, struct plane *out, struct error *err)
{
    int rc = nv12_check(f, err);
    if (rc < 0)
        return rc;
    float *luma = malloc((size_t)f->width_px * (size_t)f->height_px * sizeof *luma);
    if (!luma)
        return error_set(err, ERROR_MEMORY, "no memory for the luma of a %dx%d frame", f->width_px,
                         f->height_px);
    struct region whole = {0, 0, f->width_px, f->height_px};
    rc = nv12_luma(f, whole, luma, err);
    if (rc < 0) {
        free(luma);
        return rc;
    }
    *data = luma;
    *out = (struct plane){luma, f->width_px, f->height_px, (size_t)f->width_px};
    return 0;
}

/* R'G'B' falls between the 8-bit codes; a table four times as fine keeps the rounding below the
 * noise of the frame's own quantisation. */
enum { FINE = 4, FINE_CODES = 255 * FINE + 1 };

/* The constant is worked out at first use. */
static float fine_table[FINE_CODES];
static pthread_once_t fine_once = PTHREAD_ONCE_INIT;

static void fine_make(void)
{
    for (int i = 0; i < FINE_CODES; i++)
        fine_table[i] = (float)srgb_decode(i / (255.0 * FINE));
}

static float decode_fine(float coded_255)
{
    const float place = coded_255 * FINE + 0.5f;
    return fine_table[place < 0 ? 0 : place >= FINE_CODES ? FINE_CODES - 1 : (int)place];
}

int nv12_mean_rgb(const struct nv12 *f, struct region r, double rgb[3], struct error *err)
{
    int rc = nv12_check(f, err);
    if (rc == 0)
        rc = region_check(f->width_px, f->height_px, r, err);
    if (rc < 0)
        return rc;

    pthread_once(&fine_once, fine_make);
    const uint8_t *chroma = f->data + (size_t)f->width_px * (size_t)f->height_px;
    double sum[3] = {0};
    for (int y = r.y_px; y < r.y_px + r.height_px; y++) {
        const uint8_t *luma_row = f->data + (size_t)y * (size_t)f->width_px;
        const uint8_t *uv_row = chroma + (size_t)(y / 2) * (size_t)f->width_px;
        float row[3] = {0};
        for (int x = r.x_px; x < r.x_px + r.width_px; x++) {
            const float luma = luma_row[x], u = uv_row[x & ~1] - 128.0f, v = uv_row[x | 1] - 128.0f;
            row[0] += decode_fine(luma + 1.5748f * v);
            row[1] += decode_fine(luma - 0.187324f * u - 0.468124f * v);
            row[2] += decode_fine(luma + 1.8556f * u);
        }
        for (int c = 0; c < 3; c++)
            sum[c] += row[c];
    }
    for (int c = 0; c < 3; c++)
        rgb[c] = sum[c] / ((double)r.width_px * r.height_px);
    return 0;
}
