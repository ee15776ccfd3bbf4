/* The method "usb": whatever stage the unit at the port is in, it is led to the one that writes. */
#ifndef TAKT_STATION_FLASH_USB_USB_FLASH_H
#define TAKT_STATION_FLASH_USB_USB_FLASH_H

#include "station/flash/flash.h"

extern const struct flash_method usb_flash_method;

#endif
