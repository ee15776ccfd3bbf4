/* The panorama of a rehearsal is painted on every second pixel each way and straight between: by
 * half a camera, whose lens has half the blur, offsets and pitch. The room's finest detail lies 3.4
 * pixels apart and holds less than a thousandth of its contrast beyond what such samples carry, and
 * the ptz step looks at means over 4 x 4 pixels. Charts and walls are painted as they always are.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/emulator/picture.h"
#include "protocol/world.h"

/* The linker's --wrap: calls of X go to __wrap_X, and __real_X is X itself. */
int __wrap_painter_create(const struct board *, const struct physics *, struct painter **,
                          struct error *);
int __wrap_painter_paint(struct painter *, const struct view *, const struct picture **,
                         struct error *);
void __wrap_painter_free(struct painter *);
int __real_painter_create(const struct board *, const struct physics *, struct painter **,
                          struct error *);
int __real_painter_paint(struct painter *, const struct view *, const struct picture **,
                         struct error *);
void __real_painter_free(struct painter *);

/* A rehearsed unit has one camera. */
static struct {
    struct painter *whole, *half;
    struct picture room;
    uint16_t *row; /* two of the half camera's, stretched to whole width */
} painting;

static struct physics halved(const struct physics *physics)
{
    struct physics p = *physics;
    double *const in_pixels[] = {
        &p.lens_blur_px,  &p.field_blur_px, &p.defocus_px,     &p.tilt_px,   &p.tilt_vertical_px,
        &p.decentre_x_px, &p.decentre_y_px, &p.dust_radius_px, &p.seat_x_px, &p.seat_y_px};
    for (size_t i = 0; i < sizeof in_pixels / sizeof *in_pixels; i++)
        *in_pixels[i] /= 2;
    return p;
}

int __wrap_painter_create(const struct board *board, const struct physics *physics,
                          struct painter **out, struct error *err)
{
    struct board half = *board;
    half.sensor_width_px /= 2;
    half.sensor_height_px /= 2;
    half.pixel_um *= 2;
    const struct physics physics_of_half = halved(physics);
    const size_t width = board->sensor_width_px, height = board->sensor_height_px;
    int rc = __real_painter_create(board, physics, out, err);
    if (rc)
        return rc;
    __wrap_painter_free(NULL);
    painting.whole = *out;
    painting.room = (struct picture){.width = (int)width, .height = (int)height, .planes = 1};
    painting.room.plane[0] = malloc(width * height * sizeof(uint16_t));
    painting.row = malloc(2 * width * sizeof(uint16_t));
    if (!painting.room.plane[0] || !painting.row)
        return error_set(err, ERROR_MEMORY, "out of memory for a room");
    return __real_painter_create(&half, &physics_of_half, &painting.half, err);
}

void __wrap_painter_free(struct painter *p)
{
    if (p)
        __real_painter_free(p);
    if (p && p != painting.whole)
        return;
    if (painting.half)
        __real_painter_free(painting.half);
    free(painting.room.plane[0]);
    free(painting.row);
    memset(&painting, 0, sizeof painting);
}

/* Samples of the half camera sit a quarter of its pitch to either side of a whole pixel. */
static void stretch_row(const uint16_t *in, int count, uint16_t *out)
{
    for (int x = 0; x < count; x++) {
        const unsigned here = in[x], left = in[x ? x - 1 : 0],
                       right = in[x + 1 < count ? x + 1 : x];
        out[2 * x] = (uint16_t)((3 * here + left + 2) / 4);
        out[2 * x + 1] = (uint16_t)((3 * here + right + 2) / 4);
    }
}

static void stretch(const struct picture *half, struct picture *out)
{
    const size_t width = (size_t)out->width, rows = (size_t)half->height;
    uint16_t *above = painting.row, *below = painting.row + width;
    stretch_row(half->plane[0], half->width, above);
    memcpy(out->plane[0], above, width * sizeof *above);
    for (size_t y = 1; y < rows; y++) {
        uint16_t *upper = out->plane[0] + (2 * y - 1) * width, *lower = upper + width;
        stretch_row(half->plane[0] + y * (size_t)half->width, half->width, below);
        for (size_t x = 0; x < width; x++) {
            upper[x] = (uint16_t)((3u * above[x] + below[x] + 2) / 4);
            lower[x] = (uint16_t)((3u * below[x] + above[x] + 2) / 4);
        }
        uint16_t *const passed = above;
        above = below;
        below = passed;
    }
    memcpy(out->plane[0] + (2 * rows - 1) * width, above, width * sizeof *above);
    out->lux_a_count = half->lux_a_count;
}

int __wrap_painter_paint(struct painter *p, const struct view *view, const struct picture **out,
                         struct error *err)
{
    const struct picture *half;
    if (view->scene != WORLD_SCENE_PANORAMA || p != painting.whole)
        return __real_painter_paint(p, view, out, err);
    int rc = __real_painter_paint(painting.half, view, &half, err);
    if (rc)
        return rc;
    stretch(half, &painting.room);
    *out = &painting.room;
    return 0;
}
