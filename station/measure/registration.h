/* How far one frame is moved against another.
 *
 * First guess by phase correlation (Kuglin and Hines 1975) on a reduced picture, its best peaks
 * held against each other by the correlation of what overlaps; then Gauss-Newton least squares over
 * the whole overlap from coarse to fine (Lucas and Kanade 1981), with gain and offset free, so
 * light may change between the frames. Shifts up to 45 % of the picture. A frame of 2304 x 1296 is
 * reduced to half for the last step; errors on a textured scene stay below 0.05 pixels. The slope
 * is always taken from the first frame at whole pixels, so that noise does not draw the result to
 * half pixels. */
#ifndef TAKT_STATION_MEASURE_REGISTRATION_H
#define TAKT_STATION_MEASURE_REGISTRATION_H

#include "station/measure/picture.h"

struct registration {
    double dx_px, dy_px; /* the second frame's content lies this much further right and down, */
    double rotation_deg; /* after it was turned clockwise (as seen) about the picture's centre */
    double peak;         /* correlation coefficient of the overlap when aligned: 1 for equal
                            pictures; strangers reach 0.5 by their large smooth parts, so below 0.7
                            the rest is void */
};

/* Two frames of one size, 64 x 48 to 16384 a side. Turns up to 30 degrees. ERROR_INPUT when sizes
 * differ or a frame has no texture. */
int registration_measure(struct plane a, struct plane b, struct registration *out,
                         struct error *err);

struct pan_tilt {
    double pan_deg;  /* the camera turned right from a to b */
    double tilt_deg; /* it turned up */
    double roll_deg; /* and clockwise about its own axis, as seen from behind it */
    double peak;     /* as above */
};

/* The same for a camera that turned: the frames differ by a rotation seen through a lens of
 * focal_px (focal length over pixel pitch, no distortion), which is fitted as such, so perspective
 * does not count as error. Axes through the lens are assumed: the scene is far. */
int registration_pan_tilt(struct plane a, struct plane b, double focal_px, struct pan_tilt *out,
                          struct error *err);

/* Pan and tilt of the axes of a camera whose first frame looked up by elevation_deg: pan turns
 * about the upright of the room, so away from the horizon it moves the picture by less than its own
 * angle, and turns it. roll_deg stays as seen. */
struct pan_tilt pan_tilt_at_elevation(struct pan_tilt seen, double elevation_deg);

/* Angle of a shift seen at the picture's centre: atan(shift / focal), in degrees. */
double registration_angle_deg(double shift_px, double focal_px);

#endif
