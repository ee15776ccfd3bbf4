/* SCSI over USB's bulk-only transport (usb.org, usbmassbulk_10.pdf): one command, its data, its
 * status. The command block wrapper is 31 bytes, the status wrapper 13. */
#ifndef TAKT_STATION_FLASH_USB_SCSI_H
#define TAKT_STATION_FLASH_USB_SCSI_H

#include "station/flash/usb/usb_unit.h"

struct scsi {
    struct usb_unit *unit;
    uint8_t in, out;
    uint32_t tag;
};

struct scsi_command {
    const char *what; /* names it in messages */
    uint8_t block[16];
    uint8_t block_bytes;
    void *data;
    uint32_t bytes; /* of data */
    bool from_unit;
    int timeout_ms;
};

/* The interface 08/06/50; NULL: none. */
const struct usb_interface *scsi_interface(const struct usb_descriptors *d);
/* Claims it: the kernel's usb-storage is detached. */
int scsi_start(struct usb_unit *unit, struct scsi *out, struct error *err);
/* How many bytes of data were moved. FLASH_UNIT_FAILED when the status is not "passed"; a stalled
 * data phase is cleared and the status read, as the standard has it. */
int scsi_run(struct scsi *s, const struct scsi_command *c, struct error *err);

#endif
