/* What a unit said while it was flashed, from its first byte, and what was done to it: one file a
 * flashing, each line with its time. Bytes that are no text are written as \xNN, so that a line
 * stays a line and nothing a unit says steers a terminal. */
#ifndef TAKT_STATION_FLASH_FLASH_LOG_H
#define TAKT_STATION_FLASH_FLASH_LOG_H

#include <stddef.h>

#include "protocol/base/error.h"

struct flash_log;

/* Made anew; on success close with flash_log_close(). */
int flash_log_open(const char *path, struct flash_log **out, struct error *err);
/* All three do nothing when `log` is NULL. A full disk costs the log, never the flashing. */
void flash_log_close(struct flash_log *log);
/* Bytes as they come from the unit; a line is written when it ends, or 4096 bytes are there. */
void flash_log_heard(struct flash_log *log, const void *data, size_t size);
/* One line of what the station does: "-- erase kernel_a". */
void flash_log_note(struct flash_log *log, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
