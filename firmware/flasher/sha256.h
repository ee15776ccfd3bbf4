/* SHA-256 (FIPS 180-4) for a program without a library. */
#ifndef TAKT_FIRMWARE_FLASHER_SHA256_H
#define TAKT_FIRMWARE_FLASHER_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
};

void sha256_start(struct sha256 *s);
void sha256_update(struct sha256 *s, const uint8_t *data, size_t size);
void sha256_finish(struct sha256 *s, uint8_t out[32]);

#endif
