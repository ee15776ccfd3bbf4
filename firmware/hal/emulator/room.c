#include "firmware/hal/emulator/room.h"

#include <math.h>
#include <string.h>

#include "firmware/hal/emulator/chance.h"
#include "protocol/base/vector.h"

/* The room is painted with three layers of one tile of noise, finest first: the distance between
 * the noise's knots, and how strong the layer is. The finest knots lie 3.4 pixels of a 3.6 mm lens
 * apart: detail to register by, and still coarse enough for the pixels to sample. */
enum { TEXELS_A_KNOT = 2, BLOCK = 32 };
static const struct {
    float knot_deg, strength;
    int every_px; /* looked up, straight between: a small part of the way from knot to knot */
} layers[] = {{0.12f, 0.05f, 1}, {0.61f, 0.06f, 2}, {2.9f, 0.07f, 8}};
enum { LAYERS = sizeof layers / sizeof layers[0] };

/* Cubic B-spline weights of the four knots around a point at f between two of them: the noise is
 * smooth to its second derivative. */
static void spline(float f, float w[4])
{
    float g = 1 - f;
    w[0] = g * g * g / 6;
    w[1] = (4 - 3 * f * f * (2 - f)) / 6;
    w[2] = (4 - 3 * g * g * (2 - g)) / 6;
    w[3] = f * f * f / 6;
}

/* Random knots, splines between them along one way of the tile. */
static void smooth(float *line, size_t stride)
{
    enum { KNOTS = ROOM_TILE / TEXELS_A_KNOT };
    float knot[KNOTS], w[4];
    for (size_t i = 0; i < KNOTS; i++)
        knot[i] = line[i * TEXELS_A_KNOT * stride];
    for (size_t i = 0; i < ROOM_TILE; i++) {
        size_t k = i / TEXELS_A_KNOT + KNOTS - 1;
        spline((float)(i % TEXELS_A_KNOT) / TEXELS_A_KNOT, w);
        float sum = 0;
        for (size_t j = 0; j < 4; j++)
            sum += w[j] * knot[(k + j) % KNOTS];
        line[i * stride] = sum;
    }
}

void room_make(struct room *room)
{
    struct chance c;
    chance_start(&c, 0x726f6f6d, 0);
    double sum = 0, squares = 0;
    const double count = (double)ROOM_TILE * ROOM_TILE;
    for (int y = 0; y < ROOM_TILE; y++)
        for (int x = 0; x < ROOM_TILE; x++)
            room->tile[y][x] = (float)chance_uniform(&c);
    for (int i = 0; i < ROOM_TILE; i++)
        smooth(room->tile[i], 1);
    for (int i = 0; i < ROOM_TILE; i++)
        smooth(&room->tile[0][i], ROOM_TILE);
    for (int y = 0; y < ROOM_TILE; y++)
        for (int x = 0; x < ROOM_TILE; x++) {
            sum += room->tile[y][x];
            squares += (double)room->tile[y][x] * room->tile[y][x];
        }
    double mean = sum / count, sigma = sqrt(squares / count - mean * mean);
    for (int y = 0; y < ROOM_TILE; y++)
        for (int x = 0; x < ROOM_TILE; x++)
            room->tile[y][x] = (float)((room->tile[y][x] - mean) / sigma);
}

/* Texels are half a knot apart: straight lines between them are close to the spline. */
static inline float layer_at(const float *tile, float u, float v)
{
    enum { MASK = ROOM_TILE - 1 };
    const int x = (int)u, y = (int)v; /* u, v > 0 */
    const float fu = u - (float)x, fv = v - (float)y;
    const int above = (y & MASK) * ROOM_TILE, below = ((y + 1) & MASK) * ROOM_TILE;
    const int x0 = x & MASK, x1 = (x + 1) & MASK;
    const float a = tile[above + x0] + fu * (tile[above + x1] - tile[above + x0]),
                b = tile[below + x0] + fu * (tile[below + x1] - tile[below + x0]);
    return a + fv * (b - a);
}

/* A layer's part of a row: looked up at every so many pixels, straight between. */
static inline __attribute__((always_inline)) void add_layer(const float *restrict tile, int k,
                                                            const float *restrict az,
                                                            const float *restrict el,
                                                            float *restrict seen)
{
    const float texels_a_deg = TEXELS_A_KNOT / layers[k].knot_deg, strength = layers[k].strength;
    const int every = layers[k].every_px, places = BLOCK / every;
    float v[BLOCK + 1];
    for (int i = 0; i < places + (every > 1); i++)
        v[i] =
            strength * layer_at(tile, az[i * every] * texels_a_deg, el[i * every] * texels_a_deg);
    if (every == 1)
        for (int j = 0; j < BLOCK; j++)
            seen[j] += v[j];
    else
        for (int i = 0; i < places; i++)
            for (int j = 0; j < every; j++)
                seen[i * every + j] += v[i] + (float)j / every * (v[i + 1] - v[i]);
}

