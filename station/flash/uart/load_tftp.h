/* Bytes into a unit's memory by TFTP: the boot loader is told on its console to fetch them from a
 * server that the station has for just that file and that while. */
#ifndef TAKT_STATION_FLASH_UART_LOAD_TFTP_H
#define TAKT_STATION_FLASH_UART_LOAD_TFTP_H

#include "station/flash/uart/load.h"

/* Before the unit is touched: that the board's loader has a network, the unit's address is one, and
 * the server can be had. ERROR_INPUT, ERROR_BUSY or ERROR_REFUSED (tftp_server_start()). */
int load_tftp_check(const struct flash_job *job, struct error *err);

/* FLASH_UNIT_FAILED with what the loader printed when it did not get it. That it is right in memory
 * is for load_bytes() to see. The job's progress comes from the server's thread meanwhile. */
int load_by_tftp(struct loader *c, const struct flash_job *job, const struct load *load,
                 struct flash_meter *meter, uint64_t meter_base, struct error *err);

#endif
