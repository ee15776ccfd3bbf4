/* A flashing card: its files, and what units that were started with it leave on it.
 *
 * The card has one FAT file system in its first partition. A unit adds a record to the report and
 * changes nothing else, so that a card serves any number of units. A record is lines, each
 * NAME=VALUE; it begins with takt_bundle. Boot loaders write them with `env export -t`, which
 * sorts:
 *   takt_bundle=1.4.0 release 12 for ssc337de-nand128, 0123456789abcdef     (card_record_stamp())
 *   takt_result=flashed | failed
 *   takt_unit=chip id or serial number, where whoever wrote this knew one
 *   takt_why=what went wrong
 *   takt_written=kernel_a rootfs_a     what was not there already */
#ifndef TAKT_PROTOCOL_FORMATS_CARD_RECORD_H
#define TAKT_PROTOCOL_FORMATS_CARD_RECORD_H

#include <stdbool.h>

#include "protocol/formats/bundle.h"

#define CARD_BUNDLE "takt.bin"
#define CARD_REPORT "takt.txt"

enum {
    CARD_STAMP_MAX = 128,
    CARD_REPORT_MAX = 1 << 20, /* bytes; some ten thousand units */
};

struct card_record {
    char bundle[CARD_STAMP_MAX];
    char unit[64];
    char why[256];
    char written[192];
    bool flashed;
};

/* Which bundle: version, release, board and the first 8 bytes of its signed manifest's SHA-256. */
void card_record_stamp(const struct bundle *b, char out[CARD_STAMP_MAX]);

/* The record that begins at or behind *at of a report's `size` bytes; *at is moved behind it. False
 * when there is none. Lines that are none of a record's are passed over. */
bool card_record_next(const char *report, size_t size, size_t *at, struct card_record *out);

/* Adds a record to the report, on the card when this returns. What is no text is left out. */
int card_record_add(const char *path, const struct card_record *record, struct error *err);

#endif
