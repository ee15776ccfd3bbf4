/* A-weighting (IEC 61672-1:2013, annex E, the analogue design goal). */
#ifndef TAKT_STATION_MEASURE_WEIGHTING_H
#define TAKT_STATION_MEASURE_WEIGHTING_H

/* Gain at a frequency; 0 dB at 1 kHz. -INFINITY at 0 Hz. */
double weighting_a_db(double frequency_hz);
/* The same as a factor for power; 0 at 0 Hz. */
double weighting_a_power(double frequency_hz);

#endif
