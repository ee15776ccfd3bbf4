/* The fastboot protocol, station's side: commands of at most 64 bytes, answered by OKAY, FAIL, DATA
 * or INFO and a text of up to 60 (AOSP system/core/fastboot/README.md; U-Boot doc/android). INFO
 * and TEXT go into the job's log as what the unit said. */
#ifndef TAKT_STATION_FLASH_USB_FASTBOOT_H
#define TAKT_STATION_FLASH_USB_FASTBOOT_H

#include "station/flash/usb/usb_unit.h"

enum { FASTBOOT_COMMAND_MAX = 64, FASTBOOT_ANSWER_MAX = 256 };

struct fastboot {
    struct usb_unit *unit;
    struct flash_log *log;
    uint8_t in, out; /* endpoints */
};

/* The interface of a unit in this stage: FF/42/03 with two bulk endpoints. NULL: it is in another.
 */
const struct usb_interface *fastboot_interface(const struct usb_descriptors *d);

/* Claims it. The unit must outlive it; nothing to close. FLASH_WRONG_STAGE. */
int fastboot_start(struct usb_unit *unit, struct flash_log *log, struct fastboot *out,
                   struct error *err);

/* One command that moves no data. A FAIL is FLASH_UNIT_FAILED with what the unit says of it, which
 * is in `answer` as well: so a caller can tell a command the unit does not know. timeout_ms: until
 * the last answer's next one; the times of the unit say how long it may erase. */
int fastboot_command(struct fastboot *f, const char *command, int timeout_ms,
                     char answer[FASTBOOT_ANSWER_MAX], struct error *err);
/* "" when the unit does not know the variable. */
int fastboot_getvar(struct fastboot *f, const char *name, char value[FASTBOOT_ANSWER_MAX],
                    struct error *err);
/* max-download-size; 0 when the unit tells none. */
int fastboot_download_limit(struct fastboot *f, uint64_t *bytes, struct error *err);

/* s->bytes of data into the unit's memory. s->what and s->timeout_ms are set here. */
int fastboot_download(struct fastboot *f, struct usb_stream *s, struct error *err);

#endif
