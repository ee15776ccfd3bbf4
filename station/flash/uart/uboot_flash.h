/* Flashing by the boot loader's own commands, as the board file says them: load, sum up, erase,
 * write, read back, sum up. What a board without a program for its memory is flashed with. */
#ifndef TAKT_STATION_FLASH_UART_UBOOT_FLASH_H
#define TAKT_STATION_FLASH_UART_UBOOT_FLASH_H

#include "station/flash/uart/loader.h"

/* A command of the board file for a stretch of the flash, its placeholders filled in. ERROR_INPUT
 * when it does not fit. */
int uboot_flash_command(const struct board *board, const char *form, uint64_t memory,
                        uint64_t flash_offset, uint64_t bytes, char *out, size_t out_size,
                        struct error *err);

/* How much is loaded and written at once: a quarter of the memory from load_address on, in whole
 * erase blocks; a second such stretch takes what is read back. */
uint64_t uboot_flash_window(const struct board *board);

/* All pieces, at the loader's prompt. What the flash holds already is not sent again, so that a
 * flashing broken off goes on where it was. */
int uboot_flash_write(struct loader *c, const struct flash_job *job,
                      const struct flash_piece *pieces, size_t count, struct flash_result *out,
                      struct error *err);

#endif
