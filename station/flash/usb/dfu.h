/* USB Device Firmware Upgrade 1.1, station's side (usb.org, DFU_1.1.pdf): all of it goes over
 * control requests to an interface; what is written where is an alternate setting (or an interface)
 * with the partition's name.
 *
 * As the boot loaders of cameras do it: a request may take as long as an erase, since the unit
 * keeps the control endpoint while it empties its buffer, so the busy time bounds every one of
 * them; and SET_INTERFACE is sent for alternate 0 too. */
#ifndef TAKT_STATION_FLASH_USB_DFU_H
#define TAKT_STATION_FLASH_USB_DFU_H

#include "station/flash/usb/usb_unit.h"

enum dfu_state { /* DFU 1.1, 6.1.2 */
                 DFU_APP_IDLE,
                 DFU_APP_DETACH,
                 DFU_IDLE,
                 DFU_DNLOAD_SYNC,
                 DFU_DNBUSY,
                 DFU_DNLOAD_IDLE,
                 DFU_MANIFEST_SYNC,
                 DFU_MANIFEST,
                 DFU_MANIFEST_WAIT_RESET,
                 DFU_UPLOAD_IDLE,
                 DFU_ERROR,
};

struct dfu {
    struct usb_unit *unit;
    struct flash_log *log;
    uint8_t interface;
    uint8_t attributes;
    uint16_t transfer_bytes;
    char name[64]; /* of the place, as the unit says it */
};

bool dfu_is(const struct usb_descriptors *d); /* FE/01/02: in DFU, not in its application */

/* Opens the place of that name and brings it to dfuIDLE. ERROR_MISSING when the unit has none such:
 * names those there are. Nothing to close. */
int dfu_start(struct usb_unit *unit, struct flash_log *log, const char *name, struct dfu *out,
              struct error *err);

/* The place's bytes from its first on, `s->bytes` of them, to the end of the unit's writing:
 * s->what and s->timeout_ms are not used. Not stopped on its way: the place would be half written.
 */
int dfu_download(struct dfu *d, const struct usb_stream *s, struct error *err);

/* Reads the place from its first byte, in blocks, until `take` says enough or it ends. */
struct dfu_upload {
    /* 1: enough; 0: more; or an error. */
    int (*take)(void *context, const uint8_t *data, size_t size, struct error *err);
    void *context;
};
int dfu_upload(struct dfu *d, const struct dfu_upload *to, struct error *err);
bool dfu_can_upload(const struct dfu *d);

#endif
