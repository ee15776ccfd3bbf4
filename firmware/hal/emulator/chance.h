/* Randomness that can be had again: hashes for what is fixed in a unit (where its bad pixels sit),
 * streams for what changes with time (noise). Both follow from the unit's seed. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_CHANCE_H
#define TAKT_FIRMWARE_HAL_EMULATOR_CHANCE_H

#include <stdint.h>

/* xoshiro256++ of Blackman and Vigna. */
struct chance {
    uint64_t s[4];
};

/* A well-mixed 64-bit value of seed, purpose and index (the finaliser of splitmix64). */
uint64_t chance_hash(uint64_t seed, uint64_t purpose, uint64_t index);

void chance_start(struct chance *c, uint64_t seed, uint64_t purpose);

static inline uint64_t chance_next(struct chance *c)
{
    uint64_t *s = c->s, sum = s[0] + s[3];
    uint64_t out = (sum << 23 | sum >> 41) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return out;
}

double chance_uniform(struct chance *c); /* 0 <= x < 1 */
double chance_normal(struct chance *c);  /* mean 0, sigma 1 */

/* The middles of 4096 equally likely slices of the normal distribution, scaled to sigma exactly 1:
 * a random index is a Gaussian number at the price of a load. Reaches 3.7 sigma. */
enum { CHANCE_NORMALS = 4096 };
void chance_normal_table(float out[CHANCE_NORMALS]);

#endif
