/* SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014):
 * numbers that can be had again from a seed, for patterns, spreads and noise. Not for secrets. */
#ifndef TAKT_PROTOCOL_BASE_SPLITMIX_H
#define TAKT_PROTOCOL_BASE_SPLITMIX_H

#include <stdint.h>

/* The step of the state: the golden ratio's fraction of 2^64. */
#define SPLITMIX_STEP UINT64_C(0x9e3779b97f4a7c15)

/* Mixes all bits of a value into all bits of another; one to one, 0 stays 0. */
static inline uint64_t splitmix_mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* The next number of the stream that began with any *state: one start is as good as another. */
static inline uint64_t splitmix_next(uint64_t *state)
{
    return splitmix_mix(*state += SPLITMIX_STEP);
}

#endif
