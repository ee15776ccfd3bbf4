/* The station's end of protocol/wire/flasher.h: requests, and a stream of data with a window. */
#ifndef TAKT_STATION_FLASH_UART_FLASHER_LINK_H
#define TAKT_STATION_FLASH_UART_FLASHER_LINK_H

#include "protocol/wire/flasher.h"
#include "station/flash/uart/loader.h"

struct flasher_link {
    struct loader *line;
    uint8_t tag;
    uint8_t heard[2 * FLASHER_FRAME_MAX];
    size_t used;
    unsigned long resent; /* frames of data that were sent again */
};

/* One request and its answer, whose content is copied to `out` (room for FLASHER_CONTENT_MAX) and
 * its size to *out_bytes. `busy` is told of a WRITE's progress; may be NULL. A status other than
 * FLASHER_DONE is FLASH_UNIT_FAILED, or FLASH_NOT_VERIFIED where something compared unequal.
 * FLASH_SILENT: nothing came for `quiet_ms`, the request repeated meanwhile. */
int flasher_link_request(struct flasher_link *l, uint8_t kind, uint32_t offset, const void *content,
                         size_t bytes, int quiet_ms, uint8_t *out, size_t *out_bytes,
                         void (*busy)(void *context, uint32_t done), void *context,
                         struct error *err);

/* Bytes into the staging memory from `offset` on. `sent` is told what the unit has; may be NULL.
 * ERROR_CANCELLED when `cancel` (may be NULL) says so: the unit can go on with another OPEN. */
int flasher_link_stream(struct flasher_link *l, uint32_t offset, const uint8_t *data, size_t size,
                        const bool *cancel, void (*sent)(void *context, size_t bytes),
                        void *context, struct error *err);

#endif
