/* Flashing through a program in the unit's memory (firmware/flasher): where the boot loader cannot
 * write the flash, or not fast. The loader loads and starts it; then images stream at the line's
 * rate, unchanged chunks are not sent, and the loader is gone back to at the end. */
#ifndef TAKT_STATION_FLASH_UART_FLASHER_CLIENT_H
#define TAKT_STATION_FLASH_UART_FLASHER_CLIENT_H

#include "station/flash/uart/loader.h"

/* From the loader's prompt to its prompt; all pieces written and verified. */
int flasher_client_write(struct loader *c, const struct flash_job *job,
                         const struct flash_piece *pieces, size_t count, struct flash_result *out,
                         struct error *err);

#endif
