/* Sharpness from one slanted edge: the e-SFR method of ISO 12233:2023 (annex C).
 *
 * The edge's line is fitted, every pixel is projected along it onto its normal, the edge spread
 * function is rebuilt at four points a pixel, and the magnitude of its derivative's Fourier
 * transform is the contrast that a grating of that frequency keeps. Two things differ from the
 * letter of the standard, both to be nearer the truth: the four-fold profile is a least-squares
 * cubic spline (its derivative is exact, so neither the standard's derivative correction nor one
 * for the width of the bins is needed), and the window is flat over the edge and adapted to its
 * width, where a Hamming window over a narrow region raises MTF50 by some 3 %.
 *
 * Frequencies are cycles per pixel along the edge's normal. */
#ifndef TAKT_STATION_MEASURE_SHARPNESS_H
#define TAKT_STATION_MEASURE_SHARPNESS_H

#include "station/measure/picture.h"

enum { SHARPNESS_POINTS = 101 }; /* curve[i] is the contrast at i / 100 cycles per pixel */

struct sharpness {
    double mtf50_cpp;      /* where the contrast first falls to one half */
    double mtf_nyquist4;   /* contrast at 0.25 cycles/px, half of Nyquist */
    double angle_deg;      /* between the edge and the nearer axis of the picture, 0 to 45 */
    double edge_contrast;  /* (light - dark) / (light + dark) of the two sides */
    double noise_fraction; /* standard deviation about the edge's profile, of light - dark */
    double curve[SHARPNESS_POINTS];
};

/* The plane holds one straight edge from side to side, nearer to upright or to level, both its
 * sides plain; at least 16 x 16 pixels, better 60 along the edge. ERROR_INPUT when there is no
 * such edge, when it is buried in noise, or when it stands so straight on the pixel grid that its
 * profile cannot be resolved finer than a pixel. */
int sharpness_edge(struct plane edge, struct sharpness *out, struct error *err);

#endif
