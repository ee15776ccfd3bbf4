/* Numbers in bytes, lowest first, at any address: records, file systems, buses. */
#ifndef TAKT_PROTOCOL_BASE_LITTLE_ENDIAN_H
#define TAKT_PROTOCOL_BASE_LITTLE_ENDIAN_H

#include <stdint.h>

static inline void le16_put(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void le32_put(uint8_t *at, uint32_t value)
{
    le16_put(at, (uint16_t)value);
    le16_put(at + 2, (uint16_t)(value >> 16));
}

static inline uint16_t le16_get(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t le32_get(const uint8_t *at)
{
    return le16_get(at) | (uint32_t)le16_get(at + 2) << 16;
}

#endif
