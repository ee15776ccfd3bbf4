#include "firmware/hal/emulator/room.h"

#include <math.h>
#include <string.h>

#include "firmware/hal/emulator/chance.h"

/* The room is painted with three layers of one tile of noise, finest first: the distance between
 * the noise's knots, and how strong the layer is. The finest knots lie 3.4 pixels of a 3.6 mm lens
 * apart: detail to register by, and still coarse enough for the pixels to sample. */
enum { TEXELS_A_KNOT = 2 };
static const struct {
    double knot_deg;
    float strength;
} layers[] = {{0.12, 0.05f}, {0.61, 0.06f}, {2.9, 0.07f}};
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
static inline float layer_at(const struct room *room, float u, float v)
{
    enum { MASK = ROOM_TILE - 1 };
    int x = (int)u, y = (int)v; /* u, v > 0 */
    float fu = u - (float)x, fv = v - (float)y;
    const float *above = room->tile[y & MASK], *below = room->tile[(y + 1) & MASK];
    int x0 = x & MASK, x1 = (x + 1) & MASK;
    float a = above[x0] + fu * (above[x1] - above[x0]),
          b = below[x0] + fu * (below[x1] - below[x0]);
    return a + fv * (b - a);
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

void room_row(const struct room *room, const struct lens *lens, double pan_deg, double tilt_deg,
              int x0, int count, int y, float *out)
{
    /* Directions bend slowly: exact every 16 pixels, a parabola between is 0.0003 pixels off on the
     * horizon and 0.01 where azimuths crowd together, 70 degrees above it. */
    enum { STEP = 32 };
    const double offset_deg = 720; /* keeps the tile's coordinates positive */
    double texels_a_deg[LAYERS];
    for (int k = 0; k < LAYERS; k++)
        texels_a_deg[k] = TEXELS_A_KNOT / layers[k].knot_deg;
    double a[3], e[3];
    look(lens, pan_deg, tilt_deg, x0 + 0.5, y + 0.5, &a[2], &e[2]);
    for (int i = 0; i < count; i += STEP) {
        a[0] = a[2];
        e[0] = e[2];
        for (int k = 1; k < 3; k++)
            look(lens, pan_deg, tilt_deg, x0 + i + 0.5 + k * (STEP / 2.0), y + 0.5, &a[k], &e[k]);
        int n = count - i < STEP ? count - i : STEP;
        double slope_a = (a[2] - a[0]) / 2, bend_a = (a[2] + a[0]) / 2 - a[1];
        double slope_e = (e[2] - e[0]) / 2, bend_e = (e[2] + e[0]) / 2 - e[1];
        for (int j = 0; j < n; j++) {
            double t = j / (STEP / 2.0) - 1; /* -1 at a[0], 0 at a[1] */
            double az = a[1] + t * (slope_a + t * bend_a);
            /* A room closes: what lies behind is the same seen over either shoulder. */
            az += offset_deg + (az >= 180 ? -360 : az < -180 ? 360 : 0);
            double el = offset_deg + e[1] + t * (slope_e + t * bend_e);
            float r = 0.42f;
            for (int k = 0; k < LAYERS; k++)
                r += layers[k].strength *
                     layer_at(room, (float)(az * texels_a_deg[k]), (float)(el * texels_a_deg[k]));
            out[i + j] = r < 0.02f ? 0.02f : r > 0.95f ? 0.95f : r;
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
