/* The lens: where a direction lands on the sensor, how sharp and how bright it is there.
 *
 * "Ideal" coordinates are those of a pinhole on the axis: pixels right of and below it, so that
 * x / focal_px is a tangent. Picture coordinates count from the sensor's upper left corner; pixel
 * i covers [i, i + 1). */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_LENS_H
#define TAKT_FIRMWARE_HAL_EMULATOR_LENS_H

#include "firmware/hal/emulator/physics.h"
#include "protocol/formats/board.h"

struct lens {
    double width_px, height_px;
    double focal_px;                                 /* true */
    double magnified;                                /* over the board's nominal focal length */
    double seat_cos, seat_sin, seat_x_px, seat_y_px; /* of the unit before the chart */
    double axis_x, axis_y;                           /* where the axis meets the sensor */
    double half_diagonal_px;                         /* of the sensor: field height 1 */
    double roll_cos, roll_sin;
    double distortion;
    double round_blur_px; /* aberrations and diffraction, everywhere the same */
    double field_px, defocus_px, tilt_px, tilt_vertical_px;
    double corner_light;
    double lux_factor; /* sensor illuminance over that of a white surface: T / 4N^2 */
    double dust_depth, dust_radius_px, dust_x, dust_y;
};

void lens_make(struct lens *lens, const struct board *board, const struct physics *physics);

void lens_place(const struct lens *lens, double ideal_x, double ideal_y, double *x, double *y);
void lens_unplace(const struct lens *lens, double x, double y, double *ideal_x, double *ideal_y);

/* Sigma of the Gaussian blur, in pixels, without the pixel's own area. */
double lens_sigma(const struct lens *lens, double x, double y);
/* Light relative to the axis: vignetting and dust. */
double lens_shading(const struct lens *lens, double x, double y);

#endif
