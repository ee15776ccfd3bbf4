/* Bytes from the station into a unit's memory, told on its boot loader's console: `loady`, or
 * `loadx` where the loader has no other, at the board's raised rate where line and board have one;
 * or `tftpboot` from a server of the station's own, where the job has an address for it. */
#ifndef TAKT_STATION_FLASH_UART_LOAD_H
#define TAKT_STATION_FLASH_UART_LOAD_H

#include "station/flash/uart/loader.h"

struct load {
    uint64_t address; /* in the unit's memory */
    const uint8_t *data;
    size_t size;
    const char *name; /* what the loader shows */
};

/* Whole in memory and its CRC-32, as the loader computes it, that of `data`: else
 * FLASH_NOT_VERIFIED after three tries. `meter` may be NULL and is at `meter_base` bytes when it
 * begins. Broken off, the loader is back at its prompt and its rate. */
int load_bytes(struct loader *c, const struct flash_job *job, const struct load *load,
               struct flash_meter *meter, uint64_t meter_base, struct error *err);

/* The loader's `crc32` of its memory. */
int load_crc32(struct loader *c, uint64_t address, uint64_t size, uint32_t *out, struct error *err);

#endif
