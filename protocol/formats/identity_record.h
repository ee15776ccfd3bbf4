/* A unit's identity as it lies in the flash, at the start of an erase block: two copies in the two
 * blocks of the partition "identity".
 *
 *     0   4  "TKID"                     76  64  key, zeros behind it
 *     4   2  format, 1 or 2            140  33  serial, zeros behind it
 *     6   2  flags; bit 0: locked      173   1  size of the key, 0 to 64
 *     8   4  sequence                  174  78  zeros
 *    12  33  DID, zeros behind it      252   4  CRC-32C of bytes 0..251
 *    45   6  MAC                       256      format 1: erased flash
 *    51  25  zeros
 *
 * Format 2 is of a unit that made its key itself (unit_key.h); behind the same beginning it has
 *
 *   256   2  size of the certificate, 0 while it is not signed yet
 *   258   2  zeros
 *   260 1024 certificate (X.509, DER), zeros behind it
 *  1532   4  CRC-32C of bytes 0..1531
 *
 * Numbers are little-endian. Each write raises the sequence and goes to the older copy first, so a
 * power cut leaves the old or the new identity whole. Pure: bytes in, bytes out. */
#ifndef TAKT_PROTOCOL_FORMATS_IDENTITY_RECORD_H
#define TAKT_PROTOCOL_FORMATS_IDENTITY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"
#include "protocol/formats/unit_key.h"

enum {
    IDENTITY_RECORD_BYTES = 1536,
    IDENTITY_DID_MAX = 32, /* characters */
    IDENTITY_SERIAL_MAX = 32,
    IDENTITY_KEY_MAX = 64, /* bytes */
};

struct identity_record {
    uint32_t sequence; /* of the write, from 1 */
    bool locked;       /* factory mode is closed for good */
    char did[IDENTITY_DID_MAX + 1];
    uint8_t mac[6];
    uint8_t key[IDENTITY_KEY_MAX];
    size_t key_bytes;
    char serial[IDENTITY_SERIAL_MAX + 1];
    bool made_here;                            /* the key is the unit's own and never leaves it */
    uint8_t certificate[UNIT_CERTIFICATE_MAX]; /* of that key */
    size_t certificate_bytes;
};

void identity_record_encode(const struct identity_record *record,
                            uint8_t out[IDENTITY_RECORD_BYTES]);
/* ERROR_MISSING when the bytes are erased flash (all 0xFF), ERROR_MISMATCH when they are damaged or
 * half-written, ERROR_INPUT when they are whole but of another format. */
int identity_record_decode(const uint8_t in[IDENTITY_RECORD_BYTES], struct identity_record *out,
                           struct error *err);

/* "02:ab:..." with any case of letters; ERROR_INPUT unless it is the address of one assigned
 * device: not a group's, not all zeros. */
int identity_mac_parse(const char *text, uint8_t mac[6], struct error *err);
void identity_mac_format(const uint8_t mac[6], char out[18]); /* lower-case, colons */

#endif
