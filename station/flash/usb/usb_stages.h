/* What a unit on USB may be in when it is flashed: one row a stage, told from its descriptors. A
 * boot ROM's row loads the next stage and waits for it; fastboot's and DFU's write the flash. */
#ifndef TAKT_STATION_FLASH_USB_USB_STAGES_H
#define TAKT_STATION_FLASH_USB_USB_STAGES_H

#include "station/flash/usb/usb_unit.h"

struct usb_flashing {
    const struct flash_job *job;
    struct usb_unit *unit;
    struct flash_result *out;
};

struct usb_stage {
    const char *name; /* "fastboot" */
    bool (*at)(const struct board *board, const struct usb_descriptors *d);
    /* 0: the unit is in its next stage (`last` false) or done. */
    int (*run)(struct usb_flashing *f, struct error *err);
    bool last; /* it writes the flash */
};

extern const struct usb_stage usb_fastboot, usb_dfu, usb_ingenic_rom, usb_sigmastar;

/* Ends with NULL; the first that fits is the unit's. */
extern const struct usb_stage *const usb_stages[];

/* An image's bytes at an offset: exactly `size`, or an error. */
int usb_image_read(const struct bundle *bundle, const struct bundle_image *image, uint64_t offset,
                   void *data, size_t size, struct error *err);
/* SHA-256 over a window of an image. */
int usb_image_hash(const struct bundle *bundle, const struct bundle_image *image, uint64_t offset,
                   uint64_t size, uint8_t out[DIGEST_BYTES], struct error *err);

/* An image of the bundle that goes into the unit's memory alone: `index` of the board file's
 * usb.loaders. Whole in memory here; free() it. FLASH_WRONG_BOARD when board or bundle has none. */
int usb_loader_image(const struct usb_flashing *f, size_t index, uint8_t **out, size_t *bytes,
                     struct error *err);

/* A command of the board file with its placeholders filled in; false: it has none such. */
bool usb_loader_command(const struct board *board, const char *command, uint64_t flash_offset,
                        uint64_t bytes, char *out, size_t room);

#endif
