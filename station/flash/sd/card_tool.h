/* A program of the machine's, run to its end: the tools that make and read a card's file system. */
#ifndef TAKT_STATION_FLASH_SD_CARD_TOOL_H
#define TAKT_STATION_FLASH_SD_CARD_TOOL_H

#include "protocol/base/buffer.h"
#include "protocol/base/error.h"

/* argv ends with NULL; argv[0] is looked for in PATH and in /usr/sbin. What it prints is appended
 * to `out`, bounded by its limit, or thrown away (NULL). ERROR_MISSING naming the Debian package
 * when there is no such program, ERROR_IO with its last line of complaint when it fails. */
int card_tool_run(const char *const argv[], const char *package, struct buffer *out,
                  struct error *err);

#endif
