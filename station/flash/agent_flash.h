/* Flashing through the factory agent: a bundle's images into the slot that is not running.
 *
 * The unit checks the manifest's signature and every chunk's hash before it writes; afterwards it
 * hashes what the flash really holds, and the new slot is activated on trial only when every image
 * compares. Cut off anywhere, the running slot is untouched; started again, chunks that are there
 * already are not written twice. */
#ifndef TAKT_STATION_FLASH_AGENT_FLASH_H
#define TAKT_STATION_FLASH_AGENT_FLASH_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/formats/bundle.h"
#include "protocol/wire/session.h"

struct agent_flash {
    const struct bundle *bundle; /* opened with its key */
    int timeout_ms;              /* for one image's transfer, and for its hash */
    const bool *cancel;          /* may be NULL */
    /* Called as bytes leave, from the thread that flashes; may be NULL. */
    void (*progress)(void *context, const char *image, uint64_t sent, uint64_t total);
    void *context;
};

struct agent_flash_result {
    char slot[2];           /* "a" or "b": now on trial */
    uint64_t bytes;         /* of all images that were sent */
    uint64_t written_bytes; /* as the unit says: less when chunks were there already */
    uint64_t skipped_chunks;
    double seconds;        /* transfer and writing, without the hashing */
    bool hashes_match;     /* every image's hash as read from the flash is the manifest's */
    char passed_over[128]; /* images the unit has no place for, a boot ROM's loaders: "usb_spl" */
};

/* 0 also when a hash does not match: then nothing was activated. */
int agent_flash_write(struct session *session, const struct agent_flash *job,
                      struct agent_flash_result *out, struct error *err);

#endif
