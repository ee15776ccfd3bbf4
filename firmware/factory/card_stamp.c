#include "firmware/factory/card_stamp.h"

#include <string.h>

void card_stamp(uint64_t seed, uint64_t offset, uint8_t out[STAMP_BYTES])
{
    /* SplitMix64 (Steele, Lea, Flood 2014): any start is as good as another. */
    uint64_t state = seed ^ (offset * 0x9e3779b97f4a7c15u);
    memcpy(out, &offset, sizeof offset);
    for (size_t i = sizeof offset; i < STAMP_BYTES; i += sizeof state) {
        state += 0x9e3779b97f4a7c15u;
        uint64_t z = state;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        memcpy(out + i, &z, sizeof z);
    }
}

bool card_stamp_read(uint64_t seed, const uint8_t block[STAMP_BYTES], uint64_t *offset)
{
    uint8_t expected[STAMP_BYTES];
    memcpy(offset, block, sizeof *offset);
    card_stamp(seed, *offset, expected);
    return memcmp(block, expected, STAMP_BYTES) == 0;
}
