/* Which port is which slot: units are plugged in one after another, and each new one's place is the
 * next slot's. */
#ifndef TAKT_STATION_FLASH_USB_USB_LEARN_H
#define TAKT_STATION_FLASH_USB_USB_LEARN_H

#include "station/flash/usb/usb_unit.h"

enum { USB_PORTS_MAX = 256 };

struct usb_learn {
    const struct board *board; /* only devices that are a stage of it count; NULL: all but hubs */
    struct usb_port seen[USB_PORTS_MAX];
    size_t seen_count;
};

/* What is there now is nobody's: keyboards, hubs, units that are to be plugged in again. */
int usb_learn_start(struct usb_learn *l, const struct board *board, struct error *err);
/* Waits for a device at a port that had none, and that stays: a unit that bounces in its socket, or
 * changes its stage, is one unit. ERROR_CANCELLED when *cancel becomes true; ERROR_TIMEOUT. */
int usb_learn_next(struct usb_learn *l, int timeout_ms, const bool *cancel, struct usb_port *out,
                   struct error *err);

#endif
