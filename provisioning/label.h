/* The label of a unit as ZPL II: what a Zebra printer prints, 50 x 30 mm at 203 dpi (8 dots/mm).
 *
 * Made from committed data alone: the caller reads it back from the store. Pure. */
#ifndef TAKT_PROVISIONING_LABEL_H
#define TAKT_PROVISIONING_LABEL_H

#include <stdbool.h>

#include "protocol/base/buffer.h"
#include "protocol/base/error.h"

enum { LABEL_TEXT_MAX = 64, LABEL_SETUP_MAX = 256 };

struct label {
    const char *product, *did, *mac, *serial;
    const char *setup; /* what the app scans to set the camera up: the content of the QR code */
};

/* Appends one label, ^XA to ^XZ, in UTF-8 (^CI28). Bytes that could be commands, and all but plain
 * ASCII, go as ^FH hex, so no text leaves its field. ERROR_INPUT for an empty did, mac, serial or
 * setup, or a text longer than its maximum. */
int label_zpl(const struct label *l, struct buffer *out, struct error *err);

/* Whether a code that was read is this label's: its setup text, or its serial alone. To the letter.
 */
enum label_code { LABEL_SETUP, LABEL_SERIAL };
bool label_is(const struct label *l, const char *code, enum label_code holds);

#endif
