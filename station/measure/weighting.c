#include "station/measure/weighting.h"

#include <math.h>

double weighting_a_power(double frequency_hz)
{
    const double f2 = frequency_hz * frequency_hz;
    const double f1 = 20.598997, fb = 107.65265, fc = 737.86223, f4 = 12194.217;
    double r = f4 * f4 * f2 * f2 /
               ((f2 + f1 * f1) * sqrt((f2 + fb * fb) * (f2 + fc * fc)) * (f2 + f4 * f4));
    return r * r * pow(10, 2.0 / 10 * 0.99995); /* +1.9999 dB makes 1 kHz 0 dB */
}

double weighting_a_db(double frequency_hz)
{
    return 10 * log10(weighting_a_power(frequency_hz));
}
