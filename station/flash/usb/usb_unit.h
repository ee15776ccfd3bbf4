/* One unit on USB: whatever device is at one port of this machine.
 *
 * Units have no serial number before they are given one, and change their ids with their stage, so
 * a unit is its bus and port path. It is found under that name in the kernel's device tree
 * (/sys/bus/usb/devices/1-2.3) and opened by its node: nothing else on the bus is touched, no list
 * of devices is kept, and any number of units may be worked on at once, in threads and in
 * processes. One thread uses one struct usb_unit.
 *
 * Every failure is one of flash.h's troubles. */
#ifndef TAKT_STATION_FLASH_USB_USB_UNIT_H
#define TAKT_STATION_FLASH_USB_USB_UNIT_H

#include "station/flash/flash.h"
#include "station/flash/usb/usb_descriptors.h"

struct usb_port {
    char name[40]; /* "1-2.3": bus 1, its port 2, port 3 of the hub there */
};

/* "usb:1-2.3". ERROR_INPUT says what was expected. */
int usb_port_parse(const char *text, struct usb_port *out, struct error *err);

/* Three times that have nothing to do with each other: an answer to a request, a unit that is busy
 * (erasing, writing, starting a stage), and a unit that is away between two stages. */
struct usb_times {
    int control_ms, busy_ms, return_ms;
};
#define USB_TIMES ((struct usb_times){.control_ms = 5000, .busy_ms = 30000, .return_ms = 30000})

/* What is at the port now; needs no rights. FLASH_NO_DEVICE. `number` (may be NULL) is the
 * device's on its bus: another one after each re-enumeration. */
int usb_look(const struct usb_port *port, struct usb_descriptors *out, int *number,
             struct error *err);

struct usb_unit;

/* Waits `wait_ms` for a device at the port and opens it. `job` (its cancel and log) must outlive
 * the unit. On success close with usb_close(). FLASH_NO_DEVICE, FLASH_PERMISSION with the udev
 * rule. */
int usb_open(const struct usb_port *port, const struct usb_times *times,
             const struct flash_job *job, int wait_ms, struct usb_unit **out, struct error *err);
void usb_close(struct usb_unit *u); /* NULL is fine */

const struct usb_descriptors *usb_unit_descriptors(const struct usb_unit *u);
const struct usb_times *usb_unit_times(const struct usb_unit *u);
const char *usb_unit_name(const struct usb_unit *u); /* "1-2.3" */

/* Waits until another device than the one before stands at the port and opens it: the unit in its
 * next stage. FLASH_NOT_BACK after return_ms. The old one's interfaces are given up first; before
 * this is called nothing may be under way. */
int usb_await_return(struct usb_unit *u, struct error *err);

/* The kernel's driver is detached first (usb-storage takes boot ROMs). FLASH_PORT_BUSY. The
 * alternate setting is set even when it is 0: gadgets with several wait for it. */
int usb_claim(struct usb_unit *u, uint8_t interface, struct error *err);
int usb_set_alternate(struct usb_unit *u, uint8_t interface, uint8_t alternate, struct error *err);

/* A control transfer; returns how many bytes were moved, or an error. FLASH_STALLED when the unit
 * refused it, FLASH_SILENT after timeout_ms. `what` names it in messages. */
struct usb_request {
    const char *what; /* "DFU GETSTATUS" */
    uint8_t type, request;
    uint16_t value, index;
    int timeout_ms; /* 0 = control_ms */
};
int usb_control(struct usb_unit *u, const struct usb_request *r, void *data, uint16_t size,
                struct error *err);
/* A string of the device, as ASCII with '?' for the rest; "" for index 0. */
int usb_string(struct usb_unit *u, uint8_t index, char *out, size_t out_size, struct error *err);

/* One bulk transfer; returns how many bytes were moved: fewer than `size` when the unit sent a
 * short packet. */
int usb_bulk(struct usb_unit *u, uint8_t endpoint, const char *what, void *data, size_t size,
             int timeout_ms, struct error *err);
int usb_clear_halt(struct usb_unit *u, uint8_t endpoint, struct error *err);

/* Many bytes to the unit, several transfers in flight, the next ones read meanwhile. */
struct usb_stream {
    const char *what;
    uint64_t bytes;
    int timeout_ms; /* of one transfer: how long the unit may take none */
    /* Fills data with exactly `size` more bytes: 0 or an error, which ends the stream. */
    int (*read)(void *context, void *data, size_t size, struct error *err);
    void (*sent)(void *context, uint64_t bytes); /* so many until now; may be NULL */
    void *context;
};
int usb_stream_out(struct usb_unit *u, uint8_t endpoint, const struct usb_stream *s,
                   struct error *err);

#endif
