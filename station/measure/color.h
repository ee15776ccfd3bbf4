/* Colour: from linear sRGB to CIELAB under D50, colour differences, and the 24 patches of a
 * ColorChecker.
 *
 * sRGB primaries and D65 white after IEC 61966-2-1; CIELAB after ISO/CIE 11664-4; adaptation to
 * D50 by Bradford (ICC.1:2022 annex E); CIEDE2000 after ISO/CIE 11664-6 and Sharma, Wu and Dalal
 * (2005), parametric factors 1. */
#ifndef TAKT_STATION_MEASURE_COLOR_H
#define TAKT_STATION_MEASURE_COLOR_H

#include <stdbool.h>

struct lab {
    double l, a, b; /* D50 */
};

/* Linear sRGB (1 = the display's white) to Lab. */
struct lab lab_from_rgb(const double rgb[3]);
/* And back: linear sRGB, not clipped, so a colour outside sRGB has components beyond 0..1. */
void lab_to_rgb(struct lab c, double rgb[3]);

double delta_e76(struct lab x, struct lab y);
double delta_e2000(struct lab x, struct lab y);

enum { COLOR_PATCHES = 24, COLOR_COLUMNS = 6, COLOR_WHITE = 18 /* first of the grey row */ };

/* The ColorChecker Classic, row by row from the top left (dark skin) to black: X-Rite's Lab D50
 * figures for charts made before November 2014. */
extern const struct color_reference {
    const char *name;
    struct lab lab;
} color_references[COLOR_PATCHES];

struct color {
    struct lab lab[COLOR_PATCHES]; /* measured */
    double de2000[COLOR_PATCHES];
    double de2000_mean, de2000_max;
    int worst;               /* patch of the largest difference */
    double white_balance_de; /* mean difference of greys 8, 6.5, 5 and 3.5 in a and b alone: each
                                is held against its reference at its own measured lightness */
    double exposure;         /* factor that was applied, 1 without match_exposure */
};

/* Holds the patches' mean linear sRGB against the reference. With match_exposure all are first
 * scaled by one factor so that the grey row's luminances fit (least squares of the logarithms over
 * white to neutral 3.5): then an exposure a little off is not counted as colour error. */
void color_check(double rgb[COLOR_PATCHES][3], bool match_exposure, struct color *out);

#endif
