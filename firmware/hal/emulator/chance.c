#include "firmware/hal/emulator/chance.h"

#include <math.h>

#include "protocol/base/splitmix.h"

uint64_t chance_hash(uint64_t seed, uint64_t purpose, uint64_t index)
{
    const uint64_t step = SPLITMIX_STEP;
    return splitmix_mix(splitmix_mix(splitmix_mix(seed + step) + purpose * step) +
                        (index + 1) * step);
}

void chance_start(struct chance *c, uint64_t seed, uint64_t purpose)
{
    for (uint64_t i = 0; i < 4; i++)
        c->s[i] = chance_hash(seed, purpose, i);
}

double chance_uniform(struct chance *c)
{
    return (double)(chance_next(c) >> 11) * 0x1p-53;
}

double chance_normal(struct chance *c)
{
    /* Box and Muller; 1 - u keeps the logarithm's argument above 0. */
    double u = 1 - chance_uniform(c), v = chance_uniform(c);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

void chance_normal_table(float out[CHANCE_NORMALS])
{
    double sum = 0;
    double x = -3.7;
    for (int i = 0; i < CHANCE_NORMALS / 2; i++) {
        /* Newton's method on the distribution function, started at the slice before. */
        double want = (i + 0.5) / CHANCE_NORMALS;
        for (int n = 0; n < 20; n++)
            x -= (0.5 * erfc(-x / M_SQRT2) - want) / (exp(-x * x / 2) / sqrt(2 * M_PI));
        out[i] = (float)x;
        out[CHANCE_NORMALS - 1 - i] = (float)-x;
        sum += 2 * x * x;
    }
    double scale = sqrt(CHANCE_NORMALS / sum);
    for (int i = 0; i < CHANCE_NORMALS; i++)
        out[i] = (float)(out[i] * scale);
}
