/* Bluetooth low energy, as far as it can be heard that it is there. */
#ifndef TAKT_FIRMWARE_HAL_BLUETOOTH_H
#define TAKT_FIRMWARE_HAL_BLUETOOTH_H

#include "protocol/base/error.h"
#include "protocol/formats/hci.h"

struct bluetooth;

/* 100 ms is the shortest interval for what cannot be connected to that every controller has
 * (Core 4.2, vol 2, part E, 7.8.5). */
enum { BLUETOOTH_INTERVAL_MS = 100 };

struct bluetooth_ops {
    /* Advertises the name (1 to HCI_NAME_MAX bytes) every BLUETOOTH_INTERVAL_MS, not connectable,
     * until silence(), the load standby or the power's end. *address: the controller's public
     * one. ERROR_BUSY when another program has the controller, ERROR_MISSING without one. */
    int (*advertise)(struct bluetooth *b, const char *name, char address[HCI_ADDRESS_TEXT],
                     struct error *err);
    int (*silence)(struct bluetooth *b, struct error *err);
};

#endif
