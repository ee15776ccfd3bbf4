/* CRC-32C (Castagnoli; polynomial 0x1EDC6F41 reflected, RFC 3720 appendix B.4): what guards every
 * frame. crc32c(0, "123456789", 9) is 0xE3069283. */
#ifndef TAKT_PROTOCOL_WIRE_CRC32C_H
#define TAKT_PROTOCOL_WIRE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* `crc` is 0 to begin with, or the result so far to go on. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

#endif
