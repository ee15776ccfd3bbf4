#include "firmware/hal/emulator/chart.h"

#include <math.h>
#include <stdint.h>

/* The 24 patches' published 8-bit sRGB values (D65), in the usual order. */
static const uint8_t patches[24][3] = {
    {115, 82, 68},   {194, 150, 130}, {98, 122, 157}, {87, 108, 67},   {133, 128, 177},
    {103, 189, 170}, {214, 126, 44},  {80, 91, 166},  {193, 90, 99},   {94, 60, 108},
    {157, 188, 64},  {224, 163, 46},  {56, 61, 150},  {70, 148, 73},   {175, 54, 60},
    {231, 199, 31},  {187, 86, 149},  {8, 133, 161},  {243, 243, 242}, {200, 200, 200},
    {160, 160, 160}, {122, 122, 121}, {85, 85, 85},   {52, 52, 52},
};
static const float wedge[10] = {0.03f, 0.05f, 0.08f, 0.12f, 0.18f,
                                0.25f, 0.35f, 0.48f, 0.64f, 0.85f};

/* Dyes and most pigments hide little at 850 nm: every colour looks alike there. Carbon greys stay
 * what they are. */
static const float dye_infrared = 0.55f;

static float linear(uint8_t code)
{
    double v = code / 255.0;
    return (float)(v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
}

double chart_unit_px(const struct lens *l)
{
    /* It hangs where a nominal lens sees just all of it. */
    return l->width_px / 16 * l->magnified;
}

void chart_place(const struct lens *l, double u, double v, struct point *p)
{
    double unit_px = chart_unit_px(l);
    double x = (u - 8) * unit_px, y = (v - 4.5) * unit_px;
    lens_place(l, x * l->seat_cos - y * l->seat_sin + l->seat_x_px,
               x * l->seat_sin + y * l->seat_cos + l->seat_y_px, &p->x, &p->y);
}

struct pen {
    struct chart *chart;
    const struct lens *lens;
    size_t used;
};

static void place(const struct pen *pen, struct chart_shape *s, double u, double v)
{
    chart_place(pen->lens, u, v, &s->points[s->count++]);
}

static void finish(struct chart_shape *s)
{
    s->left = s->right = s->points[0].x;
    s->top = s->bottom = s->points[0].y;
    for (size_t i = 1; i < s->count; i++) {
        s->left = fmin(s->left, s->points[i].x);
        s->right = fmax(s->right, s->points[i].x);
        s->top = fmin(s->top, s->points[i].y);
        s->bottom = fmax(s->bottom, s->points[i].y);
    }
}

static struct chart_shape *next_shape(struct pen *pen, float red, float green, float blue)
{
    struct chart_shape *s = &pen->chart->shapes[pen->used++];
    s->count = 0;
    s->red = red;
    s->green = green;
    s->blue = blue;
    s->infrared = red == green && fabsf(green - blue) < 0.01f ? green : dye_infrared;
    return s;
}

static void square(struct pen *pen, struct chart_shape *s, double u, double v, double side,
                   double turned_deg)
{
    /* Each side in 32 pieces, so that distortion bends it as it bends a real one. */
    enum { PIECES = 32 };
    static const double corner[5][2] = {{-1, -1}, {1, -1}, {1, 1}, {-1, 1}, {-1, -1}};
    double c = cos(turned_deg * M_PI / 180), n = sin(turned_deg * M_PI / 180), h = side / 2;
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < PIECES; i++) {
            double t = (double)i / PIECES;
            double a = h * (corner[k][0] + t * (corner[k + 1][0] - corner[k][0]));
            double b = h * (corner[k][1] + t * (corner[k + 1][1] - corner[k][1]));
            place(pen, s, u + a * c - b * n, v + a * n + b * c);
        }
    }
    finish(s);
}

static void disc(struct pen *pen, struct chart_shape *s, double u, double v, double radius)
{
    /* The polygon has the disc's area: 256 corners stand 0.005 px outside the circle. */
    double step = 2 * M_PI / CHART_POINTS_MAX, r = radius * sqrt(step / sin(step));
    for (int i = 0; i < CHART_POINTS_MAX; i++)
        place(pen, s, u + r * cos(i * step), v + r * sin(i * step));
    finish(s);
}

void chart_make(struct chart *chart, const struct lens *lens)
{
    static const double slanted[5][2] = {
        {8, 4.5}, {1.6, 1.4}, {14.4, 1.4}, {1.6, 7.6}, {14.4, 7.6}};
    static const double fiducial[4][2] = {{3.4, 0.8}, {12.6, 0.8}, {3.4, 8.2}, {12.6, 8.2}};
    struct pen pen = {chart, lens, 0};
    chart->background = 0.40f;
    for (int i = 0; i < 5; i++)
        square(&pen, next_shape(&pen, 0.10f, 0.10f, 0.10f), slanted[i][0], slanted[i][1], 1.2, 5);
    for (int i = 0; i < 4; i++) {
        disc(&pen, next_shape(&pen, 0.85f, 0.85f, 0.85f), fiducial[i][0], fiducial[i][1], 0.45);
        disc(&pen, next_shape(&pen, 0.03f, 0.03f, 0.03f), fiducial[i][0], fiducial[i][1], 0.22);
    }
    for (int i = 0; i < 24; i++)
        square(
            &pen,
            next_shape(&pen, linear(patches[i][0]), linear(patches[i][1]), linear(patches[i][2])),
            2.7 + 0.76 * (i % 6), 3.36 + 0.76 * (i / 6), 0.64, 0);
    for (int i = 0; i < 10; i++)
        square(&pen, next_shape(&pen, wedge[i], wedge[i], wedge[i]), 9.8 + 0.85 * (i % 5),
               4.1 + 0.85 * (i / 5), 0.7, 0);
}
