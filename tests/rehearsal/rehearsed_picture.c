/* The panorama of a rehearsal is seen by half a camera: every second pixel each way, and each of
 * its pixels stands for four. Its lens has half the blur, offsets and pitch in pixels; its
 * photosite gathers what four do, and its numbers are the mean of theirs: four times the charge,
 * full well and dark current, the root of four of each noise and of the fixed patterns' spread. The
 * room's finest detail lies 3.4 pixels apart and holds less than a thousandth of its contrast
 * beyond what such samples carry, and the ptz step looks at means over 4 x 4 pixels. Charts and
 * walls are painted and exposed as they always are.
 */
#include "tests/rehearsal/rehearsed_picture.h"

#include <stdlib.h>
#include <string.h>

#include "firmware/hal/emulator/picture.h"
#include "firmware/hal/emulator/room.h"
#include "firmware/hal/emulator/sensor.h"
#include "protocol/world.h"

/* The linker's --wrap: calls of X go to __wrap_X, and __real_X is X itself. */
int __wrap_painter_create(const struct board *, const struct physics *, struct painter **,
                          struct error *);
int __wrap_painter_paint(struct painter *, const struct view *, const struct picture **,
                         struct error *);
void __wrap_painter_free(struct painter *);
void __wrap_room_make(struct room *);
int __wrap_sensor_create(const struct board *, const struct physics *, struct sensor **,
                         struct error *);
void __wrap_sensor_free(struct sensor *);
double __wrap_sensor_meter(const struct sensor *, const struct picture *, double);
void __wrap_sensor_expose(struct sensor *, const struct picture *, double, double, double, uint32_t,
                          uint8_t *);
int __real_painter_create(const struct board *, const struct physics *, struct painter **,
                          struct error *);
int __real_painter_paint(struct painter *, const struct view *, const struct picture **,
                         struct error *);
void __real_painter_free(struct painter *);
void __real_room_make(struct room *);
int __real_sensor_create(const struct board *, const struct physics *, struct sensor **,
                         struct error *);
void __real_sensor_free(struct sensor *);
double __real_sensor_meter(const struct sensor *, const struct picture *, double);
void __real_sensor_expose(struct sensor *, const struct picture *, double, double, double, uint32_t,
                          uint8_t *);

/* The same for every unit. */
static struct room *panorama;

/* A rehearsed unit has one camera. */
static struct {
    struct painter *whole_painter, *painter;
    struct sensor *whole_sensor, *sensor;
    const struct picture *room; /* the half camera's last picture */
    uint8_t *frame;             /* its NV12 */
} half;

int rehearsed_picture_begin(struct error *err)
{
    if (!(panorama = malloc(sizeof *panorama)))
        return error_set(err, ERROR_MEMORY, "out of memory for a panorama");
    __real_room_make(panorama);
    return 0;
}

void rehearsed_picture_end(void)
{
    free(panorama);
    panorama = NULL;
}

void __wrap_room_make(struct room *room)
{
    memcpy(room, panorama, sizeof *room);
}

static struct board halved_board(const struct board *board)
{
    struct board b = *board;
    b.sensor_width_px /= 2;
    b.sensor_height_px /= 2;
    b.pixel_um *= 2;
    return b;
}

static struct physics halved(const struct physics *physics)
{
    struct physics p = *physics;
    double *const by_two[] = {
        &p.lens_blur_px,  &p.field_blur_px,   &p.defocus_px, &p.tilt_px,   &p.tilt_vertical_px,
        &p.decentre_x_px, &p.decentre_y_px,   &p.seat_x_px,  &p.seat_y_px, &p.dust_radius_px,
        &p.prnu,          &p.dead_cluster_px, &p.dark_spread};
    for (size_t i = 0; i < sizeof by_two / sizeof *by_two; i++)
        *by_two[i] /= 2;
    p.full_well_e *= 4;
    p.dark_current_e_s *= 4;
    p.hot_pixel_e_s *= 4;
    p.read_noise_e *= 2;
    return p;
}

int __wrap_painter_create(const struct board *board, const struct physics *physics,
                          struct painter **out, struct error *err)
{
    const struct board half_board = halved_board(board);
    const struct physics half_physics = halved(physics);
    int rc = __real_painter_create(board, physics, out, err);
    if (rc)
        return rc;
    half.whole_painter = *out;
    half.room = NULL;
    return __real_painter_create(&half_board, &half_physics, &half.painter, err);
}

void __wrap_painter_free(struct painter *p)
{
    if (p && p == half.whole_painter) {
        __real_painter_free(half.painter);
        half.painter = half.whole_painter = NULL;
    }
    __real_painter_free(p);
}

int __wrap_painter_paint(struct painter *p, const struct view *view, const struct picture **out,
                         struct error *err)
{
    if (view->scene != WORLD_SCENE_PANORAMA || p != half.whole_painter)
        return __real_painter_paint(p, view, out, err);
    int rc = __real_painter_paint(half.painter, view, out, err);
    half.room = rc ? NULL : *out;
    return rc;
}

int __wrap_sensor_create(const struct board *board, const struct physics *physics,
                         struct sensor **out, struct error *err)
{
    const struct board half_board = halved_board(board);
    const struct physics half_physics = halved(physics);
    int rc = __real_sensor_create(board, physics, out, err);
    if (rc)
        return rc;
    half.whole_sensor = *out;
    half.frame = malloc((size_t)half_board.sensor_width_px * half_board.sensor_height_px * 3 / 2);
    if (!half.frame)
        return error_set(err, ERROR_MEMORY, "out of memory for half a frame");
    return __real_sensor_create(&half_board, &half_physics, &half.sensor, err);
}

void __wrap_sensor_free(struct sensor *s)
{
    if (s && s == half.whole_sensor) {
        __real_sensor_free(half.sensor);
        free(half.frame);
        half.sensor = half.whole_sensor = NULL;
        half.frame = NULL;
    }
    __real_sensor_free(s);
}

double __wrap_sensor_meter(const struct sensor *s, const struct picture *light,
                           double exposure_gain_ms)
{
    return __real_sensor_meter(light == half.room ? half.sensor : s, light, exposure_gain_ms);
}

/* Each of `count` elements of `size` bytes twice, in two rows. */
static void twice(const uint8_t *in, size_t count, size_t size, uint8_t *out)
{
    const size_t row = 2 * count * size;
    if (size == 1)
        for (size_t i = 0; i < count; i++)
            out[2 * i] = out[2 * i + 1] = in[i];
    else
        for (size_t i = 0; i < count; i++) {
            memcpy(out + 2 * i * size, in + i * size, size);
            memcpy(out + (2 * i + 1) * size, in + i * size, size);
        }
    memcpy(out + row, out, row);
}

void __wrap_sensor_expose(struct sensor *s, const struct picture *light, double exposure_ms,
                          double gain, double temperature_c, uint32_t sequence, uint8_t *nv12)
{
    if (light != half.room) {
        __real_sensor_expose(s, light, exposure_ms, gain, temperature_c, sequence, nv12);
        return;
    }
    const size_t width = (size_t)light->width, height = (size_t)light->height;
    const uint8_t *chroma = half.frame + width * height;
    uint8_t *whole_chroma = nv12 + 4 * width * height;
    __real_sensor_expose(half.sensor, light, exposure_ms, gain, temperature_c, sequence,
                         half.frame);
    for (size_t y = 0; y < height; y++)
        twice(half.frame + y * width, width, 1, nv12 + 4 * y * width);
    for (size_t y = 0; y < height / 2; y++)
        twice(chroma + y * width, width / 2, 2, whole_chroma + 4 * y * width);
}
