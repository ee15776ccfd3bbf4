/* The method "uart": through the console of the unit's boot loader, by its own commands or by a
 * program that it loads (board file: boot.program). */
#ifndef TAKT_STATION_FLASH_UART_UART_H
#define TAKT_STATION_FLASH_UART_UART_H

#include "station/flash/flash.h"

extern const struct flash_method uart_method;

#endif
