/* What a USB device says of itself, read from the bytes of its descriptors (USB 2.0, 9.5 and 9.6;
 * DFU 1.1, 4.1.3). Pure: the bytes come from outside and may be anything. */
#ifndef TAKT_STATION_FLASH_USB_USB_DESCRIPTORS_H
#define TAKT_STATION_FLASH_USB_USB_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum { USB_INTERFACES_MAX = 32, USB_ENDPOINTS_MAX = 4 };

struct usb_endpoint {
    uint8_t address; /* 0x81: bit 7 set = to the station */
    uint8_t kind;    /* of its attributes: 2 = bulk */
    uint16_t packet_bytes;
};

struct usb_interface { /* one alternate setting of one interface */
    uint8_t number, alternate, class_, subclass, protocol;
    uint8_t name_index; /* of its string; 0 = none */
    size_t endpoint_count;
    struct usb_endpoint endpoints[USB_ENDPOINTS_MAX];
    bool has_dfu;                /* the three below are told */
    uint8_t dfu_attributes;      /* bits 0 download, 1 upload, 2 tolerant, 3 will detach */
    uint16_t dfu_transfer_bytes; /* wTransferSize */
    uint16_t dfu_version;        /* 0x0110; 0x011a = DfuSe */
};

struct usb_descriptors {
    uint16_t vendor, product, device_version;
    uint8_t product_index; /* of its string; 0 = none */
    uint8_t configuration; /* value of the first one, whose interfaces these are */
    size_t interface_count;
    struct usb_interface interfaces[USB_INTERFACES_MAX];
};

/* `data` is a device descriptor with its configurations behind it, as the kernel keeps them.
 * ERROR_PROTOCOL when they are cut short or contradict themselves. More alternate settings and
 * endpoints than there is room for are passed over. */
int usb_descriptors_parse(const void *data, size_t size, struct usb_descriptors *out,
                          struct error *err);

/* The first interface of that class; NULL when there is none. */
const struct usb_interface *usb_find_interface(const struct usb_descriptors *d, uint8_t class_,
                                               uint8_t subclass, uint8_t protocol);
/* The interface's first bulk endpoint to the station (`in`) or to the unit; NULL: none. */
const struct usb_endpoint *usb_find_bulk(const struct usb_interface *i, bool in);

#endif
