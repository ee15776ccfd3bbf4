/* Flashing a unit: what every way of it has in common.
 *
 * A way (flash_methods.h) is handed one job: a board, a bundle that was checked already, the port
 * of one unit. It gets the pieces in the order in which they may be written, boot area last, and
 * keeps four promises: a piece is whole in the unit's memory and its hash right before anything is
 * erased for it; every piece is verified on the unit, bounded to the image; an abort waits for the
 * end of an erase or write; and what the unit said is in the log from its first byte. */
#ifndef TAKT_STATION_FLASH_FLASH_H
#define TAKT_STATION_FLASH_FLASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/formats/board.h"
#include "protocol/formats/bundle.h"
#include "station/flash/flash_log.h"

/* ---- troubles: what went wrong, told apart for those who must act ------------------------- */

enum flash_trouble {
    FLASH_NO_DEVICE,    /* nothing answers at the port: ERROR_MISSING */
    FLASH_WRONG_STAGE,  /* it is there, in a stage this way does not start from: ERROR_STATE */
    FLASH_WRONG_BOARD,  /* it is, or the bundle is for, another board: ERROR_REFUSED */
    FLASH_PERMISSION,   /* the operating system keeps us out; says the udev rule: ERROR_REFUSED */
    FLASH_STALLED,      /* it refused a request: ERROR_REMOTE */
    FLASH_PORT_BUSY,    /* another program holds it: ERROR_BUSY */
    FLASH_NOT_BACK,     /* it did not re-enumerate, or prompt again, in time: ERROR_TIMEOUT */
    FLASH_SILENT,       /* it is there and did not answer in time: ERROR_TIMEOUT */
    FLASH_UNIT_FAILED,  /* it answered with an error of its own: ERROR_REMOTE */
    FLASH_NOT_VERIFIED, /* what was read back is not the image: ERROR_MISMATCH */
    FLASH_GONE,         /* it was there and is not any more: ERROR_CLOSED */
    FLASH_TROUBLES
};

/* Sets the trouble's code, and "TROUBLE: " before the text; returns the code. */
int flash_fail(struct error *err, enum flash_trouble trouble, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "no device", "not verified": as flash_fail() puts it before a text, and as scripts see it. */
const char *flash_trouble_name(enum flash_trouble trouble);

/* ---- pieces ------------------------------------------------------------------------------- */

/* One image and where it goes. */
struct flash_piece {
    const struct bundle_image *image; /* the bundle's */
    const struct board_partition *partition;
    bool boot; /* what the unit starts with: written after all others */
};

/* The bundle's images with their partitions on the board, `slot` ('a' or 'b') for those that have
 * one a slot, in the order to write them: boot area last. Loaders of the boot ROM are left out.
 * ERROR_INPUT when the board has no place for one, or it does not fit. */
int flash_pieces(const struct board *board, const struct bundle_manifest *manifest, char slot,
                 struct flash_piece out[BUNDLE_IMAGES_MAX], size_t *count, struct error *err);

/* ---- the job ------------------------------------------------------------------------------ */

struct flash_progress {
    const char *stage;    /* "waiting for the unit", "loading", "erasing", "writing", "verifying" */
    const char *image;    /* "rootfs"; "" = no image's */
    uint64_t done, total; /* bytes of all that is to be moved in this stage; total 0 = not known */
    double bytes_per_s;   /* since the stage began; 0 = not known */
    double left_s;        /* of this stage; negative = not known */
};

struct flash_job {
    const struct board *board;
    const struct bundle *bundle; /* opened with its key and verified: flash_check() */
    const char *port;            /* the unit's place, as the method says it */
    const char *programs;        /* folder of what runs in the unit's memory and is not flashed: a
                                    board's flasher.uimage; NULL: the method says what it misses */
    /* UART: the station's IPv4 address at which loaders that can get images by TFTP; NULL: over the
     * console. And the unit's, "192.168.7.21/24"; NULL: it asks a DHCP server. */
    const char *tftp, *unit_address;
    int wait_ms;        /* UART: for power and the loader's prompt; 0 = 60 s. USB: for a unit that
                           changes its stage; 0 = 30 s */
    char slot;          /* 'a' or 'b' */
    const bool *cancel; /* may be NULL; looked at between two things that must be whole */
    /* Called a few times a second at most, by one thread at a time; may be NULL. */
    void (*progress)(void *context, const struct flash_progress *p);
    /* Switches the unit off and on: autoboot is caught from power-on. NULL: a person does it when
     * the progress says so, or the unit starts by itself. */
    int (*power_cycle)(void *context, struct error *err);
    void *context;
    struct flash_log *log; /* may be NULL */
};

struct flash_result {
    uint64_t bytes;         /* of all pieces */
    uint64_t sent_bytes;    /* over the wire for them, without what the protocol adds */
    uint64_t written_bytes; /* programmed: less where blank or unchanged blocks were skipped */
    double seconds;         /* from the first byte looked at to the last one verified */
    bool verified;          /* by hash on the unit, every piece; cards: read back, every byte */
};

struct flash_method {
    const char *name;  /* "usb": of `takt flash --method` */
    const char *about; /* one line for people */
    const char *port;  /* what its port looks like: "usb:BUS-PATH, as 1-2.3" */
    const char *done;  /* what success is, for people; NULL: "verified on the unit" */
    int (*write)(const struct flash_job *job, struct flash_result *out, struct error *err);
};

/* Board and bundle against each other, every hash of the bundle, and that all has a place:
 * FLASH_WRONG_BOARD, ERROR_MISMATCH or ERROR_INPUT. Before any unit is touched. */
int flash_check(const struct flash_job *job, struct error *err);

/* ---- progress with rate and time left ----------------------------------------------------- */

/* Counts for a method: reports at most every 100 ms, and the end of a stage always. */
struct flash_meter {
    const struct flash_job *job;
    struct flash_progress now;
    int64_t stage_start_ms, shown_ms;
};

void flash_meter_stage(struct flash_meter *m, const struct flash_job *job, const char *stage,
                       const char *image, uint64_t total);
void flash_meter_at(struct flash_meter *m, uint64_t done);
bool flash_cancelled(const struct flash_job *job);

#endif
