/* takt flash --learn: which USB port is which slot. */
#ifndef TAKT_STATION_CLI_FLASH_LEARN_H
#define TAKT_STATION_CLI_FLASH_LEARN_H

#include <stdbool.h>

/* Asks for `slots` units one after another and prints each slot's port, as JSON or a line each.
 * `board`: a board's name or file, whose stages alone count; NULL: any device. The exit status. */
int cli_flash_learn(const char *board, int slots, bool json);

#endif