/* Azimuth (right) and elevation (up), in degrees, of what picture point (x, y) looks at. */
static void look(const struct lens *lens, double pan_deg, double tilt_deg, double x, double y,
                 double *azimuth, double *elevation)
{
    double ix, iy, c = cos(tilt_deg * M_PI / 180), s = sin(tilt_deg * M_PI / 180);
    lens_unplace(lens, x, y, &ix, &iy);
    double right = ix / lens->focal_px, up = -iy / lens->focal_px;
    double ahead = c - up * s, above = up * c + s;
    *azimuth = pan_deg + atan2(right, ahead) * 180 / M_PI;
    *elevation = atan2(above, hypot(right, ahead)) * 180 / M_PI;
}

/* A parabola through values at -1, 0 and 1. */
static inline double bend_through(const double v[3], double t)
{
    return v[1] + t * ((v[2] - v[0]) / 2 + t * ((v[2] + v[0]) / 2 - v[1]));
}

/* One row of a block: directions along it lie on parabolas through azimuth[] and elevation[]. */
static VECTORIZED void paint_row(const float *tile, const double azimuth[3],
                                 const double elevation[3], int count, float *out)
{
    const double offset_deg = 720; /* keeps the tile's coordinates positive */
    float az[BLOCK + 1], el[BLOCK + 1], seen[BLOCK];
    for (int j = 0; j <= BLOCK; j++) {
        const double t = j / (BLOCK / 2.0) - 1, a = bend_through(azimuth, t);
        /* A room closes: what lies behind is the same seen over either shoulder. */
        const double round = a >= 180 ? -360.0 : a < -180 ? 360.0 : 0.0;
        az[j] = (float)(a + offset_deg + round);
        el[j] = (float)(bend_through(elevation, t) + offset_deg);
    }
    for (int j = 0; j < BLOCK; j++)
        seen[j] = 0.42f;
    add_layer(tile, 0, az, el, seen);
    add_layer(tile, 1, az, el, seen);
    add_layer(tile, 2, az, el, seen);
    for (int j = 0; j < BLOCK; j++)
        seen[j] = seen[j] < 0.02f ? 0.02f : seen[j] > 0.95f ? 0.95f : seen[j];
    memcpy(out, seen, (size_t)count * sizeof *out);
}

/* Directions bend slowly: they are exact every half block both ways, parabolas between are 0.0003
 * pixels off on the horizon and 0.01 where azimuths crowd together, 70 degrees above it. */
void room_paint(const struct room *room, const struct lens *lens, const struct room_view *view,
                float *out, size_t stride)
{
    for (int y = 0; y < view->rows; y += BLOCK)
        for (int x = 0; x < view->columns; x += BLOCK) {
            double azimuth[3][3], elevation[3][3]; /* of columns, then rows */
            for (int k = 0; k < 9; k++)
                look(lens, view->pan_deg, view->tilt_deg,
                     view->left + x + 0.5 + k / 3 * (BLOCK / 2.0),
                     view->top + y + 0.5 + k % 3 * (BLOCK / 2.0), &azimuth[k / 3][k % 3],
                     &elevation[k / 3][k % 3]);
            const int wide = view->columns - x < BLOCK ? view->columns - x : BLOCK;
            for (int i = 0; i < BLOCK && y + i < view->rows; i++) {
                const double t = i / (BLOCK / 2.0) - 1;
                double a[3], e[3];
                for (int k = 0; k < 3; k++) {
                    a[k] = bend_through(azimuth[k], t);
                    e[k] = bend_through(elevation[k], t);
                }
                paint_row(room->tile[0], a, e, wide, out + (size_t)(y + i) * stride + x);
            }
        }
}

double room_infrared(const struct physics *physics, const struct lens *lens, double drive,
                     double ideal_x, double ideal_y)
{
    const double output[6] = {physics->ir_led_1, physics->ir_led_2, physics->ir_led_3,
                              physics->ir_led_4, physics->ir_led_5, physics->ir_led_6};
    int count = (int)physics->ir_led_count;
    double half_x = lens->width_px / 2 / lens->focal_px,
           half_y = lens->height_px / 2 / lens->focal_px;
    double x = ideal_x / lens->focal_px, y = ideal_y / lens->focal_px;
    double length = sqrt(1 + x * x + y * y), sum = 0;
    for (int i = 0; i < count; i++) {
        /* A ring of LEDs, each aimed at its own part of the view: four of them at the corners. */
        double turn = 2 * M_PI * (i + 0.5) / count;
        double ax = 0.85 * M_SQRT2 * cos(turn) * half_x, ay = -0.85 * M_SQRT2 * sin(turn) * half_y;
        double cosine = (1 + x * ax + y * ay) / (length * sqrt(1 + ax * ax + ay * ay));
        double off_deg = acos(cosine > 1 ? 1 : cosine) * 180 / M_PI / physics->ir_led_beam_deg;
        sum += output[i] * exp2(-off_deg * off_deg);
    }
    /* The wall is flat: farther off the axis it is farther away and met at a slant. */
    return drive * physics->ir_led_lux * sum / (length * length * length);
}
