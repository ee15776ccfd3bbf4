#include "firmware/hal/emulator/lens.h"

#include <math.h>

void lens_make(struct lens *lens, const struct board *board, const struct physics *physics)
{
    const struct physics *p = physics;
    double w = board->sensor_width_px, h = board->sensor_height_px;
    /* The Airy disc's core is close to a Gaussian of 0.42 wavelengths times the f-number. */
    double diffraction_px = 0.42 * 0.55 * board->f_number / board->pixel_um;
    *lens = (struct lens){
        .width_px = w,
        .height_px = h,
        .focal_px = board->focal_mm * 1000 / board->pixel_um * (1 + p->focal_error),
        .magnified = 1 + p->focal_error,
        .seat_cos = cos(p->seat_turn_deg * M_PI / 180),
        .seat_sin = sin(p->seat_turn_deg * M_PI / 180),
        .seat_x_px = p->seat_x_px,
        .seat_y_px = p->seat_y_px,
        .axis_x = w / 2 + p->decentre_x_px,
        .axis_y = h / 2 + p->decentre_y_px,
        .half_diagonal_px = hypot(w, h) / 2,
        .roll_cos = cos(p->roll_deg * M_PI / 180),
        .roll_sin = sin(p->roll_deg * M_PI / 180),
        .distortion = p->distortion,
        .round_blur_px = hypot(p->lens_blur_px, diffraction_px),
        .field_px = p->field_blur_px,
        .defocus_px = p->defocus_px,
        .tilt_px = p->tilt_px,
        .tilt_vertical_px = p->tilt_vertical_px,
        .corner_light = p->corner_light,
        .lux_factor = p->transmission / (4 * board->f_number * board->f_number),
        .dust_depth = p->dust_depth,
        .dust_radius_px = p->dust_radius_px,
        .dust_x = p->dust_x * w,
        .dust_y = p->dust_y * h,
    };
}

void lens_place(const struct lens *lens, double ideal_x, double ideal_y, double *x, double *y)
{
    double r = hypot(ideal_x, ideal_y) / lens->half_diagonal_px;
    double grow = 1 + lens->distortion * r * r;
    double gx = ideal_x * grow, gy = ideal_y * grow;
    /* The sensor turned clockwise sees the scene turned counter-clockwise. */
    *x = lens->axis_x + gx * lens->roll_cos + gy * lens->roll_sin;
    *y = lens->axis_y - gx * lens->roll_sin + gy * lens->roll_cos;
}

void lens_unplace(const struct lens *lens, double x, double y, double *ideal_x, double *ideal_y)
{
    double dx = x - lens->axis_x, dy = y - lens->axis_y;
    double gx = dx * lens->roll_cos - dy * lens->roll_sin;
    double gy = dx * lens->roll_sin + dy * lens->roll_cos;
    double r = hypot(gx, gy) / lens->half_diagonal_px, u = r;
    /* r = u (1 + d u^2); the slope is far from 0 for every distortion the table allows. */
    for (int n = 0; n < 6; n++)
        u -= (u * (1 + lens->distortion * u * u) - r) / (1 + 3 * lens->distortion * u * u);
    double shrink = r > 0 ? u / r : 1;
    *ideal_x = gx * shrink;
    *ideal_y = gy * shrink;
}

double lens_sigma(const struct lens *lens, double x, double y)
{
    double dx = x - lens->axis_x, dy = y - lens->axis_y;
    double r = hypot(dx, dy) / lens->half_diagonal_px;
    double defocus = lens->defocus_px + lens->field_px * r * r +
                     lens->tilt_px * dx / (lens->width_px / 2) +
                     lens->tilt_vertical_px * dy / (lens->height_px / 2);
    return hypot(lens->round_blur_px, defocus);
}

double lens_shading(const struct lens *lens, double x, double y)
{
    double r = hypot(x - lens->axis_x, y - lens->axis_y) / lens->half_diagonal_px;
    /* A cos^4 law of the angle that gives corner_light at the sensor's corner. */
    double tan2 = 1 / sqrt(lens->corner_light) - 1;
    double fall = 1 + tan2 * r * r, light = 1 / (fall * fall);
    if (lens->dust_depth > 0) {
        double d = hypot(x - lens->dust_x, y - lens->dust_y) / lens->dust_radius_px;
        light *= 1 - lens->dust_depth * exp(-d * d / 2);
    }
    return light;
}
