/* Sounds for the fixture's loudspeaker: floats with +-1 as full scale, made from parameters alone.
 */
#ifndef TAKT_STATION_MEASURE_SIGNAL_H
#define TAKT_STATION_MEASURE_SIGNAL_H

#include <stddef.h>

/* amplitude * sin(2 pi f t), faded in and out over fade_s by a raised cosine. */
void signal_sine(double frequency_hz, double amplitude, double rate_hz, double fade_s, float *out,
                 size_t count);

/* Exponential sine sweep (Farina 2000): from start_hz to end_hz over duration_s. */
struct signal_sweep {
    double start_hz, end_hz, duration_s, amplitude, rate_hz;
    double fade_s;
};

/* Noise like talk, always the same one: falling by 6 dB an octave from 500 Hz on, as speech does in
 * the long run (ITU-T P.50), and rising and falling four times a second, as its syllables do. Its
 * rms is that of a sine of this amplitude. */
void signal_talk(double amplitude, double rate_hz, float *out, size_t count);

size_t signal_sweep_samples(const struct signal_sweep *s); /* 0 when the parameters make no sense */
void signal_sweep(const struct signal_sweep *s, float *out);

#endif
