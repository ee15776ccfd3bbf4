#include "firmware/hal/emulator/mark.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "firmware/hal/emulator/chart.h"

static const double pitch = 0.7, upper_v = 0.55, lower_v = 1.05, radius = 0.16;

/* How many sigmas of blur an edge is drawn over. */
static const double reach = 4;

static double edge_px(const struct mark *m, int led)
{
    return m->radius_px + reach * m->blur_px[led];
}

void mark_make(struct mark *m, const struct lens *lens)
{
    double top = lens->height_px, bottom = 0;
    m->radius_px = radius * chart_unit_px(lens);
    for (int led = 0; led < MARK_LEDS; led++) {
        struct point p;
        chart_place(lens, 8 + (led / 2 - 4.5) * pitch, led % 2 ? lower_v : upper_v, &p);
        m->x[led] = p.x;
        m->y[led] = p.y;
        /* A pixel gathers over its own width: sigma 1/sqrt(12). */
        m->blur_px[led] = hypot(lens_sigma(lens, p.x, p.y), 1 / sqrt(12));
        top = fmin(top, p.y - edge_px(m, led));
        bottom = fmax(bottom, p.y + edge_px(m, led));
    }
    m->top = (int)fmax(0, floor(top));
    m->bottom = (int)fmax(m->top + 1, fmin(lens->height_px, ceil(bottom)));
}

/* The bit of a count's Gray code. */
static bool gray_bit(double count, int bit)
{
    const unsigned low = (unsigned)fmod(count, 1 << MARK_LEDS / 2);
    return (low ^ low >> 1) >> bit & 1;
}

double mark_lit(int led, double step_s, double begin_s, double seconds)
{
    const double end_s = begin_s + seconds;
    double lit_s = 0;
    for (double count = floor(begin_s / step_s); count * step_s < end_s; count++)
        if (gray_bit(count, led / 2) == !(led % 2))
            lit_s += fmin(end_s, (count + 1) * step_s) - fmax(begin_s, count * step_s);
    return seconds > 0 ? lit_s / seconds : 0;
}

void mark_light_row(const struct mark *m, const float lit[MARK_LEDS], int y, int width, float *out)
{
    memset(out, 0, (size_t)width * sizeof *out);
    for (int led = 0; led < MARK_LEDS; led++) {
        const double edge = edge_px(m, led), down = y + 0.5 - m->y[led];
        const double across = edge * edge - down * down;
        if (across <= 0 || lit[led] <= 0)
            continue;
        const double half = sqrt(across), soft = m->blur_px[led] * M_SQRT2;
        const int from = (int)fmax(0, floor(m->x[led] - half)),
                  to = (int)fmin(width, ceil(m->x[led] + half));
        for (int x = from; x < to; x++) {
            const double inside = m->radius_px - hypot(x + 0.5 - m->x[led], down);
            out[x] += lit[led] *
                      (inside > reach * m->blur_px[led] ? 1 : (float)(0.5 * erfc(-inside / soft)));
        }
    }
}
