#include "firmware/factory/card_stamp.h"

#include <string.h>

#include "protocol/base/splitmix.h"

void card_stamp(uint64_t seed, uint64_t offset, uint8_t out[STAMP_BYTES])
{
    uint64_t state = seed ^ (offset * SPLITMIX_STEP);
    memcpy(out, &offset, sizeof offset);
    for (size_t i = sizeof offset; i < STAMP_BYTES; i += sizeof state) {
        uint64_t number = splitmix_next(&state);
        memcpy(out + i, &number, sizeof number);
    }
}

bool card_stamp_read(uint64_t seed, const uint8_t block[STAMP_BYTES], uint64_t *offset)
{
    uint8_t expected[STAMP_BYTES];
    memcpy(offset, block, sizeof *offset);
    card_stamp(seed, *offset, expected);
    return memcmp(block, expected, STAMP_BYTES) == 0;
}
