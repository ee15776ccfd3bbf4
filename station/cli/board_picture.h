/* A board for people: what it is made of, and its flash as a map. */
#ifndef TAKT_STATION_CLI_BOARD_PICTURE_H
#define TAKT_STATION_CLI_BOARD_PICTURE_H

#include <stdio.h>

#include "protocol/formats/board.h"

/* At most 80 columns of ASCII but for what the board file itself says. */
void board_picture(const struct board *b, FILE *out);

#endif
