/* Flashing over the network: a rack of units that run the RAM flasher (firmware/cast), each loaded
 * by whatever way its boot loader has, or one of them. The port is where they listen:
 *
 *     GROUP-OR-ADDRESS[:PORT][@OUR-ADDRESS][/UNITS]     239.255.84.70@192.168.7.1/32
 *
 * Without /UNITS whoever comes within NETWORK_GATHER_MS is flashed; with it less than so many is a
 * failure. What every unit said is in the job's log, with its chip id. */
#ifndef TAKT_STATION_FLASH_NETWORK_NETWORK_H
#define TAKT_STATION_FLASH_NETWORK_NETWORK_H

#include "station/flash/flash.h"
#include "station/flash/network/cast_sender.h"

enum {
    NETWORK_WAIT_MS = 60000,  /* for the first unit */
    NETWORK_GATHER_MS = 3000, /* for others behind it */
    NETWORK_UNITS_MS = 60000, /* when it was said how many there are */
};

struct network_port {
    char address[16]; /* IPv4 */
    uint16_t port;
    char ours[16]; /* of the interface; "" = as routed */
    size_t units;  /* 0 = whoever comes */
};

/* ERROR_INPUT with what was expected. */
int network_port_parse(const char *text, struct network_port *out, struct error *err);

extern const struct flash_method network_method;

#endif
